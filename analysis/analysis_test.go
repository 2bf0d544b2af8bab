package analysis_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tierwall/tierwall/analysis"
	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/model/modeltest"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

func TestParsePort(t *testing.T) {
	for text, want := range map[string]string{
		"": "tcp/80", "80": "tcp/80", "tcp/1": "tcp/1", "TCP/443": "tcp/443", "udp/53": "udp/53", "sctp/9": "sctp/9",
		"icmp": "icmp", "icmp/8": "icmp/8", "icmp/8/0": "icmp/8/0", "65535": "tcp/65535",
	} {
		p, err := analysis.ParsePort(text)
		if err != nil || p.String() != want {
			t.Errorf("%q is %s, %v; want %s", text, p, err, want)
			continue
		}
		if again, err := analysis.ParsePort(p.String()); err != nil || again.String() != want {
			t.Errorf("%q read back is %s, %v", p, again, err)
		}
	}
	for text, want := range map[string]string{
		"http": "names of ports", "tcp/http": "names of ports", "0": "1 to 65535", "tcp/0": "1 to 65535", "65536": "1 to 65535", "tcp/70000": "1 to 65535",
		"tcp": "a number is missing", "gre/1": "not a protocol", "icmp/x": "0 to 255", "icmp/256": "0 to 255", "icmp/8/999": "0 to 255",
		"-1": "1 to 65535", "80/tcp": "not a protocol", "tcp/80/90": "not a port", " ": "not a protocol",
	} {
		if p, err := analysis.ParsePort(text); err == nil || !strings.Contains(err.Error(), want) || p != (analysis.Port{}) {
			t.Errorf("%q is %s, %v; want an error with %q", text, p, err, want)
		}
	}
}

func FuzzParsePort(f *testing.F) {
	for _, s := range []string{"tcp/80", "icmp/8/0", "80", "http", "/", "udp/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := analysis.ParsePort(text)
		if (err == nil) != (p.Protocol != 0) {
			t.Fatalf("%q is %+v and %v", text, p, err)
		}
		if err != nil {
			return
		}
		if again, err := analysis.ParsePort(p.String()); err != nil || again.String() != p.String() {
			t.Errorf("%q is %s, which reads back as %s, %v", text, p, again, err)
		}
	})
}

// world has a pod in blue and one in red, a host endpoint and a network set, and
// a tier before default.
func world() *model.State {
	s := model.NewState()
	order := 100.0
	pod := func(ns, name, addr string, labels map[string]string) *model.Endpoint {
		labels[model.LabelNamespace] = ns
		return &model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Pod, Namespace: ns, Name: name}, Node: "n1", Labels: labels,
			Addrs: []netip.Addr{netip.MustParseAddr(addr)}}
	}
	tcp := verdict.TCP
	for _, o := range []model.Object{
		&model.Namespace{Name: "blue", Labels: map[string]string{"color": "blue"}},
		&model.ServiceAccount{Namespace: "blue", Name: "default"},
		&model.Node{Name: "n1", Addrs: []netip.Addr{netip.MustParseAddr("172.16.0.1")}},
		&model.Node{Name: "n2", Addrs: []netip.Addr{netip.MustParseAddr("172.16.0.2")}},
		pod("blue", "a", "10.0.0.1", map[string]string{"app": "a"}),
		pod("red", "b", "10.0.0.2", map[string]string{"app": "b"}),
		&model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Host, Name: "h"}, Node: "n1", Interface: "eth0", Labels: map[string]string{"host": "n1"}},
		&model.NetworkSet{Namespace: "blue", Name: "s", Labels: map[string]string{"app": "s", model.LabelNamespace: "blue"}, Nets: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}},
		&model.NetworkSet{Name: "g", Labels: map[string]string{"app": "g"}},
		&model.Tier{Name: "first", Order: &order},
		&model.Policy{ID: verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: "p"}, Tier: "first", Order: &order, Applies: [2]bool{true, false},
			Selector: selector.MustParse("app == 'b'"),
			Rules: [2][]model.Rule{{
				{Index: 0, Action: verdict.ActionDeny, Source: model.Peer{Nets: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}},
				{Index: 1, Action: verdict.ActionLog},
				{Index: 2, Action: verdict.ActionPass, Protocol: &tcp},
			}}},
		&model.Policy{ID: verdict.PolicyID{Kind: "KubernetesNetworkPolicy", Namespace: "red", Name: "k"}, Tier: "default", Applies: [2]bool{true, false},
			Selector: selector.MustParse("app == 'b'"),
			Rules: [2][]model.Rule{{
				{Index: 0, Action: verdict.ActionAllow, Protocol: &tcp, Destination: model.Peer{Ports: []model.PortRange{{From: 80, To: 80}}}},
				{Index: 0, Action: verdict.ActionAllow, Protocol: &tcp, Destination: model.Peer{Ports: []model.PortRange{{From: 90, To: 90}}}},
			}}},
	} {
		s.Apply(model.Put(o))
	}
	return s
}

func explain(t *testing.T, from, to, port string) (string, *analysis.Explanation) {
	t.Helper()
	s := world()
	p, err := analysis.ParsePort(port)
	if err != nil {
		t.Fatal(err)
	}
	x, err := analysis.Explain(s, compile.Compile(s, compile.Options{}), analysis.Query{From: from, To: to, Port: p})
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	return string(data), x
}

// TestExplainJSON pins the keys that others rely on (commands.md).
func TestExplainJSON(t *testing.T) {
	tests := []struct{ from, to, port, want string }{
		{"blue/a", "red/b", "tcp/80",
			`{"verdict":"allow","from":"blue/a","to":"red/b","protocol":"TCP","port":80,"source":"10.0.0.1","destination":"10.0.0.2",` +
				`"egress":{"endpoint":"blue/a","verdict":"allow","reason":"no policy applies","path":[]},` +
				`"ingress":{"endpoint":"red/b","verdict":"allow","reason":"rule","tier":"default","policy":"KubernetesNetworkPolicy/red/k","rule":0,"path":[` +
				`{"tier":"first","policy":"GlobalNetworkPolicy//p","rule":1,"action":"Log","matched":true},` +
				`{"tier":"first","policy":"GlobalNetworkPolicy//p","rule":2,"action":"Pass","matched":true},` +
				`{"tier":"default","policy":"KubernetesNetworkPolicy/red/k","rule":0,"action":"Allow","matched":true}]}}`},
		{"192.0.2.7", "red/b", "udp/53",
			`{"verdict":"deny","from":"192.0.2.7","to":"red/b","protocol":"UDP","port":53,"source":"192.0.2.7","destination":"10.0.0.2",` +
				`"egress":{"verdict":"allow","reason":"not an endpoint","path":[]},` +
				`"ingress":{"endpoint":"red/b","verdict":"deny","reason":"rule","tier":"first","policy":"GlobalNetworkPolicy//p","rule":0,"path":[` +
				`{"tier":"first","policy":"GlobalNetworkPolicy//p","rule":0,"action":"Deny","matched":true}]}}`},
		{"blue/a", "red/b", "icmp",
			`{"verdict":"deny","from":"blue/a","to":"red/b","protocol":"ICMP","port":0,"icmp":"8/0","source":"10.0.0.1","destination":"10.0.0.2",` +
				`"egress":{"endpoint":"blue/a","verdict":"allow","reason":"no policy applies","path":[]},` +
				`"ingress":{"endpoint":"red/b","verdict":"deny","reason":"tier default","tier":"first","policies":["GlobalNetworkPolicy//p"],"path":[` +
				`{"tier":"first","policy":"GlobalNetworkPolicy//p","rule":1,"action":"Log","matched":true},` +
				`{"tier":"first","action":"Deny","policies":["GlobalNetworkPolicy//p"]}]}}`},
		{"hep:h", "192.0.2.1", "tcp/80",
			`{"verdict":"deny","from":"hep:h","to":"192.0.2.1","protocol":"TCP","port":80,"source":"172.16.0.1","destination":"192.0.2.1",` +
				`"egress":{"endpoint":"hep:h","verdict":"deny","reason":"host default","path":[]},"ingress":null}`},
	}
	for _, test := range tests {
		got, _ := explain(t, test.from, test.to, test.port)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s to %s %s: -want +got\n%s", test.from, test.to, test.port, diff)
		}
	}
}

// TestExplainStages pins the keys of a connection that meets several stages.
func TestExplainStages(t *testing.T) {
	s := world()
	s.Apply(model.Put(&model.Policy{
		ID: verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: "early"}, Tier: "first", Selector: selector.MustParse("all()"), PreDNAT: true, ApplyOnForward: true,
		Applies: [2]bool{true, false}, Rules: [2][]model.Rule{{{Action: verdict.ActionLog}}, nil},
	}))
	x, err := analysis.Explain(s, compile.Compile(s, compile.Options{}), analysis.Query{From: "192.0.2.1", To: "hep:h", Port: analysis.DefaultPort()})
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(x.Ingress)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"endpoint":"hep:h","verdict":"deny","reason":"host default","path":[],"stages":[` +
		`{"endpoint":"hep:h","stage":"preDNAT","direction":"ingress","verdict":"allow","reason":"host default","path":[` +
		`{"tier":"first","policy":"GlobalNetworkPolicy//early","rule":0,"action":"Log","matched":true},` +
		`{"tier":"first","action":"Pass","policies":["GlobalNetworkPolicy//early"]}]},` +
		`{"endpoint":"hep:h","direction":"ingress","verdict":"deny","reason":"host default","path":[]}]}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if x.Ingress.Stages[0].Visits == nil || x.Ingress.Because() != "no policy and no profile of the host endpoint decides" {
		t.Errorf("visits %v, %s", x.Ingress.Stages[0].Visits, x.Ingress.Because())
	}
}

func TestExplainVisits(t *testing.T) {
	_, x := explain(t, "blue/a", "red/b", "tcp/80")
	var got []string
	for _, v := range x.Ingress.Visits {
		got = append(got, fmt.Sprintf("%s %d %v", v.Policy.Name, v.Rule, v.Matched))
	}
	if diff := cmp.Diff([]string{"p 0 false", "p 1 true", "p 2 true", "k 0 true"}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if x.Ingress.Visits[0].Miss == "" {
		t.Error("the rule that does not match does not say why")
	}
}

func TestExplainErrors(t *testing.T) {
	s := world()
	for _, q := range []analysis.Query{{From: "blue/x", To: "red/b"}, {From: "blue/a", To: "x"}, {From: "blue/a", To: "2001:db8::1"}} {
		q.Port = analysis.DefaultPort()
		if x, err := analysis.Explain(s, compile.Compile(s, compile.Options{}), q); err == nil || x != nil {
			t.Errorf("%+v gives %v, %v", q, x, err)
		}
	}
}

// TestDifference holds that tables which are not those of the state are an
// error that names both answers.
func TestDifference(t *testing.T) {
	s := world()
	other := compile.Compile(model.NewState(), compile.Options{})
	for name, tables := range map[string]*table.Tables{"no endpoint": other, "another policy": compileWithout(s)} {
		_, err := analysis.Explain(s, tables, analysis.Query{From: "192.0.2.7", To: "red/b", Port: analysis.DefaultPort()})
		if err == nil || !strings.Contains(err.Error(), "the oracle says") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func compileWithout(s *model.State) *table.Tables {
	c := compile.New(compile.Options{})
	for _, e := range s.SortedEndpoints() {
		c.Apply(model.Put(e))
	}
	return c.Tables()
}

// TestExplainAgreesWithDecide explains random connections and holds the
// answers against the two Deciders.
func TestExplainAgreesWithDecide(t *testing.T) {
	denied, allowed := 0, 0
	for seed := range uint64(60) {
		g := modeltest.New(seed)
		s := g.State()
		tables := compile.Compile(s, compile.Options{})
		all := s.SortedEndpoints()
		for range 10 {
			q := analysis.Query{From: all[g.IntN(len(all))].ID.String(), To: all[g.IntN(len(all))].ID.String(), Port: analysis.DefaultPort()}
			c, err := s.Connect(q.From, q.To)
			if err != nil {
				continue
			}
			x, err := analysis.Explain(s, tables, q)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			o := analysis.Decide(analysis.OfTables(tables), c, q.Port.Packet(c))
			if o.Verdict.String() != x.Verdict || (o.Ingress == nil) != (x.Ingress == nil) || !o.Egress.Equal(&x.Egress.Trace) {
				t.Errorf("seed %d: %s -> %s: explained as %s, decided as %s", seed, q.From, q.To, x.Verdict, o.Verdict)
			}
			if o.Verdict == verdict.Allow {
				allowed++
			} else {
				denied++
			}
		}
	}
	if allowed < 50 || denied < 50 {
		t.Errorf("%d allowed and %d denied: too few to test much", allowed, denied)
	}
}

func TestEffective(t *testing.T) {
	s := world()
	e, err := analysis.Effective(s, "red/b")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, tier := range e.Ingress.Tiers {
		for _, p := range tier.Policies {
			got = append(got, fmt.Sprintf("%s(%s,%s) %s(%s) %v", tier.Tier, analysis.FormatOrder(tier.Order), tier.End, p.Policy, analysis.FormatOrder(p.Order), p.Actions))
		}
	}
	want := []string{"first(100,Deny) GlobalNetworkPolicy//p(100) [Deny Log Pass]", "default(1000000,Deny) KubernetesNetworkPolicy/red/k(last) [Allow]"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if len(e.Egress.Tiers) != 0 || e.Egress.Then != "allow" || e.Node != "n1" {
		t.Errorf("%+v", e)
	}
	for _, ref := range []string{"10.0.0.2", "red/b", "hep:h", "node:n1"} {
		if _, err := analysis.Effective(s, ref); err != nil {
			t.Errorf("%s: %v", ref, err)
		}
	}
	for ref, want := range map[string]string{
		"red/x": "no pod", "192.0.2.99": "outside the cluster", "192.0.2.1": "outside the cluster", "node:n2": "without a host endpoint", "hep:x": "no host endpoint", "x": "not a reference",
	} {
		if _, err := analysis.Effective(s, ref); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", ref, err, want)
		}
	}
	if e, err := analysis.Effective(s, "hep:h"); err != nil || e.Ingress.Then != "deny" {
		t.Errorf("a host endpoint without profiles: %+v, %v", e, err)
	}
}

func TestSelect(t *testing.T) {
	s := world()
	tests := []struct {
		kind, sel, namespace string
		want, remarks        []string
	}{
		{"", "has(app)", "", []string{"blue/a", "red/b", "g", "blue/s"}, nil},
		{"all", "has(app)", "blue", []string{"blue/a", "blue/s"}, nil},
		{"pods", "", "", []string{"blue/a", "red/b"}, nil},
		{"pods", "app == 'a'", "", []string{"blue/a"}, nil},
		{"hostendpoints", "all()", "", []string{"hep:h"}, nil},
		{"networksets", "all()", "", []string{"blue/s"}, nil},
		{"globalnetworksets", "all()", "", []string{"g"}, nil},
		{"all", "global()", "", []string{"hep:h", "g"}, nil},
		{"namespaces", "color == 'blue'", "", []string{"blue"}, nil},
		{"namespaces", "projectcalico.org/name == 'blue'", "", []string{"blue"}, nil},
		{"serviceaccounts", "projectcalico.org/name == 'default'", "", []string{"blue/default"}, nil},
		{"nodes", "all()", "", []string{"node:n1", "node:n2"}, nil},
		{"pods", "pcns.color == 'blue'", "", []string{"blue/a"}, nil},
		{"pods", "ap == 'a'", "", nil, []string{`no object has the label "ap"; did you mean "app"?`}},
		{"pods", "app == 'z'", "", nil, nil},
	}
	for _, test := range tests {
		matched, remarks, err := analysis.Select(s, analysis.Selection{Kind: test.kind, Selector: test.sel, Namespace: test.namespace})
		if err != nil {
			t.Errorf("%s %s: %v", test.kind, test.sel, err)
		}
		var got []string
		for _, m := range matched {
			got = append(got, m.Name)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s %s: -want +got\n%s", test.kind, test.sel, diff)
		}
		if diff := cmp.Diff(test.remarks, remarks); diff != "" {
			t.Errorf("%s %s: remarks -want +got\n%s", test.kind, test.sel, diff)
		}
	}
	for _, q := range []analysis.Selection{{Kind: "things"}, {Selector: "a ="}} {
		if _, _, err := analysis.Select(s, q); err == nil {
			t.Errorf("%+v is no error", q)
		}
	}
}
