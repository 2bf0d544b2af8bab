package compile

import (
	"slices"

	"github.com/tierwall/tierwall/selector"
)

// index finds, for a set of labels, the items whose selectors may match it:
// each is filed under one label that its selector requires, the one that the
// fewest others are filed under.
type index[T comparable] struct {
	byPair map[pair][]T
	byKey  map[string][]T
	rest   []T
}

func newIndex[T comparable]() *index[T] {
	return &index[T]{byPair: map[pair][]T{}, byKey: map[string][]T{}}
}

// place is where an item is filed.
type place struct {
	never bool // nowhere: its selector matches nothing
	rest  bool
	key   string
	// values are those under which it is filed; none for the key alone.
	values []string
}

// file files an item under what its selector needs and returns where.
func (x *index[T]) file(needs []selector.Requirement, item T) place {
	best := place{rest: true}
	cost := len(x.rest) + 1<<20
	for _, r := range needs {
		if r.Values != nil && len(r.Values) == 0 {
			return place{never: true}
		}
		n := len(x.byKey[r.Key]) + 1<<10
		if r.Values != nil {
			n = len(r.Values) * 4
			for _, v := range r.Values {
				n += len(x.byPair[pair{r.Key, v}])
			}
		}
		if n < cost {
			best, cost = place{key: r.Key, values: r.Values}, n
		}
	}
	switch {
	case best.rest:
		x.rest = append(x.rest, item)
	case best.values == nil:
		x.byKey[best.key] = append(x.byKey[best.key], item)
	}
	for _, v := range best.values {
		x.byPair[pair{best.key, v}] = append(x.byPair[pair{best.key, v}], item)
	}
	return best
}

// remove takes an item from where file said that it is.
func (x *index[T]) remove(at place, item T) {
	switch {
	case at.never:
	case at.rest:
		x.rest = without(x.rest, item)
	case at.values == nil:
		if x.byKey[at.key] = without(x.byKey[at.key], item); len(x.byKey[at.key]) == 0 {
			delete(x.byKey, at.key)
		}
	}
	for _, v := range at.values {
		k := pair{at.key, v}
		if x.byPair[k] = without(x.byPair[k], item); len(x.byPair[k]) == 0 {
			delete(x.byPair, k)
		}
	}
}

func without[T comparable](list []T, item T) []T {
	i := slices.Index(list, item)
	last := len(list) - 1
	list[i] = list[last]
	var none T
	list[last] = none
	return list[:last]
}

// candidates calls f with every item that may match the group, once.
func (x *index[T]) candidates(g *group, f func(T)) {
	for _, item := range x.rest {
		f(item)
	}
	for _, id := range g.effective {
		p := &g.labels.list[id]
		for _, item := range x.byKey[p.key] {
			f(item)
		}
		for _, item := range x.byPair[p.pair] {
			f(item)
		}
	}
}

// matching calls f with every group that the selector, which needs these,
// matches, once.
func (c *Compiler) matching(s *selector.Selector, needs []selector.Requirement, f func(*group)) {
	var best *selector.Requirement
	cost := len(c.groups)
	for _, r := range needs {
		if r.Values == nil {
			continue
		}
		n := 0
		for _, v := range r.Values {
			if id, ok := c.pairs.ids[pair{r.Key, v}]; ok {
				n += len(c.pairs.list[id].groups)
			}
		}
		if n < cost {
			best, cost = &r, n
		}
	}
	c.lastLook++
	look := func(g *group) {
		if !g.gone && g.looked != c.lastLook {
			g.looked = c.lastLook
			if s.Matches(g) {
				f(g)
			}
		}
	}
	if best == nil {
		for _, g := range c.groups {
			look(g)
		}
		return
	}
	for _, v := range best.Values {
		if id, ok := c.pairs.ids[pair{best.Key, v}]; ok {
			for _, g := range c.pairs.list[id].groups {
				look(g)
			}
		}
	}
}
