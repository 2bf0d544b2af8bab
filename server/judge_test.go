package server

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/model"
)

// object reads an object of projectcalico.org/v3.
func object(t *testing.T, text string) metav1.Object {
	t.Helper()
	var head metav1.TypeMeta
	if err := yaml.Unmarshal([]byte(text), &head); err != nil {
		t.Fatal(err)
	}
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	o, err := scheme.New(v3.GroupVersion.WithKind(head.Kind))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(text), o); err != nil {
		t.Fatal(err)
	}
	return o.(metav1.Object)
}

func places(all []model.Problem) []string {
	var out []string
	for _, p := range all {
		out = append(out, p.Code+" "+p.Path)
	}
	return out
}

// TestStagedProblems: a staged policy is held to what it would become, once for
// each problem, and under its own name.
func TestStagedProblems(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{"{kind: StagedNetworkPolicy, metadata: {name: p, namespace: ns}, spec: {selector: '(', ingress: [{action: Allow, source: {nets: [x]}}]}}", "selector-syntax spec.selector, net-syntax spec.ingress[0].source.nets[0]"},
		{"{kind: StagedGlobalNetworkPolicy, metadata: {name: p}, spec: {namespaceSelector: '('}}", "selector-syntax spec.namespaceSelector"},
		{"{kind: StagedKubernetesNetworkPolicy, metadata: {name: p, namespace: ns}, spec: {ingress: [{from: [{ipBlock: {cidr: x}}]}]}}", "net-syntax spec.ingress[0].from[0].ipBlock.cidr"},
		{"{kind: StagedNetworkPolicy, metadata: {name: p}, spec: {stagedAction: Delete}}", ""},
		{"{kind: StagedNetworkPolicy, metadata: {name: p}}", ""},
	} {
		o := object(t, row.text)
		all := slices.DeleteFunc(Problems(o), func(p model.Problem) bool { return !Refuses(p) })
		if got := strings.Join(places(all), ", "); got != row.want {
			t.Errorf("%s: %s", row.text, got)
		}
		for _, p := range all {
			if p.Object != name(o) || !strings.HasPrefix(p.Object, "Staged") {
				t.Errorf("%s: it is about %s", row.text, p.Object)
			}
		}
	}
}

func TestTierOf(t *testing.T) {
	for _, row := range []struct {
		text, want string
		in         bool
	}{
		{"{kind: NetworkPolicy, spec: {tier: a}}", "a", true},
		{"{kind: NetworkPolicy}", "default", true},
		{"{kind: GlobalNetworkPolicy, spec: {tier: a}}", "a", true},
		{"{kind: StagedNetworkPolicy, spec: {tier: a}}", "a", true},
		{"{kind: StagedGlobalNetworkPolicy, spec: {tier: a}}", "a", true},
		{"{kind: StagedKubernetesNetworkPolicy}", "default", true},
		{"{kind: NetworkSet}", "", false},
		{"{kind: Tier}", "", false},
	} {
		if got, in := tierOf(object(t, row.text)); got != row.want || in != row.in {
			t.Errorf("%s: %q %v", row.text, got, in)
		}
	}
}

// TestKinds: each kind of the API is known, policies are those with a tier.
func TestKinds(t *testing.T) {
	for _, k := range kinds() {
		o := object(t, "kind: "+k.name)
		if _, in := tierOf(o); in != k.policy {
			t.Errorf("%s: policy %v", k.name, k.policy)
		}
		if kindName(o) != k.name {
			t.Errorf("%s is called %s", k.name, kindName(o))
		}
	}
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	for known := range scheme.KnownTypes(v3.GroupVersion) {
		if _, ok := kindOf(known); !ok && !strings.HasSuffix(known, "List") && !strings.HasSuffix(known, "Options") && known != "WatchEvent" {
			t.Errorf("%s is not watched", known)
		}
	}
}

func TestDeletion(t *testing.T) {
	many := []string{"a", "b", "c", "d", "e", "f", "g"}
	for _, row := range []struct {
		tier     string
		policies []string
		want     string
	}{
		{"default", nil, "Cannot delete default tier"},
		{"kube-admin", many, "The built-in tier kube-admin cannot be deleted"},
		{"kube-baseline", nil, "The built-in tier kube-baseline cannot be deleted"},
		{"mine", many[:2], "Cannot delete a non-empty tier (delete or move its policies first: a, b)"},
		{"mine", many, "Cannot delete a non-empty tier (delete or move its policies first: a, b, c, d, e and 2 more)"},
		{"mine", nil, ""},
	} {
		if got := deletion(row.tier, row.policies); got != row.want {
			t.Errorf("%s %v: %s", row.tier, row.policies, got)
		}
	}
}

func TestMessage(t *testing.T) {
	one := model.Problem{Code: "c", Object: "NetworkPolicy/ns/p", Path: "spec.tier", Message: "wrong", Hint: "mend it"}
	if got := message([]model.Problem{one}); got != "spec.tier: wrong (mend it)" {
		t.Error(got)
	}
	if got := message([]model.Problem{one, {Message: "all wrong"}}); got != "2 problems:\n  spec.tier: wrong (mend it)\n  all wrong" {
		t.Error(got)
	}
	many := slices.Repeat([]model.Problem{one}, 1000)
	if got := message(many); !strings.HasSuffix(got, "\n  and 950 more") || strings.Count(got, "\n") != 51 {
		t.Error(got)
	}
	if got := causes(many); len(got) != 50 || got[0].Field != "spec.tier" || got[0].Message != "wrong (mend it)" {
		t.Errorf("%d causes, %+v", len(got), got[0])
	}
}

func TestSameMeaning(t *testing.T) {
	base := `{"metadata": {"name": "p"}, "spec": {"a": [1, 2]}}`
	for other, want := range map[string]bool{
		base: true,
		`{"metadata": {"name": "p", "annotations": {"a": "b"}, "finalizers": ["x"]}, "spec": {"a": [1, 2]}, "status": {}}`: true,
		`{"metadata": {"labels": {"projectcalico.org/tier": "t"}}, "spec": {"a": [1, 2]}}`:                                 true,
		`{"metadata": {"labels": {"a": "b"}}, "spec": {"a": [1, 2]}}`:                                                      false,
		`{"metadata": {"name": "p"}, "spec": {"a": [2, 1]}}`:                                                               false,
		`{"metadata": {"name": "p"}}`: false,
		`nothing`:                     false,
	} {
		if got := sameMeaning([]byte(base), []byte(other)); got != want {
			t.Errorf("%s: %v", other, got)
		}
		if got := sameMeaning([]byte(other), []byte(base)); got != want {
			t.Errorf("the other way, %s: %v", other, got)
		}
	}
}

// TestStamp: the patch brings the object to where nothing is left to patch, and
// changes nothing else.
func TestStamp(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{"{kind: NetworkPolicy}", `[{"op":"add","path":"/metadata/labels","value":{"projectcalico.org/tier":"default"}}]`},
		{"{kind: GlobalNetworkPolicy, metadata: {labels: {a: b}}, spec: {tier: t}}", `[{"op":"add","path":"/metadata/labels/projectcalico.org~1tier","value":"t"}]`},
		{"{kind: StagedNetworkPolicy, metadata: {labels: {projectcalico.org/tier: x}}}", `[{"op":"add","path":"/metadata/labels/projectcalico.org~1tier","value":"default"}]`},
		{"{kind: NetworkPolicy, metadata: {labels: {projectcalico.org/tier: default}}}", ""},
		{"{kind: NetworkSet}", ""},
		{"{kind: Tier, metadata: {name: t}}", `[{"op":"add","path":"/metadata/finalizers","value":["projectcalico.org/tier-controller"]}]`},
		{"{kind: Tier, metadata: {name: t, finalizers: [x]}}", `[{"op":"add","path":"/metadata/finalizers/-","value":"projectcalico.org/tier-controller"}]`},
		{"{kind: Tier, metadata: {name: t, finalizers: [projectcalico.org/tier-controller]}}", ""},
		{"{kind: Tier, metadata: {name: t, deletionTimestamp: '2026-01-01T00:00:00Z'}}", ""},
		{"{kind: Tier, metadata: {name: default}}", ""},
	} {
		got, err := stamp(object(t, row.text))
		if err != nil || string(got) != row.want {
			t.Errorf("%s: %s, %v", row.text, got, err)
		}
	}
}

// TestCondition: what stands on an object follows from its problems.
func TestCondition(t *testing.T) {
	minor := model.Problem{Code: "not-supported", Path: "spec.a", Message: "later"}
	major := model.Problem{Code: "selector-syntax", Path: "spec.b", Message: "wrong"}
	for _, row := range []struct {
		kind     string
		problems []model.Problem
		want     metav1.Condition
	}{
		{"NetworkPolicy", nil, metav1.Condition{Type: "Accepted", Status: "True", Reason: "Accepted", ObservedGeneration: 3}},
		{"Tier", nil, metav1.Condition{Type: "Ready", Status: "True", Reason: "Ready", ObservedGeneration: 3}},
		{"NetworkPolicy", []model.Problem{minor}, metav1.Condition{Type: "Accepted", Status: "False", Reason: "NotSupported", Message: "spec.a: later", ObservedGeneration: 3}},
		{"NetworkSet", []model.Problem{minor, major}, metav1.Condition{Type: "Accepted", Status: "False", Reason: "SelectorSyntax", Message: "2 problems:\n  spec.a: later\n  spec.b: wrong", ObservedGeneration: 3}},
	} {
		if diff := cmp.Diff(row.want, condition(row.kind, 3, row.problems)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
	long := condition("NetworkPolicy", 1, []model.Problem{{Code: "c", Message: strings.Repeat("ä", 40000)}})
	if n := len(long.Message); n > maxMessage || n < maxMessage-8 || !strings.HasSuffix(long.Message, "ä …") {
		t.Errorf("%d bytes, ending in %q", n, long.Message[n-8:])
	}
}

// TestMessageBounded: however much is wrong, the answer and the condition are of
// a size that the API takes.
func TestMessageBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		problems := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) model.Problem {
			return model.Problem{Code: "c-d", Path: rapid.String().Draw(t, "path"), Message: strings.Repeat(rapid.String().Draw(t, "text"), rapid.IntRange(0, 200).Draw(t, "times"))}
		}), 1, 200).Draw(t, "problems")
		c := condition("NetworkPolicy", 1, problems)
		if len(c.Message) > maxMessage || c.Reason != "CD" {
			t.Fatalf("%d bytes, %s", len(c.Message), c.Reason)
		}
		if n := len(causes(problems)); n != min(len(problems), maxSentences) {
			t.Fatalf("%d causes", n)
		}
	})
}

// FuzzProblems: whatever the API server lets through, it is judged.
func FuzzProblems(f *testing.F) {
	f.Add("NetworkPolicy", []byte(`{"spec": {"selector": "(", "ingress": [{"action": "Allow", "source": {"nets": ["x"]}}]}}`))
	f.Add("StagedKubernetesNetworkPolicy", []byte(`{"spec": {"podSelector": {"matchExpressions": [{"key": "a", "operator": "x"}]}, "egress": [{}]}}`))
	f.Add("Tier", []byte(`{"metadata": {"name": "default"}, "spec": {"order": 1}}`))
	f.Add("HostEndpoint", []byte(`{"spec": {"ports": [{"protocol": 300}]}}`))
	scheme, err := newScheme()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		o, err := scheme.New(v3.GroupVersion.WithKind(kind))
		if err != nil {
			return
		}
		m, ok := o.(metav1.Object)
		if !ok || json.Unmarshal(body, o) != nil {
			return
		}
		for _, p := range Problems(m) {
			if p.Code == "" || p.Message == "" || p.Object != name(m) {
				t.Errorf("%s: %s", body, fmt.Sprintf("%+v", p))
			}
		}
		if _, err := stamp(m); err != nil {
			t.Error(err)
		}
	})
}
