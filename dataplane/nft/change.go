package nft

import (
	"context"
	"maps"
	"slices"

	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// change takes the kernel from one state to the next of the same epoch in the
// three steps of table.Delta.
func (d *Dataplane) change(ctx context.Context, s *socket, old, next *state) error {
	next.epoch = old.epoch
	if err := next.place(); err != nil {
		return err
	}
	delta := table.Diff(old.program.Tables, next.program.Tables)
	var add, flip, drop batch
	addNew(&add, delta, old, next)
	flip.glue(func() {
		flipTables(&flip, delta, old, next)
		flipDispatch(&flip, old, next)
	})
	dropOld(&drop, delta, old, next)
	if err := s.commit(ctx, &add, cut); err != nil {
		return err
	}
	if err := s.commit(ctx, &flip, uncut); err != nil {
		return err
	}
	if drop.empty() {
		return nil
	}
	grace()
	return s.commit(ctx, &drop, cut)
}

func addNew(b *batch, d *table.Delta, old, next *state) {
	rows := next.program.Tables.Rows
	for _, r := range d.NewRows {
		addRow(b, next.builder, r)
	}
	for _, s := range d.NewSets {
		addSet(b, next.builder, s, rows)
	}
	for _, e := range d.NewEntries {
		b.addElements(next.rows(e.Set), []element{next.rowElement(e.Class, rows[e.Row])})
	}
	for _, name := range slices.Sorted(maps.Keys(next.dispatch.forks)) {
		if _, ok := old.dispatch.forks[name]; !ok {
			b.addChain(next.dispatch.forks[name])
		}
	}
}

// flipTables changes single elements of the live maps of peers and rows. A
// replaced element is deleted and added in one transaction.
func flipTables(b *batch, d *table.Delta, old, next *state) {
	rows := next.program.Tables.Rows
	for _, e := range d.Entries {
		if _, ok := old.program.Tables.Sets[e.Set].Rows[e.Class]; ok {
			b.deleteElements(next.rows(e.Set), []element{{key: class(e.Class)}})
		}
		if e.Row != 0 {
			b.addElements(next.rows(e.Set), []element{next.rowElement(e.Class, rows[e.Row])})
		}
	}
	for _, v4 := range []bool{true, false} {
		var gone, come []element
		for _, h := range d.Hosts {
			if h.Addr.Is4() != v4 {
				continue
			}
			if _, ok := old.program.Tables.Hosts[h.Addr]; ok {
				gone = append(gone, element{key: addr(h.Addr)})
			}
			if h.Class != 0 {
				come = append(come, element{key: addr(h.Addr), data: class(h.Class)})
			}
		}
		b.deleteElements(next.hosts(v4), gone)
		b.addElements(next.hosts(v4), come)
		b.deleteElements(next.nets(v4), netElements(d.OldNets, v4))
		b.addElements(next.nets(v4), netElements(d.NewNets, v4))
	}
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

// dropOld deletes what nothing points at any more: sets' chains before their
// maps, and those before the chains of rows.
func dropOld(b *batch, d *table.Delta, old, next *state) {
	for _, e := range d.OldEntries {
		b.deleteElements(old.rows(e.Set), []element{{key: class(e.Class)}})
	}
	for _, name := range slices.Sorted(maps.Keys(old.dispatch.forks)) {
		if _, ok := next.dispatch.forks[name]; !ok {
			b.deleteChain(name)
		}
	}
	for _, id := range d.OldSets {
		b.deleteChain(old.set(id, old.program.Tables.Sets[id].Direction))
		b.deleteMap(old.rows(id))
	}
	for _, id := range d.OldRows {
		chains := old.rowChains(old.program.Tables.Rows[id])
		slices.Reverse(chains)
		for _, c := range chains {
			b.deleteChain(c.name)
		}
	}
}
