package admissiontest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/manifest"
	"github.com/tierwall/tierwall/server"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

func marshal(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func unstructuredOf(t *testing.T, o *manifest.Object) *unstructured.Unstructured {
	t.Helper()
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o.Value)
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{Object: fields}
	u.SetAPIVersion(o.Kind.APIVersion)
	u.SetKind(o.Kind.Kind)
	unstructured.RemoveNestedField(u.Object, "metadata", "creationTimestamp")
	return u
}

func (w *world) get(u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	return in(w.admin, u).Get(w.ctx, u.GetName(), metav1.GetOptions{})
}

func (w *world) labels(t *testing.T) {
	for _, row := range []struct{ kind, spec, tier string }{
		{"NetworkPolicy", "{}", "default"},
		{"NetworkPolicy", "{tier: security}", "security"},
		{"GlobalNetworkPolicy", "{tier: security}", "security"},
		{"StagedNetworkPolicy", "{tier: security}", "security"},
		{"StagedGlobalNetworkPolicy", "{}", "default"},
		{"StagedKubernetesNetworkPolicy", "{podSelector: {}}", "default"},
	} {
		t.Run(row.kind+" "+row.tier, func(t *testing.T) {
			u := w.must(t, w.admin, "{kind: "+row.kind+", metadata: {name: labelled"+namespaceOf(row.kind)+", labels: {a: b}}, spec: "+row.spec+"}")
			defer w.delete(t, u)
			if got := u.GetLabels(); got[v3.TierLabel] != row.tier || got["a"] != "b" {
				t.Errorf("labels %v", got)
			}
			if err := w.patch(w.admin, u, `{"metadata": {"labels": {"projectcalico.org/tier": "other"}}}`); err != nil {
				t.Fatal(err)
			}
			now, err := w.get(u)
			if err != nil || now.GetLabels()[v3.TierLabel] != row.tier {
				t.Errorf("a label that is changed by hand: %v %v", now.GetLabels(), err)
			}
		})
	}
}

func (w *world) tierLifecycle(t *testing.T) {
	tier := w.must(t, w.admin, "{kind: Tier, metadata: {name: short}, spec: {order: 5}}")
	if f := tier.GetFinalizers(); len(f) != 1 || f[0] != server.TierFinalizer {
		t.Errorf("finalizers %v", f)
	}
	for _, kind := range []string{"NetworkPolicy", "GlobalNetworkPolicy", "StagedNetworkPolicy", "StagedGlobalNetworkPolicy"} {
		p := w.must(t, w.admin, "{kind: "+kind+", metadata: {name: p"+namespaceOf(kind)+"}, spec: {tier: short}}")
		err := in(w.admin, tier).Delete(w.ctx, "short", metav1.DeleteOptions{})
		says(t, err, "Cannot delete a non-empty tier (delete or move its policies first: "+kind+"/"+p.GetNamespace()+"/p)")
		err = in(w.admin, tier).DeleteCollection(w.ctx, metav1.DeleteOptions{}, metav1.ListOptions{FieldSelector: "metadata.name=short"})
		says(t, err, "Cannot delete a non-empty tier")
		w.delete(t, p)
	}

	// one that somebody else keeps from going away
	if err := w.patch(w.admin, tier, `{"metadata": {"finalizers": ["projectcalico.org/tier-controller", "example.org/hold"]}}`); err != nil {
		t.Fatal(err)
	}
	if err := in(w.admin, tier).Delete(w.ctx, "short", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	p := parse(t, "{kind: GlobalNetworkPolicy, metadata: {name: late}, spec: {tier: short}}")
	_, err := in(w.admin, p).Create(w.ctx, p, metav1.CreateOptions{})
	says(t, err, `spec.tier: Tier "short" is being deleted`)
	says(t, w.apply(w.admin, p), `Tier "short" is being deleted`)
	w.eventually(t, "its status says so", func() error {
		now, err := w.get(tier)
		if err != nil {
			return err
		}
		return conditionIs(now, "Ready", "False", "Deleting", "the tier is being deleted")
	})
	w.eventually(t, "only the other finalizer is left", func() error {
		now, err := w.get(tier)
		if err == nil && strings.Join(now.GetFinalizers(), " ") != "example.org/hold" {
			err = fmt.Errorf("finalizers %v", now.GetFinalizers())
		}
		return err
	})
	if err := w.patch(w.admin, tier, `{"metadata": {"finalizers": null}}`); err != nil {
		t.Fatal(err)
	}
	w.gone(t, tier)

	// the plain way
	tier = w.must(t, w.admin, "{kind: Tier, metadata: {name: short}}")
	w.delete(t, tier)
	w.gone(t, tier)

	// one whose finalizer is taken off gets it back with the next change, or by
	// itself
	tier = w.must(t, w.admin, "{kind: Tier, metadata: {name: short}}")
	if err := w.patch(w.admin, tier, `{"metadata": {"finalizers": null}}`); err != nil {
		t.Fatal(err)
	}
	w.eventually(t, "the finalizer is back", func() error {
		now, err := w.get(tier)
		if err == nil && len(now.GetFinalizers()) == 0 {
			err = errors.New("no finalizer")
		}
		return err
	})
	w.delete(t, tier)
	w.gone(t, tier)
}

func (w *world) gone(t *testing.T, u *unstructured.Unstructured) {
	t.Helper()
	w.eventually(t, "it goes away", func() error {
		if _, err := w.get(u); !apierrors.IsNotFound(err) {
			return fmt.Errorf("%s %s is still there: %v", u.GetKind(), u.GetName(), err)
		}
		return nil
	})
}

func (w *world) builtinTiers(t *testing.T) {
	for name, want := range map[string]string{
		"default":       "Cannot delete default tier",
		"kube-admin":    "The built-in tier kube-admin cannot be deleted",
		"kube-baseline": "The built-in tier kube-baseline cannot be deleted",
	} {
		u := parse(t, "{kind: Tier, metadata: {name: "+name+"}}")
		says(t, in(w.admin, u).Delete(w.ctx, name, metav1.DeleteOptions{}), want)
		says(t, w.patch(w.admin, u, `{"spec": {"order": 7}}`), "tier order must be")
		if now, err := w.get(u); err != nil {
			t.Error(err)
		} else if f := now.GetFinalizers(); len(f) > 0 {
			t.Errorf("%s: finalizers %v", name, f)
		}
	}
}
