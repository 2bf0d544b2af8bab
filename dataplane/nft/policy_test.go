package nft

import (
	"net/netip"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// hand builds tables by hand, with ids from a number on.
type hand struct {
	dataplane.Program
	next uint32
}

func newHand(from uint32) *hand {
	return &hand{Program: dataplane.Program{
		Tables: table.New(), Interfaces: map[verdict.EndpointID][]string{},
	}, next: from}
}

func (h *hand) id() uint32 { h.next++; return h.next }

// trace is a decision of rule n of the policy default/NetworkPolicy/blue/fe.
func trace(v verdict.Verdict, n int, logs ...int) *table.Decision {
	t := verdict.Trace{Verdict: v, Reason: verdict.ByRule}
	step := verdict.Step{Tier: "default", Policy: verdict.PolicyID{Kind: "NetworkPolicy", Namespace: "blue", Name: "fe"}}
	for _, l := range logs {
		step.Rule, step.Action = l, verdict.ActionLog
		t.Steps = append(t.Steps, step)
	}
	step.Rule, step.Action = n, verdict.ActionDeny
	if v == verdict.Allow {
		step.Action = verdict.ActionAllow
	}
	t.Steps = append(t.Steps, step)
	return table.Decided(t)
}

func (h *hand) row(other *table.Decision, protocols ...table.Protocol) table.RowID {
	id := table.RowID(h.id())
	h.Tables.Rows[id] = &table.Row{ID: id, Other: other, Protocols: protocols}
	return id
}

// ports is a protocol with one decision for the given ranges of destination
// ports, from any source port, and another for the rest.
func ports(number uint8, in, out *table.Decision, ranges ...[2]uint16) table.Protocol {
	return table.Protocol{Number: number, Bands: []table.Band{{To: 65535, Cells: cells(in, out, ranges...)}}}
}

func cells(in, out *table.Decision, ranges ...[2]uint16) []table.Cell {
	var list []table.Cell
	next := 0
	for _, r := range ranges {
		if int(r[0]) > next {
			list = append(list, table.Cell{From: uint16(next), To: r[0] - 1, Decision: out})
		}
		list = append(list, table.Cell{From: r[0], To: r[1], Decision: in})
		next = int(r[1]) + 1
	}
	if next <= 65535 {
		list = append(list, table.Cell{From: uint16(next), To: 65535, Decision: out})
	}
	return list
}

// plainly is a protocol without ports.
func plainly(number uint8, t *table.Decision) table.Protocol {
	return table.Protocol{Number: number, Bands: []table.Band{{To: 65535, Cells: []table.Cell{{To: 65535, Decision: t}}}}}
}

func (h *hand) set(d verdict.Direction, kind verdict.EndpointKind, v4, v6 table.RowID, rows map[table.ClassID]table.RowID) table.SetID {
	id := table.SetID(h.id())
	h.Tables.Sets[id] = &table.Set{ID: id, Direction: d, Kind: kind, Default: [2]table.RowID{v4, v6}, Rows: rows,
		Ends: applied(verdict.PolicyID{Kind: "NetworkPolicy", Namespace: "blue", Name: "fe"})}
	return id
}

func (h *hand) class(addrs ...netip.Addr) table.ClassID {
	id := table.FirstClass + table.ClassID(h.id())
	for _, a := range addrs {
		h.Tables.Hosts[a] = id
	}
	return id
}

// pod programs a machine's addresses with an ingress and an egress set.
func (h *hand) pod(m *machine, ingress, egress table.SetID) {
	id := verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: m.name}
	e := &table.Endpoint{ID: id}
	for _, a := range m.addrs {
		e.Spans[verdict.Ingress] = append(e.Spans[verdict.Ingress], table.Span{From: a, To: a, Set: ingress})
		e.Spans[verdict.Egress] = append(e.Spans[verdict.Egress], table.Span{From: a, To: a, Set: egress})
	}
	h.Tables.Endpoints[id] = e
	h.Interfaces[id] = []string{m.iface}
}

// host programs a host endpoint on interfaces, with one set for each direction.
func (h *hand) host(name, pattern string, ingress, egress table.SetID, interfaces ...string) {
	id := verdict.EndpointID{Kind: verdict.Host, Name: name}
	e := &table.Endpoint{ID: id, Interface: pattern}
	e.Spans[verdict.Ingress] = bothFamilies(ingress)
	e.Spans[verdict.Egress] = bothFamilies(egress)
	h.Tables.Endpoints[id] = e
	h.Interfaces[id] = interfaces
}

func bothFamilies(s table.SetID) []table.Span {
	v4, v6 := netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")
	return []table.Span{{From: v4.Addr(), To: last(v4), Set: s}, {From: v6.Addr(), To: last(v6), Set: s}}
}

// applied are the ends of a set of one tier.
func applied(ids ...verdict.PolicyID) *table.Ends {
	return table.NewEnds([]table.End{{Tier: "default", Applied: ids}})
}
