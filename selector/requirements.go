package selector

import (
	"maps"
	"slices"
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
	found := s.tree().needs(false)
	var out []Requirement
	for _, key := range slices.Sorted(maps.Keys(found.values)) {
		out = append(out, Requirement{Key: key, Values: slices.Clone(found.values[key])})
	}
	return out
}

// needs is what is known about the label sets that a tree matches.
type needs struct {
	never  bool                // there are none
	values map[string][]string // as Requirement.Values; may be nil; the slices are shared with the tree
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
		kids := make([]needs, len(n.kids))
		for i, k := range n.kids {
			kids[i] = k.needs(negated)
		}
		if (n.op == opAnd) != negated {
			return needsOfAll(kids)
		}
		return needsOfAny(kids)
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
	return needs{
		never:  values != nil && len(values) == 0,
		values: map[string][]string{n.key: values},
	}
}

// needsOfAll is needs for an and: everything that one of them needs.
func needsOfAll(kids []needs) needs {
	all := needs{values: map[string][]string{}}
	for _, kid := range kids {
		all.never = all.never || kid.never
		for key, values := range kid.values {
			if before, ok := all.values[key]; ok {
				values = intersection(before, values)
				all.never = all.never || values != nil && len(values) == 0
			}
			all.values[key] = values
		}
	}
	return all
}

// needsOfAny is needs for an or: what all of those that can match at all need.
// It takes over the maps of kids.
func needsOfAny(kids []needs) needs {
	live := slices.DeleteFunc(slices.Clone(kids), func(k needs) bool { return k.never })
	if len(live) == 0 {
		return kids[0] // never; any requirement is sound
	}
	common := live[0].values
	for _, kid := range live[1:] {
		for key, values := range common {
			others, ok := kid.values[key]
			switch {
			case !ok:
				delete(common, key)
			case values == nil || others == nil:
				common[key] = nil
			default:
				common[key] = sortedSet(slices.Concat(values, others))
			}
		}
	}
	return needs{values: common}
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
