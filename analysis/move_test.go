package analysis_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tierwall/tierwall/analysis"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// tierOf makes policies of one tier: a few with a Kubernetes policy among them,
// few different orders and some without.
func tierOf(r *rand.Rand) (*model.State, []*model.Policy) {
	s := model.NewState()
	for i := range 2 + r.IntN(7) {
		p := &model.Policy{ID: verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: fmt.Sprintf("p%d", i)}, Tier: "default"}
		if o := float64([]int{-5, 0, 1, 2, 100, 999, 1000, 1001}[r.IntN(8)]); r.IntN(5) > 0 {
			p.Order = &o
		}
		if k := 1000.0; r.IntN(6) == 0 {
			p.ID.Kind, p.ID.Namespace, p.Order = "KubernetesNetworkPolicy", "blue", &k
		}
		s.Apply(model.Put(p))
	}
	return s, ordered(s, "default")
}

func ordered(s *model.State, tier string) []*model.Policy {
	for _, t := range s.Ordered() {
		if t.Name == tier {
			return t.Policies
		}
	}
	return nil
}

func idsOf(all []*model.Policy) (ids []verdict.PolicyID) {
	for _, p := range all {
		ids = append(ids, p.ID)
	}
	return ids
}

// carry writes what Reorder says.
func carry(s *model.State, placed []analysis.Placed) {
	for _, x := range placed {
		p := *s.Policies[x.Policy]
		p.Order, p.Tier = &x.Order, x.Tier
		s.Apply(model.Put(&p))
	}
}

// TestReorder: after what is written the policy stands where it was to, and the
// others as they stood; what cannot be moved is not written, and one write is
// made where one will do.
func TestReorder(t *testing.T) {
	moved, several, refused, nothing := 0, 0, 0, 0
	for seed := range uint64(4000) {
		r := rand.New(rand.NewPCG(seed, 1))
		s, before := tierOf(r)
		m := analysis.Move{Policy: before[r.IntN(len(before))].ID, Tier: "default"}
		other := before[r.IntN(len(before))].ID
		if other != m.Policy {
			switch r.IntN(3) {
			case 0:
				m.Before = other
			case 1:
				m.After = other
			}
		}
		want := slices.DeleteFunc(idsOf(before), func(id verdict.PolicyID) bool { return id == m.Policy })
		at := len(want)
		if !m.Before.IsZero() {
			at = slices.Index(want, m.Before)
		} else if !m.After.IsZero() {
			at = slices.Index(want, m.After) + 1
		}
		want = slices.Insert(want, at, m.Policy)
		placed, err := analysis.Reorder(s, m)
		if err != nil {
			if analysis.Movable(m.Policy.Kind) && possible(s, want, at) {
				t.Fatalf("seed %d: %v: %v, and there is room", seed, m, err)
			}
			refused++
			continue
		}
		for _, x := range placed {
			if p := s.Policies[x.Policy]; !analysis.Movable(x.Policy.Kind) || x.Tier != m.Tier || (x.Was == nil) != (p.Order == nil) || x.Was != nil && *x.Was != *p.Order {
				t.Fatalf("seed %d: %+v", seed, x)
			}
		}
		one := possible(s, want, at)
		carry(s, placed)
		if got := idsOf(ordered(s, "default")); !slices.Equal(got, want) {
			t.Fatalf("seed %d: %v: %v, want %v", seed, m, got, want)
		}
		switch {
		case len(placed) == 0:
			nothing++
			if !slices.Equal(idsOf(before), want) {
				t.Fatalf("seed %d: nothing is written, and it does not stand there", seed)
			}
		case slices.Equal(idsOf(before), want):
			t.Fatalf("seed %d: it stands there, and %v are written", seed, placed)
		case len(placed) == 1:
			moved++
		default:
			several++
			if one {
				t.Fatalf("seed %d: one write would do, and %v are made", seed, placed)
			}
		}
	}
	if moved < 500 || several < 100 || refused < 50 || nothing < 100 {
		t.Errorf("%d moved, %d with others, %d refused, %d stood there: the tiers do not try much", moved, several, refused, nothing)
	}
}

// possible reports whether the policy alone can get an order strictly between its
// neighbours, where it is to stand.
func possible(s *model.State, want []verdict.PolicyID, at int) bool {
	var low, high *float64
	if at > 0 {
		if low = s.Policies[want[at-1]].Order; low == nil {
			return false
		}
	}
	if at < len(want)-1 {
		high = s.Policies[want[at+1]].Order
	}
	return low == nil || high == nil || *low < *high
}

// TestReorderToTier: to another tier, and what cannot be.
func TestReorderToTier(t *testing.T) {
	s := model.NewState()
	ten, k := 10.0, 1000.0
	a := &model.Policy{ID: verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: "a"}, Tier: "security", Order: &ten}
	b := &model.Policy{ID: verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: "b"}, Tier: "default", Order: &ten}
	kube := &model.Policy{ID: verdict.PolicyID{Kind: "KubernetesNetworkPolicy", Namespace: "blue", Name: "k"}, Tier: "default", Order: &k}
	s.Apply(model.Put(&model.Tier{Name: "security"}), model.Put(a), model.Put(b), model.Put(kube))
	placed, err := analysis.Reorder(s, analysis.Move{Policy: b.ID, Tier: "security", Before: a.ID})
	if err != nil || len(placed) != 1 || placed[0].Tier != "security" || placed[0].Order >= 10 {
		t.Errorf("%+v %v", placed, err)
	}
	placed, err = analysis.Reorder(s, analysis.Move{Policy: a.ID, Tier: "default"}) // its order is that of b: it has to come after k
	if err != nil || len(placed) != 1 || placed[0].Order <= 1000 {
		t.Errorf("%+v %v", placed, err)
	}
	for name, m := range map[string]analysis.Move{
		"no such policy": {Policy: verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: "none"}, Tier: "default"},
		"a fixed one":    {Policy: kube.ID, Tier: "default"},
		"no such tier":   {Policy: a.ID, Tier: "none"},
		"not there":      {Policy: b.ID, Tier: "default", Before: a.ID},
	} {
		if placed, err := analysis.Reorder(s, m); err == nil {
			t.Errorf("%s: %v", name, placed)
		}
	}
}
