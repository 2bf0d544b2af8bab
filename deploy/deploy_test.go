package deploy

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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
	if got := names(t, server, err); got != "ClusterRole "+ServerRole+", ClusterRoleBinding "+ServerRole+", Namespace tierwall, Role "+ServerRole+", RoleBinding "+ServerRole {
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
