package staging

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/tierwall/tierwall/verdict"
)

func object(apiVersion, kind, namespace, name string, spec map[string]any) *unstructured.Unstructured {
	meta := map[string]any{"name": name, "labels": map[string]any{"from": kind}, "annotations": map[string]any{lastApplied: "{}", "note": kind}}
	if namespace != "" {
		meta["namespace"] = namespace
	}
	return &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": meta, "spec": spec}}
}

func api(objects ...runtime.Object) *fake.FakeDynamicClient {
	lists := map[schema.GroupVersionResource]string{}
	for _, k := range kinds {
		lists[k.resource], lists[k.becomes] = "List", "List"
	}
	c := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), lists, objects...)
	c.PrependReactor("delete", "*", func(a clienttesting.Action) (bool, runtime.Object, error) { // it knows no dry run
		return len(a.(clienttesting.DeleteActionImpl).DeleteOptions.DryRun) > 0, nil, nil
	})
	return c
}

// TestEnforce: each staged kind puts or deletes the policy of its name and is
// gone then.
func TestEnforce(t *testing.T) {
	for name, row := range map[string]struct {
		id   verdict.PolicyID
		have []runtime.Object
		want map[string]any // the spec; nil for none
	}{
		"new": {verdict.PolicyID{Kind: "StagedNetworkPolicy", Namespace: "blue", Name: "p"},
			[]runtime.Object{object("projectcalico.org/v3", "StagedNetworkPolicy", "blue", "p", map[string]any{"stagedAction": "Set", "selector": "a"})}, map[string]any{"selector": "a"}},
		"edit": {verdict.PolicyID{Kind: "StagedGlobalNetworkPolicy", Name: "p"}, []runtime.Object{
			object("projectcalico.org/v3", "StagedGlobalNetworkPolicy", "", "p", map[string]any{"selector": "a"}),
			object("projectcalico.org/v3", "GlobalNetworkPolicy", "", "p", map[string]any{"selector": "b", "order": int64(3)})}, map[string]any{"selector": "a"}},
		"delete": {verdict.PolicyID{Kind: "StagedNetworkPolicy", Namespace: "blue", Name: "p"}, []runtime.Object{
			object("projectcalico.org/v3", "StagedNetworkPolicy", "blue", "p", map[string]any{"stagedAction": "Delete"}),
			object("projectcalico.org/v3", "NetworkPolicy", "blue", "p", map[string]any{"selector": "b"})}, nil},
		"delete what is gone": {verdict.PolicyID{Kind: "StagedNetworkPolicy", Namespace: "blue", Name: "p"},
			[]runtime.Object{object("projectcalico.org/v3", "StagedNetworkPolicy", "blue", "p", map[string]any{"stagedAction": "Delete"})}, nil},
		"Kubernetes": {verdict.PolicyID{Kind: "StagedKubernetesNetworkPolicy", Namespace: "blue", Name: "p"},
			[]runtime.Object{object("projectcalico.org/v3", "StagedKubernetesNetworkPolicy", "blue", "p", map[string]any{"stagedAction": "Set", "podSelector": map[string]any{}})}, map[string]any{"podSelector": map[string]any{}}},
	} {
		c := api(row.have...)
		if err := Enforce(t.Context(), c, row.id); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_, staged, enforced, err := clients(c, row.id)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := staged.Get(t.Context(), "p", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("%s: the staged one is still there: %v", name, err)
		}
		got, err := enforced.Get(t.Context(), "p", metav1.GetOptions{})
		if row.want == nil {
			if !apierrors.IsNotFound(err) {
				t.Errorf("%s: it is still enforced: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(row.want, got.Object["spec"]); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if got.GetLabels()["from"] != row.id.Kind || got.GetAnnotations()["note"] != row.id.Kind || len(row.have) == 1 && got.GetAnnotations()[lastApplied] != "" {
			t.Errorf("%s: labels %v, annotations %v", name, got.GetLabels(), got.GetAnnotations())
		}
	}
}

func TestDiscard(t *testing.T) {
	id := verdict.PolicyID{Kind: "StagedNetworkPolicy", Namespace: "blue", Name: "p"}
	c := api(object("projectcalico.org/v3", "StagedNetworkPolicy", "blue", "p", map[string]any{"selector": "a"}),
		object("projectcalico.org/v3", "NetworkPolicy", "blue", "p", map[string]any{"selector": "b"}))
	if err := Discard(context.Background(), c, id); err != nil {
		t.Fatal(err)
	}
	_, staged, enforced, _ := clients(c, id)
	if _, err := staged.Get(t.Context(), "p", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the staged one is still there: %v", err)
	}
	if _, err := enforced.Get(t.Context(), "p", metav1.GetOptions{}); err != nil {
		t.Errorf("what is enforced is gone: %v", err)
	}
	for _, wrong := range []verdict.PolicyID{{Kind: "NetworkPolicy", Namespace: "blue", Name: "p"}, {Kind: "StagedNetworkPolicy", Name: "p"}, {Kind: "StagedGlobalNetworkPolicy", Namespace: "blue", Name: "p"}, id} {
		if err := Discard(t.Context(), c, wrong); err == nil {
			t.Errorf("%s was discarded", wrong)
		}
	}
}
