package analysis

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// party is one end of connections: endpoints or addresses that are policed by
// the same sets and in the same classes, before and after.
type party struct {
	partyKey
	refs  []string
	nodes []string // of each of refs; nil for addresses
	// example is an address; empty for endpoints.
	example string
	count   map[string]int // of refs on each node
}

// partyKey is what the members of a party have in common.
type partyKey struct {
	kind PreviewKind
	// namespace is that of pods, where those of several are kept apart.
	namespace string
	// node is set for hosts that are not alike for the pods on them: those
	// with a host endpoint, and closed ones.
	node string
	// closed says that the host's own pods are kept from it.
	closed bool
	facets [2]facet
}

// facet is what concerns one address family.
type facet struct {
	has     bool
	class   classPair
	sides   [2]sidePair
	classAt int
	sideAt  [2]int
}

// home is the node that all its members are on; empty if there is none.
func (p *party) home() string {
	if len(p.count) == 1 {
		return p.nodes[0]
	}
	return ""
}

func (p *party) allOn(node string) bool  { return node != "" && p.count[node] == len(p.nodes) }
func (p *party) someOn(node string) bool { return node != "" && p.count[node] > 0 }

// gathering sorts ends into parties.
type gathering struct {
	state  *model.State
	tables [2]*table.Tables
	byKey  map[partyKey]*party
	all    []*party
}

// gather sorts all ends of connections in a state: pods, then hosts, then the
// addresses that are none of these. Pods of several namespaces are kept apart if
// that is asked for.
func gather(s *model.State, tables [2]*table.Tables, byNamespace bool) *gathering {
	g := &gathering{state: s, tables: tables, byKey: map[partyKey]*party{}}
	var hosts []*model.Endpoint
	for _, e := range s.SortedEndpoints() {
		if e.ID.Kind == verdict.Host {
			hosts = append(hosts, e)
			continue
		}
		k := partyKey{kind: PreviewPods}
		if byNamespace {
			k.namespace = e.ID.Namespace
		}
		g.face(&k, e.Addrs, func(netip.Addr) *model.Endpoint { return e })
		g.join(k, e.ID.String(), e.Node)
	}
	for _, e := range hosts {
		addrs := e.Addrs
		if n := s.Nodes[e.Node]; n != nil && len(addrs) == 0 {
			addrs = n.Addrs
		}
		if len(addrs) > 0 {
			g.host(e.ID.String(), e.Node, addrs, func(netip.Addr) *model.Endpoint { return e })
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Nodes)) {
		if n := s.Nodes[name]; len(n.Addrs) > 0 {
			g.host("node:"+name, name, n.Addrs, func(a netip.Addr) *model.Endpoint { return s.Governing(name, a) })
		}
	}
	g.outside()
	return g
}

// host adds a host by one of its references.
func (g *gathering) host(ref, node string, addrs []netip.Addr, policing func(netip.Addr) *model.Endpoint) {
	k := partyKey{kind: PreviewHosts, closed: g.state.SettingsOf(node).PodToHost == verdict.HostDrop}
	policed := g.face(&k, addrs, policing)
	if policed || k.closed {
		k.node = node
	}
	g.join(k, ref, node)
}

// face fills in what polices the first address of each family, and reports
// whether anything does.
func (g *gathering) face(k *partyKey, addrs []netip.Addr, policing func(netip.Addr) *model.Endpoint) (policed bool) {
	for _, a := range addrs {
		f := &k.facets[table.Family(a)]
		if f.has {
			continue
		}
		f.has = true
		e := policing(a)
		for i, t := range g.tables {
			f.class[i] = t.Class(a)
			for _, d := range verdict.Directions {
				if e == nil {
					f.sides[d].free = true
				} else if local := t.Endpoints[e.ID]; local != nil {
					f.sides[d].sets[i] = t.Sets[local.SetFor(d, a)]
				}
			}
		}
		policed = policed || e != nil
	}
	return policed
}

func (g *gathering) join(k partyKey, ref, node string) *party {
	p := g.byKey[k]
	if p == nil {
		p = &party{partyKey: k, count: map[string]int{}}
		g.byKey[k], g.all = p, append(g.all, p)
	}
	p.refs = append(p.refs, ref)
	if k.kind != PreviewAddresses {
		p.nodes = append(p.nodes, node)
		p.count[node]++
	}
	return p
}

// outside adds the addresses that no endpoint and no node has, by their
// classes.
func (g *gathering) outside() {
	taken := map[netip.Addr]bool{}
	for _, e := range g.state.Endpoints {
		for _, a := range e.Addrs {
			taken[a] = true
		}
	}
	for _, n := range g.state.Nodes {
		for _, a := range n.Addrs {
			taken[a] = true
		}
	}
	for _, r := range ranges(g.tables, taken) {
		a := r.From
		for a.IsValid() && a.Compare(r.To) <= 0 && taken[a] {
			a = a.Next()
		}
		if a.IsValid() && a.Compare(r.To) <= 0 {
			g.address(a, rangeText(r.From, r.To))
		}
	}
}

func (g *gathering) address(a netip.Addr, ref string) {
	if p := g.join(g.outsideKey(a), ref, ""); p.example == "" {
		p.example = a.String()
	}
}

// outsideKey is the key of an address that no endpoint and no node has.
func (g *gathering) outsideKey(a netip.Addr) partyKey {
	k := partyKey{kind: PreviewAddresses}
	g.face(&k, []netip.Addr{a}, func(netip.Addr) *model.Endpoint { return nil })
	return k
}

// ranges cuts both families whole where a range of either tables begins or
// ends, and around single addresses with a class of their own that are not
// taken.
func ranges(tables [2]*table.Tables, taken map[netip.Addr]bool) []table.Net {
	first4, first6 := netip.IPv4Unspecified(), netip.IPv6Unspecified()
	cuts := []netip.Addr{first4, first6}
	cut := func(from, to netip.Addr) {
		cuts = append(cuts, from)
		if after := to.Next(); after.IsValid() {
			cuts = append(cuts, after)
		}
	}
	for _, t := range tables {
		for _, n := range t.Nets {
			cut(n.From, n.To)
		}
		for a := range t.Hosts {
			if !taken[a] {
				cut(a, a)
			}
		}
	}
	slices.SortFunc(cuts, netip.Addr.Compare)
	cuts = slices.Compact(cuts)
	var all []table.Net
	for i, from := range cuts {
		to := netip.AddrFrom4([4]byte{255, 255, 255, 255})
		switch {
		case i+1 < len(cuts) && cuts[i+1].Is4() == from.Is4():
			to = cuts[i+1].Prev()
		case from.Is6():
			to = last6()
		}
		all = append(all, table.Net{From: from, To: to})
	}
	return all
}

func last6() netip.Addr {
	var b [16]byte
	for i := range b {
		b[i] = 255
	}
	return netip.AddrFrom16(b)
}

// rangeText writes a range as a network if it is one.
func rangeText(from, to netip.Addr) string {
	for bits := range from.BitLen() + 1 {
		p := netip.PrefixFrom(from, bits)
		if p.Masked().Addr() == from && lastOf(p) == to {
			return p.String()
		}
	}
	return from.String() + "-" + to.String()
}

// lastOf returns the last address of a network.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
