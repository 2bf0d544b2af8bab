package analysis

import (
	"github.com/tierwall/tierwall/selector"
)

// filing keeps values by selector, and finds those whose selectors match some
// labels without asking every selector: each is filed under a label that it
// needs and the values that will do.
type filing[T any] struct {
	drawers map[string]map[string][]filed[T] // by label and value
	rest    []filed[T]                       // those that need no label of known values
}

type filed[T any] struct {
	selector *selector.Selector
	value    T
}

// add files a value; what a nil selector matches is nothing.
func (f *filing[T]) add(s *selector.Selector, value T) {
	if s == nil {
		return
	}
	var best *selector.Requirement
	least := 0
	for _, r := range s.Requirements() {
		if r.Values == nil {
			continue
		}
		n := 0
		for _, v := range r.Values {
			n += 1 + len(f.drawers[r.Key][v])
		}
		if best == nil || n < least {
			best, least = &r, n
		}
	}
	if best == nil {
		f.rest = append(f.rest, filed[T]{s, value})
		return
	}
	if f.drawers == nil {
		f.drawers = map[string]map[string][]filed[T]{}
	}
	if f.drawers[best.Key] == nil {
		f.drawers[best.Key] = map[string][]filed[T]{}
	}
	for _, v := range best.Values {
		f.drawers[best.Key][v] = append(f.drawers[best.Key][v], filed[T]{s, value})
	}
}

// matching calls each with every value whose selector matches the labels, once
// for each time that it was added, in no order.
func (f *filing[T]) matching(l selector.Labels, each func(T)) {
	ask := func(all []filed[T]) {
		for _, x := range all {
			if x.selector.Matches(l) {
				each(x.value)
			}
		}
	}
	ask(f.rest)
	for key, byValue := range f.drawers {
		if v, ok := l.Label(key); ok {
			ask(byValue[v])
		}
	}
}
