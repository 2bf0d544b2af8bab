package table

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"github.com/tierwall/tierwall/verdict"
)

// Delta is the change from one Tables to the next, in the three steps in which
// a dataplane must take it under traffic (dataplane.md, rule 3):
//
//  1. Add: rows, sets and entries that nothing points at yet.
//  2. Flip: single keys change what they point at, each on its own, in this
//     order: endpoints that go; entries; hosts that come or change their class;
//     nets, all of them together; hosts that go; endpoints that come or change.
//  3. Drop: what nothing points at any more.
//
// After each step, and between any two flips in that order, every packet meets
// either the old decision or the new, never none, with one exception: where an
// endpoint that stays changes its set in the same delta in which a peer's
// address changes its class, the old set need not know the new class, nor the
// new set the old class. A dataplane that takes such a delta under traffic must
// lead the address over a class of its own meanwhile, for which the sets that
// are left have the row of the old class and those that are entered that of the
// new.
type Delta struct {
	// Add
	NewRows    []*Row
	NewSets    []*Set
	NewEntries []Entry

	// Flip
	Entries   []Entry
	Hosts     []HostChange
	OldNets   []Net
	NewNets   []Net
	Endpoints []EndpointChange

	// Drop
	OldEntries []Entry
	OldSets    []SetID
	OldRows    []RowID
}

// Entry gives a class its row in a set that exists. Row 0 takes the entry
// away: the set's default holds for the class.
type Entry struct {
	Set   SetID
	Class ClassID
	Row   RowID
}

// HostChange points a single address at a class; class 0 takes it away.
type HostChange struct {
	Addr  netip.Addr
	Class ClassID
}

// EndpointChange replaces an endpoint's spans. New is nil when the endpoint is
// gone, Old is nil when it has just come.
type EndpointChange struct {
	Old, New *Endpoint
}

// Empty reports whether the delta changes nothing.
func (d *Delta) Empty() bool {
	return len(d.NewRows)+len(d.NewSets)+len(d.NewEntries)+len(d.Entries)+len(d.Hosts)+len(d.OldNets)+
		len(d.NewNets)+len(d.Endpoints)+len(d.OldEntries)+len(d.OldSets)+len(d.OldRows) == 0
}

// Diff returns the change from one Tables to another of the same compiler,
// that is, with ids that mean the same in both. Lists are sorted, so equal
// inputs give equal deltas. It compares everything: work proportional to the
// size of the tables.
func Diff(from, to *Tables) *Delta {
	d := &Delta{}
	for _, id := range missing(to.Rows, from.Rows) {
		d.NewRows = append(d.NewRows, to.Rows[id])
	}
	d.OldRows = missing(from.Rows, to.Rows)
	d.diffSets(from, to)
	d.diffHosts(from.Hosts, to.Hosts)
	d.OldNets, d.NewNets = DiffNets(from.Nets, to.Nets)
	d.diffEndpoints(from, to)
	return d
}

func (d *Delta) diffSets(from, to *Tables) {
	for _, id := range missing(to.Sets, from.Sets) {
		d.NewSets = append(d.NewSets, to.Sets[id])
	}
	d.OldSets = missing(from.Sets, to.Sets)
	var edited []SetID
	for id, now := range to.Sets {
		if old := from.Sets[id]; old != nil && old != now {
			edited = append(edited, id)
		}
	}
	if len(edited) == 0 {
		return
	}
	slices.Sort(edited)
	before, after := liveClasses(from), liveClasses(to)
	for _, id := range edited {
		d.diffEntries(from.Sets[id], to.Sets[id], before, after)
	}
}

// diffEntries sorts the changes of one set's rows by step: an entry of a class
// that no address had before can come early, one of a class that no address
// has any more can go late, all else changes decisions and is a flip.
func (d *Delta) diffEntries(old, now *Set, before, after map[ClassID]bool) {
	for _, class := range sortedKeys(now.Rows) {
		row := now.Rows[class]
		switch was, ok := old.Rows[class]; {
		case ok && was == row:
		case !ok && !before[class]:
			d.NewEntries = append(d.NewEntries, Entry{now.ID, class, row})
		default:
			d.Entries = append(d.Entries, Entry{now.ID, class, row})
		}
	}
	for _, class := range sortedKeys(old.Rows) {
		if _, ok := now.Rows[class]; ok {
			continue
		}
		if after[class] {
			d.Entries = append(d.Entries, Entry{now.ID, class, 0})
		} else {
			d.OldEntries = append(d.OldEntries, Entry{now.ID, class, 0})
		}
	}
}

func (d *Delta) diffHosts(from, to map[netip.Addr]ClassID) {
	for a, c := range to {
		if from[a] != c {
			d.Hosts = append(d.Hosts, HostChange{a, c})
		}
	}
	for a := range from {
		if _, ok := to[a]; !ok {
			d.Hosts = append(d.Hosts, HostChange{a, 0})
		}
	}
	slices.SortFunc(d.Hosts, func(a, b HostChange) int { return a.Addr.Compare(b.Addr) })
}

func (d *Delta) diffEndpoints(from, to *Tables) {
	for id, now := range to.Endpoints {
		if old := from.Endpoints[id]; !old.Equal(now) {
			d.Endpoints = append(d.Endpoints, EndpointChange{Old: old, New: now})
		}
	}
	for id, old := range from.Endpoints {
		if _, ok := to.Endpoints[id]; !ok {
			d.Endpoints = append(d.Endpoints, EndpointChange{Old: old})
		}
	}
	slices.SortFunc(d.Endpoints, func(a, b EndpointChange) int { return a.ID().Compare(b.ID()) })
}

// ID returns the endpoint that changes.
func (c EndpointChange) ID() verdict.EndpointID {
	if c.New != nil {
		return c.New.ID
	}
	return c.Old.ID
}

// Equal reports whether two endpoints have the same sets for the same
// addresses; nil, none, is equal to nil alone.
func (e *Endpoint) Equal(o *Endpoint) bool {
	if e == nil || o == nil {
		return e == o
	}
	return e.ID == o.ID && e.Interface == o.Interface &&
		slices.Equal(e.Spans[0], o.Spans[0]) && slices.Equal(e.Spans[1], o.Spans[1]) &&
		maps.EqualFunc(e.Stages, o.Stages, func(a, b [2][]Span) bool { return slices.Equal(a[0], b[0]) && slices.Equal(a[1], b[1]) })
}

// liveClasses are the classes that some address has.
func liveClasses(t *Tables) map[ClassID]bool {
	live := map[ClassID]bool{OtherIPv4: true, OtherIPv6: true}
	for _, c := range t.Hosts {
		live[c] = true
	}
	for _, n := range t.Nets {
		live[n.Class] = true
	}
	return live
}

// DiffNets returns the ranges of one list that another has not, and the other
// way round. Both are sorted.
func DiffNets(from, to []Net) (gone, come []Net) {
	i, j := 0, 0
	for i < len(from) || j < len(to) {
		switch {
		case j == len(to) || i < len(from) && compareNets(from[i], to[j]) < 0:
			gone = append(gone, from[i])
			i++
		case i == len(from) || compareNets(from[i], to[j]) > 0:
			come = append(come, to[j])
			j++
		default:
			i++
			j++
		}
	}
	return gone, come
}

func compareNets(a, b Net) int {
	return cmp.Or(a.From.Compare(b.From), a.To.Compare(b.To), cmp.Compare(a.Class, b.Class))
}

// missing returns the keys of a that b has not, sorted.
func missing[K cmp.Ordered, V any](a, b map[K]V) []K {
	var list []K
	for k := range a {
		if _, ok := b[k]; !ok {
			list = append(list, k)
		}
	}
	slices.Sort(list)
	return list
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
