package manager

import (
	"encoding/json"
	"log/slog"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/tierwall/tierwall/manifest"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/report"
	"github.com/tierwall/tierwall/verdict"
)

// newSink is the sink of a kind, with a store that reads nothing.
func newSink(t *testing.T, name string) *sink {
	t.Helper()
	s, err := newStore(&rest.Config{Host: "http://192.0.2.1"}, "tierwall", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	k, ok := kindNamed(name)
	if !ok {
		t.Fatal(name)
	}
	return &sink{store: s, kind: k, known: map[model.Key]heard{}}
}

func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	var u unstructured.Unstructured
	data, err := yaml.YAMLToJSON([]byte(text))
	if err == nil {
		err = u.UnmarshalJSON(data)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &u
}

const stored1 = `
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: be, namespace: blue, generation: 2}
spec: {selector: app == 'be', order: 10}
`

const status1 = `
status:
  conditions:
  - {type: Programmed, status: "False", reason: Pending, message: 1 of 2 nodes, observedGeneration: 2, lastTransitionTime: "2026-01-01T00:00:00Z"}
`

// TestStatusIsNoChange: a policy of which only the status changes leaves the
// version, and so all that was computed, as it is; and its status is known and
// told.
func TestStatusIsNoChange(t *testing.T) {
	k := newSink(t, "NetworkPolicy")
	const id = "NetworkPolicy/blue/be"
	if err := k.Add(parse(t, stored1)); err != nil {
		t.Fatal(err)
	}
	changes, stop := k.store.listen()
	defer stop()
	version, before := k.store.now().version, k.store.now()
	_ = k.Update(parse(t, stored1+status1))
	if k.store.now().version != version || k.store.now() != before {
		t.Error("a status makes another version")
	}
	if p := k.store.programmed[id]; p != (Programmed{Message: "1 of 2 nodes", Reason: "Pending", Current: true}) {
		t.Errorf("%+v", p)
	}
	select {
	case c := <-changes:
		if c.kind != "NetworkPolicy" {
			t.Errorf("%+v", c)
		}
	default:
		t.Error("it is not told")
	}
	_ = k.Update(parse(t, stored1+status1))
	if len(changes) > 0 {
		t.Error("what is the same is told")
	}
	another := parse(t, stored1+status1)
	another.SetGeneration(3)
	if err := unstructured.SetNestedField(another.Object, "app == 'fe'", "spec", "selector"); err != nil {
		t.Fatal(err)
	}
	_ = k.Update(another)
	if k.store.now().version == version || k.store.programmed[id].Current {
		t.Errorf("version %d, %+v", k.store.now().version, k.store.programmed[id])
	}
	_ = k.Replace([]any{}, "9")
	if len(k.store.now().state.Policies) > 0 || len(k.store.programmed) > 0 {
		t.Error("what is gone is still there")
	}
}

// TestPublishedPolicies: a policy whose kind has no status has that of the list
// which the server publishes, and it is known whether that is of what it is now.
func TestPublishedPolicies(t *testing.T) {
	k := newSink(t, "KubernetesNetworkPolicy")
	const id = "KubernetesNetworkPolicy/blue/be"
	sink := k.store.textSink(report.PoliciesConfigMap, report.PoliciesKey, k.store.publish)
	list := func(text string) []any {
		return []any{&unstructured.Unstructured{Object: map[string]any{"data": map[string]any{report.PoliciesKey: text}}}}
	}
	told := func() *Programmed {
		cards := []PolicyCard{{Id: id}}
		(&view{store: k.store}).programmed(cards)
		return cards[0].Programmed
	}
	policy := parse(t, "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {namespace: blue, name: be, generation: 2}, spec: {podSelector: {}}}")
	if err := k.Add(policy); err != nil {
		t.Fatal(err)
	}
	changes, stop := k.store.listen()
	defer stop()
	const published = `[{"policy":"` + id + `","generation":2,"status":"False","reason":"Pending","message":"1 of 2 nodes"}]`
	for _, text := range []string{published, published, "["} { // the last cannot be read
		if err := sink.Replace(list(text), ""); err != nil {
			t.Fatal(err)
		}
		if p := told(); p == nil || *p != (Programmed{Message: "1 of 2 nodes", Reason: "Pending", Current: true}) {
			t.Errorf("%s: %+v", text, p)
		}
	}
	if len(changes) != 1 {
		t.Errorf("told %d times", len(changes))
	}
	policy = policy.DeepCopy()
	policy.SetGeneration(3)
	if _ = k.Update(policy); told() == nil || told().Current {
		t.Errorf("of another generation: %+v", told())
	}
	if _ = sink.Replace(nil, ""); told() != nil {
		t.Errorf("after the list is gone: %+v", told())
	}
}

// TestSinkFollows: whatever comes, the state is what is there.
func TestSinkFollows(t *testing.T) {
	k := newSink(t, "NetworkPolicy")
	names := func() []string {
		var all []string
		for id := range k.store.now().state.Policies {
			all = append(all, id.Name)
		}
		slices.Sort(all)
		return all
	}
	named := func(name, selector string) *unstructured.Unstructured {
		u := parse(t, stored1)
		u.SetName(name)
		_ = unstructured.SetNestedField(u.Object, selector, "spec", "selector")
		return u
	}
	_ = k.Replace([]any{named("a", "all()"), named("b", "broken(")}, "1")
	if !k.store.listed["NetworkPolicy"] || !slices.Equal(names(), []string{"a", "b"}) || len(k.store.problems["NetworkPolicy/blue/b"]) == 0 {
		t.Fatalf("%v %v", names(), k.store.problems)
	}
	_ = k.Update(named("b", "all()"))
	if len(k.store.problems) > 0 {
		t.Errorf("what is mended is a problem: %v", k.store.problems)
	}
	_ = k.Delete(named("a", "all()"))
	_ = k.Replace([]any{named("b", "all()"), named("c", "all()")}, "2")
	if !slices.Equal(names(), []string{"b", "c"}) {
		t.Errorf("%v", names())
	}
	_ = k.Add(named("a", "all()")) // as it was before it was deleted
	if !slices.Equal(names(), []string{"a", "b", "c"}) {
		t.Errorf("%v", names())
	}
	if got := k.store.now().state.Policies[verdict.PolicyID{Kind: "NetworkPolicy", Namespace: "blue", Name: "c"}]; got == nil || got.Tier != "default" {
		t.Errorf("%+v", got)
	}
}

// TestNodes: the published list is told as it is; what is none is an error.
func TestNodes(t *testing.T) {
	all, err := nodesIn(`[{"name":"n1","state":"in step","since":"2026-01-01T00:00:00Z","policies":3},{"name":"n2","state":"behind","since":"2026-01-01T00:00:00Z","error":"no","policies":1,"drift":2}]`)
	if err != nil || len(all) != 2 || all[0].State != "in step" || all[0].Error != nil || some(all[1].Error) != "no" || all[1].Drift != 2 {
		b, _ := json.Marshal(all)
		t.Errorf("%v %s", err, b)
	}
	if _, err := nodesIn(""); err == nil {
		t.Error("nothing is a list")
	}
	for _, k := range manifest.Kinds() { // only what has the condition is looked at
		s := newSink(t, k.Name)
		s.store.program(k, parse(t, stored1+status1))
		if want := k.Name == "NetworkPolicy" || k.Name == "GlobalNetworkPolicy" || k.Name == "ClusterNetworkPolicy"; len(s.store.programmed) > 0 != want {
			t.Errorf("%s: %v", k.Name, s.store.programmed)
		}
	}
}
