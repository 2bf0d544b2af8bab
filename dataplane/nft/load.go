package nft

import (
	"context"
	"maps"
	"slices"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// tableComment stands at the head of the listing.
const tableComment = "network policy of this node, written by tierwall; what is changed here by hand will be undone"

// inventory is what the table holds in the kernel.
type inventory struct {
	chains, maps []string
}

// epoch returns the first epoch that no name in the table has.
func (i inventory) epoch() int {
	next := 0
	for _, name := range slices.Concat(i.chains, i.maps) {
		next = max(next, epochOf(name)+1)
	}
	return next
}

// load builds the whole of a program in a new epoch, leads the base chains
// there, and deletes the rest of the table. After an error it returns no state.
func (d *Dataplane) load(ctx context.Context, s *socket, p dataplane.Program) (*state, error) {
	if err := d.claim(ctx, s); err != nil {
		return nil, err
	}
	if err := d.checkKernel(func(b *batch) error { return s.commit(ctx, b, uncut) }); err != nil {
		return nil, err
	}
	old, err := s.list()
	if err != nil {
		return nil, err
	}
	d.begin(old)
	next, err := newState(d.builder(old.epoch()), p)
	if err != nil {
		return nil, err
	}
	var add, drop batch
	add.addTable(d.flags)
	if next.record.Group != 0 {
		add.addCounter()
	}
	addAll(&add, next)
	if err := s.commit(ctx, &add, cut); err != nil {
		return nil, err
	}
	if err := enterEpoch(ctx, s, next, old); err != nil {
		return nil, err
	}
	old.maps = slices.DeleteFunc(old.maps, next.isCutSet)
	dropOthers(&drop, old, next.baseChains())
	if !drop.empty() {
		grace()
		err = s.commit(ctx, &drop, cut)
	}
	if err != nil {
		return nil, err
	}
	return next, nil
}

// enterEpoch leads the base chains into an epoch. Where somebody put something
// in their place that cannot be changed into them, it is replaced.
func enterEpoch(ctx context.Context, s *socket, next *state, old inventory) error {
	var flip, replace batch
	flip.glue(func() {
		for _, c := range next.baseChains() {
			flip.addChain(c)
		}
	})
	refused := s.commit(ctx, &flip, uncut)
	if refused == nil || ctx.Err() != nil {
		return refused
	}
	replace.glue(func() {
		for _, c := range next.baseChains() {
			if slices.Contains(old.chains, c.name) {
				replace.flush(c.name)
				replace.deleteChain(c.name)
			}
			replace.addChain(c)
		}
	})
	if s.commit(ctx, &replace, uncut) != nil {
		return refused
	}
	return nil
}

// addAll adds everything but the base chains: each object after those that it
// names.
func addAll(b *batch, s *state) {
	t := s.tables
	if s.cuts {
		b.addMap(cutSets[0])
		b.addMap(cutSets[1])
	}
	for _, v4 := range []bool{true, false} {
		b.addMap(s.hostMap(v4))
		b.addElements(s.hosts(v4), hostElements(t.Hosts, v4))
		b.addMap(s.netMap(v4))
		b.addElements(s.nets(v4), netElements(t.Nets, v4))
	}
	for _, c := range s.outcomeChains() {
		b.addChain(c)
	}
	b.addChain(s.peerClassChain(verdict.Ingress))
	b.addChain(s.peerClassChain(verdict.Egress))
	for _, id := range slices.Sorted(maps.Keys(t.Rows)) {
		addRow(b, s.builder, t.Rows[id])
	}
	for _, id := range slices.Sorted(maps.Keys(t.Sets)) {
		addSet(b, s.builder, t.Sets[id], t.Rows)
	}
	addDispatch(b, s)
}

func addRow(b *batch, with builder, r *table.Row) {
	for _, c := range with.enter(r, verdict.Normal) {
		b.addChain(c)
	}
}

func addSet(b *batch, with builder, s *table.Set, rows map[table.RowID]*table.Row) {
	for _, id := range append(slices.Sorted(maps.Values(s.Rows)), s.Default[:]...) {
		addRowOf(b, with, s, rows[id])
	}
	b.addMap(with.setMap(s.ID))
	b.addElements(with.rows(s.ID), with.setElements(s, rows))
	b.addChain(with.setChain(s, rows))
}

// addRowOf adds what a set needs of a row beside what all sets share.
func addRowOf(b *batch, with builder, s *table.Set, r *table.Row) {
	for _, c := range with.enterFor(s, r) {
		b.addChain(c)
	}
}

func addDispatch(b *batch, s *state) {
	for _, name := range slices.Sorted(maps.Keys(s.dispatch.forks)) {
		b.addChain(s.dispatch.forks[name])
	}
	for _, m := range s.dispatchMaps() {
		b.addMap(m)
		var list []element
		for _, key := range slices.Sorted(maps.Keys(s.dispatch.maps[m.name])) {
			list = append(list, s.dispatch.maps[m.name][key].element(key, m.isMap()))
		}
		b.addElements(m.name, list)
	}
	for i, m := range s.podNetSets() {
		b.addMap(m)
		b.addElements(m.name, podNetElements(s.dispatch.podNets, i == 0))
	}
	for _, p := range posts {
		b.addChain(s.othersChain(p, s.dispatch.others[p]))
		b.addChain(s.placeChain(p))
	}
	for _, c := range s.podChains() {
		b.addChain(c)
	}
}

// dropOthers deletes what the table held before. Rules go first, then maps,
// then chains, since each holds on to the next.
func dropOthers(b *batch, old inventory, keep []chain) {
	var chains []string
	for _, c := range old.chains {
		if !slices.ContainsFunc(keep, func(k chain) bool { return k.name == c }) {
			chains = append(chains, c)
		}
	}
	for _, c := range chains {
		b.flush(c)
	}
	for _, m := range old.maps {
		b.deleteMap(m)
	}
	for _, c := range chains {
		b.deleteChain(c)
	}
}
