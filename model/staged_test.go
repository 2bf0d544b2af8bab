package model_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// TestPending holds semantics.md section 0, decision 7, and section 13: a staged
// policy is never enforced; pending, it takes the place of the one that it
// replaces, and a staged deletion removes it.
func TestPending(t *testing.T) {
	order := func(f float64) *float64 { return &f }
	id := func(kind, name string) verdict.PolicyID {
		return verdict.PolicyID{Kind: kind, Namespace: "blue", Name: name}
	}
	put := func(kind, name string, at float64) model.Change {
		return model.Put(&model.Policy{ID: id(kind, name), Tier: "default", Order: order(at)})
	}
	stage := func(kind, name string, at float64) model.Change {
		p := &model.Policy{ID: id("Staged"+kind, name), Tier: "default", Order: order(at)}
		return model.Put(&model.StagedPolicy{ID: p.ID, Replaces: id(kind, name), Policy: p})
	}
	s := model.NewState()
	s.Apply(put("NetworkPolicy", "edited", 10), put("NetworkPolicy", "kept", 20), put("NetworkPolicy", "deleted", 30), put("KubernetesNetworkPolicy", "tie", 40))
	if s.Pending() != s {
		t.Error("nothing is staged, and the pending state is another")
	}
	s.Apply(stage("NetworkPolicy", "edited", 25), stage("NetworkPolicy", "new", 5), stage("NetworkPolicy", "tie", 40), stage("KubernetesNetworkPolicy", "tie2", 40),
		model.Put(&model.StagedPolicy{ID: id("StagedNetworkPolicy", "deleted"), Replaces: id("NetworkPolicy", "deleted")}),
		model.Put(&model.StagedPolicy{ID: id("StagedNetworkPolicy", "never"), Replaces: id("NetworkPolicy", "never")}))
	names := func(s *model.State) (all []string) {
		for _, tier := range s.Ordered() {
			for _, p := range tier.Policies {
				all = append(all, p.ID.Kind+" "+p.ID.Name)
			}
		}
		return all
	}
	before := names(s)
	if want := []string{"NetworkPolicy edited", "NetworkPolicy kept", "NetworkPolicy deleted", "KubernetesNetworkPolicy tie"}; !slices.Equal(before, want) {
		t.Errorf("enforced are %q, want %q", before, want)
	}
	// KubernetesNetworkPolicy sorts before NetworkPolicy, staged or not
	want := []string{"StagedNetworkPolicy new", "NetworkPolicy kept", "StagedNetworkPolicy edited", "KubernetesNetworkPolicy tie", "StagedNetworkPolicy tie", "StagedKubernetesNetworkPolicy tie2"}
	if diff := cmp.Diff(want, names(s.Pending())); diff != "" {
		t.Errorf("pending: (-want +got)\n%s", diff)
	}
	if !slices.Equal(before, names(s)) {
		t.Error("asking changed what is enforced")
	}
	for _, p := range s.Staged {
		s.Apply(model.Delete(p.Key()))
	}
	if len(s.Staged) != 0 {
		t.Errorf("%d are still staged", len(s.Staged))
	}
}
