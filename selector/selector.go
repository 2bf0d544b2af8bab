package selector

import "slices"

// Labels is what a selector is evaluated against.
type Labels interface {
	// Label returns the value of the label key, and whether the label is there
	// at all: a label that is present and empty is ("", true).
	Label(key string) (value string, ok bool)
}

// Map adapts a plain map to Labels. A nil Map has no labels.
type Map map[string]string

// Label implements Labels.
func (m Map) Label(key string) (value string, ok bool) {
	value, ok = m[key]
	return value, ok
}

// Selector is a condition on labels (semantics.md section 4). It is immutable:
// its methods may be called concurrently. The zero value and a nil *Selector
// mean all().
type Selector struct {
	root *node  // nil: all()
	text string // canonical form; empty: all()
}

// newSelector is the only place that makes a Selector with a tree, so that the
// canonical form is always there and never computed twice.
func newSelector(root *node) *Selector {
	return &Selector{root: root, text: root.canonical()}
}

// tree returns the syntax tree, never nil.
func (s *Selector) tree() *node {
	if s == nil || s.root == nil {
		return &everything
	}
	return s.root
}

// All returns all(), which matches every label set.
func All() *Selector { return &Selector{} }

// Equal returns key == "value": the label is present with exactly that value.
// Neither argument is checked against the grammar; the package comment says how
// String writes what the grammar cannot.
func Equal(key, value string) *Selector {
	return newSelector(&node{op: opEqual, key: key, value: value})
}

// In returns key in {values}: the label is present with one of the values.
// Without values it matches nothing.
func In(key string, values ...string) *Selector {
	return newSelector(&node{op: opIn, key: key, set: sortedSet(values)})
}

// NotIn returns key not in {values}: the label is absent or has another value.
// Without values it matches everything.
func NotIn(key string, values ...string) *Selector {
	return newSelector(&node{op: opNotIn, key: key, set: sortedSet(values)})
}

// Has returns has(key): the label is present with any value, an empty one too.
func Has(key string) *Selector {
	return newSelector(&node{op: opHas, key: key})
}

// And returns the selector that matches what all of s match. Without arguments
// it is all(); one argument is returned as it is. A nil argument is an all()
// in its place and is kept, so that ReplaceAll finds it.
func And(s ...*Selector) *Selector { return combine(opAnd, s) }

// Or returns the selector that matches what at least one of s matches. Without
// arguments it matches nothing and is written !all(), which ReplaceAll would
// rewrite like any other all(). One argument is returned as it is.
func Or(s ...*Selector) *Selector { return combine(opOr, s) }

func combine(o op, s []*Selector) *Selector {
	if len(s) == 1 && s[0] != nil {
		return s[0]
	}
	kids := make([]*node, len(s))
	for i, one := range s {
		kids[i] = one.tree()
	}
	return newSelector(join(o, kids))
}

// Not returns the selector that matches what s does not. Not(Not(s)) is s.
func Not(s *Selector) *Selector { return newSelector(negate(s.tree())) }

// Matches says whether the labels satisfy the selector. A nil l is a set of no
// labels. global() counts as true (semantics.md section 4): replace it first
// where it has a meaning. Matches allocates nothing unless l does.
func (s *Selector) Matches(l Labels) bool {
	if l == nil {
		l = Map(nil)
	}
	return s.tree().matches(l)
}

// String returns the canonical form, described in the package comment. Equal
// strings mean equal selectors.
func (s *Selector) String() string {
	if s == nil || s.text == "" {
		return canonicalAll
	}
	return s.text
}

// Equal says whether both selectors have the same canonical form. Selectors
// that match the same labels may still differ. It makes go-cmp work.
func (s *Selector) Equal(t *Selector) bool { return s.String() == t.String() }

// IsAll says whether the selector is exactly all(), as a blank one is.
func (s *Selector) IsAll() bool { return s.tree().op == opAll }

// IsGlobal says whether the selector is exactly global().
func (s *Selector) IsGlobal() bool { return s.tree().op == opGlobal }

// UsesGlobal says whether global() occurs anywhere in the selector. A quoted
// value that reads "global()" does not count.
func (s *Selector) UsesGlobal() bool {
	return s.tree().contains(opGlobal)
}

// Keys returns the distinct label names that the selector mentions, sorted;
// nil where there are none.
func (s *Selector) Keys() []string {
	var keys []string
	s.tree().leaves(func(n *node) {
		if n.op != opAll && n.op != opGlobal {
			keys = append(keys, n.key)
		}
	})
	slices.Sort(keys)
	return slices.Compact(keys)
}
