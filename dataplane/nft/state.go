package nft

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// state is what the kernel holds in one epoch. It is changed in place, so that
// a change takes no more work than it is large.
type state struct {
	builder
	// tables are our own copy: its maps, its sets' rows and its ranges are
	// nobody else's.
	tables     *table.Tables
	interfaces map[verdict.EndpointID][]string
	dispatch   *dispatch
	// outdated are elements whose comment is not that of their row, by the base of
	// the set and the class.
	outdated map[table.SetID]map[table.ClassID]bool
}

// newState takes a program over, in an epoch.
func newState(b builder, p dataplane.Program) (*state, error) {
	t := p.Tables.Clone()
	for id, s := range t.Sets {
		t.Sets[id] = ownSet(s)
	}
	s := &state{builder: b, tables: t, interfaces: maps.Clone(p.Interfaces), outdated: map[table.SetID]map[table.ClassID]bool{}}
	if s.interfaces == nil {
		s.interfaces = map[verdict.EndpointID][]string{}
	}
	s.settings = p.Settings
	return s, s.place()
}

// place finds out where the endpoints are.
func (s *state) place() (err error) {
	if s.dispatch, err = s.builder.dispatch(s); err == nil {
		s.needs = s.needed(s.dispatch)
	}
	return err
}

// ownSet returns a copy whose rows may be changed.
func ownSet(s *table.Set) *table.Set {
	own := *s
	if own.Rows = maps.Clone(s.Rows); own.Rows == nil {
		own.Rows = map[table.ClassID]table.RowID{}
	}
	return &own
}

// changeTo returns what leads to a program. It compares everything.
func (s *state) changeTo(p dataplane.Program) dataplane.Change {
	c := dataplane.Change{Delta: table.Diff(s.tables, p.Tables), Settings: &p.Settings, Interfaces: map[verdict.EndpointID][]string{}}
	for id, list := range p.Interfaces {
		if !slices.Equal(list, s.interfaces[id]) {
			c.Interfaces[id] = list
		}
	}
	for id := range s.interfaces {
		if _, ok := p.Interfaces[id]; !ok {
			c.Interfaces[id] = nil
		}
	}
	return c
}

// advance does to the tables what the steps add and flip do in the kernel: what
// nothing points at any more is still there.
func (s *state) advance(d *table.Delta) {
	for _, r := range d.NewRows {
		s.tables.Rows[r.ID] = r
	}
	for _, n := range d.NewSets {
		s.tables.Sets[n.ID] = ownSet(n)
	}
	s.setEntries(d.NewEntries)
	s.setEntries(d.Entries)
	for _, h := range d.Hosts {
		if h.Class == 0 {
			delete(s.tables.Hosts, h.Addr)
		} else {
			s.tables.Hosts[h.Addr] = h.Class
		}
	}
	s.tables.Nets = mergeNets(s.tables.Nets, d.OldNets, d.NewNets)
	for _, c := range d.Endpoints {
		if c.New == nil {
			delete(s.tables.Endpoints, c.Old.ID)
		} else {
			s.tables.Endpoints[c.New.ID] = c.New
		}
	}
}

// forget takes out of the tables what the step drop takes out of the kernel.
func (s *state) forget(d *table.Delta) {
	s.setEntries(d.OldEntries)
	for _, id := range d.OldSets {
		delete(s.tables.Sets, id)
		delete(s.book.base, id)
	}
	for _, id := range d.OldRows {
		delete(s.tables.Rows, id)
	}
}

func (s *state) setEntries(list []table.Entry) {
	for _, e := range list {
		set := s.tables.Sets[e.Set]
		switch {
		case set == nil:
		case e.Row == 0:
			delete(set.Rows, e.Class)
		default:
			set.Rows[e.Class] = e.Row
		}
	}
}

// mergeNets takes ranges out of a list and puts others in. All are sorted and,
// in what comes of it, disjoint.
func mergeNets(list, gone, come []table.Net) []table.Net {
	if len(gone)+len(come) == 0 {
		return list
	}
	out := make([]table.Net, 0, len(list)+len(come)-len(gone))
	for _, n := range list {
		if len(gone) > 0 && gone[0] == n {
			gone = gone[1:]
			continue
		}
		for len(come) > 0 && come[0].From.Less(n.From) {
			out, come = append(out, come[0]), come[1:]
		}
		out = append(out, n)
	}
	return append(out, come...)
}

// has reports whether a single address is in the tables.
func (s *state) has(a netip.Addr) bool {
	_, ok := s.tables.Hosts[a]
	return ok
}
