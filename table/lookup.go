package table

import (
	"net/netip"
	"sort"

	"github.com/tierwall/tierwall/verdict"
)

// Class returns the class of a peer's address.
func (t *Tables) Class(a netip.Addr) ClassID {
	if c, ok := t.Hosts[a]; ok {
		return c
	}
	i := t.firstFrom(a)
	if i < len(t.Nets) && t.Nets[i].From.Compare(a) <= 0 {
		return t.Nets[i].Class
	}
	return Other(a)
}

// firstFrom returns the first of Nets that does not end before the address.
func (t *Tables) firstFrom(a netip.Addr) int {
	if t.ranges4 != nil && a.Is4() {
		return t.ranges4.firstFrom(number4(a))
	}
	return sort.Search(len(t.Nets), func(i int) bool { return t.Nets[i].To.Compare(a) >= 0 })
}

// Other returns the class of an address of a's family that no rule names.
func Other(a netip.Addr) ClassID {
	if a.Is4() {
		return OtherIPv4
	}
	return OtherIPv6
}

// Family returns 0 for IPv4 and 1 for IPv6: the index into Set.Default.
func Family(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

// SetFor returns the set that holds for a local address of the endpoint, or 0.
func (e *Endpoint) SetFor(d verdict.Direction, local netip.Addr) SetID {
	return setIn(e.Spans[d], local)
}

func setIn(spans []Span, local netip.Addr) SetID {
	i := sort.Search(len(spans), func(i int) bool { return spans[i].To.Compare(local) >= 0 })
	if i < len(spans) && spans[i].From.Compare(local) <= 0 {
		return spans[i].Set
	}
	return 0
}

// Row returns the row of a set for a peer's address. Its decisions are the set's
// when its Ends have made them full.
func (t *Tables) Row(s *Set, peer netip.Addr) *Row { return t.RowOf(s, t.Class(peer), Family(peer)) }

// RowOf returns the row of a set for a class of peers of a family, which is an
// index into Set.Default.
func (t *Tables) RowOf(s *Set, c ClassID, family int) *Row {
	if id, ok := s.Rows[c]; ok {
		return t.Rows[id]
	}
	return t.Rows[s.Default[family]]
}

// Decide returns the decision of the row for a protocol and ports.
func (r *Row) Decide(protocol uint8, src, dst uint16) *Decision {
	for i := range r.Protocols {
		p := &r.Protocols[i]
		if p.Number != protocol {
			continue
		}
		b := &p.Bands[sort.Search(len(p.Bands)-1, func(i int) bool { return p.Bands[i].To >= src })]
		return b.Cells[sort.Search(len(b.Cells)-1, func(i int) bool { return b.Cells[i].To >= dst })].Decision
	}
	return r.Other
}

// Lookup decides the first packet of a connection for one endpoint in one
// direction, in full. It allocates only the first time that it comes to a decision
// at the end of a tier. It returns nil if the endpoint is not in
// the tables or the local address is not its own: the packet is dropped.
func (t *Tables) Lookup(id verdict.EndpointID, d verdict.Direction, p verdict.Packet) *Decision {
	e, ok := t.Endpoints[id]
	if !ok {
		return nil
	}
	s, ok := t.Sets[e.SetFor(d, p.Local(d))]
	if !ok {
		return nil
	}
	return s.Ends.Full(t.Row(s, p.Remote(d)).Decide(p.Protocol, p.SrcPort, p.DstPort))
}

// LookupStage is Lookup for one stage of a host endpoint. In a stage other than
// Normal nil means that there is no policy: the packet goes on.
func (t *Tables) LookupStage(id verdict.EndpointID, stage verdict.Stage, d verdict.Direction, p verdict.Packet) *Decision {
	if stage == verdict.Normal {
		return t.Lookup(id, d, p)
	}
	e, ok := t.Endpoints[id]
	if !ok {
		return nil
	}
	s, ok := t.Sets[setIn(e.Stages[stage][d], p.Local(d))]
	if !ok {
		return nil
	}
	return s.Ends.Full(t.Row(s, p.Remote(d)).Decide(p.Protocol, p.SrcPort, p.DstPort))
}
