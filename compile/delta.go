package compile

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// delta tells what the present change did to the tables, as table.Diff would.
func (c *Compiler) delta(goneNets, comeNets []table.Net) *table.Delta {
	d := &table.Delta{OldNets: goneNets, NewNets: comeNets}
	for _, r := range c.freshRows {
		if r.refs > 0 {
			d.NewRows = append(d.NewRows, r.Row)
		}
	}
	for _, r := range c.idleRows {
		if r.refs == 0 && !r.fresh {
			d.OldRows = append(d.OldRows, r.ID)
		}
	}
	for _, p := range c.freshPrograms {
		if p.refs > 0 {
			d.NewSets = append(d.NewSets, p.publish())
		}
	}
	for _, p := range c.idlePrograms {
		if p.refs == 0 && !p.fresh {
			d.OldSets = append(d.OldSets, p.id)
		}
	}
	slices.SortFunc(d.NewRows, func(a, b *table.Row) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(d.NewSets, func(a, b *table.Set) int { return cmp.Compare(a.ID, b.ID) })
	slices.Sort(d.OldRows)
	slices.Sort(d.OldSets)
	d.OldRows, d.OldSets = slices.Compact(d.OldRows), slices.Compact(d.OldSets)
	c.deltaEntries(d)
	c.deltaHosts(d)
	c.deltaEndpoints(d)
	return d
}

// deltaEntries tells which classes got or lost a row of their own in the sets
// that stay. No address has such a class before that, or after: the entries
// come early and go late, and none is ever changed in place.
func (c *Compiler) deltaEntries(d *table.Delta) {
	programs := slices.SortedFunc(maps.Keys(c.edited), func(a, b *program) int { return cmp.Compare(a.id, b.id) })
	byID := func(a, b *class) int { return cmp.Compare(a.id, b.id) }
	for _, p := range programs {
		if p.refs == 0 {
			continue
		}
		for _, k := range slices.SortedFunc(slices.Values(p.come), byID) {
			r, _ := p.rows.get(k)
			d.NewEntries = append(d.NewEntries, table.Entry{Set: p.id, Class: k.id, Row: r.ID})
		}
		for _, k := range slices.SortedFunc(slices.Values(p.gone), byID) {
			d.OldEntries = append(d.OldEntries, table.Entry{Set: p.id, Class: k.id})
		}
	}
}

func (c *Compiler) deltaHosts(d *table.Delta) {
	for a := range c.space.moved {
		d.Hosts = append(d.Hosts, table.HostChange{Addr: a, Class: c.space.shown(a)})
	}
	slices.SortFunc(d.Hosts, func(a, b table.HostChange) int { return a.Addr.Compare(b.Addr) })
}

// shown returns the class that the tables have for a single address; 0 if they
// have none.
func (s *space) shown(a netip.Addr) table.ClassID {
	h, _ := s.hosts.Get(host{addr: a})
	if h.class == nil || h.hidden {
		return 0
	}
	return h.class.id
}

func (c *Compiler) deltaEndpoints(d *table.Delta) {
	for l := range c.dirtyLocals {
		was := c.published[l.id]
		var now *table.Endpoint
		if l = c.locals[l.id]; l != nil {
			now = l.publish()
		}
		switch {
		case was == nil && now == nil, was != nil && now != nil && was.Equal(now):
			continue
		case now == nil:
			delete(c.published, was.ID)
		default:
			c.published[now.ID] = now
		}
		d.Endpoints = append(d.Endpoints, table.EndpointChange{Old: was, New: now})
	}
	slices.SortFunc(d.Endpoints, func(a, b table.EndpointChange) int { return a.ID().Compare(b.ID()) })
}

func (l *local) publish() *table.Endpoint {
	e := &table.Endpoint{ID: l.id, Interface: l.iface}
	for _, d := range verdict.Directions {
		e.Spans[d] = published(l.spans[verdict.Normal][d])
	}
	for _, stage := range verdict.Stages {
		spans := [2][]table.Span{published(l.spans[stage][0]), published(l.spans[stage][1])}
		if stage == verdict.Normal || spans[0] == nil && spans[1] == nil {
			continue
		}
		if e.Stages == nil {
			e.Stages = map[verdict.Stage][2][]table.Span{}
		}
		e.Stages[stage] = spans
	}
	return e
}

func published(spans []span) []table.Span {
	if len(spans) == 0 {
		return nil
	}
	out := make([]table.Span, len(spans))
	for i, s := range spans {
		out[i] = table.Span{From: s.from, To: s.to, Set: s.program.id}
	}
	return out
}

func (p *program) publish() *table.Set {
	s := &table.Set{ID: p.id, Direction: p.direction, Kind: p.kind, Stage: p.stage, Ends: p.applied, Rows: make(map[table.ClassID]table.RowID, p.rows.len())}
	for family, r := range p.defaults {
		s.Default[family] = r.ID
	}
	for _, e := range p.rows.entries {
		s.Rows[e.key.id] = e.value.ID
	}
	return s
}

// Tables returns the present tables, which no later change touches. They are
// put together when they are first asked for after a change: work that is
// proportional to their size, where Apply's is not.
func (c *Compiler) Tables() *table.Tables {
	if c.tables != nil {
		return c.tables
	}
	t := &table.Tables{
		Hosts: make(map[netip.Addr]table.ClassID, c.space.hosts.Len()), Nets: slices.Clone(c.space.nets),
		Endpoints: maps.Clone(c.published),
		Sets:      make(map[table.SetID]*table.Set, len(c.programs)), Rows: make(map[table.RowID]*table.Row, len(c.rows)),
	}
	c.space.hosts.Scan(func(h host) bool {
		if h.class != nil && !h.hidden {
			t.Hosts[h.addr] = h.class.id
		}
		return true
	})
	for _, p := range c.programs {
		t.Sets[p.id] = p.publish()
	}
	for _, r := range c.rows {
		t.Rows[r.ID] = r.Row
	}
	t.Index()
	c.tables = t
	return t
}
