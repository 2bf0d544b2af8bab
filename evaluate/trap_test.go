package evaluate_test

import (
	"strings"
	"testing"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// TestTraps holds section 18, one case or more for each trap that shows in the
// model. 11 (staged) and 19 (stages) are of what is not evaluated; 15 (host-networked pods) and the scope of selectors
// are tested in translate, 17 (open connections) is the dataplane's.
func TestTraps(t *testing.T) {
	const in, eg = verdict.Ingress, verdict.Egress
	const end = "deny: tier default (Deny at the end of tier default)"
	const byP = "allow: rule (Allow by default/GlobalNetworkPolicy//p#0)"
	// p is a policy of a, with one rule for the source.
	p := func(source model.Peer) *model.Policy {
		return to("app == 'a'", policy("default", "p", from(allow, source)))
	}
	set := func(ns string, labels map[string]string, of ...string) *model.NetworkSet {
		if ns != "" {
			labels[model.LabelNamespace] = ns
		}
		return &model.NetworkSet{Namespace: ns, Name: "s", Labels: labels, Nets: nets(of...)}
	}
	knp := at(order(1000), policy("default", "k", allow))
	knp.ID = verdict.PolicyID{Kind: "KubernetesNetworkPolicy", Namespace: "blue", Name: "k"}
	// named is a policy of a for a destination port by name.
	named := func(name, text string) *model.Policy {
		r := allow
		r.Destination.NamedPorts = []string{name}
		if text != "" {
			r.Destination.Selector = selector.MustParse(text)
		}
		return to("app == 'a'", policy("default", "p", r))
	}
	service := model.Peer{Service: &model.ServiceRef{Namespace: "blue", Name: "db"}}
	both := policy("default", "p")
	both.Applies = [2]bool{false, true}

	check(t, []row{
		{"1: an empty entity matches the world", world(p(model.Peer{})), in, ipA, outside, byP},
		{"1: all() matches only what is known", world(p(selecting("all()"))), in, ipA, outside, end},
		{"1: all() matches what is known", world(p(selecting("all()"))), in, ipA, ipC, byP},

		{"2: != matches a host endpoint that lacks the label", world(p(selecting("app != 'c'"))), in, ipA, ipHost, byP},
		{"2: not in matches a global set that lacks it", world(p(selecting("app not in {'c'}")), set("", map[string]string{}, "8.8.8.0/24")), in, ipA, outside, byP},
		{"2: !has matches too", world(p(selecting("!has(app)"))), in, ipA, ipHost, byP},
		{"2: none of them matches what is not known", world(p(selecting("!has(app)"))), in, ipA, outside, end},
		{"2: what has the label is not matched", world(p(selecting("app != 'c'"))), in, ipA, ipC, end},

		{"3: notSelector alone opens a global policy to the Internet", world(p(model.Peer{NotSelector: selector.MustParse("app == 'c'")})), in, ipA, outside, byP},
		{"3: with what a namespaced policy adds it does not", world(p(selecting("!(app == 'c') && projectcalico.org/namespace == 'blue'"))), in, ipA, outside, end},

		{"4: global() is not in a namespace", world(p(selecting("!has(projectcalico.org/namespace)"))), in, ipA, ipHost, byP},
		{"4: a pod is in one", world(p(selecting("!has(projectcalico.org/namespace)"))), in, ipA, ipC, end},

		{"5: types Egress without rules denies egress", world(both), eg, ipA, outside, end},
		{"5: and leaves ingress alone", world(both), in, ipA, outside, "allow: no policy applies"},

		{"6: Pass at the end of the last tier: a pod's profile", world(tier("sec", 1, true), policy("sec", "q")), in, ipA, outside,
			"allow: profile (Pass at the end of tier sec; Allow by profile kns.blue)"},
		{"6: for a host endpoint that is denied", world(tier("sec", 1, true), policy("sec", "q")), in, ipHost, outside,
			"deny: host default (Pass at the end of tier sec)"},

		{"7: no order is after 1000 of Kubernetes", world(knp, policy("default", "a", deny)), in, ipA, outside,
			"allow: rule (Allow by default/KubernetesNetworkPolicy/blue/k#0)"},
		{"7: and after every number", world(at(order(1e12), policy("default", "z", allow)), policy("default", "a", deny)), in, ipA, outside,
			"allow: rule (Allow by default/GlobalNetworkPolicy//z#0)"},

		{"8: a policy of Log rules isolates", world(policy("default", "q", log)), in, ipA, outside,
			"deny: tier default (Log by default/GlobalNetworkPolicy//q#0; Deny at the end of tier default)"},

		{"9: a tie goes by the bytes of name/namespace/kind", world(policy("default", "web", deny), policy("default", "web-2", allow), policy("default", "web2", deny)), in, ipA, outside,
			"allow: rule (Allow by default/GlobalNetworkPolicy//web-2#0)"},

		{"10: a policy whose tier is gone still applies", world(policy("gone", "q", tcp(deny, 80))), in, ipA, outside,
			"deny: rule (Deny by gone/GlobalNetworkPolicy//q#0)"},
		{"10: last", world(policy("gone", "q", deny), policy("default", "p", allow)), in, ipA, outside, byP},
		{"10: and denies at its end", world(policy("gone", "q")), in, ipA, outside, "deny: tier default (Deny at the end of tier gone)"},

		{"12: a named port is the port of that name", world(withPort("http", verdict.TCP, 80), named("http", "")), in, ipA, outside, byP},
		{"12: of another number it is not", world(withPort("http", verdict.TCP, 81), named("http", "")), in, ipA, outside, end},
		{"12: of another protocol it is not", world(withPort("http", verdict.UDP, 80), named("http", "")), in, ipA, outside, end},
		{"12: of another name it is not", world(withPort("web", verdict.TCP, 80), named("http", "")), in, ipA, outside, end},
		{"12: only of what the selector selects", world(withPort("http", verdict.TCP, 80), named("http", "app == 'b'")), in, ipA, outside, end},
		{"12: which it does here", world(withPort("http", verdict.TCP, 80), named("http", "app == 'a'")), in, ipA, outside, byP},

		{"13: notNets of IPv4 only kills the rule for IPv6", world(p(model.Peer{NotNets: nets("192.0.2.0/24")})), in, "fd00::1", "2001:db8::1", end},
		{"13: not for IPv4", world(p(model.Peer{NotNets: nets("192.0.2.0/24")})), in, ipA, outside, byP},
		{"13: what is in them is excluded", world(p(model.Peer{NotNets: nets("8.0.0.0/8")})), in, ipA, outside, end},
		{"13: a catch-all kills it for all", world(p(model.Peer{NotNets: nets("0.0.0.0/0")})), in, ipA, outside, end},
		{"13: notNets of both families", world(p(model.Peer{NotNets: nets("192.0.2.0/24", "fd00::/8")})), in, "fd00::1", "2001:db8::1", byP},
		{"13: the other side's notNets do too", world(to("app == 'a'", policy("default", "p", model.Rule{
			Action: verdict.ActionAllow, Destination: model.Peer{NotNets: nets("192.0.2.0/24")}}))), in, "fd00::1", "2001:db8::1", end},

		{"14: a service where connections come from is its addresses, whatever its ports", world(p(service), slice(outside, 5432)), in, ipA, outside, byP},
		{"14: other addresses are not in it", world(p(service), slice("9.9.9.9", 80)), in, ipA, outside, end},
		{"14: where they go it is addresses and ports", world(goingTo(service), slice(outside, 80)), eg, ipA, outside, byP},
		{"14: another port is not in it", world(goingTo(service), slice(outside, 5432)), eg, ipA, outside, end},
		{"14: another service of the namespace is another", world(p(model.Peer{Service: &model.ServiceRef{Namespace: "blue", Name: "web"}}), slice(outside, 80)), in, ipA, outside, end},
		{"14: nor is one of that name in another namespace", world(p(model.Peer{Service: &model.ServiceRef{Namespace: "red", Name: "db"}}), slice(outside, 80)), in, ipA, outside, end},
		{"14: a service that nobody knows is nothing", world(p(service)), in, ipA, outside, end},

		{"16: a namespace selector includes network sets", world(p(selecting("pcns.env == 'prod'")), set("red", map[string]string{}, "8.8.8.0/24")), in, ipA, outside, byP},
		{"16: not global ones", world(p(selecting("pcns.env == 'prod'")), set("", map[string]string{}, "8.8.8.0/24")), in, ipA, outside, end},

		{"20: a host endpoint without expectedIPs is never a peer", world(unexpected(), p(selecting("role == 'gw'"))), in, ipA, ipHost, end},
		{"20: with them it is", world(p(selecting("role == 'gw'"))), in, ipA, ipHost, byP},
	})
}

// withPort is the pod a with one named port.
func withPort(name string, protocol uint8, port uint16) *model.Endpoint {
	e := pod("blue", "a", map[string]string{"app": "a"}, ipA)
	e.Ports = []model.NamedPort{{Name: name, Protocol: protocol, Port: port}}
	return e
}

// slice is the one endpoint of the service blue/db.
func slice(at string, port uint16) *model.EndpointSlice {
	return &model.EndpointSlice{
		Namespace: "blue", Name: "db-x", Service: "db", Addrs: addrs(at), Ports: []model.ServicePort{{Protocol: verdict.TCP, Port: port}},
	}
}

// goingTo is an egress policy of a for a destination.
func goingTo(p model.Peer) *model.Policy {
	r := allow
	r.Destination = p
	return to("app == 'a'", egress(policy("default", "p", r)))
}

func unexpected() *model.Endpoint {
	h := hep()
	h.Addrs = nil
	return h
}

// TestTrap18: two endpoints on one node are two verdicts, with their own
// reasons.
func TestTrap18(t *testing.T) {
	s := world(to("app == 'a'", egress(policy("default", "out", allow))), to("app == 'b'", policy("default", "in", deny)))
	out, in := decide(t, s, verdict.Egress, ipA, ipB), decide(t, s, verdict.Ingress, ipB, ipA)
	if out.Verdict != verdict.Allow || in.Verdict != verdict.Deny {
		t.Errorf("%s; %s", &out, &in)
	}
}

// TestTrap20: such a host endpoint is policed all the same.
func TestTrap20(t *testing.T) {
	h := unexpected()
	s := world(h, policy("default", "p", allow))
	_, p := question(t, s, verdict.Egress, ipA, ipHost)
	got := oracle(s).Decide(h, verdict.Ingress, p)
	if !strings.HasPrefix(got.String(), "allow: rule") {
		t.Errorf("%s", &got)
	}
}
