package analysis_test

import (
	"slices"
	"testing"

	"github.com/tierwall/tierwall/analysis"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/model/modeltest"
	"github.com/tierwall/tierwall/verdict"
)

// TestIndex: the index says of random worlds what asking every policy about
// every endpoint says.
func TestIndex(t *testing.T) {
	applied := 0
	for seed := range uint64(300) {
		s := modeltest.New(seed).State()
		x := analysis.NewIndex(s)
		staged := map[verdict.PolicyID]*model.Policy{}
		for _, p := range s.Staged {
			if p.Policy != nil {
				staged[p.Policy.ID] = p.Policy
			}
		}
		counts := map[verdict.PolicyID]int{}
		for _, e := range s.Endpoints {
			var want [2]int
			holds := func(p *model.Policy) bool {
				return p.Selector != nil && (e.ID.Kind == verdict.Host || p.In(verdict.Normal)) && p.Selector.Matches(s.Labels(e))
			}
			for id, p := range s.Policies {
				if x.Applies(id, e.ID) != holds(p) {
					t.Fatalf("seed %d: %s applies to %s: %v, want %v", seed, id, e.ID, !holds(p), holds(p))
				}
				if !holds(p) {
					continue
				}
				applied++
				counts[id]++
				for d := range want {
					if p.Applies[d] {
						want[d]++
					}
				}
			}
			for id, p := range staged {
				if x.Applies(id, e.ID) != holds(p) {
					t.Fatalf("seed %d: staged %s applies to %s: %v", seed, id, e.ID, !holds(p))
				}
			}
			if got := x.Policies(e.ID); got != want {
				t.Fatalf("seed %d: %v policies apply to %s, want %v", seed, got, e.ID, want)
			}
		}
		for id := range s.Policies {
			if x.Count(id) != counts[id] {
				t.Fatalf("seed %d: %s applies to %d endpoints, want %d", seed, id, x.Count(id), counts[id])
			}
		}
	}
	if applied < 1000 {
		t.Errorf("only %d cases in which a policy applies", applied)
	}
	none := verdict.EndpointID{Kind: verdict.Pod, Namespace: "no", Name: "one"}
	if x := analysis.NewIndex(model.NewState()); x.Applies(verdict.PolicyID{}, none) || x.Policies(none) != [2]int{} || x.Count(verdict.PolicyID{}) != 0 {
		t.Error("something is known of nothing")
	}
}

// TestSetUses: the rules that match a network set are those that asking every
// rule finds.
func TestSetUses(t *testing.T) {
	found := 0
	for seed := range uint64(300) {
		s := modeltest.New(seed).State()
		uses := analysis.NewSetUses(s)
		for _, n := range s.SortedNetworkSets() {
			want := map[analysis.SetUse]bool{}
			labels := s.SetLabels(n)
			for id, p := range s.Policies {
				for d, rules := range p.Rules {
					for _, r := range rules {
						for _, peer := range []model.Peer{r.Source, r.Destination} {
							if peer.Selector != nil && peer.Selector.Matches(labels) || peer.NotSelector != nil && peer.NotSelector.Matches(labels) {
								want[analysis.SetUse{Policy: id, Direction: verdict.Direction(d), Rule: r.Index}] = true
							}
						}
					}
				}
			}
			got := uses.Of(n)
			found += len(got)
			if len(got) != len(want) || slices.ContainsFunc(got, func(u analysis.SetUse) bool { return !want[u] }) {
				t.Fatalf("seed %d: %s is used by %v, want %v", seed, n.Key(), got, want)
			}
			if !slices.IsSortedFunc(got, func(a, b analysis.SetUse) int {
				return slices.Compare([]byte(a.Policy.String()), []byte(b.Policy.String()))
			}) {
				t.Errorf("seed %d: not in order: %v", seed, got)
			}
		}
	}
	if found < 100 {
		t.Errorf("only %d uses", found)
	}
}
