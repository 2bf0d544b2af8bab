package model_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

func order(f float64) *float64 { return &f }

func policy(kind, namespace, name, tier string, order *float64) *model.Policy {
	return &model.Policy{ID: verdict.PolicyID{Kind: kind, Namespace: namespace, Name: name}, Tier: tier, Order: order}
}

// TestPolicyOrder holds section 8 for the policies of one tier: each list is
// in the order of evaluation.
func TestPolicyOrder(t *testing.T) {
	const np, gnp, knp = "NetworkPolicy", "GlobalNetworkPolicy", "KubernetesNetworkPolicy"
	in := func(kind, namespace, name string, o *float64) *model.Policy {
		return policy(kind, namespace, name, "default", o)
	}
	for name, want := range map[string][]*model.Policy{
		"order ascends, negative first": {
			in(gnp, "", "z", order(-10)), in(gnp, "", "y", order(-0.5)), in(gnp, "", "x", order(0)),
			in(gnp, "", "w", order(0.5)), in(gnp, "", "v", order(1000)),
		},
		"infinities are numbers": {
			in(gnp, "", "z", order(math.Inf(-1))), in(gnp, "", "y", order(0)), in(gnp, "", "x", order(math.Inf(1))), in(gnp, "", "a", nil),
		},
		"no order is last, after 1000 of Kubernetes": {
			in(np, "blue", "z", order(999)), in(knp, "blue", "y", order(1000)), in(gnp, "", "x", order(1001)), in(gnp, "", "a", nil),
		},
		"minus zero is zero: the name decides": {in(gnp, "", "a", order(0)), in(gnp, "", "b", order(math.Copysign(0, -1)))},
		"equal orders: name first":             {in(np, "red", "a", order(1)), in(np, "blue", "b", order(1)), in(gnp, "", "c", order(1))},
		"equal names: namespace, global before namespaced": {
			in(gnp, "", "a", order(1)), in(np, "blue", "a", order(1)), in(np, "red", "a", order(1)),
		},
		"equal names and namespaces: kind": {in(knp, "blue", "a", order(1)), in(np, "blue", "a", order(1))},
		"bytes of name/namespace/kind: - and . are below /": {
			in(np, "blue", "web-2", nil), in(np, "blue", "web.2", nil), in(np, "blue", "web", nil), in(np, "blue", "web2", nil),
		},
		"no order on both: name": {in(gnp, "", "a", nil), in(gnp, "", "b", nil)},
		"kinds interleave by order": {
			in(np, "blue", "c", order(1)), in(gnp, "", "b", order(2)), in(knp, "blue", "a", order(1000)), in(np, "blue", "a", order(1001)),
		},
	} {
		t.Run(name, func(t *testing.T) {
			holds(t, want, model.ComparePolicies)
		})
	}
}

// holds checks that compare is the strict order of the list.
func holds[T any](t *testing.T, want []T, compare func(a, b T) int) {
	t.Helper()
	for i, a := range want {
		for j, b := range want {
			if c := compare(a, b); (c < 0) != (i < j) || (c == 0) != (i == j) {
				t.Errorf("element %d against %d: %d", i, j, c)
			}
		}
	}
}

// TestTierOrder holds section 8 for tiers: those that exist by order, nil
// last, then by name; then those that do not exist.
func TestTierOrder(t *testing.T) {
	want := strings.Fields("neg first kube-admin tied-a tied-b default kube-baseline later none-a none-b absent-a absent-b")
	orders := map[string]*float64{
		"neg": order(-1), "first": order(0), "tied-a": order(5000), "tied-b": order(5000), "later": order(20000000),
		"none-a": nil, "none-b": nil,
	}
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		var changes []model.Change
		for name, o := range orders {
			changes = append(changes, model.Put(&model.Tier{Name: name, Order: o}))
		}
		for _, tier := range want {
			changes = append(changes, model.Put(policy("GlobalNetworkPolicy", "", "p-"+tier, tier, nil)))
		}
		random.Shuffle(len(changes), func(i, j int) { changes[i], changes[j] = changes[j], changes[i] })
		s := model.NewState()
		s.Apply(changes...)
		var got []string
		for _, o := range s.Ordered() {
			got = append(got, o.Name)
			if missing := strings.HasPrefix(o.Name, "absent"); o.Missing != missing {
				t.Errorf("tier %s: missing is %v", o.Name, o.Missing)
			}
			if o.Missing && (o.Pass || o.Order != nil) {
				t.Errorf("missing tier %s: its end must deny, and it has no order: %+v", o.Name, o.Tier)
			}
			if len(o.Policies) != 1 || o.Policies[0].ID.Name != "p-"+o.Name {
				t.Errorf("tier %s has the policies %v", o.Name, o.Policies)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d: (-want +got)\n%s", seed, diff)
		}
	}
}

// TestOrderedHasNoEmptyTiers: a tier without policies applies to nothing.
func TestOrderedHasNoEmptyTiers(t *testing.T) {
	s := model.NewState()
	if got := s.Ordered(); len(got) != 0 {
		t.Errorf("an empty state has the tiers %v", got)
	}
	p := policy("GlobalNetworkPolicy", "", "p", "default", nil)
	s.Apply(model.Put(p))
	if got := s.Ordered(); len(got) != 1 || got[0].Name != "default" || got[0].Missing {
		t.Errorf("%+v", got)
	}
	s.Apply(model.Delete(p.Key()))
	if got := s.Ordered(); len(got) != 0 {
		t.Errorf("after the policy is gone: %+v", got)
	}
}

// TestOrderedPolicies: within each tier the policies come in their order,
// whatever order they were put in.
func TestOrderedPolicies(t *testing.T) {
	names := []string{"web-2", "web.2", "web", "web2"}
	for seed := range uint64(20) {
		s := model.NewState()
		shuffled := slices.Clone(names)
		rand.New(rand.NewPCG(seed, 2)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		for _, n := range shuffled {
			s.Apply(model.Put(policy("NetworkPolicy", "blue", n, "default", order(7))))
		}
		var got []string
		for _, p := range s.Ordered()[0].Policies {
			got = append(got, p.ID.Name)
		}
		if !slices.Equal(got, names) {
			t.Fatalf("%v, want %v", got, names)
		}
	}
}
