package model

import (
	"cmp"
	"testing"

	"pgregory.net/rapid"

	"github.com/tierwall/tierwall/verdict"
)

// TestCompareTies holds the quick comparison against that of the whole keys, on
// names that begin with one another and differ by bytes around the slash.
func TestCompareTies(t *testing.T) {
	text := rapid.StringOfN(rapid.SampledFrom([]rune("a-.z0")), 0, 3, -1)
	id := rapid.Custom(func(t *rapid.T) verdict.PolicyID {
		kind := rapid.SampledFrom([]string{"NetworkPolicy", "StagedNetworkPolicy", "GlobalNetworkPolicy"}).Draw(t, "kind")
		return verdict.PolicyID{Kind: kind, Namespace: text.Draw(t, "namespace"), Name: text.Draw(t, "name")}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := id.Draw(t, "a"), id.Draw(t, "b")
		if got, want := compareTies(a, b), cmp.Compare(tieKey(a), tieKey(b)); got != want {
			t.Fatalf("%v and %v: %d, want %d", a, b, got, want)
		}
	})
}
