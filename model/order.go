package model

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tierwall/tierwall/verdict"
)

// OrderedTier is a tier in its place with its policies in theirs.
type OrderedTier struct {
	*Tier
	// Missing says that no such tier exists: its policies apply all the same,
	// after all others, and its end denies (semantics.md section 8).
	Missing  bool
	Policies []*Policy
}

// Ordered returns the tiers that have policies, in the order of evaluation,
// each with its policies in the order of evaluation (semantics.md section 8).
func (s *State) Ordered() []OrderedTier {
	byTier := map[string][]*Policy{}
	for _, p := range s.Policies {
		byTier[p.Tier] = append(byTier[p.Tier], p)
	}
	tiers := make([]OrderedTier, 0, len(byTier))
	for name, policies := range byTier {
		slices.SortFunc(policies, ComparePolicies)
		t, ok := s.Tiers[name]
		if !ok {
			t = &Tier{Name: name}
		}
		tiers = append(tiers, OrderedTier{Tier: t, Missing: !ok, Policies: policies})
	}
	slices.SortFunc(tiers, CompareTiers)
	return tiers
}

// CompareTiers orders tiers: those that exist first, then by order, none last,
// then by name.
func CompareTiers(a, b OrderedTier) int {
	if a.Missing != b.Missing {
		if a.Missing {
			return 1
		}
		return -1
	}
	return cmp.Or(CompareOrder(a.Order, b.Order), cmp.Compare(a.Name, b.Name))
}

// ComparePolicies orders the policies of one tier: by order, none last, then
// by the bytes of name/namespace/kind.
func ComparePolicies(a, b *Policy) int {
	if c := CompareOrder(a.Order, b.Order); c != 0 {
		return c
	}
	return compareTies(a.ID, b.ID)
}

// compareTies compares by tieKey. The keys are put together only where one of the
// names begins with the other: an endpoint's policies are sorted at each change of
// theirs, a thousand at a time.
func compareTies(a, b verdict.PolicyID) int {
	n := min(len(a.Name), len(b.Name))
	if c := cmp.Compare(a.Name[:n], b.Name[:n]); c != 0 {
		return c
	}
	return cmp.Compare(tieKey(a), tieKey(b))
}

// tieKey is the string of section 8; staged policies have the place of the kind
// that they would become.
func tieKey(id verdict.PolicyID) string {
	return id.Name + "/" + id.Namespace + "/" + strings.TrimPrefix(id.Kind, "Staged")
}

// CompareOrder compares two orders of tiers or policies; nil, which is no order,
// comes after every number (semantics.md section 8).
func CompareOrder(a, b *float64) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return cmp.Compare(*a, *b)
}
