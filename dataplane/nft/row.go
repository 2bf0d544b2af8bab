package nft

import (
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// rowBook knows the chain of each row of the tables. It is kept for an epoch
// and changes with what the kernel holds.
type rowBook struct {
	byRow map[rowUse]*page
	byKey map[string]*page
	// logs are the Log rules that pages have.
	logs *logBook
	// early are the rows that a set of an early stage has had, which it needs
	// in a form of their own.
	early map[table.SetID][]rowUse
	// base is by whose id the chain and the map of a set are called, for those
	// that took the place of another.
	base map[table.SetID]table.SetID
}

// rowUse is a row in a stage: Normal for all but the early ones.
type rowUse struct {
	row   table.RowID
	stage verdict.Stage
}

func useOf(id table.RowID, s verdict.Stage) rowUse {
	if !s.FallsThrough() {
		s = verdict.Normal
	}
	return rowUse{id, s}
}

// page is a shape that rows in use have. Its chains are named after the first
// of them; a shape that is only a verdict has none.
type page struct {
	key     string
	uses    int
	verdict *expr.Verdict
	chains  []string
	// logs are the rules that log, each as often as a chain of the page names it.
	logs []string
}

func newRowBook() *rowBook {
	return &rowBook{byRow: map[rowUse]*page{}, byKey: map[string]*page{}, logs: newLogBook(), early: map[table.SetID][]rowUse{}, base: map[table.SetID]table.SetID{}}
}

// enter makes a row known in a stage and returns the chains that it needs and
// that were not there.
func (b builder) enter(r *table.Row, stage verdict.Stage) []chain {
	s := shapeOf(r, stage)
	key := s.key()
	p, known := b.book.byKey[key]
	var chains []chain
	if !known {
		p = &page{key: key}
		if v, ok := b.plainShape(s); ok {
			p.verdict = v
		} else {
			p.verdict = goTo(b.row(r.ID, s.stage))
			var rules []chain
			p.logs, rules = b.logRules(s)
			chains = b.shapeChains(r.ID, s)
			for _, c := range chains {
				p.chains = append(p.chains, c.name)
			}
			chains = append(rules, chains...)
		}
		b.book.byKey[key] = p
	}
	p.uses++
	b.book.byRow[useOf(r.ID, stage)] = p
	return chains
}

// enterFor makes a row known to a set of an early stage. Other sets have the
// rows as the tables have them.
func (b builder) enterFor(s *table.Set, r *table.Row) []chain {
	use := useOf(r.ID, s.Stage)
	if use.stage == verdict.Normal || slices.Contains(b.book.early[s.ID], use) {
		return nil
	}
	b.book.early[s.ID] = append(b.book.early[s.ID], use)
	return b.enter(r, s.Stage)
}

// leaveSet forgets the rows of a set of an early stage and returns the chains
// that go with them.
func (b builder) leaveSet(id table.SetID) (names []string) {
	for _, use := range b.book.early[id] {
		names = append(names, b.leave(use)...)
	}
	delete(b.book.early, id)
	return names
}

// leave forgets a row and returns the chains that no row needs any more, those
// that lead to others first.
func (b builder) leave(use rowUse) []string {
	p := b.book.byRow[use]
	if p.uses--; p.uses > 0 {
		if use.stage == verdict.Normal || !b.book.usedEarly(use) {
			delete(b.book.byRow, use)
		}
		return nil
	}
	delete(b.book.byRow, use)
	delete(b.book.byKey, p.key)
	var names []string
	for i := range p.chains {
		names = append(names, p.chains[len(p.chains)-1-i])
	}
	for _, n := range b.book.logs.leave(p.logs) {
		names = append(names, b.logRule(n))
	}
	return names
}

// usedEarly reports whether more than one set has a row in an early stage.
func (k *rowBook) usedEarly(use rowUse) bool {
	n := 0
	for _, list := range k.early {
		if slices.Contains(list, use) {
			n++
		}
	}
	return n > 1
}

// rowElement is the element of a set's map for a class.
func (b builder) rowElement(s *table.Set, c table.ClassID, r *table.Row) element {
	return element{key: class(c), verdict: b.rowVerdict(s, r), comment: reasons(r)}
}

func (b builder) rowVerdict(s *table.Set, r *table.Row) *expr.Verdict {
	return b.book.byRow[useOf(r.ID, s.Stage)].verdict
}

// shapeChains returns the chains of a shape, those that log first. They are
// named after a row.
func (b builder) shapeChains(id table.RowID, s shape) []chain {
	w := rowWriter{builder: b, id: id, stage: s.stage, other: s.other, logged: map[effect]string{}}
	for _, p := range s.protocols {
		w.protocol(p)
	}
	c := chain{name: b.row(id, s.stage)}
	c.rules = append(c.rules, w.ports.rules(byPort, false)...)
	c.rules = append(c.rules, w.ranges.rules(byPortRange, false)...)
	c.rules = append(c.rules, w.both.rules(byBothRanges, true)...)
	c.rules = append(c.rules, icmpRules(verdict.ICMP, w.icmp)...)
	c.rules = append(c.rules, icmpRules(verdict.ICMPv6, w.icmpv6)...)
	c.rules = append(c.rules, w.whole.rules(byProtocol, false)...)
	c.rules = append(c.rules, to(w.verdict(s.other)))
	return append(w.logs, c)
}

// rowWriter collects the parts of a row's chain: exact ports, ranges, ranges
// within bands of source ports, and what holds for the rest of a protocol.
// Cells are disjoint, so that the order of the look-ups does not matter but
// for the rest, which is asked after them.
type rowWriter struct {
	builder
	id                         table.RowID
	stage                      verdict.Stage
	other                      effect
	ports, ranges, both, whole part
	icmp, icmpv6               []icmpEntry
	logs                       []chain
	logged                     map[effect]string
}

// part is the entries of one kind.
type part []entry

// entry is a verdict for a protocol and ranges of its ports.
type entry struct {
	number   uint8
	src, dst [2]uint16
	verdict  *expr.Verdict
}

var allPorts = [2]uint16{0, 65535}

// protocol writes the cells that differ from the rest of the protocol, and the
// rest if it differs from the row's other. Each match begins with the
// protocol's number: of a packet without ports, whatever stands in their
// place, none is true (dataplane.md, rule 5).
func (w *rowWriter) protocol(p protocol) {
	rest := p.rest()
	for _, b := range p.bands {
		for _, c := range b.cells {
			if c.effect != rest {
				w.cell(p, b, c)
			}
		}
	}
	if rest != w.other {
		w.whole = append(w.whole, entry{p.number, allPorts, allPorts, w.verdict(rest)})
	}
}

func (w *rowWriter) cell(p protocol, b band, c cell) {
	v := w.verdict(c.effect)
	e := entry{p.number, [2]uint16{b.from, b.to}, [2]uint16{c.from, c.to}, v}
	switch {
	case p.number == verdict.ICMP:
		w.icmp = append(w.icmp, rectangles(c.from, c.to, v)...)
	case p.number == verdict.ICMPv6:
		w.icmpv6 = append(w.icmpv6, rectangles(c.from, c.to, v)...)
	case len(p.bands) > 1:
		w.both = append(w.both, e)
	case c.from == c.to:
		w.ports = append(w.ports, e)
	default:
		w.ranges = append(w.ranges, e)
	}
}

// verdict returns the verdict of an effect: plain, or by way of a chain that
// logs it.
func (w *rowWriter) verdict(e effect) *expr.Verdict {
	if e.logs == "" {
		return w.plain(w.stage, e)
	}
	if w.logged[e] == "" {
		w.logged[e] = w.log(w.id, w.stage, len(w.logs)+1)
		w.logs = append(w.logs, w.logChain(w.logged[e], w.stage, e))
	}
	return goTo(w.logged[e])
}

// fewRules is up to how many entries are rules of their own: they read better
// than a map, cost no more, and a table with thousands of maps is slow to
// change, since the kernel looks maps up one by one.
const fewRules = 2

// rules returns a part as rules, or as one rule with a map.
func (p part) rules(t mapType, sourcePorts bool) []rule {
	if len(p) > fewRules {
		load := []expr.Any{meta(expr.MetaKeyL4PROTO)}
		next := reg32_1
		if sourcePorts {
			load = append(load, sourcePort(next))
			next = reg32_2
		}
		if len(t.key) > 1 {
			load = append(load, destinationPort(next))
		}
		return mapRule(t, p.elements(t, sourcePorts), load...)
	}
	var list []rule
	for _, e := range p {
		match := []expr.Any{meta(expr.MetaKeyL4PROTO), equals([]byte{e.number})}
		match = append(match, within(sourcePort(reg1), e.src)...)
		match = append(match, within(destinationPort(reg1), e.dst)...)
		list = append(list, rule{exprs: append(match, e.verdict)})
	}
	return list
}

func (p part) elements(t mapType, sourcePorts bool) []element {
	var list []element
	for _, e := range p {
		from, to := proto(e.number), proto(e.number)
		if sourcePorts {
			from, to = join(from, port(e.src[0])), join(to, port(e.src[1]))
		}
		if len(t.key) > 1 {
			from, to = join(from, port(e.dst[0])), join(to, port(e.dst[1]))
		}
		el := element{key: from, verdict: e.verdict}
		switch {
		case t.interval:
			el.keyEnd = to
		case len(t.key) == 1:
			el.key = from[:1]
		}
		list = append(list, el)
	}
	return list
}

// within is the condition that a port lies in a range; nothing for all ports.
func within(load expr.Any, r [2]uint16) []expr.Any {
	switch {
	case r == allPorts:
		return nil
	case r[0] == r[1]:
		return []expr.Any{load, equals(port(r[0])[:2])}
	}
	return []expr.Any{load,
		&expr.Cmp{Op: expr.CmpOpGte, Register: reg1, Data: port(r[0])[:2]},
		&expr.Cmp{Op: expr.CmpOpLte, Register: reg1, Data: port(r[1])[:2]}}
}

// mapRule is a rule with an anonymous verdict map, or no rule for an empty map.
func mapRule(t mapType, elements []element, load ...expr.Any) []rule {
	if len(elements) == 0 {
		return nil
	}
	return []rule{{exprs: append(load, vmap("")), anonymous: &anonymous{t, elements}}}
}

// keyType is the type of a map's key, a concatenation if there are several.
func (t mapType) keyType() nftables.SetDatatype {
	if len(t.key) == 1 {
		return t.key[0]
	}
	return nftables.MustConcatSetType(t.key...)
}
