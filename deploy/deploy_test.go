package deploy

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/report"
)

func names(t *testing.T, all []*unstructured.Unstructured, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, u := range all {
		if u.GetAPIVersion() == "" {
			t.Errorf("%s has no apiVersion", u.GetName())
		}
		out = append(out, u.GetKind()+" "+u.GetName())
	}
	return strings.Join(out, ", ")
}

func TestObjects(t *testing.T) {
	admission, err := Admission()
	if got := names(t, admission, err); got != "ValidatingAdmissionPolicy tierwall-tier-access, ValidatingAdmissionPolicyBinding tierwall-tier-access" {
		t.Error(got)
	}
	server, err := Server()
	if got := names(t, server, err); got != "ClusterRole "+ServerRole+", ClusterRoleBinding "+ServerRole+", Namespace tierwall, Role "+ServerRole+", RoleBinding "+ServerRole+", Role tierwall:find-server, RoleBinding tierwall:find-server" {
		t.Error(got)
	}
	agent, err := Agent()
	if got := names(t, agent, err); got != "ClusterRole "+AgentGroup+", ClusterRoleBinding "+AgentGroup+", Role "+AgentGroup+", RoleBinding "+AgentGroup {
		t.Error(got)
	}
	developer, err := NamespaceDeveloper()
	if got := names(t, developer, err); got != "ClusterRole "+NamespaceDeveloperRole {
		t.Error(got)
	}
	viewer, err := Viewer()
	if got := names(t, viewer, err); got != "ClusterRole "+ViewerRole {
		t.Error(got)
	}
	tier, err := TierRoles("mine")
	if got := names(t, tier, err); got != "ClusterRole "+TierUserRole("mine")+", ClusterRole "+TierViewerRole("mine")+", ClusterRole "+TierEditorRole("mine") {
		t.Error(got)
	}
}

// TestTier: the tier stands wherever the file has TIER, and no other tier does.
func TestTier(t *testing.T) {
	all, err := TierRoles("mine")
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range all {
		rules, _, err := unstructured.NestedSlice(u.Object, "rules")
		if err != nil || len(rules) == 0 {
			t.Fatalf("%s: %v", u.GetName(), err)
		}
		for _, r := range rules {
			rule := r.(map[string]any)
			resources, _, _ := unstructured.NestedStringSlice(rule, "resources")
			resourceNames, _, _ := unstructured.NestedStringSlice(rule, "resourceNames")
			want := ""
			switch {
			case slices.Contains(resources, "tiers"):
				want = "mine"
			case strings.HasPrefix(resources[0], "tier."):
				want = "mine.*"
			}
			if got := strings.Join(resourceNames, " "); got != want {
				t.Errorf("%s, %v: names %q, want %q", u.GetName(), resources, got, want)
			}
		}
	}
}

// TestTiers: what is applied by hand or by a chart is what programs apply.
func TestTiers(t *testing.T) {
	got, err := Tiers()
	if err != nil {
		t.Fatal(err)
	}
	var want []*unstructured.Unstructured
	for _, tier := range v3.BuiltinTiers() {
		text, err := json.Marshal(map[string]any{
			"apiVersion": tier.APIVersion, "kind": tier.Kind, "metadata": map[string]any{"name": tier.Name}, "spec": tier.Spec,
		})
		if err != nil {
			t.Fatal(err)
		}
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(text, &u.Object); err != nil {
			t.Fatal(err)
		}
		want = append(want, u)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestViewerReads: who reads may read all that the server publishes of nodes,
// policies and names, which is what the commands ask for.
func TestViewerReads(t *testing.T) {
	all, err := Viewer()
	if err != nil {
		t.Fatal(err)
	}
	rules, _, err := unstructured.NestedSlice(all[0].Object, "rules")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{report.ConfigMap, report.PoliciesConfigMap, report.DomainsConfigMap} {
		reads := slices.ContainsFunc(rules, func(rule any) bool {
			resources, _, _ := unstructured.NestedStringSlice(rule.(map[string]any), "resources")
			names, _, _ := unstructured.NestedStringSlice(rule.(map[string]any), "resourceNames")
			verbs, _, _ := unstructured.NestedStringSlice(rule.(map[string]any), "verbs")
			return slices.Contains(resources, "configmaps") && slices.Contains(names, name) && slices.Contains(verbs, "get")
		})
		if !reads {
			t.Errorf("%s cannot read the ConfigMap %s", ViewerRole, name)
		}
	}
}
