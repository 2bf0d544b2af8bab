package compile

import (
	"net/netip"
	"unique"

	"github.com/tierwall/tierwall/verdict"
)

// byName finds endpoints by their ids. There are as many as there are pods, so
// what an entry takes counts: a namespace's name is kept once.
type byName map[endpointName]int32

type endpointName struct {
	namespace unique.Handle[string]
	name      string
}

// hostNamespace stands for host endpoints, which have none. No namespace is
// called so.
const hostNamespace = "\x00host"

func nameOf(id verdict.EndpointID) endpointName {
	if id.Kind == verdict.Host {
		return endpointName{unique.Make(hostNamespace), id.Name}
	}
	return endpointName{unique.Make(id.Namespace), id.Name}
}

// byAddress finds endpoints by their addresses. Most are IPv4, which take a
// quarter of the room by themselves.
type byAddress struct {
	v4 map[[4]byte]int32
	v6 map[netip.Addr]int32
}

func newByAddress() byAddress {
	return byAddress{map[[4]byte]int32{}, map[netip.Addr]int32{}}
}

func (m *byAddress) get(a netip.Addr) (i int32, ok bool) {
	if a.Is4() {
		i, ok = m.v4[a.As4()]
	} else {
		i, ok = m.v6[a]
	}
	return i, ok
}

func (m *byAddress) put(a netip.Addr, i int32) {
	if a.Is4() {
		m.v4[a.As4()] = i
	} else {
		m.v6[a] = i
	}
}

func (m *byAddress) remove(a netip.Addr) {
	if a.Is4() {
		delete(m.v4, a.As4())
	} else {
		delete(m.v6, a)
	}
}

func (m *byAddress) len() int { return len(m.v4) + len(m.v6) }
