package translate_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/translate"
)

// TestCheck: what only shows between objects.
func TestCheck(t *testing.T) {
	const (
		tierHint    = "create the tier or name one that exists; until then the policy applies after all tiers, and what it selects is denied at its end"
		profileHint = "create it or name one that exists; it counts for nothing"
		sharedHint  = "policy cannot tell endpoints with one address apart: each is matched by what selects either"
	)
	pod := func(ns, name, ip string) string {
		return "apiVersion: v1\nkind: Pod\nmetadata: {name: " + name + ", namespace: " + ns + "}\nstatus: {podIP: " + ip + "}"
	}
	hep := func(name, spec string) string { return manifest("HostEndpoint", "", name, spec) }
	for _, row := range []struct {
		name  string
		world []string
		want  []model.Problem
	}{
		{"nothing", nil, nil},
		{"a fit world", []string{cluster, np("{}"), gnp("{tier: kube-admin}")}, nil},
		{"a tier that is there", []string{manifest("Tier", "", "sec", "{}"), gnp("{tier: sec}")}, nil},
		{"a tier that is not", []string{gnp("{tier: sec}"), np("{tier: sec}")}, []model.Problem{
			{Code: "tier-missing", Object: "GlobalNetworkPolicy//p", Path: "spec.tier", Message: `Tier "sec" does not exist`, Hint: tierHint},
			{Code: "tier-missing", Object: "NetworkPolicy/blue/p", Path: "spec.tier", Message: `Tier "sec" does not exist`, Hint: tierHint},
		}},
		{"a profile that is there", []string{manifest("Profile", "", "prof", "{}"), hep("h", "{node: n, interfaceName: e, profiles: [prof, projectcalico-default-allow]}")}, nil},
		{"a profile that is not", []string{hep("h", "{node: n, interfaceName: e, profiles: [prof]}")}, []model.Problem{
			{Code: "profile-missing", Object: "HostEndpoint//h", Path: "spec.profiles", Message: `profile "prof" does not exist`, Hint: profileHint},
		}},
		{"two pods with one address", []string{pod("blue", "a", "10.0.0.1"), pod("red", "a", "10.0.0.1")}, []model.Problem{
			{Code: "address-shared", Object: "Pod/red/a", Message: "10.0.0.1 is also the address of blue/a", Hint: sharedHint},
		}},
		{"a pod and a host endpoint with one address", []string{pod("blue", "a", "10.0.0.1"), hep("h", "{node: n, expectedIPs: [10.0.0.1]}")}, []model.Problem{
			{Code: "address-shared", Object: "HostEndpoint//h", Message: "10.0.0.1 is also the address of blue/a", Hint: sharedHint},
		}},
		{"one host endpoint that says its address twice", []string{hep("h", "{node: n, expectedIPs: [10.0.0.1, 10.0.0.1]}")}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, problems := world(t, row.world...)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			if diff := cmp.Diff(row.want, translate.Check(s)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestOtherKinds: what is not read is nothing, without a problem.
func TestOtherKinds(t *testing.T) {
	for _, o := range []any{nil, "text", &struct{}{}} {
		if object, problems := translate.Object(o); object != nil || problems != nil {
			t.Errorf("%v: %v, %v", o, object, problems)
		}
		if key, ok := translate.Key(o); ok {
			t.Errorf("%v has the key %+v", o, key)
		}
	}
}
