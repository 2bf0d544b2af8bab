package admissiontest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/server"
)

// conditionIs holds a condition to what it is to say; message is part of it.
func conditionIs(u *unstructured.Unstructured, kind, status, reason, message string) error {
	fields, _, _ := unstructured.NestedMap(u.Object, "status")
	var s v3.Status
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, &s); err != nil {
		return err
	}
	for _, c := range s.Conditions {
		if c.Type != kind {
			continue
		}
		if string(c.Status) != status || c.Reason != reason || !strings.Contains(c.Message, message) || c.ObservedGeneration != u.GetGeneration() || c.LastTransitionTime.IsZero() {
			return fmt.Errorf("generation %d: %+v", u.GetGeneration(), c)
		}
		return nil
	}
	return errors.New("no condition " + kind)
}

func (w *world) soon(t *testing.T, u *unstructured.Unstructured, kind, status, reason, message string) *unstructured.Unstructured {
	t.Helper()
	var now *unstructured.Unstructured
	w.eventually(t, u.GetKind()+" "+u.GetName(), func() (err error) {
		if now, err = w.get(u); err != nil {
			return err
		}
		return conditionIs(now, kind, status, reason, message)
	})
	return now
}

func (w *world) status(t *testing.T) {
	for _, text := range []string{
		"{kind: NetworkPolicy, metadata: {name: fine, namespace: blue}, spec: {tier: security}}",
		"{kind: GlobalNetworkPolicy, metadata: {name: fine}}",
		"{kind: NetworkSet, metadata: {name: fine, namespace: blue}, spec: {nets: [10.0.0.0/8]}}",
		"{kind: GlobalNetworkSet, metadata: {name: fine}}",
		"{kind: HostEndpoint, metadata: {name: fine}, spec: {node: n1, interfaceName: eth0}}",
		"{kind: Profile, metadata: {name: fine}}",
	} {
		u := w.must(t, w.admin, text)
		w.soon(t, u, "Accepted", "True", "Accepted", "")
		w.delete(t, u)
	}
	w.soon(t, parse(t, "{kind: Tier, metadata: {name: security}}"), "Ready", "True", "Ready", "")
	w.soon(t, parse(t, "{kind: Tier, metadata: {name: default}}"), "Ready", "True", "Ready", "")

	u := w.must(t, w.admin, "{kind: GlobalNetworkPolicy, metadata: {name: p}, spec: {selector: has(x), ingress: [{action: Allow, http: {methods: [GET]}}]}}")
	w.soon(t, u, "Accepted", "False", "HttpNotSeen", "spec.ingress[0].http: ")
	if err := w.patch(w.admin, u, `{"spec": {"ingress": [{"action": "Allow"}]}}`); err != nil {
		t.Fatal(err)
	}
	now := w.soon(t, u, "Accepted", "True", "Accepted", "")
	w.othersStay(t, now)

	h := w.must(t, w.admin, "{kind: HostEndpoint, metadata: {name: h}, spec: {node: n1, interfaceName: eth0, profiles: [later]}}")
	defer w.delete(t, h)
	w.soon(t, h, "Accepted", "False", "ProfileMissing", `profile "later" does not exist`)
	profile := w.must(t, w.admin, "{kind: Profile, metadata: {name: later}}")
	w.soon(t, h, "Accepted", "True", "Accepted", "")
	w.delete(t, profile)
	w.soon(t, h, "Accepted", "False", "ProfileMissing", "")
}

// othersStay: conditions of others are left alone, and nothing is written when
// nothing changes.
func (w *world) othersStay(t *testing.T, u *unstructured.Unstructured) {
	defer w.delete(t, u)
	const seen = "example.org/Seen"
	other := map[string]any{
		"apiVersion": u.GetAPIVersion(), "kind": u.GetKind(), "metadata": map[string]any{"name": u.GetName()},
		"status": map[string]any{"conditions": []metav1.Condition{{Type: seen, Status: "True", Reason: "Test", LastTransitionTime: metav1.Now()}}},
	}
	body, err := json.Marshal(other)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in(w.admin, u).Patch(w.ctx, u.GetName(), types.ApplyPatchType, body, metav1.PatchOptions{FieldManager: "other"}, "status"); err != nil {
		t.Fatal(err)
	}
	if err := w.patch(w.admin, u, `{"spec": {"order": 4}}`); err != nil {
		t.Fatal(err)
	}
	w.soon(t, u, "Accepted", "True", "Accepted", "")
	var now *unstructured.Unstructured
	w.eventually(t, "what the server has to say is said", func() (err error) {
		if now, err = w.get(u); err != nil {
			return err
		}
		conditions, _, _ := unstructured.NestedSlice(now.Object, "status", "conditions")
		at := map[string]any{}
		for _, c := range conditions {
			c := c.(map[string]any)
			at[fmt.Sprint(c["type"])] = c["observedGeneration"]
		}
		if _, ok := at[seen]; !ok || at[v3.ConditionProgrammed] != now.GetGeneration() || len(at) != 3 {
			return fmt.Errorf("conditions: %v", conditions)
		}
		return nil
	})
	time.Sleep(500 * time.Millisecond) // time enough for a write that nobody asked for
	if later, err := w.get(u); err != nil || later.GetResourceVersion() != now.GetResourceVersion() {
		t.Errorf("it is written again: %v %v", later.Object["status"], err)
	}
}

// namespaceGoes: the namespace controller takes policies of every tier along.
func (w *world) namespaceGoes(t *testing.T) {
	w.must(t, w.admin, "{kind: NetworkPolicy, metadata: {name: p, namespace: red}, spec: {tier: security}}")
	w.must(t, w.admin, "{kind: NetworkPolicy, metadata: {name: q, namespace: red}}")
	w.must(t, w.admin, "{kind: StagedNetworkPolicy, metadata: {name: p, namespace: red}, spec: {tier: security}}")
	w.must(t, w.admin, "{kind: StagedKubernetesNetworkPolicy, metadata: {name: q, namespace: red}, spec: {podSelector: {}}}")
	if err := w.core.CoreV1().Namespaces().Delete(w.ctx, "red", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.eventually(t, "the namespace goes", func() error {
		n, err := w.core.CoreV1().Namespaces().Get(w.ctx, "red", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("%v %v", n.Status, err)
	})
}

// serverDown: what the API server knows by itself still holds, what it would
// have to ask about is refused, and deletions work. A new server takes over, and
// finds what came in without one.
func (w *world) serverDown(t *testing.T) {
	there := w.must(t, w.admin, "{kind: NetworkPolicy, metadata: {name: there, namespace: blue}}")
	secured := w.must(t, w.admin, "{kind: NetworkPolicy, metadata: {name: secured, namespace: blue}, spec: {tier: security}}")
	if err := w.plane.StopServer(); err != nil {
		t.Fatal(err)
	}
	u := parse(t, "{kind: NetworkPolicy, metadata: {name: p, namespace: blue}}")
	_, err := in(w.admin, u).Create(w.ctx, u, metav1.CreateOptions{})
	says(t, err, "failed calling webhook")
	if !apierrors.IsInternalError(err) {
		t.Errorf("%v", err)
	}
	err = in(w.as("developer"), secured).Delete(w.ctx, "secured", metav1.DeleteOptions{})
	says(t, err, cannot("developer", "delete", "networkpolicies", "security", "blue"))
	says(t, in(w.as("developer"), there).Delete(w.ctx, "there", metav1.DeleteOptions{}), "")
	tier := parse(t, "{kind: Tier, metadata: {name: security}}")
	says(t, in(w.admin, tier).Delete(w.ctx, "security", metav1.DeleteOptions{}), "failed calling webhook")
	if _, err := w.core.CoreV1().ConfigMaps("blue").List(w.ctx, metav1.ListOptions{}); err != nil {
		t.Errorf("the rest of the API: %v", err)
	}

	// the way out that docs/design/004-admission.md names
	v1 := w.core.AdmissionregistrationV1()
	for _, err := range []error{
		v1.ValidatingWebhookConfigurations().Delete(w.ctx, server.ConfigurationName, metav1.DeleteOptions{}),
		v1.MutatingWebhookConfigurations().Delete(w.ctx, server.ConfigurationName, metav1.DeleteOptions{}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	bad := parse(t, "{kind: NetworkPolicy, metadata: {name: bad, namespace: blue}, spec: {tier: nowhere, selector: '('}}")
	w.eventually(t, "it is taken without the webhook", func() error {
		_, err := in(w.admin, bad).Create(w.ctx, bad, metav1.CreateOptions{})
		return err
	})
	lost := w.must(t, w.admin, "{kind: StagedNetworkPolicy, metadata: {name: lost, namespace: blue}, spec: {tier: nowhere}}")
	_, err = in(w.as("developer"), bad).Create(w.ctx, parse(t, "{kind: NetworkPolicy, metadata: {name: x, namespace: blue}, spec: {tier: security}}"), metav1.CreateOptions{})
	says(t, err, "user cannot get tier")

	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	if err := w.plane.Install(ctx); err != nil {
		t.Fatal(err)
	}
	w.soon(t, bad, "Accepted", "False", "SelectorSyntax", "spec.tier: Tier \"nowhere\" does not exist")
	w.soon(t, lost, "Accepted", "False", "TierMissing", "Tier \"nowhere\" does not exist")
	says(t, w.patch(w.admin, bad, `{"metadata": {"annotations": {"a": "b"}}}`), "") // what was wrong before is not in the way
	says(t, w.patch(w.admin, bad, `{"spec": {"order": 5}}`), "2 problems:")
	if now, err := w.get(bad); err != nil || now.GetLabels()[v3.TierLabel] != "nowhere" {
		t.Errorf("labels: %v %v", now.GetLabels(), err)
	}
	says(t, in(w.admin, bad).Delete(w.ctx, "bad", metav1.DeleteOptions{}), "")
}
