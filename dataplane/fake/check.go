package fake

import (
	"fmt"

	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// check reports the first thing in tables that points at what is missing, or
// that a look-up could not cope with.
func check(t *table.Tables) error {
	for _, s := range t.Sets {
		if err := checkSet(t, s); err != nil {
			return err
		}
	}
	for _, e := range t.Endpoints {
		if err := checkEndpoint(t, e); err != nil {
			return err
		}
	}
	for a, c := range t.Hosts {
		if c == 0 {
			return fmt.Errorf("address %s has class 0", a)
		}
	}
	return checkNets(t.Nets)
}

func checkSet(t *table.Tables, s *table.Set) error {
	for family, id := range s.Default {
		if t.Rows[id] == nil {
			return fmt.Errorf("set %d: default %d is row %d, which is not there", s.ID, family, id)
		}
	}
	for class, id := range s.Rows {
		if t.Rows[id] == nil {
			return fmt.Errorf("set %d: class %d has row %d, which is not there", s.ID, class, id)
		}
		if class == 0 {
			return fmt.Errorf("set %d has a row for class 0", s.ID)
		}
	}
	return nil
}

func checkEndpoint(t *table.Tables, e *table.Endpoint) error {
	for d, spans := range e.Spans {
		for i, s := range spans {
			set := t.Sets[s.Set]
			switch {
			case set == nil:
				return fmt.Errorf("endpoint %s: set %d is not there", e.ID, s.Set)
			case set.Direction != verdict.Direction(d) || set.Kind != e.ID.Kind:
				return fmt.Errorf("endpoint %s: set %d is for another direction or kind", e.ID, s.Set)
			case s.To.Less(s.From) || i > 0 && !spans[i-1].To.Less(s.From):
				return fmt.Errorf("endpoint %s: spans overlap or are not sorted at %s", e.ID, s.From)
			}
		}
	}
	return nil
}

func checkNets(nets []table.Net) error {
	for i, n := range nets {
		if n.Class == 0 || n.To.Less(n.From) || n.From.Is4() != n.To.Is4() || i > 0 && !nets[i-1].To.Less(n.From) {
			return fmt.Errorf("range %s to %s: no class, or out of order", n.From, n.To)
		}
	}
	return nil
}

// ids remembers what each id stood for. Classes are not among them: what a
// class stands for does not show in the tables.
type ids struct {
	rows map[table.RowID]*table.Row
	sets map[table.SetID]*table.Set
}

// check reports the first id that stands for something else than before.
func (i *ids) check(t *table.Tables) error {
	for id, r := range t.Rows {
		if old := i.rows[id]; old != nil && !old.Equal(r) {
			return fmt.Errorf("row %d stands for something else than before", id)
		}
		i.rows[id] = r
	}
	for id, s := range t.Sets {
		if old := i.sets[id]; old != nil && !same(old, s) {
			return fmt.Errorf("set %d stands for something else than before", id)
		}
		i.sets[id] = s
	}
	return nil
}

// same reports whether two sets have the same meaning. Their rows may differ:
// classes come and go.
func same(a, b *table.Set) bool {
	return a.Direction == b.Direction && a.Kind == b.Kind && a.Default == b.Default && a.Ends.Equal(b.Ends)
}
