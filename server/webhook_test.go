package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	v3 "github.com/tierwall/tierwall/api/v3"
)

// fakeTiers is a cluster with tiers and what is in them.
type fakeTiers struct {
	tiers    map[string]*v3.Tier
	policies map[string][]string
	err      error
}

func (f fakeTiers) Tier(_ context.Context, name string) (*v3.Tier, error) {
	return f.tiers[name], f.err
}

func (f fakeTiers) PoliciesIn(_ context.Context, tier string) ([]string, error) {
	return f.policies[tier], f.err
}

func tiersForTest() fakeTiers {
	now := metav1.Now()
	return fakeTiers{
		tiers: map[string]*v3.Tier{
			"default": {}, "full": {}, "empty": {},
			"going": {ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &now}},
		},
		policies: map[string][]string{"full": {"NetworkPolicy/ns/p"}},
	}
}

// ask sends a review to the webhook over HTTP; the texts are YAML, empty for
// none.
func ask(t *testing.T, tiers tierReader, path string, operation admissionv1.Operation, text, old string) *admissionv1.AdmissionResponse {
	t.Helper()
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	w := &webhook{scheme: scheme, tiers: tiers, log: slog.New(slog.DiscardHandler)}
	r := admissionv1.AdmissionRequest{UID: "uid-1", Operation: operation}
	for _, part := range []struct {
		text string
		into *runtime.RawExtension
	}{{old, &r.OldObject}, {text, &r.Object}} {
		if part.text == "" {
			continue
		}
		var head metav1.PartialObjectMetadata
		raw, err := yaml.YAMLToJSON([]byte(part.text))
		if err != nil || json.Unmarshal(raw, &head) != nil {
			t.Fatalf("%s: %v", part.text, err)
		}
		part.into.Raw = raw
		r.Kind = metav1.GroupVersionKind{Group: v3.Group, Version: v3.Version, Kind: head.Kind}
		r.Name, r.Namespace = head.Name, head.Namespace
	}
	body, err := json.Marshal(admissionv1.AdmissionReview{TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"}, Request: &r})
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	w.handler().ServeHTTP(rec, httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body)))
	var out admissionv1.AdmissionReview
	if err := json.Unmarshal(rec.Body.Bytes(), &out); err != nil || out.Response == nil {
		t.Fatalf("answer %d %s: %v", rec.Code, rec.Body, err)
	}
	if out.Response.UID != "uid-1" || out.Kind != "AdmissionReview" || out.APIVersion != "admission.k8s.io/v1" {
		t.Errorf("the review is not answered: %+v", out)
	}
	return out.Response
}

func TestValidate(t *testing.T) {
	const create, update, remove = admissionv1.Create, admissionv1.Update, admissionv1.Delete
	const bad = "{kind: GlobalNetworkPolicy, metadata: {name: p}, spec: {tier: gone, selector: '('}}"
	for _, row := range []struct {
		name      string
		operation admissionv1.Operation
		text, old string
		code      int32 // 0 is allowed
		says      string
	}{
		{"a sound policy", create, "{kind: NetworkPolicy, metadata: {name: p, namespace: ns}}", "", 0, ""},
		{"in a tier that is there", create, "{kind: GlobalNetworkPolicy, spec: {tier: full}}", "", 0, ""},
		{"in one that is not", create, "{kind: GlobalNetworkPolicy, spec: {tier: gone}}", "", 422, `spec.tier: Tier "gone" does not exist (create the tier, or name one that exists)`},
		{"in one that is going", create, "{kind: GlobalNetworkPolicy, spec: {tier: going}}", "", 422, `spec.tier: Tier "going" is being deleted (name another tier, or create it anew when it is gone)`},
		{"all that is wrong", create, bad, "", 422, "2 problems:"},
		{"from sound to wrong", update, bad, "{kind: GlobalNetworkPolicy, metadata: {name: p}}", 422, "2 problems:"},
		{"wrong before and otherwise unchanged", update, strings.Replace(bad, "name: p", "name: p, annotations: {a: b}", 1), bad, 0, ""},
		{"wrong before and changed", update, strings.Replace(bad, "gone", "full", 1), bad, 422, "spec.selector: "},
		{"wrong and on its way out", update, strings.Replace(bad, "name: p", "name: p, deletionTimestamp: '2026-01-01T00:00:00Z'", 1), strings.Replace(bad, "gone", "full", 1), 0, ""},
		{"a label of a set", update, "{kind: NetworkSet, metadata: {name: s, namespace: ns, labels: {projectcalico.org/namespace: x}}}", "{kind: NetworkSet, metadata: {name: s, namespace: ns}}", 422, "projectcalico.org/namespace is not a valid label name"},
		{"what cannot be decoded", create, "{kind: NetworkPolicy, spec: {tier: [1]}}", "", 400, "tier"},
		{"a kind that is not ours", create, "{kind: Other}", "", 400, "Other"},
		{"a full tier goes", remove, "", "{kind: Tier, metadata: {name: full}}", 403, "Cannot delete a non-empty tier (delete or move its policies first: NetworkPolicy/ns/p)"},
		{"an empty tier goes", remove, "", "{kind: Tier, metadata: {name: empty}}", 0, ""},
		{"a tier that goes, goes again", remove, "", "{kind: Tier, metadata: {name: full, deletionTimestamp: '2026-01-01T00:00:00Z'}}", 0, ""},
		{"the default tier goes", remove, "", "{kind: Tier, metadata: {name: default}}", 403, "Cannot delete default tier"},
		{"a policy goes", remove, "", bad, 0, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := ask(t, tiersForTest(), validatePath, row.operation, row.text, row.old)
			if r.Allowed != (row.code == 0) {
				t.Fatalf("%+v", r)
			}
			if row.code != 0 && (r.Result.Code != row.code || !strings.Contains(r.Result.Message, row.says) || r.Result.Status != metav1.StatusFailure) {
				t.Errorf("%+v", r.Result)
			}
		})
	}
}

// TestWarnings: what is not supported passes with a word.
func TestWarnings(t *testing.T) {
	r := ask(t, tiersForTest(), validatePath, admissionv1.Create, "{kind: GlobalNetworkPolicy, spec: {ingress: [{action: Allow, http: {methods: [GET]}}]}}", "")
	if !r.Allowed || len(r.Warnings) != 1 || !strings.HasPrefix(r.Warnings[0], "spec.ingress[0].http: ") {
		t.Errorf("%+v", r)
	}
}

// TestCauses: the problems come in a form for programs, too.
func TestCauses(t *testing.T) {
	r := ask(t, tiersForTest(), validatePath, admissionv1.Create, "{kind: GlobalNetworkPolicy, metadata: {name: p}, spec: {tier: gone, selector: '('}}", "")
	d := r.Result.Details
	if d == nil || d.Kind != "GlobalNetworkPolicy" || d.Name != "p" || d.Group != v3.Group || len(d.Causes) != 2 || d.Causes[0].Field != "spec.tier" || d.Causes[1].Field != "spec.selector" {
		t.Errorf("%+v", d)
	}
}

// TestUnanswered: what cannot be found out is not allowed.
func TestUnanswered(t *testing.T) {
	broken := fakeTiers{err: errors.New("no connection")}
	for _, r := range []*admissionv1.AdmissionResponse{
		ask(t, broken, validatePath, admissionv1.Create, "{kind: NetworkPolicy, metadata: {name: p, namespace: ns}}", ""),
		ask(t, broken, validatePath, admissionv1.Delete, "", "{kind: Tier, metadata: {name: empty}}"),
	} {
		if r.Allowed || r.Result.Code != 500 || !strings.Contains(r.Result.Message, "no connection") {
			t.Errorf("%+v", r)
		}
	}
	if r := ask(t, broken, validatePath, admissionv1.Create, "{kind: NetworkSet, metadata: {name: s, namespace: ns}}", ""); !r.Allowed {
		t.Errorf("a set is in no tier: %+v", r)
	}
}

func TestMutate(t *testing.T) {
	r := ask(t, tiersForTest(), mutatePath, admissionv1.Create, "{kind: NetworkPolicy, spec: {tier: t}}", "")
	if !r.Allowed || r.PatchType == nil || *r.PatchType != admissionv1.PatchTypeJSONPatch || !strings.Contains(string(r.Patch), `"projectcalico.org/tier":"t"`) {
		t.Errorf("%+v", r)
	}
	r = ask(t, tiersForTest(), mutatePath, admissionv1.Create, "{kind: NetworkSet}", "")
	if !r.Allowed || r.Patch != nil || r.PatchType != nil {
		t.Errorf("%+v", r)
	}
}

// TestNoReview: what is no review gets no answer that could be taken for one.
func TestNoReview(t *testing.T) {
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	w := &webhook{scheme: scheme, tiers: tiersForTest(), log: slog.New(slog.DiscardHandler)}
	for _, row := range []struct {
		method, path, body string
		code               int
	}{
		{http.MethodPost, validatePath, "{", 400},
		{http.MethodPost, validatePath, "{}", 400},
		{http.MethodGet, validatePath, "", 405},
		{http.MethodPost, "/other", "{}", 404},
		{http.MethodPost, mutatePath, strings.Repeat(" ", maxReview+1), 413},
	} {
		rec := httptest.NewRecorder()
		w.handler().ServeHTTP(rec, httptest.NewRequest(row.method, row.path, strings.NewReader(row.body)))
		if rec.Code != row.code {
			t.Errorf("%s %s: %d", row.method, row.path, rec.Code)
		}
	}
}
