package compile

import (
	"maps"
	"slices"
)

// A program that takes the place of another on an endpoint has most of its rules
// from it: of 1,000 policies one was edited. Its rows are those of the other but
// for the classes that a rule asks about which only one of the two has.

// follow notes that an endpoint has a program now where it had another.
func follow(now, before []span) {
	for _, s := range now {
		if !s.program.fresh || s.program.from != nil {
			continue
		}
		for _, o := range before {
			if o.from == s.from && o.to == s.to && !o.program.fresh {
				s.program.from = o.program
			}
		}
	}
}

// derive gives a new program the rows that it shares with the one that it comes
// from. It returns the classes whose rows it must still find. It reports false if
// all of them are to be found: there is none that it comes from, or a rule for any
// peer is in one of the two only, or tiers end otherwise.
func (c *Compiler) derive(p *program) (other map[*class]struct{}, ok bool) {
	o := p.from
	if o == nil || o.defaults[0] == nil || !p.endsLike(o) {
		return nil, false
	}
	gone, come := edited(o.parts, p.parts)
	other = map[*class]struct{}{}
	for _, list := range [][]part{gone, come} {
		for i := range list {
			if len(list[i].free) > 0 {
				return nil, false
			}
			for _, x := range list[i].conditions {
				for _, a := range x.atoms.entries {
					for _, k := range a.value.classes.entries {
						other[k.key] = struct{}{}
					}
				}
			}
		}
	}
	for _, k := range c.space.renamed {
		other[k] = struct{}{}
	}
	p.defaults = o.defaults
	for _, r := range p.defaults {
		r.refs++
	}
	rows := make([]entry[*class, *row], 0, o.rows.len()+len(other))
	for _, e := range o.rows.entries {
		if _, found := other[e.key]; !found && e.key.shown > 0 {
			e.value.refs++
			rows = append(rows, e)
		}
	}
	p.rows = smallOf(rows)
	return other, true
}

// endsLike reports whether what no rule decides comes to the same.
func (p *program) endsLike(o *program) bool {
	return p.direction == o.direction && p.kind == o.kind && p.stage == o.stage && p.final == o.final && p.finalAllow == o.finalAllow &&
		len(p.ends) == len(o.ends) && p.endHash[len(p.ends)] == o.endHash[len(o.ends)] &&
		len(p.finalStep) == len(o.finalStep) && (p.finalStep == nil || p.finalStep[0].Equal(o.finalStep[0]))
}

// edited returns the parts of two programs from the first to the last that
// differs.
func edited(old, now []part) (gone, come []part) {
	for len(old) > 0 && len(now) > 0 && old[0].equal(&now[0]) {
		old, now = old[1:], now[1:]
	}
	for len(old) > 0 && len(now) > 0 && old[len(old)-1].equal(&now[len(now)-1]) {
		old, now = old[:len(old)-1], now[:len(now)-1]
	}
	return old, now
}

func (p *part) equal(o *part) bool {
	return p.ruleset == o.ruleset && p.tier == o.tier && p.passDenies == o.passDenies && slices.Equal(p.skip, o.skip) &&
		maps.EqualFunc(p.own, o.own, func(a, b ownPorts) bool {
			return slices.Equal(a.named, b.named) && slices.Equal(a.notNamed, b.notNamed)
		})
}
