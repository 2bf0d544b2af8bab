package nft

import (
	"context"
	"maps"
	"net/netip"
	"slices"

	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// change takes the kernel from one state to the next of the same epoch in the
// three steps of table.Delta.
func (d *Dataplane) change(ctx context.Context, s *socket, old, next *state) error {
	next.epoch, next.book = old.epoch, old.book
	if err := next.place(); err != nil {
		return err
	}
	c := &changes{old: old, next: next, delta: table.Diff(old.program.Tables, next.program.Tables)}
	c.bridge = newBridge(old.program.Tables, next.program.Tables, c.delta, firstBridge)
	var add, drop batch
	c.add(&add)
	if err := s.commit(ctx, &add, cut); err != nil {
		return err
	}
	if err := c.flip(ctx, s); err != nil {
		return err
	}
	if c.drop(&drop); drop.empty() {
		return nil
	}
	grace()
	return s.commit(ctx, &drop, cut)
}

// changes is what leads from one state to the next. The bridge is nil if none
// is needed.
type changes struct {
	old, next *state
	delta     *table.Delta
	bridge    *bridge
}

// row returns a row of either state.
func (c *changes) row(id table.RowID) *table.Row {
	if r, ok := c.next.program.Tables.Rows[id]; ok {
		return r
	}
	return c.old.program.Tables.Rows[id]
}

// entries are elements of sets' maps, one call a run of the same set.
func (c *changes) entries(list []table.Entry, do func(name string, list []element)) {
	for len(list) > 0 {
		n := slices.IndexFunc(list, func(e table.Entry) bool { return e.Set != list[0].Set })
		if n < 0 {
			n = len(list)
		}
		var elements []element
		for _, e := range list[:n] {
			if e.Row == 0 {
				elements = append(elements, element{key: class(e.Class)})
			} else {
				elements = append(elements, c.next.rowElement(e.Class, c.row(e.Row)))
			}
		}
		do(c.next.rows(list[0].Set), elements)
		list = list[n:]
	}
}

func (c *changes) add(b *batch) {
	for _, r := range c.delta.NewRows {
		addRow(b, c.next.builder, r)
	}
	for _, s := range c.delta.NewSets {
		addSet(b, c.next.builder, s, c.next.program.Tables.Rows)
	}
	c.entries(c.delta.NewEntries, b.addElements)
	if c.bridge != nil {
		c.entries(c.bridge.entries, b.addElements)
	}
	for _, name := range slices.Sorted(maps.Keys(c.next.dispatch.forks)) {
		if _, ok := c.old.dispatch.forks[name]; !ok {
			b.addChain(c.next.dispatch.forks[name])
		}
	}
}

// flip changes what live keys point at: in one transaction, or in three where
// a bridge is needed.
func (c *changes) flip(ctx context.Context, s *socket) error {
	var to, keys, from batch
	old := c.old.program.Tables
	had := func(a netip.Addr) bool { _, ok := old.Hosts[a]; return ok }
	if c.bridge == nil {
		keys.glue(func() {
			c.flipHosts(&keys, c.delta.Hosts, had)
			c.flipNets(&keys, c.delta.OldNets, c.delta.NewNets)
			c.flipKeys(&keys)
		})
		return s.commit(ctx, &keys, uncut)
	}
	c.flipHosts(&to, c.bridge.hosts, had)
	to.glue(func() { c.flipNets(&to, c.delta.OldNets, c.bridge.nets) })
	keys.glue(func() { c.flipKeys(&keys) })
	c.flipHosts(&from, c.bridge.landing, func(netip.Addr) bool { return true })
	from.glue(func() { c.flipNets(&from, c.bridge.nets, c.delta.NewNets) })
	if err := s.commit(ctx, &to, uncut); err != nil {
		return err
	}
	if err := s.commit(ctx, &keys, uncut); err != nil {
		return err
	}
	grace()
	return s.commit(ctx, &from, uncut)
}

// flipHosts points single addresses at classes. A replaced element is deleted
// and added in one transaction.
func (c *changes) flipHosts(b *batch, list []table.HostChange, had func(netip.Addr) bool) {
	for _, v4 := range []bool{true, false} {
		var gone, come []element
		for _, h := range list {
			if h.Addr.Is4() != v4 {
				continue
			}
			if had(h.Addr) {
				gone = append(gone, element{key: addr(h.Addr)})
			}
			if h.Class != 0 {
				come = append(come, element{key: addr(h.Addr), data: class(h.Class)})
			}
		}
		b.glue(func() {
			b.deleteElements(c.next.hosts(v4), gone)
			b.addElements(c.next.hosts(v4), come)
		})
	}
}

func (c *changes) flipNets(b *batch, gone, come []table.Net) {
	for _, v4 := range []bool{true, false} {
		b.deleteElements(c.next.nets(v4), netElements(gone, v4))
		b.addElements(c.next.nets(v4), netElements(come, v4))
	}
}

// flipKeys changes the rows of classes in sets that stay, and the sets of
// endpoints.
func (c *changes) flipKeys(b *batch) {
	var gone, come []table.Entry
	for _, e := range c.delta.Entries {
		if _, ok := c.old.program.Tables.Sets[e.Set].Rows[e.Class]; ok {
			gone = append(gone, table.Entry{Set: e.Set, Class: e.Class})
		}
		if e.Row != 0 {
			come = append(come, e)
		}
	}
	c.entries(gone, b.deleteElements)
	c.entries(come, b.addElements)
	flipDispatch(b, c.old, c.next)
}

func flipDispatch(b *batch, old, next *state) {
	for _, m := range next.dispatchMaps() {
		was, now := old.dispatch.maps[m.name], next.dispatch.maps[m.name]
		var gone, come []element
		for _, key := range slices.Sorted(maps.Keys(was)) {
			if was[key] != now[key] {
				gone = append(gone, element{key: []byte(key)})
			}
		}
		for _, key := range slices.Sorted(maps.Keys(now)) {
			if was[key] != now[key] {
				come = append(come, now[key].element(key, m.isMap()))
			}
		}
		b.deleteElements(m.name, gone)
		b.addElements(m.name, come)
	}
	if !slices.Equal(old.dispatch.podNets, next.dispatch.podNets) {
		for i, m := range next.podNetSets() {
			b.deleteElements(m.name, podNetElements(old.dispatch.podNets, i == 0))
			b.addElements(m.name, podNetElements(next.dispatch.podNets, i == 0))
		}
	}
	for _, d := range verdict.Directions {
		if old.dispatch.others[d] != next.dispatch.others[d] {
			b.replaceRules(next.othersChain(d, next.dispatch.others[d]))
		}
	}
}

// drop deletes what nothing points at any more: sets' chains before their maps,
// and those before the chains of rows.
func (c *changes) drop(b *batch) {
	old := c.old
	c.entries(c.delta.OldEntries, b.deleteElements)
	if c.bridge != nil {
		c.entries(c.bridge.leftovers(c.next.program.Tables), b.deleteElements)
	}
	for _, name := range slices.Sorted(maps.Keys(old.dispatch.forks)) {
		if _, ok := c.next.dispatch.forks[name]; !ok {
			b.deleteChain(name)
		}
	}
	for _, id := range c.delta.OldSets {
		b.deleteChain(old.set(id, old.program.Tables.Sets[id].Direction))
		b.deleteMap(old.rows(id))
	}
	for _, id := range c.delta.OldRows {
		for _, name := range c.next.leave(id) {
			b.deleteChain(name)
		}
	}
}
