package managertest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"

	"github.com/tierwall/tierwall/deploy"
	"github.com/tierwall/tierwall/server/manager"
	"github.com/tierwall/tierwall/standalone/controlplane"
	"github.com/tierwall/tierwall/standalone/controlplane/planetest"
)

// world is one control plane with its Manager.
type world struct {
	ctx     context.Context
	plane   *controlplane.ControlPlane
	manager *manager.Manager
	core    kubernetes.Interface
	// provider is one whose tokens the API server takes.
	provider *provider
	news     news
}

// TestManager walks through what users see and do.
func TestManager(t *testing.T) {
	p := newProvider(t)
	ctx, plane := planetest.Start(t, 5*time.Minute, controlplane.Options{Users: []string{"engineer", "developer", "nobody"},
		OIDC: controlplane.OIDC{Issuer: p.http.URL, ClientID: clientID, CAFile: p.caFile}})
	w := &world{ctx: ctx, plane: plane, core: kubernetes.NewForConfigOrDie(plane.Config), provider: p}
	listen := freeAddress(t)
	var err error
	if w.manager, err = plane.StartManager(ctx, manager.Options{Listen: listen, OIDC: manager.OIDC{Issuer: p.http.URL, CAFile: p.caFile, Name: "Example",
		ClientID: clientID, RedirectURL: "http://" + listen + "/login/oidc/callback"}}); err != nil {
		t.Fatal(err)
	}
	w.follow(t)
	w.setUp(t)
	for _, part := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"logging in and out", w.login},
		{"headers, cookies and other sites", w.security},
		{"pages", w.pages},
		{"objects", w.objects},
		{"refusals have lines", w.refusals},
		{"conflicts show both", w.conflicts},
		{"the board", w.board},
		{"drafts", w.drafts},
		{"select and labels", w.selects},
		{"explain", w.explain},
		{"previews", w.previews},
		{"previews of other kinds", w.otherPreviews},
		{"nodes", w.nodes},
		{"stages of hosts", w.stages},
		{"OIDC", w.oidc},
		{"order", w.reorder},
		{"who sees what", w.visibility},
		{"what a user may do", w.access},
		{"who may do what in a tier", w.subjects},
		{"domains", w.domains},
		{"flows", w.flows},
		{"enforcing what is staged", w.enforcing},
		{"staged commands", w.stagedCommands},
		{"events", w.events},
		{"a token that ends", w.revoked},
		{"without the API server", w.away},
	} {
		if !t.Run(part.name, part.run) && part.name == "logging in and out" {
			t.Fatal("nobody can log in")
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", planetest.FreePort(t))
}

func bind(namespace, user, role string) *unstructured.Unstructured {
	kind := "ClusterRoleBinding"
	if namespace != "" {
		kind = "RoleBinding"
	}
	u := &unstructured.Unstructured{Object: map[string]any{
		"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
		"subjects": []any{map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}},
	}}
	u.SetAPIVersion("rbac.authorization.k8s.io/v1")
	u.SetKind(kind)
	u.SetNamespace(namespace)
	u.SetName(user + ":" + role)
	return u
}

func (w *world) setUp(t *testing.T) {
	t.Helper()
	for i, ns := range []string{"blue", "red"} {
		if _, err := w.core.CoreV1().Namespaces().Create(w.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns, Labels: map[string]string{"color": ns}}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		// the controller makes it too, later
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default", Namespace: ns}}
		if _, err := w.core.CoreV1().ServiceAccounts(ns).Create(w.ctx, account, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
		for j, app := range []string{"fe", "be"} {
			w.pod(t, ns, app, "10.0."+string(rune('0'+i))+"."+string(rune('1'+j)))
		}
	}
	var objects []*unstructured.Unstructured
	for _, f := range []func() ([]*unstructured.Unstructured, error){
		func() ([]*unstructured.Unstructured, error) { return deploy.TierRoles("default") },
		func() ([]*unstructured.Unstructured, error) { return deploy.TierRoles("security") },
		deploy.Viewer, deploy.NamespaceDeveloper,
	} {
		more, err := f()
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, more...)
	}
	objects = append(objects, bind("", "engineer", deploy.TierEditorRole("security")), bind("", "engineer", deploy.ViewerRole),
		bind("", "developer", deploy.TierUserRole("default")), bind("blue", "developer", deploy.NamespaceDeveloperRole), bind("blue", "developer", deploy.ViewerRole))
	if err := controlplane.Apply(w.ctx, w.plane.Config, objects); err != nil {
		t.Fatal(err)
	}
}

func (w *world) pod(t *testing.T, ns, app, addr string) {
	t.Helper()
	no := false
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: app, Namespace: ns, Labels: map[string]string{"app": app}},
		Spec: corev1.PodSpec{NodeName: "n1", AutomountServiceAccountToken: &no, Containers: []corev1.Container{{Name: "c", Image: "i"}}}}
	p, err := w.core.CoreV1().Pods(ns).Create(w.ctx, p, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: addr, PodIPs: []corev1.PodIP{{IP: addr}}}
	if _, err := w.core.CoreV1().Pods(ns).UpdateStatus(w.ctx, p, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// browser is a user's browser, with cookies.
type browser struct {
	t     *testing.T
	world *world
	base  string
	http  *http.Client
	csrf  string
}

func (w *world) browser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, world: w, base: w.manager.URL(), http: &http.Client{Jar: jar}}
}

func (w *world) token(t *testing.T, user string) string {
	t.Helper()
	b, err := os.ReadFile(w.plane.TokenFile(user))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// as is a browser in which a user has logged in.
func (w *world) as(t *testing.T, user string) *browser {
	t.Helper()
	b := w.browser(t)
	var s manager.Session
	b.want(http.StatusOK, b.do("POST", "/api/v1/session", manager.Login{Token: w.token(t, user)}, &s))
	if s.User != user || s.CsrfToken == "" {
		t.Fatalf("logged in as %+v", s)
	}
	b.csrf = s.CsrfToken
	return b
}

type reply struct {
	status  int
	header  http.Header
	body    []byte
	problem manager.Problem
}

func (b *browser) do(method, path string, in, out any, headers ...string) reply {
	b.t.Helper()
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			b.t.Fatal(err)
		}
		body = bytes.NewReader(data)
	}
	r, err := http.NewRequest(method, b.base+path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	if b.csrf != "" {
		r.Header.Set("X-CSRF-Token", b.csrf)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := b.http.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	re := reply{status: resp.StatusCode, header: resp.Header, body: data}
	if resp.Header.Get("Content-Type") == "application/problem+json" {
		if err := json.Unmarshal(data, &re.problem); err != nil {
			b.t.Fatalf("%s %s: %s", method, path, data)
		}
	} else if out != nil && resp.StatusCode < 300 {
		if err := json.Unmarshal(data, out); err != nil {
			b.t.Fatalf("%s %s: %v in %s", method, path, err, data)
		}
	}
	return re
}

func (b *browser) want(status int, r reply) reply {
	b.t.Helper()
	if r.status != status {
		b.t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	return r
}

func (b *browser) create(yaml string) manager.StoredObject {
	b.t.Helper()
	var out manager.StoredObject
	b.want(http.StatusOK, b.do("POST", "/api/v1/objects", manager.Write{Yaml: yaml}, &out))
	return out
}

func (w *world) login(t *testing.T) {
	b := w.browser(t)
	b.want(http.StatusUnauthorized, b.do("GET", "/api/v1/session", nil, nil))
	b.want(http.StatusUnauthorized, b.do("GET", "/api/v1/board", nil, nil))
	r := b.want(http.StatusUnauthorized, b.do("POST", "/api/v1/session", manager.Login{Token: "wrong"}, nil))
	if r.problem.Type != "urn:tierwall:unauthenticated" || len(r.header.Values("Set-Cookie")) > 0 {
		t.Errorf("%+v %v", r.problem, r.header)
	}
	b.want(http.StatusBadRequest, b.do("POST", "/api/v1/session", map[string]string{"token": " "}, nil))
	token := w.token(t, "developer")
	for _, path := range []string{"?token=" + token, "?access_token=" + token} {
		b.want(http.StatusUnauthorized, b.do("GET", "/api/v1/board"+path, nil, nil))
	}
	b.want(http.StatusUnauthorized, b.do("GET", "/api/v1/board", nil, nil, "Authorization", "Bearer "+token))
	in := w.as(t, "developer")
	in.want(http.StatusOK, in.do("GET", "/api/v1/session", nil, nil))
	kept := in.http.Jar.Cookies(must(url.Parse(in.base)))
	in.want(http.StatusNoContent, in.do("DELETE", "/api/v1/session", nil, nil))
	in.http.Jar.SetCookies(must(url.Parse(in.base)), kept)
	in.want(http.StatusUnauthorized, in.do("GET", "/api/v1/session", nil, nil))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (w *world) security(t *testing.T) {
	b := w.browser(t)
	r := b.want(http.StatusOK, b.do("POST", "/api/v1/session", manager.Login{Token: w.token(t, "developer")}, nil))
	cookie := r.header.Get("Set-Cookie")
	for _, part := range []string{"HttpOnly", "SameSite=Strict", "Path=/"} {
		if !strings.Contains(cookie, part) {
			t.Errorf("the cookie is not %s: %s", part, cookie)
		}
	}
	if strings.Contains(cookie, w.token(t, "developer")) {
		t.Error("the token is in the cookie")
	}
	for name, want := range map[string]string{"Content-Security-Policy": "script-src 'self';", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"} {
		if got := r.header.Get(name); !strings.Contains(got, want) {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	in := w.as(t, "developer")
	csrf := in.csrf
	q := manager.Selection{Selector: "all()"}
	in.want(http.StatusOK, in.do("POST", "/api/v1/select", q, nil))
	for name, headers := range map[string][]string{
		"no token":         {"X-CSRF-Token", ""},
		"a wrong token":    {"X-CSRF-Token", csrf + "x"},
		"another origin":   {"Origin", "https://evil.example"},
		"no origin":        {"Origin", "null"},
		"a cross-site one": {"Sec-Fetch-Site", "cross-site"},
	} {
		if r := in.do("POST", "/api/v1/select", q, nil, headers...); r.status != http.StatusForbidden || r.problem.Type != "urn:tierwall:csrf" {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	in.want(http.StatusOK, in.do("POST", "/api/v1/select", q, nil, "Origin", in.base, "Sec-Fetch-Site", "same-origin"))
	other := w.as(t, "engineer")
	if r := other.do("POST", "/api/v1/select", q, nil, "X-CSRF-Token", csrf); r.status != http.StatusForbidden {
		t.Errorf("another session's token: %d", r.status)
	}
}

func (w *world) pages(t *testing.T) {
	b := w.browser(t)
	for _, path := range []string{"/", "/policies", "/policies/NetworkPolicy/blue/be"} {
		r := b.want(http.StatusOK, b.do("GET", path, nil, nil))
		if !strings.HasPrefix(r.header.Get("Content-Type"), "text/html") {
			t.Errorf("%s is %s", path, r.header.Get("Content-Type"))
		}
	}
	b.want(http.StatusNotFound, b.do("GET", "/assets/none.js", nil, nil))
	b.want(http.StatusNotFound, b.do("GET", "/api/v2/board", nil, nil))
}

func (w *world) objects(t *testing.T) {
	admin := w.as(t, "admin")
	tier := "apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: security}\nspec: {order: 100}\n"
	admin.want(http.StatusOK, admin.do("POST", "/api/v1/objects", manager.Write{Yaml: tier, DryRun: new(true)}, nil))
	admin.want(http.StatusNotFound, admin.do("GET", "/api/v1/objects?kind=Tier&name=security", nil, nil))
	admin.create(tier)
	made := admin.create(policy("NetworkPolicy", "blue", "be", "  order: 100\n  selector: app == 'be'\n  ingress:\n  - {action: Allow, protocol: TCP, source: {selector: \"app == 'fe'\"}, destination: {ports: [80]}}\n"))
	if made.ResourceVersion == "" || !strings.Contains(made.Yaml, "app == 'be'") || strings.Contains(made.Yaml, "managedFields") {
		t.Errorf("%+v", made)
	}
	again := admin.want(http.StatusConflict, admin.do("POST", "/api/v1/objects", manager.Write{Yaml: made.Yaml}, nil))
	if again.problem.Current == nil || again.problem.Type != "urn:tierwall:exists" {
		t.Errorf("%s", again.body)
	}
	admin.create("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: k, namespace: red}\nspec: {podSelector: {}}\n")
	var k manager.StoredObject
	admin.want(http.StatusOK, admin.do("GET", "/api/v1/objects?kind=KubernetesNetworkPolicy&namespace=red&name=k", nil, &k))
	admin.want(http.StatusNotFound, admin.do("GET", "/api/v1/objects?kind=NetworkPolicy&namespace=red&name=k", nil, nil))
	admin.want(http.StatusBadRequest, admin.do("GET", "/api/v1/objects?kind=Secret&namespace=red&name=k", nil, nil))
	admin.create("apiVersion: projectcalico.org/v3\nkind: GlobalNetworkSet\nmetadata: {name: g, labels: {app: fe}}\nspec: {nets: [198.51.100.0/24]}\n")
	developer := w.as(t, "developer")
	r := developer.want(http.StatusForbidden, developer.do("POST", "/api/v1/objects", manager.Write{Yaml: policy("NetworkPolicy", "blue", "mine", "  tier: security\n")}, nil))
	if !strings.Contains(r.problem.Detail, `in tier "security"`) || some(r.problem.Missing) != "user cannot get tier" {
		t.Errorf("%s", r.body)
	}
	r = developer.want(http.StatusForbidden, developer.do("POST", "/api/v1/objects", manager.Write{Yaml: policy("NetworkPolicy", "red", "mine", "  order: 1\n")}, nil))
	if some(r.problem.Missing) != `create on networkpolicies.projectcalico.org in namespace "red"` {
		t.Errorf("%s", r.body)
	}
	mine := developer.create(policy("NetworkPolicy", "blue", "mine", "  order: 300\n"))
	developer.want(http.StatusConflict, developer.do("DELETE", "/api/v1/objects?kind=NetworkPolicy&namespace=blue&name=mine&resourceVersion=1", nil, nil))
	_ = mine
	developer.want(http.StatusNoContent, developer.do("DELETE", "/api/v1/objects?kind=NetworkPolicy&namespace=blue&name=mine", nil, nil))
	developer.want(http.StatusForbidden, developer.do("DELETE", "/api/v1/objects?kind=Tier&name=security", nil, nil))
}

func some[T any](p *T) T {
	if p == nil {
		var none T
		return none
	}
	return *p
}

func policy(kind, namespace, name, spec string) string {
	meta := "{name: " + name + "}"
	if namespace != "" {
		meta = "{name: " + name + ", namespace: " + namespace + "}"
	}
	return "apiVersion: projectcalico.org/v3\nkind: " + kind + "\nmetadata: " + meta + "\nspec:\n" + spec
}

func (w *world) refusals(t *testing.T) {
	admin := w.as(t, "admin")
	for name, row := range map[string]struct {
		yaml, path string
		line       int
	}{
		"a port without protocol": {policy("NetworkPolicy", "blue", "x", "  ingress:\n  - action: Allow\n    destination:\n      ports: [80]\n"), "spec.ingress[0]", 0},
		"a selector":              {policy("NetworkPolicy", "blue", "x", "  selector: app ==\n"), "spec.selector", 5},
		"an unknown field":        {policy("NetworkPolicy", "blue", "x", "  selectr: all()\n"), "spec.selectr", 5},
	} {
		r := admin.want(http.StatusUnprocessableEntity, admin.do("POST", "/api/v1/objects", manager.Write{Yaml: row.yaml}, nil))
		p := some(r.problem.Problems)
		if len(p) == 0 || !strings.HasPrefix(some(p[0].Path), row.path) || row.line > 0 && some(p[0].Line) != row.line || some(p[0].Line) == 0 {
			t.Errorf("%s: %s", name, r.body)
		}
	}
	r := admin.want(http.StatusUnprocessableEntity, admin.do("POST", "/api/v1/objects", manager.Write{Yaml: policy("NetworkPolicy", "blue", "x", "  selector: all()\n  tier: nowhere\n")}, nil))
	if p := some(r.problem.Problems); len(p) != 1 || some(p[0].Path) != "spec.tier" || some(p[0].Line) != 6 {
		t.Errorf("what only the cluster knows: %s", r.body)
	}
	for _, yaml := range []string{"", "a: b", "][", policy("NetworkPolicy", "blue", "x", "  order: 1\n") + "---\n" + policy("NetworkPolicy", "blue", "y", "  order: 1\n")} {
		admin.want(http.StatusUnprocessableEntity, admin.do("POST", "/api/v1/objects", manager.Write{Yaml: yaml}, nil))
	}
	admin.want(http.StatusRequestEntityTooLarge, admin.do("POST", "/api/v1/objects", manager.Write{Yaml: strings.Repeat("x", 3<<20)}, nil))
}

func (w *world) conflicts(t *testing.T) {
	one, two := w.as(t, "admin"), w.as(t, "admin")
	var seen manager.StoredObject
	path := "/api/v1/objects?kind=NetworkPolicy&namespace=blue&name=be"
	one.want(http.StatusOK, one.do("GET", path, nil, &seen))
	two.want(http.StatusOK, two.do("PUT", "/api/v1/objects", manager.Write{Yaml: strings.Replace(seen.Yaml, "order: 100", "order: 110", 1)}, nil))
	r := one.want(http.StatusConflict, one.do("PUT", "/api/v1/objects", manager.Write{Yaml: seen.Yaml, ResourceVersion: &seen.ResourceVersion}, nil))
	if r.problem.Type != "urn:tierwall:conflict" || r.problem.Current == nil || !strings.Contains(r.problem.Current.Yaml, "order: 110") {
		t.Fatalf("%s", r.body)
	}
	one.want(http.StatusOK, one.do("PUT", "/api/v1/objects", manager.Write{Yaml: seen.Yaml}, nil))
}

// onBoard returns the ids in the tiers, TIER: ID ID.
func (b *browser) onBoard(query string) []string {
	b.t.Helper()
	var board manager.Board
	b.want(http.StatusOK, b.do("GET", "/api/v1/board"+query, nil, &board))
	var out []string
	for _, t := range board.Tiers {
		line := t.Name + ":"
		for _, p := range t.Policies {
			line += " " + p.Id
		}
		out = append(out, line)
	}
	return out
}

func (b *browser) sees(query, line string) {
	b.t.Helper()
	var last []string
	b.world.eventually(b.t, line, func() bool { last = b.onBoard(query); return slices.Contains(last, line) })
}

func (w *world) board(t *testing.T) {
	admin := w.as(t, "admin")
	admin.create(policy("GlobalNetworkPolicy", "", "last", "  selector: app == 'none'\n"))
	admin.create(policy("StagedNetworkPolicy", "blue", "be", "  order: 100\n  selector: app == 'be'\n"))
	admin.sees("", "default: NetworkPolicy/blue/be StagedNetworkPolicy/blue/be KubernetesNetworkPolicy/red/k GlobalNetworkPolicy//last")
	admin.sees("", "security:")
	admin.sees("?only=unused", "default: GlobalNetworkPolicy//last")
	admin.sees("?endpoint=red/fe", "default: KubernetesNetworkPolicy/red/k")
	admin.sees("?q=be&kind=NetworkPolicy", "default: NetworkPolicy/blue/be")
	var page manager.PolicyPage
	admin.want(http.StatusOK, admin.do("GET", "/api/v1/policies?limit=1&offset=1&sort=-endpoints", nil, &page))
	if page.Total != 4 || len(page.Items) != 1 || page.Offset != 1 {
		t.Errorf("%+v", page)
	}
	var list manager.EndpointPage
	admin.want(http.StatusOK, admin.do("GET", "/api/v1/endpoints?q=be&namespace=blue", nil, &list))
	if list.Total != 1 || list.Items[0].Ref != "blue/be" || list.Items[0].IngressPolicies != 1 || list.Items[0].EgressPolicies != 0 {
		t.Errorf("%+v", list)
	}
	r := admin.want(http.StatusBadRequest, admin.do("GET", "/api/v1/endpoints?selector=app+%3D%3D", nil, nil))
	if r.problem.Offset == nil {
		t.Errorf("%s", r.body)
	}
	var detail manager.EndpointDetail
	admin.want(http.StatusOK, admin.do("GET", "/api/v1/endpoint?ref=blue/be", nil, &detail))
	if len(detail.Ingress.Tiers) != 1 || detail.Inherited["pcns.color"] != "blue" {
		t.Errorf("%+v", detail)
	}
	var c manager.Cluster
	admin.want(http.StatusOK, admin.do("GET", "/api/v1/cluster", nil, &c))
	if c.Counts.Pods != 4 || c.Coverage.Endpoints != 4 || c.Coverage.NoEgress != 4 || c.Coverage.NoIngress != 1 || len(c.Externals) != 1 {
		t.Errorf("%+v %+v", c.Counts, c.Coverage)
	}
	for _, path := range []string{"/networksets", "/namespaces", "/tiers", "/flows", "/nodes", "/login"} {
		admin.want(http.StatusOK, admin.do("GET", "/api/v1"+path, nil, nil))
	}
}

func (w *world) drafts(t *testing.T) {
	admin := w.as(t, "admin")
	var d manager.Draft
	admin.want(http.StatusOK, admin.do("POST", "/api/v1/draft", manager.DraftQuery{Yaml: policy("NetworkPolicy", "blue", "new",
		"  selector: app == 'be'\n  ingress:\n  - {action: Allow, source: {selector: \"app == 'fe'\"}}\n  - {action: Allow, source: {namespaceSelector: all()}}\n  - {action: Allow}\n")}, &d))
	if d.AppliesTo == nil || !slices.Equal(d.AppliesTo.Refs, []string{"blue/be"}) || len(d.Problems) > 0 || !some(d.Allowed) || some(d.Exists) {
		t.Fatalf("%+v", d)
	}
	rules := some(d.Rules)
	if len(rules) != 3 || !slices.Equal(rules[0].Source.Refs, []string{"blue/fe"}) || rules[1].Source.Count != 4 || !rules[2].Source.Anything || rules[0].Source.Anything {
		t.Errorf("%+v", rules)
	}
	if some(d.Place) != "last in tier default, after GlobalNetworkPolicy//last" {
		t.Errorf("place %q", some(d.Place))
	}
	admin.want(http.StatusOK, admin.do("POST", "/api/v1/draft", manager.DraftQuery{Yaml: policy("NetworkPolicy", "blue", "new", "  selector: app = 'be'\n")}, &d))
	if len(d.Problems) != 1 || some(d.Problems[0].Line) != 5 || some(d.Problems[0].Offset) == 0 {
		t.Errorf("%+v", d.Problems)
	}
	admin.want(http.StatusOK, admin.do("GET", "/api/v1/policy?id=NetworkPolicy/blue/be", nil, &d))
	if !some(d.Exists) || d.AppliesTo.Count != 1 {
		t.Errorf("%+v", d)
	}
	admin.want(http.StatusNotFound, admin.do("GET", "/api/v1/policy?id=NetworkPolicy/blue/new", nil, nil))
	developer := w.as(t, "developer")
	var theirs manager.Draft
	developer.want(http.StatusOK, developer.do("POST", "/api/v1/draft", manager.DraftQuery{Yaml: policy("NetworkPolicy", "blue", "new", "  tier: security\n")}, &theirs))
	if theirs.Allowed == nil || *theirs.Allowed || !strings.Contains(some(theirs.Missing), "user cannot get tier") {
		t.Errorf("%+v %s", theirs, some(theirs.Missing))
	}
}

func (w *world) selects(t *testing.T) {
	admin := w.as(t, "admin")
	var s manager.Selected
	admin.want(http.StatusOK, admin.do("POST", "/api/v1/select", manager.Selection{Selector: "app == 'fe'"}, &s))
	if s.Count != 3 {
		t.Errorf("%+v", s)
	}
	admin.want(http.StatusOK, admin.do("POST", "/api/v1/select", manager.Selection{Selector: "app == fe"}, &s))
	if s.Error == nil || s.Error.Offset != 7 {
		t.Errorf("%+v", s.Error)
	}
	var l manager.LabelList
	admin.want(http.StatusOK, admin.do("GET", "/api/v1/labels?of=pods&prefix=ap", nil, &l))
	if len(l.Keys) != 1 || l.Keys[0].Key != "app" || l.Keys[0].Count != 4 || len(l.Keys[0].Values) != 2 {
		t.Errorf("%+v", l.Keys)
	}
}

func (w *world) explain(t *testing.T) {
	admin := w.as(t, "admin")
	var x manager.Explanation
	admin.want(http.StatusOK, admin.do("POST", "/api/v1/explain", manager.ExplainQuery{From: "blue/fe", To: "blue/be", Port: new("tcp/80")}, &x))
	if x.Verdict != "allow" || x.Ingress == nil || some(x.Ingress.Policy) != "NetworkPolicy/blue/be" || x.Pending == nil || x.Pending.Verdict != "deny" {
		t.Errorf("%+v %+v", x, x.Pending)
	}
	admin.want(http.StatusOK, admin.do("POST", "/api/v1/explain", manager.ExplainQuery{From: "red/fe", To: "blue/be"}, &x))
	if x.Verdict != "deny" || x.Ingress.Reason != "tier default" || len(x.Ingress.Visits) == 0 {
		t.Errorf("%+v", x.Ingress)
	}
	admin.want(http.StatusUnprocessableEntity, admin.do("POST", "/api/v1/explain", manager.ExplainQuery{From: "red/none", To: "blue/be"}, nil))
	admin.want(http.StatusBadRequest, admin.do("POST", "/api/v1/explain", manager.ExplainQuery{From: "red/fe", To: "blue/be", Port: new("x/y")}, nil))
}

func (w *world) reorder(t *testing.T) {
	admin := w.as(t, "admin")
	var moved manager.Moved
	move := manager.Move{Policy: "GlobalNetworkPolicy//last", Tier: "default", Before: new("NetworkPolicy/blue/be"), DryRun: new(true)}
	admin.want(http.StatusOK, admin.do("POST", "/api/v1/reorder", move, &moved))
	if len(moved.Writes) != 1 || moved.Writes[0].Order >= 100 || moved.Renumbered {
		t.Errorf("%+v", moved)
	}
	move.DryRun = nil
	admin.want(http.StatusOK, admin.do("POST", "/api/v1/reorder", move, &moved))
	admin.sees("", "default: GlobalNetworkPolicy//last NetworkPolicy/blue/be StagedNetworkPolicy/blue/be KubernetesNetworkPolicy/red/k")
	admin.want(http.StatusOK, admin.do("POST", "/api/v1/reorder", manager.Move{Policy: "GlobalNetworkPolicy//last", Tier: "security"}, &moved))
	admin.sees("", "security: GlobalNetworkPolicy//last")
	admin.want(http.StatusUnprocessableEntity, admin.do("POST", "/api/v1/reorder", manager.Move{Policy: "KubernetesNetworkPolicy/red/k", Tier: "default"}, nil))
	developer := w.as(t, "developer")
	developer.want(http.StatusForbidden, developer.do("POST", "/api/v1/reorder", manager.Move{Policy: "NetworkPolicy/blue/be", Tier: "security"}, nil))
	developer.want(http.StatusForbidden, developer.do("POST", "/api/v1/reorder", manager.Move{Policy: "NetworkPolicy/blue/be", Tier: "default", Before: new("NetworkPolicy/blue/be")}, nil))
}

func (w *world) visibility(t *testing.T) {
	developer := w.as(t, "developer")
	for _, line := range developer.onBoard("") {
		if strings.Contains(line, "Global") || strings.Contains(line, "red/") {
			t.Errorf("the developer sees %s", line)
		}
	}
	developer.sees("", "default: NetworkPolicy/blue/be StagedNetworkPolicy/blue/be")
	var list manager.EndpointPage
	developer.want(http.StatusOK, developer.do("GET", "/api/v1/endpoints", nil, &list))
	if list.Total != 2 || !slices.ContainsFunc(list.View.Hidden, func(h manager.Hidden) bool {
		return h.Kind == "Pod" && slices.Equal(some(h.VisibleIn), []string{"blue"}) && h.Missing == "list on pods"
	}) {
		t.Errorf("%d endpoints, hidden %+v", list.Total, list.View.Hidden)
	}
	developer.want(http.StatusNotFound, developer.do("GET", "/api/v1/endpoint?ref=red/be", nil, nil))
	developer.want(http.StatusUnprocessableEntity, developer.do("POST", "/api/v1/explain", manager.ExplainQuery{From: "red/fe", To: "blue/be"}, nil))
	var sets manager.NetworkSetPage
	developer.want(http.StatusOK, developer.do("GET", "/api/v1/networksets", nil, &sets))
	if sets.Total != 0 {
		t.Errorf("%+v", sets)
	}
	var d manager.Draft
	developer.want(http.StatusOK, developer.do("POST", "/api/v1/draft", manager.DraftQuery{Yaml: policy("GlobalNetworkPolicy", "", "probe", "  selector: all()\n")}, &d))
	if d.AppliesTo.Count != 2 {
		t.Errorf("a draft tells the developer of %v", d.AppliesTo.Refs)
	}
	nobody := w.as(t, "nobody")
	nobody.want(http.StatusOK, nobody.do("GET", "/api/v1/endpoints", nil, &list))
	if list.Total != 0 || len(list.View.Hidden) == 0 {
		t.Errorf("nobody sees %d", list.Total)
	}
	if lines := nobody.onBoard(""); len(lines) != 0 {
		t.Errorf("nobody sees %v", lines)
	}
	nobody.want(http.StatusForbidden, nobody.do("GET", "/api/v1/objects?kind=NetworkPolicy&namespace=blue&name=be", nil, nil))
	engineer := w.as(t, "engineer")
	engineer.want(http.StatusOK, engineer.do("GET", "/api/v1/endpoints", nil, &list))
	if list.Total != 4 || len(list.View.Hidden) > 1 {
		t.Errorf("the engineer sees %d, not %+v", list.Total, list.View.Hidden)
	}
}

func (w *world) access(t *testing.T) {
	var a manager.Access
	developer := w.as(t, "developer")
	developer.want(http.StatusOK, developer.do("GET", "/api/v1/access", nil, &a))
	i := slices.IndexFunc(a.Tiers, func(t manager.TierAccess) bool { return t.Tier == "default" })
	if i < 0 || !a.Tiers[i].Get {
		t.Fatalf("%+v", a.Tiers)
	}
	right := func(all []manager.Right, kind, verb string) manager.Right {
		for _, r := range all {
			if r.Kind == kind && string(r.Verb) == verb {
				return r
			}
		}
		t.Fatalf("nothing is said of %s %s", verb, kind)
		return manager.Right{}
	}
	if r := right(a.Tiers[i].Rights, "NetworkPolicy", "create"); r.Everywhere || !slices.Equal(r.Namespaces, []string{"blue"}) || r.Missing == nil {
		t.Errorf("%+v", r)
	}
	if r := right(a.Objects, "KubernetesNetworkPolicy", "update"); !slices.Equal(r.Namespaces, []string{"blue"}) {
		t.Errorf("%+v", r)
	}
	if r := right(a.Objects, "Tier", "create"); r.Everywhere || some(r.Missing) != "create on tiers.projectcalico.org" {
		t.Errorf("%+v", r)
	}
}

func (w *world) events(t *testing.T) {
	admin := w.as(t, "admin")
	ctx, cancel := context.WithTimeout(w.ctx, 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", admin.base+"/api/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := admin.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	next := func(prefix string) string {
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), prefix) {
				return lines.Text()
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return ""
	}
	next("event: change")
	admin.create(policy("GlobalNetworkPolicy", "", "news", "  order: 5\n"))
	for !strings.Contains(next("data: "), `"GlobalNetworkPolicy"`) { // others may have changed at the same time
	}
	admin.want(http.StatusNoContent, admin.do("DELETE", "/api/v1/session", nil, nil))
	next("event: session")
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "event: ") {
			t.Error("the stream goes on after the session")
		}
	}
	if lines.Err() != nil {
		t.Errorf("the stream did not end: %v", lines.Err())
	}
}

func (w *world) revoked(t *testing.T) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "robot", Namespace: "blue"}}
	if _, err := w.core.CoreV1().ServiceAccounts("blue").Create(w.ctx, account, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	token, err := w.core.CoreV1().ServiceAccounts("blue").CreateToken(w.ctx, "robot", tokenRequest(), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b := w.browser(t)
	var s manager.Session
	b.want(http.StatusOK, b.do("POST", "/api/v1/session", manager.Login{Token: token.Status.Token}, &s))
	if s.User != "system:serviceaccount:blue:robot" || time.Until(s.Expires) > 11*time.Minute {
		t.Errorf("%+v", s)
	}
	if err := w.core.CoreV1().ServiceAccounts("blue").Delete(w.ctx, "robot", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(100 * time.Millisecond) // nobody tells that a token has ended
	defer tick.Stop()
	for limit := time.Now().Add(20 * time.Second); b.do("GET", "/api/v1/objects?kind=Tier&name=default", nil, nil).status != http.StatusUnauthorized; <-tick.C {
		if time.Now().After(limit) {
			t.Fatal("the session does not end with its token")
		}
	}
	b.want(http.StatusUnauthorized, b.do("GET", "/api/v1/session", nil, nil))
}
