package nft

import (
	"maps"
	"slices"

	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// heir is a new set that takes over the chain and the map of the one whose
// endpoints all go over to it. Only what the kernel does otherwise is changed:
// of 1,000 classes those whose row is another, and the chain's own rules, which
// say which set it is.
//
// A packet on its way has looked up the chain before the change, and perhaps the
// class, and looks the row up after it. So a set has an heir only where that
// makes no difference (see heirOf): else the new set gets a map of its own, which
// endpoints are led to.
type heir struct {
	old, now *table.Set
	// gone and come are elements that are taken out and put in at once; dead are
	// those of classes that no address has any more, which go in the end.
	gone, come, dead []table.Entry
	// stale are classes whose row is another for other reasons only.
	stale []table.ClassID
}

// hot is what packets that are on their way may have looked up before they meet
// what a change makes.
type hot struct {
	// classes are those that addresses left.
	classes map[table.ClassID]bool
	// sets are those that endpoints left which others are still in, by the name
	// that they have in the kernel.
	sets map[table.SetID]bool
	// dying are classes that maps still have and no address.
	dying map[table.ClassID]bool
}

func (h hot) none() bool { return len(h.classes)+len(h.sets)+len(h.dying) == 0 }

// leftClasses are the classes that addresses leave by a delta. It reads the
// tables as they are before it.
func leftClasses(from *table.Tables, d *table.Delta) map[table.ClassID]bool {
	left := map[table.ClassID]bool{}
	for _, h := range d.Hosts {
		if c := from.Class(h.Addr); c != h.Class {
			left[c] = true
		}
	}
	for _, p := range overlay(d.OldNets, d.NewNets) {
		if p.before != p.after {
			left[p.before] = true
		}
	}
	return left
}

// successors are the new sets that may take the place of old ones, by the old:
// all endpoints of the old go to the new, and both are gone and new as a whole.
func successors(d *table.Delta) map[table.SetID]table.SetID {
	next := map[table.SetID]table.SetID{}
	follow := func(old, now []table.Span) {
		for i, o := range old {
			n := table.SetID(0)
			if len(old) == len(now) && now[i].From == o.From && now[i].To == o.To {
				n = now[i].Set
			}
			if was, known := next[o.Set]; known && was != n {
				n = 0
			}
			next[o.Set] = n
		}
	}
	for _, c := range d.Endpoints {
		if c.Old == nil {
			continue
		}
		var now table.Endpoint
		if c.New != nil {
			now = *c.New
		}
		for dir := range c.Old.Spans {
			follow(c.Old.Spans[dir], now.Spans[dir])
			for stage, spans := range c.Old.Stages {
				follow(spans[dir], now.Stages[stage][dir])
			}
		}
	}
	gone, fresh, taken := map[table.SetID]bool{}, map[table.SetID]bool{}, map[table.SetID]bool{}
	for _, id := range d.OldSets {
		gone[id] = true
	}
	for _, s := range d.NewSets {
		fresh[s.ID] = true
	}
	for _, o := range slices.Sorted(maps.Keys(next)) {
		if n := next[o]; !gone[o] || !fresh[n] || taken[n] {
			delete(next, o)
		} else {
			taken[n] = true
		}
	}
	return next
}

// findHeirs decides which new sets take the place of old ones. It reads the
// tables after the delta, with what that drops still there, and needs the rows in
// the book. recent is what former changes led away from.
func (c *changes) findHeirs(recent hot) {
	next := successors(c.delta)
	if len(next) == 0 {
		return
	}
	hot := hot{maps.Clone(c.left), recent.sets, recent.dying}
	maps.Copy(hot.classes, recent.classes)
	var list []heir
	for _, o := range slices.Sorted(maps.Keys(next)) {
		if h := c.heirOf(c.now.tables.Sets[o], c.now.tables.Sets[next[o]], hot); h != nil {
			list = append(list, *h)
		}
	}
	all := leftSets(c.delta)
	for _, h := range list {
		delete(all, h.old.ID)
	}
	switch {
	case c.bridge == nil:
	case len(all) == 0:
		c.bridge = nil
	default:
		return // the bridge leads to sets of their own
	}
	c.heirs = list
	for _, h := range list {
		c.now.book.base[h.now.ID] = c.now.base(h.old.ID)
	}
}

// heirOf returns how a set takes the place of another, or nil if it cannot: the
// endings of the two differ, which are rules of the chain and not single keys;
// or a packet on its way may have looked up a class, or the chain, that it would
// not look up any more, and would meet a row that is neither its old one nor its
// new one.
func (c *changes) heirOf(old, now *table.Set, hot hot) *heir {
	if old.Stage.FallsThrough() || old.Direction != now.Direction || old.Kind != now.Kind || old.Stage != now.Stage || hot.sets[c.now.base(old.ID)] {
		return nil
	}
	page := func(id table.RowID) *page { return c.now.book.byRow[useOf(id, verdict.Normal)] }
	for family := range old.Default {
		if page(old.Default[family]) != page(now.Default[family]) {
			return nil
		}
	}
	// plain reports whether a row does what a miss does, in whichever family.
	plain := func(id table.RowID) bool { return page(id) == page(old.Default[0]) && page(id) == page(old.Default[1]) }
	h := &heir{old: old, now: now}
	for class, row := range now.Rows {
		e := table.Entry{Set: now.ID, Class: class, Row: row}
		was, had := old.Rows[class]
		switch {
		case hot.dying[class]:
			return nil
		case had && was == row:
		case had && page(was) == page(row):
			h.stale = append(h.stale, class)
		case had && !hot.classes[class]:
			h.gone, h.come = append(h.gone, table.Entry{Set: now.ID, Class: class}), append(h.come, e)
		case !had && (!hot.classes[class] || plain(row)):
			h.come = append(h.come, e)
		default:
			return nil
		}
	}
	for class, row := range old.Rows {
		e := table.Entry{Set: now.ID, Class: class}
		if _, has := now.Rows[class]; has {
			continue
		}
		switch {
		case !hot.classes[class]:
			h.gone = append(h.gone, e)
		case plain(row) || !c.alive()[class]:
			h.dead = append(h.dead, e)
		default:
			return nil
		}
	}
	byClass := func(a, b table.Entry) int { return int(a.Class) - int(b.Class) }
	slices.SortFunc(h.gone, byClass)
	slices.SortFunc(h.come, byClass)
	slices.SortFunc(h.dead, byClass)
	return h
}

// alive are the classes that some address has after the change.
func (c *changes) alive() map[table.ClassID]bool {
	if c.living == nil {
		c.living = map[table.ClassID]bool{table.OtherIPv4: true, table.OtherIPv6: true}
		for _, class := range c.now.tables.Hosts {
			c.living[class] = true
		}
		for _, n := range c.now.tables.Nets {
			c.living[n.Class] = true
		}
	}
	return c.living
}

// flipHeirs changes the rows of classes in the maps that go on, and the rules of
// the chains.
func (c *changes) flipHeirs(b *batch) {
	for _, h := range c.heirs {
		c.entries(h.gone, b.deleteElements)
		c.entries(h.come, b.addElements)
		b.replaceRules(c.now.setChain(h.now, c.now.tables.Rows))
	}
}

// inherited reports whether a set that the delta drops has an heir.
func (c *changes) inherited(id table.SetID) bool {
	return slices.ContainsFunc(c.heirs, func(h heir) bool { return h.old.ID == id })
}

// ledAway is what packets on their way may have looked up that the change led
// away from.
func (c *changes) ledAway() hot {
	out := hot{c.left, map[table.SetID]bool{}, map[table.ClassID]bool{}}
	for id := range leftSets(c.delta) {
		if !c.inherited(id) {
			out.sets[c.now.base(id)] = true
		}
	}
	for _, e := range c.delta.OldEntries {
		out.dying[e.Class] = true
	}
	for _, h := range c.heirs {
		for _, e := range h.dead {
			out.dying[e.Class] = true
		}
	}
	return out
}

// revives reports whether a delta makes use of a class that is dying. (Ids are
// not given out again soon; but a network that others cover wholly has no
// addresses of its own until one of those goes.)
func (h hot) revives(d *table.Delta) bool {
	if len(h.dying) == 0 {
		return false
	}
	return slices.ContainsFunc(d.Hosts, func(x table.HostChange) bool { return h.dying[x.Class] }) ||
		slices.ContainsFunc(d.NewNets, func(x table.Net) bool { return h.dying[x.Class] }) ||
		slices.ContainsFunc(d.NewEntries, func(x table.Entry) bool { return h.dying[x.Class] })
}
