package compile

import (
	"cmp"
	"slices"

	"github.com/tierwall/tierwall/domain"
)

// Domains returns the patterns for whose names the tables ask: those of rules in
// force, and of the network sets that such rules find. They are sorted. What is
// learned of other names makes no difference now.
func (c *Compiler) Domains() []domain.Pattern {
	var list []domain.Pattern
	for p, x := range c.names.patterns.All() {
		if x.lists.len() > 0 || slices.ContainsFunc(x.groups.entries, func(g entry[*group, int]) bool { return asksNames(g.key) }) {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b domain.Pattern) int { return cmp.Compare(a.String(), b.String()) })
	return list
}

// asksNames reports whether a rule that finds what is in a group asks for the
// domains of its network sets.
func asksNames(g *group) bool {
	return slices.ContainsFunc(g.atoms, func(a *atom) bool { return a.key.sort == isSelected && a.named > 0 })
}
