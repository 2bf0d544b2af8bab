package evaluate_test

import (
	"strings"
	"testing"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// TestTraps holds section 18, one case or more for each trap that shows in the
// model. 11 (staged), 12 (named ports), 14 (services) and 19 (stages) are of
// what is not evaluated; 15 (host-networked pods) and the scope of selectors
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

		{"13: notNets of IPv4 only kills the rule for IPv6", world(p(model.Peer{NotNets: nets("192.0.2.0/24")})), in, "fd00::1", "2001:db8::1", end},
		{"13: not for IPv4", world(p(model.Peer{NotNets: nets("192.0.2.0/24")})), in, ipA, outside, byP},
		{"13: what is in them is excluded", world(p(model.Peer{NotNets: nets("8.0.0.0/8")})), in, ipA, outside, end},
		{"13: a catch-all kills it for all", world(p(model.Peer{NotNets: nets("0.0.0.0/0")})), in, ipA, outside, end},
		{"13: notNets of both families", world(p(model.Peer{NotNets: nets("192.0.2.0/24", "fd00::/8")})), in, "fd00::1", "2001:db8::1", byP},
		{"13: the other side's notNets do too", world(to("app == 'a'", policy("default", "p", model.Rule{
			Action: verdict.ActionAllow, Destination: model.Peer{NotNets: nets("192.0.2.0/24")}}))), in, "fd00::1", "2001:db8::1", end},

		{"16: a namespace selector includes network sets", world(p(selecting("pcns.env == 'prod'")), set("red", map[string]string{}, "8.8.8.0/24")), in, ipA, outside, byP},
		{"16: not global ones", world(p(selecting("pcns.env == 'prod'")), set("", map[string]string{}, "8.8.8.0/24")), in, ipA, outside, end},

		{"20: a host endpoint without expectedIPs is never a peer", world(unexpected(), p(selecting("role == 'gw'"))), in, ipA, ipHost, end},
		{"20: with them it is", world(p(selecting("role == 'gw'"))), in, ipA, ipHost, byP},
	})
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
