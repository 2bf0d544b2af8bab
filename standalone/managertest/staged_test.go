package managertest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/tierwall/tierwall/cli"
	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/staging"
	"github.com/tierwall/tierwall/verdict"
)

// kind is where objects of a kind are.
func (w *world) kind(kind, namespace string) dynamic.ResourceInterface {
	client := dynamic.NewForConfigOrDie(w.plane.Config)
	group := schema.GroupVersion{Group: "projectcalico.org", Version: "v3"}
	resource := strings.ToLower(strings.TrimSuffix(kind, "y")) + "ies"
	if kind == "KubernetesNetworkPolicy" {
		group, resource = schema.GroupVersion{Group: "networking.k8s.io", Version: "v1"}, "networkpolicies"
	}
	if namespace == "" {
		return client.Resource(group.WithResource(resource))
	}
	return client.Resource(group.WithResource(resource)).Namespace(namespace)
}

// put creates or changes an object.
func (w *world) put(t *testing.T, kind, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), u); err != nil {
		t.Fatal(err)
	}
	force := true
	body := must(json.Marshal(u))
	got, err := w.kind(kind, u.GetNamespace()).Patch(w.ctx, u.GetName(), "application/apply-patch+yaml", body, metav1.PatchOptions{FieldManager: "test", Force: &force})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func np(kind, name, spec string) string {
	return fmt.Sprintf("apiVersion: projectcalico.org/v3\nkind: %s\nmetadata: {name: %s, namespace: blue}\nspec: %s\n", kind, name, spec)
}

// isAt says what there is of a policy: "enforced SELECTOR", "staged SELECTOR".
func (w *world) isAt(name string) string {
	var all []string
	for _, k := range []struct{ kind, word string }{{"NetworkPolicy", "enforced"}, {"StagedNetworkPolicy", "staged"}} {
		u, err := w.kind(k.kind, "blue").Get(w.ctx, name, metav1.GetOptions{})
		if err != nil {
			continue
		}
		s, _, _ := unstructured.NestedString(u.Object, "spec", "selector")
		all = append(all, k.word+" "+s)
	}
	return strings.Join(all, ", ")
}

// meddling lets somebody else do something between two requests of a client: just
// before one with a method and no dry run.
func (w *world) meddling(method string, meddle func()) dynamic.Interface {
	config := rest.CopyConfig(w.plane.Config)
	done := false
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == method && !done && !strings.Contains(r.URL.RawQuery, "dryRun") && !dry(r) {
				done = true
				meddle()
			}
			return next.RoundTrip(r)
		})
	})
	return dynamic.NewForConfigOrDie(config)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// dry reports whether a deletion is without effect, which its body says.
func dry(r *http.Request) bool {
	if r.GetBody == nil {
		return false
	}
	body := must(r.GetBody())
	defer func() { _ = body.Close() }()
	var text bytes.Buffer
	_, _ = text.ReadFrom(body)
	return strings.Contains(text.String(), "dryRun")
}

const old, wanted, theirs = "app == 'old'", "app == 'wanted'", "app == 'theirs'"

func selecting(s string) string { return fmt.Sprintf("{selector: \"%s\"}", s) }

// enforcing: enforcing is one step. Whoever comes in between finds, and leaves, what
// was or what was staged; never neither.
func (w *world) enforcing(t *testing.T) {
	id := verdict.PolicyID{Kind: "StagedNetworkPolicy", Namespace: "blue", Name: "step"}
	enforced := func(s string) func() {
		return func() { w.put(t, "NetworkPolicy", np("NetworkPolicy", "step", selecting(s))) }
	}
	staged := func(spec string) func() {
		return func() { w.put(t, "StagedNetworkPolicy", np("StagedNetworkPolicy", "step", spec)) }
	}
	for name, row := range map[string]struct {
		before, spec string // of what is enforced, and of what is staged
		at           string // the request before which somebody meddles
		meddle       func()
		ok           func(error) bool
		after        string
	}{
		"new":               {"", selecting(wanted), "", nil, isNil, "enforced " + wanted},
		"edit":              {old, selecting(wanted), "", nil, isNil, "enforced " + wanted},
		"delete":            {old, "{stagedAction: Delete}", "", nil, isNil, ""},
		"edited meanwhile":  {old, selecting(wanted), "PUT", enforced(theirs), apierrors.IsConflict, "enforced " + theirs + ", staged " + wanted},
		"created meanwhile": {"", selecting(wanted), "POST", enforced(theirs), apierrors.IsAlreadyExists, "enforced " + theirs + ", staged " + wanted},
		"deleted meanwhile": {old, selecting(wanted), "PUT", func() { _ = w.kind("NetworkPolicy", "blue").Delete(w.ctx, "step", metav1.DeleteOptions{}) },
			func(err error) bool { return apierrors.IsNotFound(err) || apierrors.IsConflict(err) }, "staged " + wanted},
		"edited before it is deleted":  {old, "{stagedAction: Delete}", "DELETE", enforced(theirs), apierrors.IsConflict, "enforced " + theirs + ", staged "},
		"staged anew before the write": {old, selecting(wanted), "PUT", staged(selecting(theirs)), apierrors.IsConflict, "enforced " + wanted + ", staged " + theirs},
	} {
		for _, kind := range []string{"NetworkPolicy", "StagedNetworkPolicy"} {
			if err := w.kind(kind, "blue").Delete(w.ctx, "step", metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
				t.Fatal(err)
			}
		}
		if row.before != "" {
			enforced(row.before)()
		}
		staged(row.spec)()
		client := w.meddling(row.at, row.meddle)
		if err := staging.Enforce(w.ctx, client, id); !row.ok(err) {
			t.Errorf("%s: %v", name, err)
		}
		if got := w.isAt("step"); got != row.after {
			t.Errorf("%s: there is %q, not %q", name, got, row.after)
		}
	}
	w.withoutRight(t, id, enforced, staged)
	for _, kind := range []string{"NetworkPolicy", "StagedNetworkPolicy"} {
		_ = w.kind(kind, "blue").Delete(w.ctx, "step", metav1.DeleteOptions{})
	}
}

func isNil(err error) bool { return err == nil }

// withoutRight: who may write the policy and not take the staged one away changes
// nothing.
func (w *world) withoutRight(t *testing.T, id verdict.PolicyID, enforced, staged func(string) func()) {
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "half"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"projectcalico.org"}, Resources: []string{"networkpolicies", "tier.networkpolicies", "tier.stagednetworkpolicies", "tiers"}, Verbs: []string{"*"}},
		{APIGroups: []string{"projectcalico.org"}, Resources: []string{"stagednetworkpolicies"}, Verbs: []string{"get", "update"}},
	}}
	if _, err := w.core.RbacV1().ClusterRoles().Create(w.ctx, role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "half"}, RoleRef: rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: "half"},
		Subjects: []rbacv1.Subject{{APIGroup: "rbac.authorization.k8s.io", Kind: "User", Name: "half"}}}
	if _, err := w.core.RbacV1().ClusterRoleBindings().Create(w.ctx, binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "half.kubeconfig")
	if err := w.plane.IssueKubeconfig(path, "half", nil, w.plane.URL); err != nil {
		t.Fatal(err)
	}
	half := dynamic.NewForConfigOrDie(must(clientcmd.BuildConfigFromFlags("", path)))
	enforced(old)()
	staged(selecting(wanted))()
	err := staging.Enforce(w.ctx, half, id)
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "nothing was changed") {
		t.Errorf("without the right: %v", err)
	}
	if got, want := w.isAt("step"), "enforced "+old+", staged "+wanted; got != want {
		t.Errorf("without the right: there is %q, not %q", got, want)
	}
}

// run runs a command as the administrator.
func (w *world) run(args ...string) (int, string) {
	var out, problems bytes.Buffer
	code := cli.Execute(context.WithoutCancel(w.ctx), cli.New("tierwall", cli.Streams{In: strings.NewReader(""), Out: &out, Err: &problems}), append(args, "--kubeconfig", w.plane.Kubeconfig))
	return code, out.String() + problems.String()
}

// stagedCommands: `tierwall staged` lists, weighs, enforces and discards.
func (w *world) stagedCommands(t *testing.T) {
	admin := w.as(t, "admin") // other parts leave a staged policy, and one that denies what is asked about here
	for _, kind := range []string{"StagedNetworkPolicy", "NetworkPolicy"} {
		admin.do("DELETE", "/api/v1/objects?namespace=blue&name=be&kind="+kind, nil, nil)
	}
	if code, text := w.run("staged", "list"); code != 0 || text != "nothing is staged\n" {
		t.Errorf("list: %d %s", code, text)
	}
	record := seen("blue/fe", "blue/be", true)
	record.Port, record.Node = 9999, "somewhere"
	if err := w.plane.Flows().Put(flow.Batch{Node: "somewhere", Instance: "one", Sequence: 1, Records: []flow.Record{record}}); err != nil {
		t.Fatal(err)
	}
	w.put(t, "StagedNetworkPolicy", np("StagedNetworkPolicy", "calm", "{selector: app == 'be', types: [Ingress], ingress: [{action: Allow}]}"))
	w.put(t, "StagedKubernetesNetworkPolicy", np("StagedKubernetesNetworkPolicy", "cuts", "{podSelector: {matchLabels: {app: be}}, policyTypes: [Ingress]}"))
	const calm, cuts = "StagedNetworkPolicy/blue/calm", "StagedKubernetesNetworkPolicy/blue/cuts"
	if code, text := w.run("staged", "list"); code != 0 || text != cuts+"  a new policy\n"+calm+"  a new policy\n" {
		t.Errorf("list: %d %s", code, text)
	}
	var report struct {
		Staged []struct{ Policy string }
		Denied []struct {
			Source, Destination string
			Port                int
			Flows               []flow.Record
		}
		Possible struct{ Denied int }
	}
	const group = "blue {app=fe} blue {app=be}"
	for _, row := range []struct {
		args []string
		want bool // that the flow would be cut
	}{
		{[]string{"staged", "diff", cuts}, true}, {[]string{"staged", "diff", calm}, false}, {[]string{"staged", cuts, calm, "--since", "1h"}, false}, {[]string{"staged", cuts, "--since", "1h"}, true},
		{[]string{"staged", "diff", cuts, "--since", "2100-01-01T00:00:00Z"}, false},
	} {
		code, text := w.run(append(row.args, "-o", "json")...)
		report.Denied, report.Staged = nil, nil
		if err := json.Unmarshal([]byte(text), &report); code != 0 || err != nil {
			t.Errorf("%v: %d %s", row.args, code, text)
			continue
		}
		cut := false
		for _, c := range report.Denied {
			cut = cut || c.Source+" "+c.Destination == group && c.Port == 9999 && len(c.Flows) == 1 && c.Flows[0].Node == "somewhere"
		}
		if cut != row.want || row.want && report.Possible.Denied == 0 {
			t.Errorf("%v: %s", row.args, text)
		}
	}
	if code, text := w.run("staged", "diff", cuts); code != 0 || !strings.Contains(text, "newly denied") || !strings.Contains(text, "blue {app=fe} to blue {app=be} on TCP/9999  x1") || !strings.Contains(text, "possible, seen or not") {
		t.Errorf("text: %d %s", code, text)
	}
	for _, row := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"staged", "diff", "blue/none"}, 2, "StagedNetworkPolicy/blue/none is not there"},
		{[]string{"staged", "lisst"}, 2, "neither a command"},
		{[]string{"staged", "enforce", "blue/none"}, 2, "not found"},
		{[]string{"staged", "enforce"}, 2, "accepts 1 arg"},
		{[]string{"staged", "enforce", cuts}, 0, "enforced " + cuts},
		{[]string{"staged", "discard", "blue/calm"}, 0, "discarded " + calm},
		{[]string{"staged", "discard", "blue/calm"}, 2, "not found"},
		{[]string{"staged", "list"}, 0, "nothing is staged"},
		{[]string{"staged"}, 0, "nothing is staged"},
	} {
		if code, text := w.run(row.args...); code != row.code || !strings.Contains(text, row.want) {
			t.Errorf("%v: %d %s, not %d %s", row.args, code, text, row.code, row.want)
		}
	}
	u, err := w.kind("KubernetesNetworkPolicy", "blue").Get(w.ctx, "cuts", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if app, _, _ := unstructured.NestedString(u.Object, "spec", "podSelector", "matchLabels", "app"); app != "be" {
		t.Errorf("enforced is %v", u.Object["spec"])
	}
	if err := w.kind("KubernetesNetworkPolicy", "blue").Delete(w.ctx, "cuts", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}
