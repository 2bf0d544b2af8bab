package nft

import (
	"cmp"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// effect is what the kernel does for a decision: two decisions of one effect
// differ only in their reasons. Logs are the prefixes, in order, each ended by
// a zero.
type effect struct {
	verdict verdict.Verdict
	logs    string
}

func effectOf(t *verdict.Trace) effect {
	e := effect{verdict: t.Verdict}
	for _, s := range t.Steps {
		if s.Action == verdict.ActionLog {
			e.logs += logPrefix(s) + "\x00"
		}
	}
	return e
}

// plain returns the verdict of an effect that logs nothing. Allow returns to
// the base chain, which asks the other direction's policy or accepts.
func plain(v verdict.Verdict) *expr.Verdict {
	if v == verdict.Allow {
		return back
	}
	return drop
}

// onlyEffect returns the one effect of all decisions of a row, if it has one.
func onlyEffect(r *table.Row) (effect, bool) {
	only := effectOf(r.Other)
	for _, p := range r.Protocols {
		for _, b := range p.Bands {
			for _, c := range b.Cells {
				if effectOf(c.Decision) != only {
					return effect{}, false
				}
			}
		}
	}
	return only, true
}

// rowVerdict is what leads to a row: a plain verdict where that is all that
// the row says, else the way to its chain.
func (b builder) rowVerdict(r *table.Row) *expr.Verdict {
	if e, ok := onlyEffect(r); ok && e.logs == "" {
		return plain(e.verdict)
	}
	return goTo(b.row(r.ID))
}

// rowElement is the element of a set's map for a class.
func (b builder) rowElement(c table.ClassID, r *table.Row) element {
	e := element{key: class(c), verdict: b.rowVerdict(r)}
	if e.verdict.Chain == "" {
		e.comment = because(r.Other)
	}
	return e
}

// rowChains returns the chains of a row, those that log first; none if a plain
// verdict says it all.
func (b builder) rowChains(r *table.Row) []chain {
	if b.rowVerdict(r).Chain == "" {
		return nil
	}
	w := rowWriter{builder: b, row: r, logged: map[effect]string{}}
	for i := range r.Protocols {
		w.protocol(&r.Protocols[i])
	}
	slices.SortFunc(w.whole, func(a, b element) int { return cmp.Compare(a.key[0], b.key[0]) })
	c := chain{name: b.row(r.ID)}
	c.rules = append(c.rules, mapRule(byPort, w.ports, l4proto(), destinationPort(reg32_1))...)
	c.rules = append(c.rules, mapRule(byPortRange, w.ranges, l4proto(), destinationPort(reg32_1))...)
	c.rules = append(c.rules, mapRule(byBothRanges, w.both, l4proto(), sourcePort(reg32_1), destinationPort(reg32_2))...)
	c.rules = append(c.rules, mapRule(byProtocol, w.whole, l4proto())...)
	c.rules = append(c.rules, rule{exprs: []expr.Any{w.verdict(r.Other)}, comment: because(r.Other)})
	return append(w.logs, c)
}

func l4proto() expr.Any { return meta(expr.MetaKeyL4PROTO, reg1) }

// mapRule is a rule with an anonymous verdict map, or no rule for an empty map.
func mapRule(t mapType, elements []element, load ...expr.Any) []rule {
	if len(elements) == 0 {
		return nil
	}
	return []rule{{exprs: append(load, vmap("")), anonymous: &anonymous{t, elements}}}
}

// rowWriter collects the parts of a row's chain: exact ports, ranges, ranges
// within bands of source ports, and what holds for the rest of a protocol.
// Cells are disjoint, so that the order of the look-ups does not matter but
// for the rest, which is asked after them.
type rowWriter struct {
	builder
	row                        *table.Row
	ports, ranges, both, whole []element
	logs                       []chain
	logged                     map[effect]string
}

// protocol writes the cells that differ from the rest of the protocol, and the
// rest if it differs from the row's Other. All keys begin with the protocol's
// number: of a packet without ports, whatever stands in their place, no key
// matches (dataplane.md, rule 5).
func (w *rowWriter) protocol(p *table.Protocol) {
	rest := restOf(p)
	for _, b := range p.Bands {
		for _, c := range b.Cells {
			if verdict.HasPorts(p.Number) && effectOf(c.Decision) != effectOf(rest) {
				w.cell(p, b, c)
			}
		}
	}
	if effectOf(rest) != effectOf(w.row.Other) {
		w.whole = append(w.whole, w.element([]byte{p.Number}, nil, rest))
	}
}

func (w *rowWriter) cell(p *table.Protocol, b table.Band, c table.Cell) {
	number := proto(p.Number)
	switch {
	case !p.AnySource():
		w.both = append(w.both, w.element(
			join(number, port(b.From), port(c.From)), join(number, port(b.To), port(c.To)), c.Decision))
	case c.From == c.To:
		w.ports = append(w.ports, w.element(join(number, port(c.From)), nil, c.Decision))
	default:
		w.ranges = append(w.ranges, w.element(join(number, port(c.From)), join(number, port(c.To)), c.Decision))
	}
}

// restOf chooses the decision that needs no keys of its own: the one of the
// effect that most pairs of ports have. A protocol without ports has but one.
func restOf(p *table.Protocol) *verdict.Trace {
	if !verdict.HasPorts(p.Number) {
		return p.Bands[0].Cells[0].Decision
	}
	area := map[effect]int{}
	var best *verdict.Trace
	for _, b := range p.Bands {
		for _, c := range b.Cells {
			e := effectOf(c.Decision)
			area[e] += (int(b.To) - int(b.From) + 1) * (int(c.To) - int(c.From) + 1)
			if best == nil || area[e] > area[effectOf(best)] {
				best = c.Decision
			}
		}
	}
	return best
}

func (w *rowWriter) element(key, keyEnd []byte, t *verdict.Trace) element {
	return element{key: key, keyEnd: keyEnd, verdict: w.verdict(t), comment: because(t)}
}

// verdict returns the verdict of a decision: plain, or by way of a chain that
// logs it, one for each effect of the row.
func (w *rowWriter) verdict(t *verdict.Trace) *expr.Verdict {
	e := effectOf(t)
	if e.logs == "" {
		return plain(e.verdict)
	}
	if w.logged[e] == "" {
		w.logged[e] = w.log(w.row.ID, len(w.logs)+1)
		w.logs = append(w.logs, w.logChain(w.logged[e], t))
	}
	return goTo(w.logged[e])
}

// logChain sends what the kernel's limit lets through to the log group, once a
// Log rule that the packet met, and then gives the verdict.
func (b builder) logChain(name string, t *verdict.Trace) chain {
	c := chain{name: name}
	for _, s := range t.Steps {
		if s.Action == verdict.ActionLog {
			c.rules = append(c.rules, rule{exprs: []expr.Any{
				&expr.Limit{Type: expr.LimitTypePkts, Rate: b.logRate, Unit: expr.LimitTimeSecond, Burst: b.logBurst},
				&expr.Log{Key: logKeys, Group: b.logGroup, Snaplen: logSnaplen, Data: []byte(logPrefix(s))},
			}})
		}
	}
	c.rules = append(c.rules, rule{exprs: []expr.Any{plain(t.Verdict)}, comment: because(t)})
	return c
}

// datatypes lists the types of a map's key.
func (t mapType) keyType() nftables.SetDatatype {
	if len(t.key) == 1 {
		return t.key[0]
	}
	return nftables.MustConcatSetType(t.key...)
}
