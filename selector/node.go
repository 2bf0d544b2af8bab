package selector

import (
	"slices"
	"strings"
)

// op is the kind of a node. The zero value is all(), as for a Selector.
type op uint8

const (
	opAll op = iota
	opGlobal
	opHas
	opEqual
	opNotEqual
	opContains
	opStartsWith
	opEndsWith
	opIn
	opNotIn
	opNot
	opAnd
	opOr
)

// node is one node of the syntax tree. Nodes are immutable and shared between
// selectors. Trees are kept in a form that join and negate guarantee: no not
// under a not, no and under an and, no or under an or, two kids at least.
type node struct {
	op    op
	key   string   // label name: has and the comparisons
	value string   // ==, !=, contains, starts with, ends with
	set   []string // in, not in: sorted, distinct, not nil
	kids  []*node  // not: one; and, or: two at least
}

// everything is the tree of all(). It is never written to.
var everything = node{op: opAll}

// sortedSet returns a sorted copy without repetitions, never nil.
func sortedSet(values []string) []string {
	set := append([]string{}, values...)
	slices.Sort(set)
	return slices.Compact(set)
}

// negate returns not n, reducing double negation.
func negate(n *node) *node {
	if n.op == opNot {
		return n.kids[0]
	}
	return &node{op: opNot, kids: []*node{n}}
}

// join returns the and/or of kids, taking in the kids of nested nodes of the
// same kind. No kids give the neutral element: all() for and, !all() for or.
func join(o op, kids []*node) *node {
	flat := make([]*node, 0, len(kids))
	for _, k := range kids {
		if k.op == o {
			flat = append(flat, k.kids...)
		} else {
			flat = append(flat, k)
		}
	}
	switch {
	case len(flat) == 1:
		return flat[0]
	case len(flat) > 0:
		return &node{op: o, kids: flat}
	case o == opAnd:
		return &everything
	default:
		return negate(&everything)
	}
}

// matches evaluates the tree by the table of semantics.md section 4.
func (n *node) matches(l Labels) bool {
	switch n.op {
	case opAll, opGlobal:
		return true
	case opNot:
		return !n.kids[0].matches(l)
	case opAnd:
		for _, k := range n.kids {
			if !k.matches(l) {
				return false
			}
		}
		return true
	case opOr:
		for _, k := range n.kids {
			if k.matches(l) {
				return true
			}
		}
		return false
	}
	value, ok := l.Label(n.key)
	if !ok { // an absent label satisfies the negative comparisons only
		return n.op == opNotEqual || n.op == opNotIn
	}
	return n.accepts(value)
}

// accepts says whether a label that is present with the value satisfies the
// comparison.
func (n *node) accepts(value string) bool {
	switch n.op {
	case opHas:
		return true
	case opEqual:
		return value == n.value
	case opNotEqual:
		return value != n.value
	case opContains:
		return strings.Contains(value, n.value)
	case opStartsWith:
		return strings.HasPrefix(value, n.value)
	case opEndsWith:
		return strings.HasSuffix(value, n.value)
	}
	_, member := slices.BinarySearch(n.set, value)
	return member == (n.op == opIn)
}

// leaves calls visit for every node without kids, from left to right.
func (n *node) leaves(visit func(*node)) {
	if len(n.kids) == 0 {
		visit(n)
		return
	}
	for _, k := range n.kids {
		k.leaves(visit)
	}
}

// contains says whether a leaf of the kind occurs in the tree.
func (n *node) contains(o op) bool {
	if len(n.kids) == 0 {
		return n.op == o
	}
	return slices.ContainsFunc(n.kids, func(k *node) bool { return k.contains(o) })
}
