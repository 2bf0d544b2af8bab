package nft

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"github.com/tierwall/tierwall/table"
)

// firstBridge is the first class id that no compiler gives out.
const firstBridge table.ClassID = 1 << 30

// bridge leads addresses from one class to another while endpoints change
// their sets.
//
// A packet looks up its set first and the peer's class second. If both change
// at once, some packet meets the old set with the new class, of which the old
// set may know nothing or something else: neither the old decision nor the
// new. (A policy that allowed net p now allows net q: an address in both was
// in class pq and is now in q, which the old set denies.) So each such change
// of class c to d goes by a class of its own, for which every old set has the
// row of c and every new set the row of d. Addresses go there first, then
// endpoints change their sets, and when no packet of the old sets is left,
// addresses go on to d.
type bridge struct {
	// entries are the rows of the classes on the bridge, in old and new sets.
	// leftovers take those of them away that are in sets that stay.
	entries, leftovers []table.Entry
	// hosts leads to the bridge, and landing on from it.
	hosts, landing []table.HostChange
	nets           []table.Net
	// classes is how many there are on the bridge.
	classes table.ClassID

	// What was read from the tables before the delta: the sets that endpoints
	// leave, the class of each of the delta's hosts, the ranges that change, and
	// for each class the rows that sets have which are left or go.
	left   map[table.SetID]bool
	before []table.ClassID
	pieces []piece
	old    map[table.ClassID][]table.Entry
}

// pair is a change of class.
type pair struct {
	before, after table.ClassID
}

// newBridge returns the bridge that a delta needs, or nil if sets or classes
// stay as they are. It reads the tables as they are before the delta; span
// needs them as they are after it.
func newBridge(from *table.Tables, d *table.Delta) *bridge {
	left := leftSets(d)
	if len(left) == 0 || len(d.Hosts)+len(d.OldNets)+len(d.NewNets) == 0 {
		return nil
	}
	b := &bridge{left: left, pieces: overlay(d.OldNets, d.NewNets), old: map[table.ClassID][]table.Entry{}}
	for _, h := range d.Hosts {
		b.before = append(b.before, from.Class(h.Addr))
		b.old[from.Class(h.Addr)] = nil
	}
	for _, p := range b.pieces {
		b.old[p.before] = nil
	}
	sets := slices.AppendSeq(slices.Clone(d.OldSets), maps.Keys(left))
	slices.Sort(sets)
	for _, id := range slices.Compact(sets) {
		s := from.Sets[id]
		if s == nil {
			continue
		}
		for c := range b.old {
			if row, ok := s.Rows[c]; ok {
				b.old[c] = append(b.old[c], table.Entry{Set: id, Row: row})
			}
		}
	}
	return b
}

// span leads the bridge to the tables after the delta. Its classes are numbered
// from next on. Sets that the delta drops may still be there.
func (b *bridge) span(to *table.Tables, d *table.Delta, next table.ClassID) {
	gone := map[table.SetID]bool{}
	for _, id := range d.OldSets {
		gone[id] = true
	}
	ids := map[pair]table.ClassID{}
	class := func(p pair) table.ClassID {
		if p.before == p.after {
			return p.before
		}
		if ids[p] == 0 {
			ids[p] = next + table.ClassID(len(ids))
			b.addEntries(to, p, ids[p], gone)
		}
		return ids[p]
	}
	for i, h := range d.Hosts {
		b.hosts = append(b.hosts, table.HostChange{Addr: h.Addr, Class: class(pair{b.before[i], to.Class(h.Addr)})})
		b.landing = append(b.landing, h)
	}
	for _, p := range b.pieces {
		b.nets = append(b.nets, table.Net{From: p.from, To: p.to, Class: class(p.pair)})
	}
	b.classes = table.ClassID(len(ids))
	slices.SortFunc(b.entries, func(x, y table.Entry) int {
		return cmp.Or(cmp.Compare(x.Set, y.Set), cmp.Compare(x.Class, y.Class))
	})
	for _, e := range b.entries {
		if !gone[e.Set] {
			b.leftovers = append(b.leftovers, table.Entry{Set: e.Set, Class: e.Class})
		}
	}
}

// leftSets are the sets that an endpoint which stays leaves, whether or not
// others keep them.
func leftSets(d *table.Delta) map[table.SetID]bool {
	left := map[table.SetID]bool{}
	for _, c := range d.Endpoints {
		if c.Old == nil || c.New == nil {
			continue
		}
		for dir := range c.Old.Spans {
			if slices.Equal(c.Old.Spans[dir], c.New.Spans[dir]) {
				continue
			}
			for _, s := range c.Old.Spans[dir] {
				left[s.Set] = true
			}
		}
	}
	return left
}

// addEntries gives the class on the bridge its row in every set: that of the
// old class in sets that an endpoint leaves, that of the new class in all
// others. Endpoints that keep their set meet the old decision or the new one
// either way. A set that one endpoint leaves while another enters it in the
// same change is the one case that this cannot serve: who enters meets the old
// class for the moment.
func (b *bridge) addEntries(to *table.Tables, p pair, id table.ClassID, gone map[table.SetID]bool) {
	for _, e := range b.old[p.before] {
		b.entries = append(b.entries, table.Entry{Set: e.Set, Class: id, Row: e.Row})
	}
	for _, s := range to.Sets {
		if row, ok := s.Rows[p.after]; ok && !b.left[s.ID] && !gone[s.ID] {
			b.entries = append(b.entries, table.Entry{Set: s.ID, Class: id, Row: row})
		}
	}
}

// piece is a range of addresses that change their class together.
type piece struct {
	addressRange
	pair
}

// overlay cuts the ranges of two lists into pieces that lie in at most one
// range of each; where a list has none, the class is that of a miss. Both are
// sorted and disjoint.
//
//	old   [------a------)     [---b---)
//	new         [----c----)   [-d-)
//	      [-a0--)[-ac-)[0c)   [bd-)[b0)
func overlay(old, new []table.Net) []piece {
	starts := map[netip.Addr]bool{}
	for _, n := range slices.Concat(old, new) {
		starts[n.From] = true
		if after := n.To.Next(); after.IsValid() {
			starts[after] = true
		}
	}
	cuts := slices.SortedFunc(maps.Keys(starts), netip.Addr.Compare)
	var list []piece
	for i, a := range cuts {
		before, inOld := netOf(old, a)
		after, inNew := netOf(new, a)
		if !inOld && !inNew {
			continue
		}
		end := last(netip.PrefixFrom(a, 0))
		if i+1 < len(cuts) && cuts[i+1].Is4() == a.Is4() {
			end = cuts[i+1].Prev()
		}
		list = append(list, piece{addressRange{a, end}, pair{before, after}})
	}
	return list
}

// netOf returns the class that a list of ranges gives an address.
func netOf(nets []table.Net, a netip.Addr) (table.ClassID, bool) {
	i, _ := slices.BinarySearchFunc(nets, a, func(n table.Net, a netip.Addr) int { return n.To.Compare(a) })
	if i < len(nets) && nets[i].From.Compare(a) <= 0 {
		return nets[i].Class, true
	}
	return table.Other(a), false
}
