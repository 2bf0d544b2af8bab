package compile

import (
	"encoding/binary"
	"slices"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// row is a row that sets hold.
type row struct {
	*table.Row
	key  string
	refs int
	// fresh says that it came with the present change.
	fresh     bool
	decisions []*decision // each once
}

// rowOf returns the row of a program for a class, or for the addresses of a
// family in no atom if the class is nil, with one more reference.
func (c *Compiler) rowOf(p *program, family int, k *class) *row {
	b := &c.builder
	b.reset(c, p, family, k)
	for i := range b.live {
		b.live[i].protocols(&b.named)
	}
	other := b.bands(nil)[0].cells[0].decision
	b.note(other)
	b.key = binary.BigEndian.AppendUint32(b.key[:0], other.id)
	var protocols []builtProtocol
	for n := range b.named {
		if !b.named[n] {
			continue
		}
		number := uint8(n)
		bands := b.bands(&number)
		if len(bands) == 1 && len(bands[0].cells) == 1 && bands[0].cells[0].decision == other {
			continue
		}
		protocols = append(protocols, builtProtocol{number, bands})
		b.write(number, bands)
	}
	r := c.rows[string(b.key)]
	if r == nil {
		r = &row{Row: finish(other, protocols), key: string(b.key), fresh: true, decisions: slices.Clone(b.used)}
		r.ID = table.RowID(c.rowIDs.take())
		c.rows[r.key] = r
		c.freshRows = append(c.freshRows, r)
		for _, d := range r.decisions {
			d.refs++
		}
	}
	b.sweep()
	r.refs++
	return r
}

func (c *Compiler) releaseRow(r *row) {
	if r.refs--; r.refs == 0 {
		c.idleRows = append(c.idleRows, r)
	}
}

type builtProtocol struct {
	number uint8
	bands  []builtBand
}

type builtBand struct {
	to    uint16
	cells []builtCell
}

type builtCell struct {
	to       uint16
	decision *decision
}

func finish(other *decision, protocols []builtProtocol) *table.Row {
	out := &table.Row{Other: &other.Decision}
	for _, p := range protocols {
		t := table.Protocol{Number: p.number, Bands: make([]table.Band, len(p.bands))}
		from := 0
		for i, band := range p.bands {
			cells := make([]table.Cell, len(band.cells))
			start := 0
			for j, cell := range band.cells {
				cells[j] = table.Cell{From: uint16(start), To: cell.to, Decision: &cell.decision.Decision}
				start = int(cell.to) + 1
			}
			t.Bands[i] = table.Band{From: uint16(from), To: band.to, Cells: cells}
			from = int(band.to) + 1
		}
		out.Protocols = append(out.Protocols, t)
	}
	return out
}

// builder makes rows. It keeps its memory from one to the next.
type builder struct {
	c       *Compiler
	program *program
	class   *class
	live    []liveOp // the rules that match the address, in order
	found   []candidate
	named   [256]bool // the protocols that some rule names
	key     []byte
	way     way
	used    []*decision
	made    []*decision
	ranges  []liveRange
	events  []event
	active  []int32
}

// liveOp is a rule that matches the address.
type liveOp struct {
	*op
	part *part
	own  ownPorts
}

// liveRange is what a live rule matches in one protocol; nil for all ports.
type liveRange struct {
	op       int32
	src, dst []model.PortRange
}

func (b *builder) reset(c *Compiler, p *program, family int, k *class) {
	b.c, b.program, b.class = c, p, k
	b.found = append(b.found[:0], p.free...)
	if k != nil {
		for _, a := range k.atoms {
			b.asked(a)
		}
	}
	slices.SortFunc(b.found, compareCandidates)
	b.found = slices.Compact(b.found)
	b.live, b.used, b.made = b.live[:0], b.used[:0], b.made[:0]
	b.named = [256]bool{}
	for _, x := range b.found {
		part := &p.parts[x.part]
		o := &part.ops[x.index]
		if part.skip != nil && part.skip[x.index] || !o.meets(family, k) {
			continue
		}
		b.live = append(b.live, liveOp{o, part, part.own[x.index]})
	}
}

// asked finds the program's rules that are filed under the atom's condition.
func (b *builder) asked(a *atom) {
	one := func(rs *ruleset, at int32) {
		list, _ := rs.byCondition.get(a.condition)
		for _, i := range list {
			b.found = append(b.found, candidate{at, i})
		}
	}
	if a.users.len() > len(b.program.parts) {
		for i := range b.program.parts {
			one(b.program.parts[i].ruleset, int32(i))
		}
		return
	}
	for _, u := range a.users.entries {
		if at, ok := b.program.placeOf(u.key); ok {
			one(u.key, at)
		}
	}
}

// meets reports whether the rule matches the addresses of a class.
func (o *op) meets(family int, k *class) bool {
	if o.never[family] {
		return false
	}
	for _, x := range o.require {
		if !k.has(x, x == o.asksNames) {
			return false
		}
	}
	for _, x := range o.exclude {
		if k.has(x, false) {
			return false
		}
	}
	return true
}

func (b *builder) note(d *decision) {
	if !slices.Contains(b.used, d) {
		b.used = append(b.used, d)
	}
}

// write adds a protocol to the key, which is equal for rows of equal content
// only.
func (b *builder) write(number uint8, bands []builtBand) {
	b.key = append(b.key, number)
	b.key = binary.BigEndian.AppendUint32(b.key, uint32(len(bands)))
	for _, band := range bands {
		b.key = binary.BigEndian.AppendUint16(b.key, band.to)
		b.key = binary.BigEndian.AppendUint32(b.key, uint32(len(band.cells)))
		for _, cell := range band.cells {
			b.key = binary.BigEndian.AppendUint16(b.key, cell.to)
			b.key = binary.BigEndian.AppendUint32(b.key, cell.decision.id)
			b.note(cell.decision)
		}
	}
}

// sweep lets the decisions go that no row took.
func (b *builder) sweep() {
	for _, d := range b.made {
		if d.refs == 0 {
			b.c.forgetDecision(d)
		}
	}
}

func (c *Compiler) forgetDecision(d *decision) {
	if c.decisions[d.key] == d {
		delete(c.decisions, d.key)
		c.decisionIDs.give(uint64(d.id))
	}
}

// bands decides every pair of ports of a protocol; nil stands for every
// protocol that no rule names.
func (b *builder) bands(number *uint8) []builtBand {
	b.ranges = b.ranges[:0]
	edges := []int{0, 65536}
	for i := range b.live {
		src, dst, ok := b.live[i].ports(number, b.class)
		if !ok {
			continue
		}
		b.ranges = append(b.ranges, liveRange{int32(i), src, dst})
		for _, r := range src {
			edges = append(edges, int(r.From), int(r.To)+1)
		}
	}
	slices.Sort(edges)
	edges = slices.Compact(edges)
	var out []builtBand
	for i := 0; i+1 < len(edges); i++ {
		band := builtBand{uint16(edges[i+1] - 1), b.cells(uint16(edges[i]))}
		if n := len(out); n > 0 && slices.Equal(out[n-1].cells, band.cells) {
			out[n-1].to = band.to
			continue
		}
		out = append(out, band)
	}
	return out
}

// event is a port at which a rule begins or ends to match.
type event struct {
	port  int
	op    int32
	start bool
}

// cells decides every destination port for one source port. It sweeps over the
// ports with the rules that match at each of them, in order: what it costs
// follows the rules' ranges and not their product.
func (b *builder) cells(src uint16) []builtCell {
	b.events, b.active = b.events[:0], b.active[:0]
	for _, r := range b.ranges {
		if r.src != nil && !slices.ContainsFunc(r.src, func(p model.PortRange) bool { return p.From <= src && src <= p.To }) {
			continue
		}
		if r.dst == nil {
			b.active = append(b.active, r.op)
			continue
		}
		for _, p := range r.dst {
			b.events = append(b.events, event{int(p.From), r.op, true}, event{int(p.To) + 1, r.op, false})
		}
	}
	slices.SortFunc(b.events, func(x, y event) int { return x.port - y.port })
	var out []builtCell
	at, next := 0, 0
	for at < 65536 {
		for ; next < len(b.events) && b.events[next].port <= at; next++ {
			b.take(b.events[next])
		}
		until := 65536
		if next < len(b.events) {
			until = b.events[next].port
		}
		d := b.decide()
		if n := len(out); n > 0 && out[n-1].decision == d {
			out[n-1].to = uint16(until - 1)
		} else {
			out = append(out, builtCell{uint16(until - 1), d})
		}
		at = until
	}
	return out
}

// take lets a rule begin or end to match. A rule's ranges do not overlap.
func (b *builder) take(e event) {
	i, found := slices.BinarySearch(b.active, e.op)
	switch {
	case e.start && !found:
		b.active = slices.Insert(b.active, i, e.op)
	case !e.start && found:
		b.active = slices.Delete(b.active, i, i+1)
	}
}

// decide walks the rules that match, in order (semantics.md section 9).
func (b *builder) decide() *decision {
	p, w := b.program, &b.way
	w.pieces, w.hash, w.tiered = w.pieces[:0], wayHash{}, false
	tiers := int32(len(p.ends))
	at := int32(0) // the first tier that has not ended
	for _, i := range b.active {
		o := &b.live[i]
		if o.part.tier >= 0 && o.part.tier < at {
			continue // passed
		}
		if end := min(o.part.tier, tiers); end > at {
			if d := b.endTiers(at, end); d != nil {
				return d
			}
		}
		at = max(at, o.part.tier)
		w.add(o.step, o.hash, &b.c.powers)
		switch {
		case o.action == verdict.ActionLog:
		case o.action == verdict.ActionPass && !o.part.passDenies:
			at++
		case o.action == verdict.ActionAllow:
			return b.end(verdict.Allow, o.reason)
		default:
			return b.end(verdict.Deny, o.reason)
		}
	}
	if at < tiers {
		if d := b.endTiers(at, tiers); d != nil {
			return d
		}
	}
	if p.finalStep != nil {
		w.add(p.finalStep, hashStep(&p.finalStep[0]), &b.c.powers)
	}
	if p.finalAllow {
		return b.end(verdict.Allow, p.final)
	}
	return b.end(verdict.Deny, p.final)
}

// endTiers takes the tiers from at to the one before end to their ends, and
// returns the decision if one of them denies.
func (b *builder) endTiers(at, end int32) *decision {
	p := b.program
	denied := p.denies[at] < end
	if denied {
		end = p.denies[at] + 1
	}
	b.way.tiered = true
	b.way.add(p.ends[at:end:end], p.endHash[end].less(p.endHash[at], &b.c.powers), &b.c.powers)
	if denied {
		return b.end(verdict.Deny, verdict.ByTierDefault)
	}
	return nil
}

func (b *builder) end(v verdict.Verdict, r verdict.Reason) *decision {
	d := b.c.decide(v, r, &b.way)
	if d.refs == 0 {
		b.made = append(b.made, d)
	}
	return d
}
