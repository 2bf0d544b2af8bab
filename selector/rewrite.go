package selector

// Prefixed returns the selector with every label name prefixed: a selector on
// a namespace's labels becomes one on what its endpoints inherit ("pcns.", and
// "pcsa." for service accounts; semantics.md section 6). Values, all() and
// global() stay. An empty prefix changes nothing.
func (s *Selector) Prefixed(prefix string) *Selector {
	return s.rewritten(func(n *node) *node {
		if n.op == opAll || n.op == opGlobal {
			return n
		}
		prefixed := *n
		prefixed.key = prefix + n.key
		return &prefixed
	})
}

// ReplaceAll returns the selector with every all() replaced (semantics.md
// section 6.1; on the tree, by section 0 decision 4). An all() inside with is
// not replaced again. A nil with is all().
func (s *Selector) ReplaceAll(with *Selector) *Selector {
	return s.replaced(opAll, with.tree())
}

// ReplaceGlobal returns the selector with every global() replaced (semantics.md
// section 6.2). A global() inside with is not replaced again. A nil with is
// all().
func (s *Selector) ReplaceGlobal(with *Selector) *Selector {
	return s.replaced(opGlobal, with.tree())
}

func (s *Selector) replaced(o op, with *node) *Selector {
	if s != nil && !s.tree().contains(o) {
		return s // most selectors
	}
	return s.rewritten(func(n *node) *node {
		if n.op == o {
			return with
		}
		return n
	})
}

func (s *Selector) rewritten(leaf func(*node) *node) *Selector {
	return newSelector(s.tree().rewrite(leaf))
}

// rewrite returns a copy of the tree with each leaf replaced, put together
// again by negate and join because a replacement may be a not, and or or.
func (n *node) rewrite(leaf func(*node) *node) *node {
	switch n.op {
	case opNot:
		return negate(n.kids[0].rewrite(leaf))
	case opAnd, opOr:
		kids := make([]*node, len(n.kids))
		for i, k := range n.kids {
			kids[i] = k.rewrite(leaf)
		}
		return join(n.op, kids)
	}
	return leaf(n)
}
