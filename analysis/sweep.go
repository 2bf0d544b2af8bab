package analysis

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// PortSpan is what connections are made with: a protocol, destination ports and
// source ports, all ends included. For ICMP the destination ports are those of
// verdict.ICMPKey.
type PortSpan struct {
	// Protocol is a number, or AnyProtocol.
	Protocol             int
	From, To             uint16
	SourceFrom, SourceTo uint16
	// Except are the numbers of the protocols that AnyProtocol is not about, a
	// byte each.
	Except string
}

// AnyProtocol stands for all protocols but some.
const AnyProtocol = -1

// String returns the span as ports are written elsewhere, for instance tcp/80,
// tcp/8000-8080, tcp for all ports, icmp/8/0.
func (p PortSpan) String() string {
	if p.Protocol == AnyProtocol {
		return "any protocol" + p.butExcept()
	}
	n := uint8(p.Protocol)
	text := strings.ToLower(verdict.ProtocolName(n))
	if !verdict.HasPorts(n) && !verdict.IsICMP(n) {
		return text
	}
	switch {
	case p.From == 0 && p.To == 65535:
	case verdict.IsICMP(n):
		text += "/" + icmpSpan(p.From, p.To)
	case p.From == p.To:
		text += fmt.Sprintf("/%d", p.From)
	default:
		text += fmt.Sprintf("/%d-%d", p.From, p.To)
	}
	switch {
	case p.SourceFrom == 0 && p.SourceTo == 65535:
	case p.SourceFrom == p.SourceTo:
		text += fmt.Sprintf(" from port %d", p.SourceFrom)
	default:
		text += fmt.Sprintf(" from ports %d-%d", p.SourceFrom, p.SourceTo)
	}
	return text
}

func (p PortSpan) butExcept() string {
	var names []string
	for _, n := range []byte(p.Except) {
		names = append(names, strings.ToLower(verdict.ProtocolName(n)))
	}
	if len(names) == 0 {
		return ""
	}
	return " but " + strings.Join(names, ", ")
}

// icmpSpan writes types alone where every code of them is meant.
func icmpSpan(from, to uint16) string {
	switch {
	case from == to:
		return fmt.Sprintf("%d/%d", from>>8, from&255)
	case from&255 > 0 || to&255 < 255:
		return fmt.Sprintf("%d/%d-%d/%d", from>>8, from&255, to>>8, to&255)
	case from>>8 == to>>8:
		return fmt.Sprint(from >> 8)
	}
	return fmt.Sprintf("%d-%d", from>>8, to>>8)
}

// swept is one finding of a sweep.
type swept struct {
	verdict verdict.Verdict
	PreviewPorts
}

// sweepKey is all that a sweep depends on.
type sweepKey struct{ out, in rowPair }

// sweep compares what two sides together do, before and after, over all
// protocols and ports. A connection is allowed if both allow.
func (x *comparison) sweep(out, in rowPair) []swept {
	k := sweepKey{out, in}
	all, ok := x.swept[k]
	if !ok {
		rows := []*table.Row{out.rows[0], out.rows[1], in.rows[0], in.rows[1]}
		all = sweepPorts(rows, func(span PortSpan, protocol uint8) (swept, bool) { return x.changed(k, span, protocol) })
		x.swept[k] = all
	}
	return all
}

// ask finds something, or nothing, of a protocol and a span of its ports that
// are alike.
type ask func(span PortSpan, protocol uint8) (swept, bool)

// sweepPorts asks about all protocols and ports that rows tell apart, nil ones
// left out, and joins findings that continue each other.
func sweepPorts(rows []*table.Row, ask ask) []swept {
	var all []swept
	known := protocolsOf(rows)
	for _, protocol := range known {
		all = sweepProtocol(all, rows, protocol, ask)
	}
	others := PortSpan{Protocol: AnyProtocol, To: 65535, SourceTo: 65535, Except: string(known)}
	if s, ok := ask(others, spare(known)); ok {
		all = append(all, s)
	}
	return joinedProtocols(all, len(known)+1)
}

func protocolsOf(rows []*table.Row) []uint8 {
	var all []uint8
	for _, r := range rows {
		if r == nil {
			continue
		}
		for _, p := range r.Protocols {
			all = append(all, p.Number)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// spare returns a protocol that is not in a sorted list.
func spare(all []uint8) uint8 {
	for n := uint8(255); n > 0; n-- {
		if _, found := slices.BinarySearch(all, n); !found {
			return n
		}
	}
	return 0
}

// sweepProtocol goes through one protocol band by band of source ports and cell
// by cell of destination ports.
func sweepProtocol(all []swept, rows []*table.Row, protocol uint8, ask ask) []swept {
	sources, targets := []uint16{65535}, []uint16{65535}
	for _, r := range rows {
		if r == nil {
			continue
		}
		for i := range r.Protocols {
			if p := &r.Protocols[i]; p.Number == protocol {
				for _, b := range p.Bands {
					sources = append(sources, b.To)
					for _, c := range b.Cells {
						targets = append(targets, c.To)
					}
				}
			}
		}
	}
	slices.Sort(sources)
	slices.Sort(targets)
	sources, targets = slices.Compact(sources), slices.Compact(targets)
	from := uint16(0)
	for _, to := range sources {
		low := uint16(0)
		start := len(all)
		for _, high := range targets {
			found, ok := ask(PortSpan{Protocol: int(protocol), From: low, To: high, SourceFrom: from, SourceTo: to}, protocol)
			switch n := len(all); {
			case !ok:
			case n > start && adjacent(all[n-1], found):
				all[n-1].Ports.To = high
			default:
				all = append(all, found)
			}
			low = high + 1
		}
		from = to + 1
	}
	return all
}

// adjacent reports whether b continues a: the next ports, for the same reason.
func adjacent(a, b swept) bool {
	if int(a.Ports.To)+1 != int(b.Ports.From) {
		return false
	}
	a.Ports, b.Ports = PortSpan{}, PortSpan{}
	return a == b
}

// joinedProtocols makes one finding of findings that are the same for every
// protocol that is told apart, and so for all.
func joinedProtocols(all []swept, parts int) []swept {
	if len(all) != parts {
		return all
	}
	for _, s := range all {
		p := s.Ports
		if p.From != 0 || p.To != 65535 || p.SourceFrom != 0 || p.SourceTo != 65535 {
			return all
		}
		one := all[0]
		if one.Ports = p; one != s {
			return all
		}
	}
	one := all[0]
	one.Ports.Protocol, one.Ports.Except = AnyProtocol, ""
	return []swept{one}
}

// changed compares one protocol with its ports, of which a span is alike.
func (x *comparison) changed(k sweepKey, span PortSpan, protocol uint8) (swept, bool) {
	var sides [2][2]*table.Decision // before and after: out, in
	var allowed [2]bool
	for i := range sides {
		sides[i] = [2]*table.Decision{k.out.decide(i, span, protocol), k.in.decide(i, span, protocol)}
		allowed[i] = sides[i][0].Verdict == verdict.Allow && sides[i][1].Verdict == verdict.Allow
	}
	if allowed[0] == allowed[1] {
		return swept{}, false
	}
	s := swept{verdict: verdict.Deny}
	if allowed[1] {
		s.verdict = verdict.Allow
	}
	s.Ports = span
	// What denies, now or before, is on one side or on both.
	denying := 0
	if allowed[0] {
		denying = 1
	}
	var because, before []string
	for d, word := range []string{"egress", "ingress"} {
		if sides[denying][d].Verdict == verdict.Allow {
			continue
		}
		then := NewSide("", sides[1][d].Trace())
		because = append(because, word+": "+then.Because())
		before = append(before, word+": "+NewSide("", sides[0][d].Trace()).Because())
		if s.Policy.IsZero() {
			s.Policy = responsible(then.Trace, x.edited)
		}
	}
	s.Because, s.Before = strings.Join(because, "; "), strings.Join(before, "; ")
	return s, true
}

// free is the decision where nothing polices.
var free = &table.Decision{Verdict: verdict.Allow, Reason: verdict.NotAnEndpoint}

func (p rowPair) decide(i int, span PortSpan, protocol uint8) *table.Decision {
	switch {
	case p.free:
		return free
	case p.rows[i] == nil:
		return &table.Decision{} // dropped
	}
	return p.ends[i].Full(p.rows[i].Decide(protocol, span.SourceFrom, span.From))
}

// responsible names the policy of the step that decided. At the end of a tier
// it is one that applies there: one of the preferred if it does, else the first.
func responsible(t verdict.Trace, preferred []verdict.PolicyID) verdict.PolicyID {
	s := t.Deciding()
	if s == nil {
		return verdict.PolicyID{}
	}
	if !s.Policy.IsZero() || len(s.Applied) == 0 {
		return s.Policy
	}
	for _, id := range preferred {
		if slices.Contains(s.Applied, id) {
			return id
		}
	}
	return s.Applied[0]
}
