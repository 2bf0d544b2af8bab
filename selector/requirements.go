package selector

import (
	"slices"
	"strings"
)

// Requirement is a condition on one label: a necessary one, where Requirements
// returns it.
type Requirement struct {
	// Key is the label name.
	Key string
	// Values are the values one of which the label must have, sorted and
	// distinct. nil means that it must be present with any value; empty but not
	// nil means that no value will do, so the selector matches nothing.
	Values []string
}

// Holds says whether the labels meet the requirement. l must not be nil.
func (r Requirement) Holds(l Labels) bool {
	value, ok := l.Label(r.Key)
	return ok && (r.Values == nil || slices.Contains(r.Values, value))
}

// Requirements returns conditions that hold for every label set that the
// selector matches, sorted by Key, one for each; nil where there are none. They
// are sound and not complete: a label set that meets all of them may still not
// match. An index files a selector under one of them, and asks it only for the
// label sets that meet it (semantics.md section 4, "restrictions"). The slice is
// the caller's. global() counts as true, as in Matches: rewrite first.
func (s *Selector) Requirements() []Requirement {
	found := s.tree().needs(false).list
	out := make([]Requirement, len(found))
	for i, r := range found {
		out[i] = Requirement{Key: r.Key, Values: slices.Clone(r.Values)}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// needs is what is known about the label sets that a tree matches.
type needs struct {
	never bool // there are none
	// list is sorted by key; its values are shared with the tree.
	list []Requirement
}

// needs derives the requirements of the tree, or of its negation, which is
// pushed to the leaves: !(a || b) needs what !a and !b need.
func (n *node) needs(negated bool) needs {
	switch n.op {
	case opAll, opGlobal:
		return needs{never: negated}
	case opNot:
		return n.kids[0].needs(!negated)
	case opAnd, opOr:
		if (n.op == opAnd) != negated {
			return n.needsOfAll(negated)
		}
		return n.needsOfAny(negated)
	}
	return n.leafNeeds(negated)
}

// leafNeeds is needs for a comparison or has.
func (n *node) leafNeeds(negated bool) needs {
	var positive bool
	var values []string
	switch n.op {
	case opEqual, opNotEqual:
		positive, values = n.op == opEqual, []string{n.value}
	case opIn, opNotIn:
		positive, values = n.op == opIn, n.set
	default: // has, contains, starts with, ends with
		positive = true
	}
	if positive == negated {
		return needs{} // an absent label satisfies it
	}
	return needs{never: values != nil && len(values) == 0, list: []Requirement{{n.key, values}}}
}

func byKey(r Requirement, key string) int { return strings.Compare(r.Key, key) }

// needsOfAll is needs for an and: everything that one of them needs.
func (n *node) needsOfAll(negated bool) needs {
	var all needs
	for _, kid := range n.kids {
		x := kid.needs(negated)
		all.never = all.never || x.never
		for _, r := range x.list {
			i, found := slices.BinarySearchFunc(all.list, r.Key, byKey)
			if !found {
				all.list = slices.Insert(all.list, i, r)
				continue
			}
			both := intersection(all.list[i].Values, r.Values)
			all.list[i].Values = both
			all.never = all.never || both != nil && len(both) == 0
		}
	}
	return all
}

// needsOfAny is needs for an or: what all of those that can match at all need.
func (n *node) needsOfAny(negated bool) needs {
	var common, first needs
	live := 0
	for i, kid := range n.kids {
		x := kid.needs(negated)
		if i == 0 {
			first = x
		}
		if x.never {
			continue
		}
		if live++; live == 1 {
			common = x
			continue
		}
		common.list = commonNeeds(common.list, x.list)
	}
	if live == 0 {
		return first // never; any requirement is sound
	}
	return common
}

// commonNeeds are the requirements on the keys that both lists have. It takes
// over the first list.
func commonNeeds(a, b []Requirement) []Requirement {
	kept := a[:0]
	for _, r := range a {
		i, found := slices.BinarySearchFunc(b, r.Key, byKey)
		switch {
		case !found:
			continue
		case r.Values == nil || b[i].Values == nil:
			r.Values = nil
		default:
			r.Values = sortedSet(slices.Concat(r.Values, b[i].Values))
		}
		kept = append(kept, r)
	}
	return kept
}

// intersection returns the values in both a and b, where nil stands for every
// value. The result is nil only if both are.
func intersection(a, b []string) []string {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	both := []string{}
	for _, v := range a {
		if _, ok := slices.BinarySearch(b, v); ok {
			both = append(both, v)
		}
	}
	return both
}
