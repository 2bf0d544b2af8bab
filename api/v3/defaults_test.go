package v3

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"
)

func TestPolicyTypes(t *testing.T) {
	in, out := PolicyTypeIngress, PolicyTypeEgress
	rules := []Rule{{Action: Allow}}
	for _, c := range []struct {
		name            string
		types           []PolicyType
		ingress, egress []Rule
		want            []PolicyType
	}{
		{"nothing", nil, nil, nil, []PolicyType{in}},
		{"empty lists are no rules", []PolicyType{}, []Rule{}, []Rule{}, []PolicyType{in}},
		{"ingress rules", nil, rules, nil, []PolicyType{in}},
		{"egress rules", nil, nil, rules, []PolicyType{out}},
		{"an empty ingress key does not count", nil, []Rule{}, rules, []PolicyType{out}},
		{"both", nil, rules, rules, []PolicyType{in, out}},
		{"partial types are not extended", []PolicyType{in}, nil, rules, []PolicyType{in}},
		{"types without rules stay", []PolicyType{out, in}, nil, nil, []PolicyType{out, in}},
	} {
		if d := cmp.Diff(c.want, PolicyTypes(c.types, c.ingress, c.egress)); d != "" {
			t.Errorf("%s:\n%s", c.name, d)
		}
	}
}

func TestKubernetesPolicyTypes(t *testing.T) {
	in, out := networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress
	egress := []networkingv1.NetworkPolicyEgressRule{{}}
	for _, c := range []struct {
		name   string
		types  []networkingv1.PolicyType
		egress []networkingv1.NetworkPolicyEgressRule
		want   []networkingv1.PolicyType
	}{
		{"nothing", nil, nil, []networkingv1.PolicyType{in}},
		{"egress rules add egress", nil, egress, []networkingv1.PolicyType{in, out}},
		{"types stay", []networkingv1.PolicyType{out}, nil, []networkingv1.PolicyType{out}},
		{"types are not extended", []networkingv1.PolicyType{in}, egress, []networkingv1.PolicyType{in}},
	} {
		if d := cmp.Diff(c.want, KubernetesPolicyTypes(c.types, c.egress)); d != "" {
			t.Errorf("%s:\n%s", c.name, d)
		}
	}
}

func TestScalarDefaults(t *testing.T) {
	if TierOrDefault("") != "default" || TierOrDefault("net-sec") != "net-sec" {
		t.Error("TierOrDefault is wrong")
	}
	if StagedActionOrDefault("") != StagedActionSet || StagedActionOrDefault(StagedActionLearn) != StagedActionLearn {
		t.Error("StagedActionOrDefault is wrong")
	}
	for _, c := range []struct {
		stored *Action
		want   Action
	}{
		{nil, Deny}, {new(Deny), Deny}, {new(Pass), Pass}, {new(Allow), Deny}, {new(Log), Deny}, {new(Action("pass")), Deny}, {new(Action("")), Deny},
	} {
		if got := TierDefaultAction(c.stored); got != c.want {
			t.Errorf("TierDefaultAction(%v) = %v, want %v", c.stored, got, c.want)
		}
	}
}

func TestBuiltinTiers(t *testing.T) {
	type row struct {
		name   string
		order  float64
		action Action
	}
	want := []row{{"kube-admin", 1000, Pass}, {"default", 1000000, Deny}, {"kube-baseline", 10000000, Pass}}
	var got []row
	for _, tier := range BuiltinTiers() {
		got = append(got, row{tier.Name, *tier.Spec.Order, *tier.Spec.DefaultAction})
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(row{})); d != "" {
		t.Error(d)
	}
	*BuiltinTiers()[0].Spec.Order = 7
	if *BuiltinTiers()[0].Spec.Order != 1000 {
		t.Error("two calls share a value")
	}
}
