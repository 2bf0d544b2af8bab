package compile_test

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// canonical writes tables without their ids: classes and sets are numbered in
// the order in which addresses and endpoints lead to them, rows are written in
// full. Tables that are equal up to ids have one text, others do not.
func canonical(t *table.Tables) string {
	w := &writer{tables: t, classes: map[table.ClassID]int{}, sets: map[table.SetID]int{}, rows: map[table.RowID]int{}}
	for _, n := range t.Nets {
		w.line("net %s-%s class %d", n.From, n.To, w.class(n.Class))
	}
	for _, a := range slices.SortedFunc(maps.Keys(t.Hosts), netip.Addr.Compare) {
		w.line("host %s class %d", a, w.class(t.Hosts[a]))
	}
	for _, id := range slices.SortedFunc(maps.Keys(t.Endpoints), verdict.EndpointID.Compare) {
		e := t.Endpoints[id]
		w.line("endpoint %s (%s) interface %q", id, e.ID, e.Interface)
		for _, d := range verdict.Directions {
			for _, s := range e.Spans[d] {
				w.line("  %s %s-%s set %d", d, s.From, s.To, w.set(s.Set))
			}
		}
		for _, stage := range verdict.Stages {
			for _, d := range verdict.Directions {
				for _, s := range e.Stages[stage][d] {
					w.line("  %s %s %s-%s set %d", stage, d, s.From, s.To, w.set(s.Set))
				}
			}
		}
	}
	if len(w.sets) != len(t.Sets) || len(w.rows) != len(t.Rows) {
		w.line("unreachable: %d of %d sets, %d of %d rows", len(t.Sets)-len(w.sets), len(t.Sets), len(t.Rows)-len(w.rows), len(t.Rows))
	}
	return w.text.String() + w.below.String()
}

type writer struct {
	tables      *table.Tables
	classes     map[table.ClassID]int
	sets        map[table.SetID]int
	rows        map[table.RowID]int
	text, below strings.Builder
}

func (w *writer) line(format string, args ...any) { fmt.Fprintf(&w.text, format+"\n", args...) }

func (w *writer) class(id table.ClassID) int {
	if id < table.FirstClass {
		return -int(id)
	}
	return number(w.classes, id)
}

// number returns the number of a key, the next one if it has none.
func number[K comparable](m map[K]int, k K) int {
	if _, ok := m[k]; !ok {
		m[k] = len(m) + 1
	}
	return m[k]
}

// set returns the number of a set, which it writes down the first time.
func (w *writer) set(id table.SetID) int {
	if n, ok := w.sets[id]; ok {
		return n
	}
	n := number(w.sets, id)
	s := w.tables.Sets[id]
	if s == nil || s.ID != id {
		fmt.Fprintf(&w.below, "set %d is missing\n", n)
		return n
	}
	fmt.Fprintf(&w.below, "set %d %s %s %s %v default %d, %d", n, s.Kind, s.Stage, s.Direction, s.Ends.Policies(), w.row(s.Default[0]), w.row(s.Default[1]))
	byNumber := map[int]table.RowID{}
	for class, row := range s.Rows {
		byNumber[w.class(class)] = row // every class has its number from an address
	}
	for _, class := range slices.Sorted(maps.Keys(byNumber)) {
		fmt.Fprintf(&w.below, "; class %d row %d", class, w.row(byNumber[class]))
	}
	w.below.WriteString("\n")
	return n
}

func (w *writer) row(id table.RowID) int {
	if n, ok := w.rows[id]; ok {
		return n
	}
	n := number(w.rows, id)
	r := w.tables.Rows[id]
	if r == nil || r.ID != id {
		w.line("row %d is missing", n)
		return n
	}
	w.line("row %d: %s", n, r.Other)
	for _, p := range r.Protocols {
		for _, b := range p.Bands {
			for _, c := range b.Cells {
				w.line("  %s %d-%d to %d-%d: %s", verdict.ProtocolName(p.Number), b.From, b.To, c.From, c.To, c.Decision)
			}
		}
	}
	return n
}
