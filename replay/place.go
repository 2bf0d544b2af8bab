package replay

import (
	"net/netip"
	"slices"

	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// place is an end of a flow as it is now.
type place struct {
	end flow.End
	// found is false if the end is gone and nothing is like it; then only end
	// and group say anything.
	found bool
	is4   bool
	id    verdict.EndpointID
	kind  kindID
	group string
}

// kind is what decisions depend on of an end. Two states have it each in its own
// way, so all that differs in either is a kind of its own.
type kind struct {
	family  int
	classes [2]table.ClassID
	// sets are what polices the end, by state and direction; nil for nothing.
	sets [2][2]*table.Set
}

type kindID uint32

// maxPlaces bounds how many ends are remembered.
const maxPlaces = 1 << 17

// places finds ends, each once.
type places struct {
	state  *model.State
	tables [2]*table.Tables
	// alike are pods by namespace and labels.
	alike map[[2]string][]*model.Endpoint
	// byAddress are the ends that were asked for: hashing an address is a tenth of
	// hashing an end, and few ends share one.
	byAddress map[netip.Addr][]*place
	count     int
	kinds     []kind
	numbers   map[kind]kindID
}

func newPlaces(s *model.State, tables [2]*table.Tables) places {
	p := places{state: s, tables: tables, alike: map[[2]string][]*model.Endpoint{}, byAddress: map[netip.Addr][]*place{}, numbers: map[kind]kindID{}}
	for _, e := range s.SortedEndpoints() {
		if e.ID.Kind == verdict.Pod {
			k := [2]string{e.ID.Namespace, flow.Labels(e.Labels)}
			p.alike[k] = append(p.alike[k], e)
		}
	}
	return p
}

// of returns the place of an end.
func (p *places) of(e flow.End) *place {
	list := p.byAddress[e.Address]
	for i, at := range list {
		if at.end == e {
			list[0], list[i] = list[i], list[0] // the one that has it now is asked for most
			return at
		}
	}
	if p.count++; p.count > maxPlaces {
		clear(p.byAddress)
		p.count, list = 1, nil
	}
	at := p.find(e)
	p.byAddress[e.Address] = append(list, at)
	return at
}

func (p *places) find(e flow.End) *place {
	at := &place{end: e, group: e.Group()}
	var address netip.Addr
	if address, at.id, at.found = p.now(e); !at.found {
		return at
	}
	at.is4 = address.Is4()
	k := kind{family: table.Family(address)}
	for i, t := range p.tables {
		k.classes[i] = t.Class(address)
		policed := t.Endpoints[at.id]
		if policed == nil {
			continue
		}
		for _, d := range []verdict.Direction{verdict.Egress, verdict.Ingress} {
			k.sets[i][d] = t.Sets[policed.SetFor(d, address)]
		}
	}
	n, ok := p.numbers[k]
	if !ok {
		n = kindID(len(p.kinds))
		p.kinds = append(p.kinds, k)
		p.numbers[k] = n
	}
	at.kind = n
	return at
}

// now finds an end as it is now: itself, or, if it is gone, one of its namespace
// with its labels.
func (p *places) now(e flow.End) (netip.Addr, verdict.EndpointID, bool) {
	switch e.Kind {
	case flow.Host:
		id := verdict.EndpointID{Kind: verdict.Host, Name: e.Name}
		if p.state.Endpoints[id] == nil {
			id = verdict.EndpointID{}
		}
		return e.Address, id, true
	case flow.Pod:
		id := verdict.EndpointID{Kind: verdict.Pod, Namespace: e.Namespace, Name: e.Name}
		list := p.alike[[2]string{e.Namespace, e.Labels}]
		if now := p.state.Endpoints[id]; now != nil {
			list = append([]*model.Endpoint{now}, list...)
		}
		for _, now := range list {
			if slices.Contains(now.Addrs, e.Address) {
				return e.Address, now.ID, true
			}
		}
		for _, now := range list {
			for _, a := range now.Addrs {
				if a.Is4() == e.Address.Is4() {
					return a, now.ID, true
				}
			}
		}
		return netip.Addr{}, verdict.EndpointID{}, false
	}
	return e.Address, verdict.EndpointID{}, true
}
