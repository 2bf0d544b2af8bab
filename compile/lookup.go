package compile

import (
	"net/netip"
	"slices"

	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// Lookup decides a packet at one stage of an endpoint, as
// table.Tables.LookupStage does with the present tables, and without putting
// them together: its work does not grow with the world. It returns nil where
// LookupStage does.
func (c *Compiler) Lookup(id verdict.EndpointID, stage verdict.Stage, d verdict.Direction, p verdict.Packet) *table.Decision {
	prog := c.programAt(id, stage, d, p.Local(d))
	if prog == nil {
		return nil
	}
	peer := p.Remote(d)
	row := prog.defaults[table.Family(peer)]
	if own, ok := prog.rows.get(c.space.byID[c.space.shownClass(peer)]); ok {
		row = own
	}
	return prog.applied.Full(row.Decide(p.Protocol, p.SrcPort, p.DstPort))
}

// LookupAny returns a decision for the packet with whatever peer is treated
// best: one that allows it if any peer of its family is let through, else the
// one for a peer that no rule names. The packet's remote address counts for its
// family only. It returns nil where Lookup does.
func (c *Compiler) LookupAny(id verdict.EndpointID, stage verdict.Stage, d verdict.Direction, p verdict.Packet) *table.Decision {
	prog := c.programAt(id, stage, d, p.Local(d))
	if prog == nil {
		return nil
	}
	family := table.Family(p.Remote(d))
	other := prog.defaults[family].Decide(p.Protocol, p.SrcPort, p.DstPort)
	if other.Verdict == verdict.Allow {
		return prog.applied.Full(other)
	}
	for _, e := range prog.rows.entries {
		if e.key.family != family {
			continue
		}
		if found := e.value.Decide(p.Protocol, p.SrcPort, p.DstPort); found.Verdict == verdict.Allow {
			return prog.applied.Full(found)
		}
	}
	return prog.applied.Full(other)
}

// programAt finds the program for a local address; nil if there is none.
func (c *Compiler) programAt(id verdict.EndpointID, stage verdict.Stage, d verdict.Direction, local netip.Addr) *program {
	l := c.locals[id]
	if l == nil {
		return nil
	}
	spans := l.spans[stage][d]
	i, _ := slices.BinarySearchFunc(spans, local, func(s span, a netip.Addr) int { return s.to.Compare(a) })
	if i < len(spans) && spans[i].from.Compare(local) <= 0 {
		return spans[i].program
	}
	return nil
}

// shownClass is table.Tables.Class for the present tables.
func (s *space) shownClass(a netip.Addr) table.ClassID {
	if id := s.shown(a); id != 0 {
		return id
	}
	i, _ := slices.BinarySearchFunc(s.nets, a, func(n table.Net, a netip.Addr) int { return n.To.Compare(a) })
	if i < len(s.nets) && s.nets[i].From.Compare(a) <= 0 {
		return s.nets[i].Class
	}
	return table.Other(a)
}
