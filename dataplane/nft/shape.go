package nft

import (
	"encoding/binary"
	"slices"

	"github.com/google/nftables/expr"

	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// effect is what the kernel does for a decision: two decisions of one effect
// differ only in their reasons. Logs are the rules that log, in order, each ended
// by a zero.
type effect struct {
	verdict verdict.Verdict
	// accepts tells an explicit Allow from all that goes on to the next stage;
	// it is false outside of the early stages, where both are one.
	accepts bool
	logs    string
}

func effectOf(d *table.Decision, early bool) effect {
	e := effect{verdict: d.Verdict, accepts: early && d.Verdict == verdict.Allow && d.Reason == verdict.ByRule}
	for _, piece := range d.Way {
		for _, s := range piece {
			if s.Action == verdict.ActionLog {
				e.logs += loggedBy(s) + "\x00"
			}
		}
	}
	return e
}

// shape is what the kernel sees of a row: rows that differ only in the reasons
// of their decisions have one shape and share one chain. Cells and bands are
// merged where they can be, so that equal behaviour is an equal shape.
type shape struct {
	// stage is the early stage in which the row holds, or Normal for all others.
	stage     verdict.Stage
	other     effect
	protocols []protocol
}

// protocol, band and cell are those of package table, by effect.
type protocol struct {
	number uint8
	bands  []band
}

type band struct {
	from, to uint16
	cells    []cell
}

type cell struct {
	from, to uint16
	effect   effect
}

func shapeOf(r *table.Row, stage verdict.Stage) shape {
	early := stage.FallsThrough()
	s := shape{other: effectOf(r.Other, early)}
	if early {
		s.stage = stage
	}
	for i := range r.Protocols {
		p := protocol{number: r.Protocols[i].Number, bands: bandsOf(&r.Protocols[i], early)}
		if len(p.bands) > 1 || len(p.bands[0].cells) > 1 || p.bands[0].cells[0].effect != s.other {
			s.protocols = append(s.protocols, p)
		}
	}
	return s
}

// bandsOf merges a protocol's bands. The cells of ICMP are types with codes
// (verdict.ICMPKey), in one band, since it has no source port. A protocol
// without ports has but one cell: that of port 0, at which the tables look it
// up.
func bandsOf(p *table.Protocol, early bool) []band {
	switch {
	case verdict.IsICMP(p.Number):
		return []band{{to: 65535, cells: cellsOf(p.Bands[0], early)}}
	case !verdict.HasPorts(p.Number):
		return []band{{to: 65535, cells: []cell{{to: 65535, effect: effectOf(p.Bands[0].Cells[0].Decision, early)}}}}
	}
	var list []band
	for _, b := range p.Bands {
		cells := cellsOf(b, early)
		if n := len(list); n > 0 && slices.Equal(list[n-1].cells, cells) {
			list[n-1].to = b.To
			continue
		}
		list = append(list, band{b.From, b.To, cells})
	}
	return list
}

func cellsOf(b table.Band, early bool) []cell {
	var list []cell
	for _, c := range b.Cells {
		e := effectOf(c.Decision, early)
		if n := len(list); n > 0 && list[n-1].effect == e {
			list[n-1].to = c.To
			continue
		}
		list = append(list, cell{c.From, c.To, e})
	}
	return list
}

// key is equal for equal shapes only.
func (s shape) key() string {
	k := s.other.append([]byte{byte(s.stage)})
	for _, p := range s.protocols {
		k = append(k, p.number, byte(len(p.bands)>>8), byte(len(p.bands)))
		for _, b := range p.bands {
			k = binary.BigEndian.AppendUint16(k, b.to)
			for _, c := range b.cells {
				k = c.effect.append(binary.BigEndian.AppendUint16(k, c.to))
			}
		}
	}
	return string(k)
}

func (e effect) append(k []byte) []byte {
	k = append(k, byte(e.verdict))
	if e.accepts {
		k[len(k)-1] |= 0x80
	}
	k = binary.BigEndian.AppendUint32(k, uint32(len(e.logs)))
	return append(k, e.logs...)
}

// plain returns the verdict of a shape that is nothing but a verdict.
func (b builder) plainShape(s shape) (*expr.Verdict, bool) {
	return b.plain(s.stage, s.other), len(s.protocols) == 0 && s.other.logs == ""
}

// plain returns an effect's verdict. Allow returns to the base chain, which
// asks the other direction's policy or accepts. Before connection tracking and
// translation nothing is answered: a denial is a drop. What records denials does
// so on their way.
func (b builder) plain(stage verdict.Stage, e effect) *expr.Verdict {
	switch early := stage.FallsThrough(); {
	case e.accepts:
		return goTo(b.accepted(stage))
	case early && e.verdict == verdict.Allow:
		return goTo(b.of("go-on"))
	case e.verdict == verdict.Allow:
		return back
	case b.record.Group != 0:
		return goTo(b.denied(stage))
	}
	return b.denial(stage)
}

// denial is how a denial ends.
func (b builder) denial(stage verdict.Stage) *expr.Verdict {
	if b.settings.Reject && !stage.FallsThrough() {
		return goTo(b.of("refuse"))
	}
	return drop
}

// rest chooses the effect of a protocol that needs no keys of its own: the one
// that most pairs of ports have.
func (p protocol) rest() effect {
	area := map[effect]int{}
	var best effect
	for _, b := range p.bands {
		for _, c := range b.cells {
			area[c.effect] += (int(b.to) - int(b.from) + 1) * (int(c.to) - int(c.from) + 1)
			if area[c.effect] > area[best] {
				best = c.effect
			}
		}
	}
	return best
}
