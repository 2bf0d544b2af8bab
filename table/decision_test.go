package table_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// TestDecisionPieces: a decision is what its trace is, however its way is cut.
func TestDecisionPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) verdict.Step {
			return verdict.Step{Tier: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "tier"), Rule: rapid.IntRange(0, 1).Draw(t, "rule")}
		}), 0, 6)
		cut := func(all []verdict.Step) (way [][]verdict.Step) {
			for len(all) > 0 {
				n := rapid.IntRange(1, len(all)).Draw(t, "piece")
				way, all = append(way, all[:n]), all[n:]
			}
			return way
		}
		draw := func() (verdict.Trace, *table.Decision) {
			x := verdict.Trace{Verdict: verdict.Verdict(rapid.IntRange(0, 1).Draw(t, "verdict")), Reason: verdict.ByRule, Steps: steps.Draw(t, "steps")}
			return x, &table.Decision{Verdict: x.Verdict, Reason: x.Reason, Way: cut(x.Steps)}
		}
		x, a := draw()
		y, b := draw()
		if got := a.Trace(); !got.Equal(&x) {
			t.Fatalf("%v is told as %v", &x, &got)
		}
		if got := a.Equal(&table.Decision{Verdict: x.Verdict, Reason: x.Reason, Way: cut(x.Steps)}); !got {
			t.Fatalf("%v is not itself", a)
		}
		if got, want := a.Equal(b), x.Equal(&y); got != want {
			t.Fatalf("%v and %v: equal %v", a, b, got)
		}
		if !a.Equal(table.Decided(x)) || a.String() != x.String() {
			t.Fatalf("%v and %v", a, &x)
		}
	})
}
