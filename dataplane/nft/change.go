package nft

import (
	"context"
	"maps"
	"net/netip"
	"reflect"
	"slices"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// change takes the kernel from what it holds to what a change leads to, in the
// three steps of table.Delta. After an error it is not known what it holds.
func (d *Dataplane) change(ctx context.Context, s *socket, ch dataplane.Change) error {
	now := d.now
	d.now = nil
	c, err := newChanges(now, ch, firstBridge+d.bridges, d.recent())
	if err != nil {
		return err
	}
	if c.bridge != nil {
		d.bridges = (d.bridges + c.bridge.classes) % (1 << 29)
	}
	var add, drop batch
	c.add(&add)
	if err := s.commit(ctx, &add, cut); err != nil {
		return err
	}
	landing, err := c.flip(ctx, s)
	if err != nil {
		return err
	}
	c.drop(&drop)
	for _, h := range c.heirs {
		now.outdate(h)
	}
	now.forget(c.delta)
	d.now = now
	d.whenQuiet()
	after := work{do: &drop, blocks: c.forkGoes() || c.rebased(), leaves: c.was.loses(now.dispatch), hot: c.ledAway()}
	if landing != nil {
		after.do, after.then, after.blocks = landing, &drop, true
	}
	d.soon(after)
	return nil
}

// changes is what leads from one state to the next. The bridge is nil if none
// is needed.
type changes struct {
	// now is already what it leads to, but for what the delta drops.
	now    *state
	delta  *table.Delta
	bridge *bridge
	// heirs are new sets that take the place of old ones; left are the classes
	// that addresses leave, living, once it was asked for, those that some have.
	heirs        []heir
	left, living map[table.ClassID]bool
	// rows are the chains of new rows.
	rows []chain
	// was is the former dispatch, the present one if it stays, needed the posts
	// at which it had policy, and dns what was handed over.
	was    *dispatch
	needed needs
	dns    *dataplane.DNS
	// had are the addresses among the delta's hosts that the kernel has, and
	// held those of the delta's entries that it has, with row 0.
	had  map[netip.Addr]bool
	held []table.Entry
}

// newChanges takes the state on to what a change leads to.
func newChanges(now *state, ch dataplane.Change, bridges table.ClassID, recent hot) (*changes, error) {
	c := &changes{now: now, delta: ch.Delta, was: now.dispatch, needed: now.needs, dns: now.settings.DNS, had: map[netip.Addr]bool{}}
	if c.delta == nil {
		c.delta = &table.Delta{}
	}
	for _, h := range c.delta.Hosts {
		c.had[h.Addr] = now.has(h.Addr)
	}
	for _, e := range c.delta.Entries {
		if set := now.tables.Sets[e.Set]; set != nil && set.Rows[e.Class] != 0 {
			c.held = append(c.held, table.Entry{Set: e.Set, Class: e.Class})
		}
	}
	c.bridge, c.left = newBridge(now.tables, c.delta), leftClasses(now.tables, c.delta)
	now.advance(c.delta)
	for _, r := range c.delta.NewRows {
		c.rows = append(c.rows, now.enter(r, verdict.Normal)...)
	}
	if len(ch.Interfaces) == 0 {
		c.findHeirs(recent)
	}
	if c.bridge != nil {
		c.bridge.span(now.tables, c.delta, bridges)
	}
	for id, list := range ch.Interfaces {
		if now.interfaces[id] = list; len(list) == 0 {
			delete(now.interfaces, id)
		}
	}
	if ch.Settings != nil {
		now.settings = *ch.Settings
	}
	if len(c.delta.Endpoints)+len(ch.Interfaces) == 0 && ch.Settings == nil {
		return c, nil
	}
	return c, now.place()
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
				elements = append(elements, c.now.rowElement(c.now.tables.Sets[e.Set], e.Class, c.now.tables.Rows[e.Row]))
			}
		}
		do(c.now.rows(list[0].Set), elements)
		list = list[n:]
	}
}

func (c *changes) add(b *batch) {
	if c.now.hasEarly(verdict.PreDNAT) && !c.needed.hasEarly(verdict.PreDNAT) {
		b.addChain(c.now.labelled())
	}
	for _, chain := range c.rows {
		b.addChain(chain)
	}
	for _, s := range c.delta.NewSets {
		if !slices.ContainsFunc(c.heirs, func(h heir) bool { return h.now.ID == s.ID }) {
			addSet(b, c.now.builder, s, c.now.tables.Rows)
		}
	}
	c.addRowsOf(b, c.delta.NewEntries)
	c.addRowsOf(b, c.delta.Entries)
	c.entries(c.delta.NewEntries, b.addElements)
	if c.bridge != nil {
		c.addRowsOf(b, c.bridge.entries)
		c.entries(c.bridge.entries, b.addElements)
	}
	for _, name := range slices.Sorted(maps.Keys(c.now.dispatch.forks)) {
		if _, ok := c.was.forks[name]; !ok {
			b.addChain(c.now.dispatch.forks[name])
		}
	}
}

// addRowsOf adds what sets of the early stages need of rows for entries.
func (c *changes) addRowsOf(b *batch, list []table.Entry) {
	for _, e := range list {
		if set := c.now.tables.Sets[e.Set]; set.Stage.FallsThrough() && e.Row != 0 {
			addRowOf(b, c.now.builder, set, c.now.tables.Rows[e.Row])
		}
	}
}

// flip changes what live keys point at: in one transaction, or in three where
// a bridge is needed. It returns the third, which must wait until all packets
// that began before are gone.
func (c *changes) flip(ctx context.Context, s *socket) (landing *batch, err error) {
	var to, keys, from batch
	had := func(a netip.Addr) bool { return c.had[a] }
	if c.bridge == nil {
		keys.glue(func() {
			c.flipHosts(&keys, c.delta.Hosts, had)
			c.flipNets(&keys, c.delta.OldNets, c.delta.NewNets)
			c.flipKeys(&keys)
		})
		return nil, s.commit(ctx, &keys, uncut)
	}
	c.flipHosts(&to, c.bridge.hosts, had)
	to.glue(func() { c.flipNets(&to, c.delta.OldNets, c.bridge.nets) })
	keys.glue(func() { c.flipKeys(&keys) })
	c.flipHosts(&from, c.bridge.landing, func(netip.Addr) bool { return true })
	from.glue(func() { c.flipNets(&from, c.bridge.nets, c.delta.NewNets) })
	if err := s.commit(ctx, &to, uncut); err != nil {
		return nil, err
	}
	if err := s.commit(ctx, &keys, uncut); err != nil {
		return nil, err
	}
	return &from, nil
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
			b.deleteElements(c.now.hosts(v4), gone)
			b.addElements(c.now.hosts(v4), come)
		})
	}
}

func (c *changes) flipNets(b *batch, gone, come []table.Net) {
	for _, v4 := range []bool{true, false} {
		b.deleteElements(c.now.nets(v4), netElements(gone, v4))
		b.addElements(c.now.nets(v4), netElements(come, v4))
	}
}

// flipKeys changes the rows of classes in sets that stay, and the sets of
// endpoints.
func (c *changes) flipKeys(b *batch) {
	var come []table.Entry
	for _, e := range c.delta.Entries {
		if e.Row != 0 {
			come = append(come, e)
		}
	}
	c.entries(c.held, b.deleteElements)
	c.entries(come, b.addElements)
	c.flipHeirs(b)
	if c.was != c.now.dispatch {
		flipDispatch(b, c.was, c.now)
	}
	if c.rebased() {
		for _, chain := range c.now.baseChains() {
			b.addChain(chain)
		}
	}
}

func flipDispatch(b *batch, old *dispatch, next *state) {
	for _, m := range next.dispatchMaps() {
		was, now := old.maps[m.name], next.dispatch.maps[m.name]
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
	if !slices.Equal(old.podNets, next.dispatch.podNets) {
		for i, m := range next.podNetSets() {
			b.deleteElements(m.name, podNetElements(old.podNets, i == 0))
			b.addElements(m.name, podNetElements(next.dispatch.podNets, i == 0))
		}
	}
	for _, p := range posts {
		if old.others[p] != next.dispatch.others[p] {
			b.replaceRules(next.othersChain(p, next.dispatch.others[p]))
		}
	}
}

// forkGoes reports whether a chain is deleted that is called after what it does,
// so that the next change may want it back.
func (c *changes) forkGoes() bool {
	for name := range c.was.forks {
		if _, ok := c.now.dispatch.forks[name]; !ok {
			return true
		}
	}
	return false
}

// rebased reports whether the base chains are others than before.
func (c *changes) rebased() bool {
	return !maps.Equal(c.needed, c.now.needs) || !reflect.DeepEqual(c.dns, c.now.settings.DNS)
}

// dropHooks deletes the base chains of early stages, and for DNS, that are not
// needed any more.
func (c *changes) dropHooks(b *batch) {
	if !c.rebased() {
		return
	}
	before := c.now.builder
	before.needs, before.settings.DNS = c.needed, c.dns
	keep := c.now.baseChains()
	for _, was := range before.baseChains() {
		if !slices.ContainsFunc(keep, func(k chain) bool { return k.name == was.name }) {
			b.flush(was.name)
			b.deleteChain(was.name)
		}
	}
}

// drop deletes what nothing points at any more: sets' chains before their maps,
// and those before the chains of rows.
func (c *changes) drop(b *batch) {
	c.dropHooks(b)
	c.entries(c.delta.OldEntries, b.deleteElements)
	if c.bridge != nil {
		c.entries(c.bridge.leftovers, b.deleteElements)
	}
	for _, name := range slices.Sorted(maps.Keys(c.was.forks)) {
		if _, ok := c.now.dispatch.forks[name]; !ok {
			b.deleteChain(name)
		}
	}
	for _, h := range c.heirs {
		c.entries(h.dead, b.deleteElements)
	}
	for _, id := range c.delta.OldSets {
		if c.inherited(id) {
			continue
		}
		b.deleteChain(c.now.set(id, c.now.tables.Sets[id].Direction))
		b.deleteMap(c.now.rows(id))
		for _, name := range c.now.leaveSet(id) {
			b.deleteChain(name)
		}
	}
	for _, id := range c.delta.OldRows {
		for _, name := range c.now.leave(rowUse{row: id}) {
			b.deleteChain(name)
		}
	}
	if c.needed.hasEarly(verdict.PreDNAT) && !c.now.hasEarly(verdict.PreDNAT) {
		b.deleteChain(c.now.accepted(verdict.PreDNAT))
	}
}
