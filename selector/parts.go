package selector

import "strings"

// Conjuncts returns the conditions that all hold where the selector matches: the
// operands of its outermost &&, or the selector itself where it is anything else.
// It is never empty.
func (s *Selector) Conjuncts() []*Selector {
	n := s.tree()
	if n.op != opAnd {
		return []*Selector{newSelector(n)}
	}
	parts := make([]*Selector, len(n.kids))
	for i, k := range n.kids {
		parts[i] = newSelector(k)
	}
	return parts
}

// Values returns the values that the selector lets the label key have, where it
// says that and nothing else: key == "a", or key in {"a", "b"} (sorted, and empty
// for a set of none). ok is false for any other selector. The caller must not
// change the values.
func (s *Selector) Values(key string) (values []string, ok bool) {
	n := s.tree()
	switch {
	case n.key != key:
		return nil, false
	case n.op == opEqual:
		return []string{n.value}, true
	case n.op == opIn:
		return n.set, true
	}
	return nil, false
}

// Unprefixed undoes Prefixed. ok is false where a label lacks the prefix, and
// where the selector names no label at all.
func (s *Selector) Unprefixed(prefix string) (_ *Selector, ok bool) {
	keys := s.Keys()
	for _, key := range keys {
		if !strings.HasPrefix(key, prefix) {
			return nil, false
		}
	}
	if len(keys) == 0 {
		return nil, false
	}
	return s.rewritten(func(n *node) *node {
		if n.op == opAll || n.op == opGlobal {
			return n
		}
		bare := *n
		bare.key = strings.TrimPrefix(n.key, prefix)
		return &bare
	}), true
}
