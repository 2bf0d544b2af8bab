package compile

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// row is a table.Row while it is made, with ids in place of decisions.
type row struct {
	other     uint32
	protocols []rowProtocol
}

type rowProtocol struct {
	number uint8
	bands  []rowBand
}

type rowBand struct {
	from, to uint16
	cells    []rowCell
}

type rowCell struct {
	from, to uint16
	decision uint32
}

// compileTests turns the rules' questions about peers into tests of atoms.
func (p *program) compileTests(b *build, d verdict.Direction) {
	for i := range p.stages {
		for j := range p.stages[i].ops {
			o := &p.stages[i].ops[j]
			o.address = b.atoms.test(o.remote)
			switch o.rule.IPVersion {
			case 4:
				o.address.never[1] = true
			case 6:
				o.address.never[0] = true
			}
			o.compilePorts(b, d)
			p.atoms = append(append(p.atoms, o.address.require...), o.address.exclude...)
			for _, list := range [][]knownPort{o.src.named, o.src.notNamed, o.dst.named, o.dst.notNamed, o.service} {
				for _, port := range list {
					if port.atom != 0 {
						p.atoms = append(p.atoms, port.atom)
					}
				}
			}
		}
	}
	slices.Sort(p.atoms)
	p.atoms = slices.Compact(p.atoms)
}

// rows fills in the rows of every program for every class that one of its
// rules can tell from the rest.
func (b *build) rows() {
	byAtom := map[uint32][]int{}
	for i, c := range b.classes {
		for _, a := range c.atoms {
			byAtom[a] = append(byAtom[a], i)
		}
	}
	for _, p := range b.programs {
		known := map[string]table.RowID{}
		for family := range p.set.Default {
			p.set.Default[family] = b.row(p, family, nil, known)
		}
		seen := map[int]bool{}
		for _, a := range p.atoms {
			for _, i := range byAtom[a] {
				if seen[i] {
					continue
				}
				seen[i] = true
				c := b.classes[i]
				if id := b.row(p, c.family, intersect(c.atoms, p.atoms), known); id != p.set.Default[c.family] {
					p.set.Rows[c.id] = id
				}
			}
		}
	}
}

func intersect(a, b []uint32) []uint32 {
	var both []uint32
	for _, x := range a {
		if _, ok := slices.BinarySearch(b, x); ok {
			both = append(both, x)
		}
	}
	return both
}

// row returns the row of a program for addresses of the family in just the
// given atoms, known or new.
func (b *build) row(p *program, family int, in []uint32, known map[string]table.RowID) table.RowID {
	key := []byte{byte(family)}
	for _, a := range in {
		key = binary.BigEndian.AppendUint32(key, a)
	}
	if id, ok := known[string(key)]; ok {
		return id
	}
	r := b.walk(p, family, in)
	id, _ := b.compiler.ids.rows.id(rowKey(r))
	known[string(key)] = id
	if b.out.Rows[id] == nil {
		b.out.Rows[id] = b.finish(id, r)
	}
	return id
}

func (b *build) finish(id table.RowID, r *row) *table.Row {
	traces := b.compiler.ids.traces
	out := &table.Row{ID: id, Other: traces[r.other]}
	for _, p := range r.protocols {
		tp := table.Protocol{Number: p.number}
		for _, band := range p.bands {
			tb := table.Band{From: band.from, To: band.to}
			for _, c := range band.cells {
				tb.Cells = append(tb.Cells, table.Cell{From: c.from, To: c.to, Decision: traces[c.decision]})
			}
			tp.Bands = append(tp.Bands, tb)
		}
		out.Protocols = append(out.Protocols, tp)
	}
	return out
}

// walk decides every protocol and port for one class. Only the rules whose
// address test it passes are left.
func (b *build) walk(p *program, family int, in []uint32) *row {
	w := &rowWalk{build: b, program: p, atoms: in, stages: make([][]*op, len(p.stages))}
	var named []uint8
	for i := range p.stages {
		for j := range p.stages[i].ops {
			o := &p.stages[i].ops[j]
			if !o.address.matches(family, in) {
				continue
			}
			w.stages[i] = append(w.stages[i], o)
			named = append(named, o.protocols()...)
		}
	}
	r := &row{other: w.protocol(nil)[0].cells[0].decision}
	slices.Sort(named)
	for _, n := range slices.Compact(named) {
		bands := w.protocol(&n)
		if len(bands) == 1 && len(bands[0].cells) == 1 && bands[0].cells[0].decision == r.other {
			continue
		}
		r.protocols = append(r.protocols, rowProtocol{n, bands})
	}
	return r
}

// rowWalk is the walk over the rules that are left for one class.
type rowWalk struct {
	build   *build
	program *program
	atoms   []uint32
	stages  [][]*op
	decided []box
}

// box is a rectangle of ports with the way that led to it, and, once decided,
// the decision.
type box struct {
	src, dst model.PortRange
	way      []verdict.Step
	decision uint32
}

var allPorts = model.PortRange{From: 0, To: 65535}

// protocol walks all stages for one protocol; nil stands for every protocol
// that no rule names.
func (w *rowWalk) protocol(number *uint8) []rowBand {
	w.decided = nil
	left := []box{{src: allPorts, dst: allPorts}}
	for i := range w.stages {
		left = w.stage(&w.program.stages[i], w.stages[i], left, number)
	}
	for _, x := range left {
		if s := w.program.finalStep; s != nil {
			x.way = append(slices.Clip(x.way), *s)
		}
		w.decide(x, w.program.finalAllow, w.program.final)
	}
	return bands(w.decided)
}

// stage takes the boxes that reached a stage through its rules and returns
// those that go on to the next one.
func (w *rowWalk) stage(st *stage, ops []*op, left []box, number *uint8) []box {
	var passed []box
	for _, o := range ops {
		src, dst, ok := o.ports(number, w.atoms)
		if !ok {
			continue
		}
		var rest []box
		for _, x := range left {
			hits, misses := split(x, src, dst)
			rest = append(rest, misses...)
			for _, hit := range hits {
				if o.step != nil {
					hit.way = append(slices.Clip(hit.way), *o.step)
				}
				switch o.action {
				case verdict.ActionLog:
					rest = append(rest, hit)
				case verdict.ActionPass:
					if st.passDenies {
						w.decide(hit, false, o.reason)
					} else {
						passed = append(passed, hit)
					}
				default:
					w.decide(hit, o.action == verdict.ActionAllow, o.reason)
				}
			}
		}
		left = rest
	}
	for _, x := range left {
		if st.end != nil {
			x.way = append(slices.Clip(x.way), *st.end)
			if st.end.Action == verdict.ActionDeny {
				w.decide(x, false, verdict.ByTierDefault)
				continue
			}
		}
		passed = append(passed, x)
	}
	return passed
}

func (w *rowWalk) decide(x box, allow bool, reason verdict.Reason) {
	t := verdict.Trace{Verdict: verdict.Deny, Reason: reason, Steps: x.way}
	if allow {
		t.Verdict = verdict.Allow
	}
	x.decision, _ = w.build.compiler.ids.decision(t)
	w.decided = append(w.decided, x)
}

// bands puts decided boxes, which cover all pairs of ports once, into the one
// form that equal rows share.
func bands(boxes []box) []rowBand {
	edges := []int{0, 65536}
	for _, x := range boxes {
		edges = append(edges, int(x.src.From), int(x.src.To)+1)
	}
	slices.Sort(edges)
	edges = slices.Compact(edges)
	slices.SortFunc(boxes, func(a, b box) int { return cmp.Compare(a.dst.From, b.dst.From) })
	var out []rowBand
	for i := 0; i+1 < len(edges); i++ {
		band := rowBand{from: uint16(edges[i]), to: uint16(edges[i+1] - 1)}
		for _, x := range boxes {
			if x.src.From > band.from || x.src.To < band.from {
				continue
			}
			if n := len(band.cells); n > 0 && band.cells[n-1].decision == x.decision {
				band.cells[n-1].to = x.dst.To
			} else {
				band.cells = append(band.cells, rowCell{x.dst.From, x.dst.To, x.decision})
			}
		}
		if n := len(out); n > 0 && slices.Equal(out[n-1].cells, band.cells) {
			out[n-1].to = band.to
		} else {
			out = append(out, band)
		}
	}
	return out
}
