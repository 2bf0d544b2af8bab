package manager

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/tierwall/tierwall/manifest"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// guest is somebody who has logged in to a Manager with a state and no API
// server: what follows from the state alone is tried here, the rest in
// standalone/managertest.
type guest struct {
	*testing.T
	manager *Manager
	handler http.Handler
	cookie  string
	csrf    string
}

func newGuest(t *testing.T, r rights, objects ...model.Object) *guest {
	t.Helper()
	m, err := New(Options{Config: &rest.Config{Host: "http://192.0.2.1"}})
	if err != nil {
		t.Fatal(err)
	}
	var changes []model.Change
	for _, o := range objects {
		changes = append(changes, model.Put(o))
	}
	for _, k := range manifest.Kinds() {
		m.store.apply(k, nil, nil, true)
	}
	m.store.apply(manifest.Kind{Name: "Pod"}, changes, nil, true)
	s := &session{user: "guest", csrf: "c", expires: time.Now().Add(time.Hour), rights: r, reviewed: time.Now().Add(time.Hour)}
	return &guest{t, m, m.Handler(), m.sessions.add(s), "c"}
}

// ask returns the status, and fills in out of a good answer.
func (g *guest) ask(method, path, body string, out any) int {
	g.Helper()
	r := httptest.NewRequest(method, base+path, strings.NewReader(body))
	r.AddCookie(&http.Cookie{Name: g.manager.cookieName(), Value: g.cookie})
	r.Header.Set("X-CSRF-Token", g.csrf)
	w := httptest.NewRecorder()
	g.handler.ServeHTTP(w, r)
	if out != nil && w.Code == http.StatusOK {
		if err := json.NewDecoder(bytes.NewReader(w.Body.Bytes())).Decode(out); err != nil {
			g.Fatalf("%s: %v: %s", path, err, w.Body)
		}
	}
	return w.Code
}

func (g *guest) get(path string, out any) {
	g.Helper()
	if code := g.ask("GET", path, "", out); code != http.StatusOK {
		g.Fatalf("%s: %d", path, code)
	}
}

func aPod(ns, name, node, addr string, labels map[string]string) *model.Endpoint {
	all := map[string]string{model.LabelNamespace: ns, model.LabelOrchestrator: model.OrchestratorK8s}
	for k, v := range labels {
		all[k] = v
	}
	return &model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Pod, Namespace: ns, Name: name}, Node: node, Labels: all, ServiceAccount: "default", Addrs: []netip.Addr{netip.MustParseAddr(addr)}}
}

func aPolicy(kind, ns, name, tier, sel string, order float64) *model.Policy {
	p := &model.Policy{ID: verdict.PolicyID{Kind: kind, Namespace: ns, Name: name}, Tier: tier, Applies: [2]bool{true, false}, Selector: selector.MustParse(sel)}
	if order >= 0 {
		p.Order = &order
	}
	return p
}

// town is two namespaces with two pods each, two tiers and five policies of which
// one is staged.
func town() []model.Object {
	staged := aPolicy("StagedNetworkPolicy", "blue", "be", "default", "app == 'be'", 100)
	peer := model.Peer{Selector: selector.MustParse("partner == 'x'")}
	outside := aPolicy("GlobalNetworkPolicy", "", "outside", "security", "all()", 1)
	outside.Rules[0] = []model.Rule{{Action: verdict.ActionDeny, Source: peer}}
	order := 50.0
	return []model.Object{
		&model.Namespace{Name: "blue", Labels: map[string]string{"color": "blue"}}, &model.Namespace{Name: "red"}, &model.Node{Name: "n1"}, &model.Node{Name: "n2"},
		&model.Tier{Name: "security", Order: &order, Pass: true},
		aPod("blue", "fe", "n1", "10.0.0.1", map[string]string{"app": "fe"}), aPod("blue", "be", "n2", "10.0.0.2", map[string]string{"app": "be"}),
		aPod("red", "fe", "n1", "10.0.1.1", map[string]string{"app": "fe"}), aPod("red", "be", "n2", "10.0.1.2", map[string]string{"app": "be"}),
		outside, aPolicy("NetworkPolicy", "blue", "be", "default", "app == 'be' && projectcalico.org/namespace == 'blue'", 100),
		aPolicy("KubernetesNetworkPolicy", "red", "k", "default", "projectcalico.org/namespace == 'red'", 1000),
		aPolicy("GlobalNetworkPolicy", "", "last", "default", "app == 'none'", -1),
		&model.StagedPolicy{ID: staged.ID, Replaces: verdict.PolicyID{Kind: "NetworkPolicy", Namespace: "blue", Name: "be"}, Policy: staged},
		&model.NetworkSet{Name: "g", Labels: map[string]string{"partner": "x"}, Nets: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}},
		&model.NetworkSet{Namespace: "blue", Name: "s", Nets: []netip.Prefix{netip.MustParsePrefix("198.51.100.128/25"), netip.MustParsePrefix("203.0.113.0/24")}},
	}
}

// TestBoardAnswers: order and filters of the board.
func TestBoardAnswers(t *testing.T) {
	g := newGuest(t, everything(), town()...)
	for query, want := range map[string]string{
		"":                         "security: outside | kube-admin: | default: be be(staged) k last | kube-baseline:",
		"?q=blue":                  "security: | kube-admin: | default: be be(staged) | kube-baseline:",
		"?q=BLUE/be":               "security: | kube-admin: | default: be be(staged) | kube-baseline:",
		"?q=/networkpolicy/blue":   "security: | kube-admin: | default: | kube-baseline:",
		"?q=networkpolicy/blue/be": "security: | kube-admin: | default: be be(staged) | kube-baseline:",
		"?q=app+%3D%3D+%22be'":     "security: | kube-admin: | default: be be(staged) | kube-baseline:", // its selector
		"?q=endpoints":             "security: | kube-admin: | default: | kube-baseline:",               // a word of every sentence
		"?tier=security":           "security: outside",
		"?kind=NetworkPolicy":      "security: | kube-admin: | default: be | kube-baseline:",
		"?namespace=red":           "security: | kube-admin: | default: k | kube-baseline:",
		"?only=unused":             "security: | kube-admin: | default: last | kube-baseline:",
		"?only=staged":             "security: | kube-admin: | default: be(staged) | kube-baseline:",
		"?only=problems":           "security: | kube-admin: | default: | kube-baseline:",
		"?endpoint=blue/be":        "security: outside | kube-admin: | default: be be(staged) | kube-baseline:",
		"?endpoint=blue/nobody":    "security: | kube-admin: | default: | kube-baseline:",
	} {
		var b Board
		g.get("/board"+query, &b)
		var tiers []string
		shown := 0
		for _, t := range b.Tiers {
			line := t.Name + ":"
			for _, c := range t.Policies {
				shown++
				if line += " " + c.Name; c.Staged {
					line += "(staged)"
				}
			}
			tiers = append(tiers, line)
		}
		if got := strings.Join(tiers, " | "); got != want || b.Shown != shown || b.Total != 5 {
			t.Errorf("%q: %s (%d of %d), want %s", query, got, b.Shown, b.Total, want)
		}
	}
	var b Board
	g.get("/board", &b)
	if c := b.Tiers[0].Policies[0]; c.Endpoints != 4 || some(c.Place) != 1 || !slices.Equal(c.Types, []PolicyCardTypes{"Ingress"}) || c.IngressRules != 1 || !c.Movable || b.Tiers[0].End != "Pass" {
		t.Errorf("%+v", c)
	}
	if c := b.Tiers[2].Policies[1]; !c.Staged || c.Movable || some(c.StagedAction) != "Set" || some(c.Replaces) != "NetworkPolicy/blue/be" || c.Endpoints != 2 {
		t.Errorf("%+v", c)
	}
}

// TestSortedPages: each column both ways, and the edges of pages.
func TestSortedPages(t *testing.T) {
	g := newGuest(t, everything(), town()...)
	names := func(query string) string {
		var p PolicyPage
		g.get("/policies"+query, &p)
		var all []string
		for _, c := range p.Items {
			all = append(all, c.Kind[:1]+":"+c.Name)
		}
		return fmt.Sprint(strings.Join(all, " "), " of ", p.Total, " from ", p.Offset)
	}
	for query, want := range map[string]string{
		"":                       "G:outside N:be S:be K:k G:last of 5 from 0",
		"?sort=evaluation":       "G:outside N:be S:be K:k G:last of 5 from 0",
		"?sort=name":             "N:be S:be K:k G:last G:outside of 5 from 0",
		"?sort=-name":            "G:outside G:last K:k N:be S:be of 5 from 0",
		"?sort=namespace":        "G:outside G:last N:be S:be K:k of 5 from 0",
		"?sort=kind":             "G:outside G:last K:k N:be S:be of 5 from 0",
		"?sort=-tier":            "G:outside N:be S:be K:k G:last of 5 from 0",
		"?sort=order":            "G:outside N:be S:be K:k G:last of 5 from 0",
		"?sort=-order":           "G:last K:k N:be S:be G:outside of 5 from 0",
		"?sort=-endpoints":       "G:outside S:be K:k N:be G:last of 5 from 0",
		"?limit=2":               "G:outside N:be of 5 from 0",
		"?limit=2&offset=4":      "G:last of 5 from 4",
		"?limit=2&offset=9":      " of 5 from 5",
		"?limit=0":               "G:outside of 5 from 0",
		"?offset=-3&limit=1":     "G:outside of 5 from 0",
		"?limit=99999&tier=none": " of 0 from 0",
	} {
		if got := names(query); got != want {
			t.Errorf("%q: %s, want %s", query, got, want)
		}
	}
	refs := func(query string) string {
		var p EndpointPage
		g.get("/endpoints"+query, &p)
		var all []string
		for _, e := range p.Items {
			all = append(all, e.Ref)
		}
		return strings.Join(all, " ")
	}
	for query, want := range map[string]string{
		"":                               "blue/be blue/fe red/be red/fe",
		"?sort=-namespace":               "red/be red/fe blue/be blue/fe",
		"?sort=node":                     "blue/fe red/fe blue/be red/be",
		"?sort=name":                     "blue/be red/be blue/fe red/fe",
		"?q=10.0.1":                      "red/be red/fe",
		"?q=app=fe+n1":                   "blue/fe red/fe",
		"?node=n2":                       "blue/be red/be",
		"?kind=HostEndpoint":             "",
		"?kind=Pod&namespace=red":        "red/be red/fe",
		"?selector=app+%3D%3D+'be'":      "blue/be red/be",
		"?selector=global()":             "",
		"?policy=NetworkPolicy/blue/be":  "blue/be",
		"?policy=NetworkPolicy/blue/no":  "",
		"?unprotected=true":              "blue/be blue/fe red/be red/fe",
		"?unprotected=true&q=none-there": "",
	} {
		if got := refs(query); got != want {
			t.Errorf("%q: %q, want %q", query, got, want)
		}
	}
	for _, path := range []string{"/endpoints?policy=be", "/endpoints?selector=a+%3D", "/labels?of=nothing", "/policies?limit=many"} {
		if code := g.ask("GET", path, "", nil); code != http.StatusBadRequest {
			t.Errorf("%s: %d", path, code)
		}
	}
}

// TestPlacesAnswers: the cluster, sets, namespaces and labels.
func TestPlacesAnswers(t *testing.T) {
	g := newGuest(t, everything(), town()...)
	var c Cluster
	g.get("/cluster", &c)
	if c.Counts != (Counts{Pods: 4, NetworkSets: 2, Namespaces: 2, Nodes: 2, Tiers: 4, Policies: 4, Staged: 1}) || c.Coverage != (Coverage{Endpoints: 4, NoEgress: 4}) || len(c.Pods) != 4 || len(c.Externals) != 3 {
		t.Errorf("%+v %+v %d %d", c.Counts, c.Coverage, len(c.Pods), len(c.Externals))
	}
	g.get("/cluster?namespace=red", &c)
	if len(c.Pods) != 2 || len(c.Namespaces) != 1 || c.Namespaces[0].Unprotected != 2 || len(c.NetworkSets) != 1 {
		t.Errorf("%+v %+v", c.Pods, c.Namespaces)
	}
	var sets NetworkSetPage
	g.get("/networksets", &sets)
	if len(sets.Items) != 2 || len(sets.Items[0].UsedBy) != 1 || sets.Items[0].UsedBy[0] != (RuleRef{Policy: "GlobalNetworkPolicy//outside", Direction: "ingress"}) ||
		len(sets.Items[0].Overlaps) != 1 || sets.Items[0].Overlaps[0].OtherNet != "198.51.100.128/25" || len(sets.Items[1].UsedBy) != 0 {
		t.Errorf("%+v", sets.Items)
	}
	g.get("/networksets?q=203.0.113", &sets)
	if sets.Total != 1 || sets.Items[0].Name != "s" {
		t.Errorf("%+v", sets.Items)
	}
	var spaces NamespacePage
	g.get("/namespaces?q=color", &spaces)
	if spaces.Total != 1 || spaces.Items[0].Pods != 2 || spaces.Items[0].Policies != 1 || spaces.Items[0].NetworkSets != 1 {
		t.Errorf("%+v", spaces.Items)
	}
	var labels LabelList
	g.get("/labels?of=pods&prefix=ap", &labels)
	if labels.Total != 1 || labels.Keys[0].Count != 4 || labels.Keys[0].Distinct != 2 || labels.Keys[0].Values[0] != (Count{Value: "be", Count: 2}) {
		t.Errorf("%+v", labels)
	}
	g.get("/labels?of=pods&key=app&prefix=f&limit=1", &labels)
	if len(labels.Keys) != 1 || len(labels.Keys[0].Values) != 1 || labels.Keys[0].Values[0].Value != "fe" {
		t.Errorf("%+v", labels)
	}
}

// TestCutDown: who sees one namespace sees nothing of the other in any answer.
func TestCutDown(t *testing.T) {
	g := newGuest(t, only("blue"), town()...)
	for _, path := range []string{"/board", "/policies", "/endpoints", "/cluster", "/networksets", "/namespaces", "/labels", "/labels?key=partner"} {
		var answer json.RawMessage
		g.get(path, &answer)
		var body map[string]any
		if err := json.Unmarshal(answer, &body); err != nil {
			t.Fatal(err)
		}
		hidden := body["view"].(map[string]any)["hidden"].([]any)
		if len(hidden) == 0 {
			t.Errorf("%s does not say what is hidden", path)
		}
		delete(body, "view")
		rest, _ := json.Marshal(body)
		for _, secret := range []string{"red", "outside", "partner", "198.51.100.0/24", "n2\"}", "security"} {
			if strings.Contains(string(rest), secret) {
				t.Errorf("%s tells of %s: %s", path, secret, rest)
			}
		}
	}
	if code := g.ask("POST", "/explain", `{"from":"red/fe","to":"blue/be"}`, nil); code != http.StatusUnprocessableEntity {
		t.Errorf("explain: %d", code)
	}
	if code := g.ask("GET", "/endpoint?ref=red/fe", "", nil); code != http.StatusNotFound {
		t.Errorf("endpoint: %d", code)
	}
	if code := g.ask("GET", "/tier-subjects?tier=security", "", nil); code != http.StatusNotFound {
		t.Errorf("tier-subjects: %d", code)
	}
	if code := g.ask("POST", "/reorder", `{"policy":"NetworkPolicy/blue/be","tier":"default","before":"KubernetesNetworkPolicy/red/k"}`, nil); code != http.StatusForbidden {
		t.Errorf("reorder: %d", code)
	}
	if code := g.ask("POST", "/preview", `{"delete":"KubernetesNetworkPolicy/red/k"}`, nil); code != http.StatusNotFound {
		t.Errorf("preview: %d", code)
	}
	var s Selected
	if g.ask("POST", "/select", `{"selector":"app == 'fe'"}`, &s); s.Count != 1 {
		t.Errorf("select: %+v", s)
	}
}

// TestBodies: what a request may and may not say.
func TestBodies(t *testing.T) {
	g := newGuest(t, everything(), town()...)
	for name, row := range map[string]struct {
		body string
		want int
	}{
		"good":              {`{"selector":"all()","limit":1}`, http.StatusOK},
		"an unknown field":  {`{"selector":"all()","limt":1}`, http.StatusBadRequest},
		"something after":   {`{"selector":"all()"} x`, http.StatusBadRequest},
		"two":               {`{"selector":"all()"}{"selector":"all()"}`, http.StatusBadRequest},
		"nothing":           {``, http.StatusBadRequest},
		"another type":      {`{"selector":1}`, http.StatusBadRequest},
		"too much":          {`{"selector":"` + strings.Repeat("x", maxBody) + `"}`, http.StatusRequestEntityTooLarge},
		"no kind like this": {`{"selector":"all()","kind":"secrets"}`, http.StatusBadRequest},
	} {
		if code := g.ask("POST", "/select", row.body, nil); code != row.want {
			t.Errorf("%s: %d, want %d", name, code, row.want)
		}
	}
	for _, body := range []string{`{"from":"blue/fe","to":"blue/be"}`, `{"from":"blue/fe","to":"blue/be","port":"udp/53"}`} {
		var x Explanation
		if code := g.ask("POST", "/explain", body, &x); code != http.StatusOK || x.Pending == nil {
			t.Errorf("%s: %d %+v", body, code, x)
		}
	}
	csrf := g.csrf
	g.csrf = "other"
	if code := g.ask("POST", "/select", `{"selector":"all()"}`, nil); code != http.StatusForbidden {
		t.Errorf("another token: %d", code)
	}
	g.csrf, g.cookie = csrf, "other"
	if code := g.ask("GET", "/board", "", nil); code != http.StatusUnauthorized {
		t.Errorf("another cookie: %d", code)
	}
}
