package model_test

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// one of each kind, under names that meet where kinds must be told apart.
func oneOfEach() []model.Object {
	return []model.Object{
		&model.Namespace{Name: "x"},
		&model.ServiceAccount{Namespace: "x", Name: "x"},
		&model.Node{Name: "x"},
		&model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Pod, Namespace: "x", Name: "x"}},
		&model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Host, Name: "x"}},
		&model.NetworkSet{Namespace: "x", Name: "x"},
		&model.NetworkSet{Name: "x"},
		&model.Tier{Name: "x"},
		&model.Profile{Name: "x"},
		policy("NetworkPolicy", "x", "x", "x", nil),
		policy("KubernetesNetworkPolicy", "x", "x", "x", nil),
		policy("GlobalNetworkPolicy", "", "x", "x", nil),
		&model.EndpointSlice{Namespace: "x", Name: "x"},
	}
}

func size(s *model.State) int {
	return len(s.Namespaces) + len(s.ServiceAccounts) + len(s.Nodes) + len(s.Endpoints) + len(s.NetworkSets) +
		len(s.Tiers) + len(s.Policies) + len(s.Profiles) + len(s.EndpointSlices)
}

// TestApply puts one object of each kind and takes each away again.
func TestApply(t *testing.T) {
	s := model.NewState()
	empty := size(s)
	objects := oneOfEach()
	for i, o := range objects {
		s.Apply(model.Put(o))
		if got := size(s) - empty; got != i+1 {
			t.Fatalf("%+v: %d objects, want %d", o.Key(), got, i+1)
		}
	}
	if s.Policies[verdict.PolicyID{Kind: "NetworkPolicy", Namespace: "x", Name: "x"}] != objects[9] ||
		s.Endpoints[verdict.EndpointID{Kind: verdict.Host, Name: "x"}] != objects[4] ||
		s.NetworkSets[model.Key{Kind: model.KindGlobalNetworkSet, Name: "x"}] != objects[6] {
		t.Error("objects are not where they are looked for")
	}
	again := &model.Namespace{Name: "x", Labels: map[string]string{"a": "b"}}
	s.Apply(model.Put(again))
	if s.Namespaces["x"] != again || size(s) != empty+len(objects) {
		t.Error("putting again does not replace")
	}
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(objects), func(i, j int) { objects[i], objects[j] = objects[j], objects[i] })
	for i, o := range objects {
		s.Apply(model.Delete(o.Key()), model.Delete(o.Key()))
		if got, want := size(s)-empty, len(objects)-i-1; got != want {
			t.Fatalf("%+v: %d objects left, want %d", o.Key(), got, want)
		}
	}
}

// TestBuiltinsComeBack: what always exists can be replaced, and is there in
// its built-in form again once that is deleted.
func TestBuiltinsComeBack(t *testing.T) {
	s := model.NewState()
	for _, want := range model.BuiltinTiers() {
		s.Apply(model.Put(&model.Tier{Name: want.Name, Order: order(1), Pass: !want.Pass}))
		if got := s.Tiers[want.Name]; *got.Order != 1 || got.Pass == want.Pass {
			t.Errorf("tier %s is not replaced: %+v", want.Name, got)
		}
		s.Apply(model.Delete(want.Key()))
		if diff := cmp.Diff(want, s.Tiers[want.Name]); diff != "" {
			t.Errorf("tier %s does not come back:\n%s", want.Name, diff)
		}
	}
	want := model.DefaultAllowProfile()
	s.Apply(model.Put(&model.Profile{Name: want.Name}))
	if len(s.Profiles[want.Name].Rules[0]) != 0 {
		t.Error("the profile is not replaced")
	}
	s.Apply(model.Delete(want.Key()))
	if diff := cmp.Diff(want, s.Profiles[want.Name]); diff != "" {
		t.Errorf("the profile does not come back:\n%s", diff)
	}
	s.Apply(model.Delete((&model.Tier{Name: "mine"}).Key()), model.Delete((&model.Profile{Name: "mine"}).Key()))
	if len(s.Tiers) != 3 || len(s.Profiles) != 1 {
		t.Errorf("deleting what is not there made something: %v, %v", s.Tiers, s.Profiles)
	}
}

// TestBuiltinTiers holds the fixed values of section 3.
func TestBuiltinTiers(t *testing.T) {
	want := []*model.Tier{
		{Name: "kube-admin", Order: order(1000), Pass: true},
		{Name: "default", Order: order(1000000)},
		{Name: "kube-baseline", Order: order(10000000), Pass: true},
	}
	if diff := cmp.Diff(want, model.BuiltinTiers()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	a, b := model.BuiltinTiers(), model.BuiltinTiers()
	*a[0].Order = 5
	if *b[0].Order != 1000 {
		t.Error("two calls share a value")
	}
}

// TestDefaultSettings holds the failsafe ports of section 11.
func TestDefaultSettings(t *testing.T) {
	ports := func(all []model.Failsafe) map[model.Failsafe]bool {
		m := map[model.Failsafe]bool{}
		for _, f := range all {
			m[f] = true
		}
		return m
	}
	tcp := func(n ...uint16) map[model.Failsafe]bool {
		m := map[model.Failsafe]bool{}
		for _, p := range n {
			m[model.Failsafe{Protocol: verdict.TCP, Port: p}] = true
		}
		return m
	}
	in, out := tcp(22, 179, 2379, 2380, 5473, 6443, 6666, 6667), tcp(179, 2379, 2380, 5473, 6443, 6666, 6667)
	in[model.Failsafe{Protocol: verdict.UDP, Port: 68}] = true
	out[model.Failsafe{Protocol: verdict.UDP, Port: 53}] = true
	out[model.Failsafe{Protocol: verdict.UDP, Port: 67}] = true
	got := model.DefaultSettings()
	if diff := cmp.Diff(in, ports(got.FailsafeIn)); diff != "" {
		t.Errorf("in (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(out, ports(got.FailsafeOut)); diff != "" {
		t.Errorf("out (-want +got)\n%s", diff)
	}
}

func TestSorted(t *testing.T) {
	s := model.NewState()
	for _, o := range oneOfEach() {
		s.Apply(model.Put(o))
	}
	s.Apply(
		model.Put(&model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Pod, Namespace: "a", Name: "z"}}),
		model.Put(&model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Host, Name: "a"}}),
		model.Put(&model.NetworkSet{Namespace: "a", Name: "z"}),
		model.Put(&model.NetworkSet{Name: "a"}),
	)
	var endpoints, sets []string
	for _, e := range s.SortedEndpoints() {
		endpoints = append(endpoints, e.ID.String())
	}
	for _, n := range s.SortedNetworkSets() {
		sets = append(sets, n.Namespace+"/"+n.Name)
	}
	if diff := cmp.Diff([]string{"a/z", "x/x", "hep:a", "hep:x"}, endpoints); diff != "" {
		t.Errorf("endpoints (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"/a", "/x", "a/z", "x/x"}, sets); diff != "" {
		t.Errorf("sets (-want +got)\n%s", diff)
	}
}

func TestProblem(t *testing.T) {
	for _, row := range []struct {
		problem model.Problem
		want    string
	}{
		{model.Problem{Object: "NetworkPolicy/blue/fe", Path: "spec.types", Message: "wrong", Hint: "mend it"},
			"NetworkPolicy/blue/fe: spec.types: wrong (mend it)"},
		{model.Problem{File: "a.yaml", Line: 3, Column: 7, Object: "Tier//x", Message: "wrong"}, "a.yaml:3:7: Tier//x: wrong"},
		{model.Problem{Message: "wrong"}, "wrong"},
	} {
		if got := row.problem.String(); got != row.want {
			t.Errorf("%q, want %q", got, row.want)
		}
	}
	want := []model.Problem{
		{Object: "z"},
		{File: "a", Line: 1, Column: 2, Object: "z"},
		{File: "a", Line: 2, Column: 1, Object: "a", Path: "p", Code: "b"},
		{File: "a", Line: 2, Column: 1, Object: "b", Path: "o", Code: "a"},
		{File: "a", Line: 2, Column: 1, Object: "b", Path: "p", Code: "a"},
		{File: "a", Line: 2, Column: 1, Object: "b", Path: "p", Code: "b"},
		{File: "a", Line: 10, Column: 1},
		{File: "b", Line: 1, Column: 1},
	}
	for seed := range uint64(10) {
		got := append([]model.Problem{}, want...)
		rand.New(rand.NewPCG(seed, 3)).Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
		model.SortProblems(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
	}
}

func TestPortRangeString(t *testing.T) {
	for want, r := range map[string]model.PortRange{"80": {From: 80, To: 80}, "8000-8080": {From: 8000, To: 8080}} {
		if got := r.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
