package evaluate_test

import (
	"testing"

	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// row is one connection at one endpoint, and the whole way to its verdict.
type row struct {
	name        string
	world       *model.State
	d           verdict.Direction
	local, peer string
	want        string
}

func check(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			got := decide(t, r.world, r.d, r.local, r.peer)
			if got.String() != r.want {
				t.Errorf("\n got %s\nwant %s", &got, r.want)
			}
		})
	}
}

// TestSection9 holds the evaluation of one connection, sentence by sentence.
func TestSection9(t *testing.T) {
	sec := tier("sec", 1, false)
	const (
		secP  = "sec/GlobalNetworkPolicy//p"
		secQ  = "sec/GlobalNetworkPolicy//q"
		defD  = "default/GlobalNetworkPolicy//d"
		wayIn = verdict.Ingress
	)
	check(t, []row{
		{"no policy applies: a pod is open", world(), wayIn, ipA, outside, "allow: no policy applies"},
		{"tiers in their order", world(sec, policy("default", "d", allow), policy("sec", "p", deny)), wayIn, ipA, outside,
			"deny: rule (Deny by " + secP + "#0)"},
		{"policies in their order", world(sec, at(order(2), policy("sec", "p", deny)), at(order(1), policy("sec", "q", allow))), wayIn, ipA, outside,
			"allow: rule (Allow by " + secQ + "#0)"},
		{"the first rule that matches decides", world(sec, policy("sec", "p", tcp(deny, 81), tcp(allow, 80), deny)), wayIn, ipA, outside,
			"allow: rule (Allow by " + secP + "#1)"},
		{"Allow is final: no later tier is asked", world(sec, policy("sec", "p", allow), policy("default", "d", deny)), wayIn, ipA, outside,
			"allow: rule (Allow by " + secP + "#0)"},
		{"Deny is final", world(sec, policy("sec", "p", deny), policy("default", "d", allow)), wayIn, ipA, outside,
			"deny: rule (Deny by " + secP + "#0)"},
		{"Log is recorded and goes on", world(sec, policy("sec", "p", log, log, allow)), wayIn, ipA, outside,
			"allow: rule (Log by " + secP + "#0; Log by " + secP + "#1; Allow by " + secP + "#2)"},
		{"Pass goes to the next tier", world(sec, policy("sec", "p", pass, deny), policy("default", "d", allow)), wayIn, ipA, outside,
			"allow: rule (Pass by " + secP + "#0; Allow by " + defD + "#0)"},
		{"Pass skips the rest of the tier, not of the policy", world(sec, policy("sec", "p", pass), policy("sec", "q", deny), policy("default", "d", allow)), wayIn, ipA, outside,
			"allow: rule (Pass by " + secP + "#0; Allow by " + defD + "#0)"},
		{"Pass in the last tier: a pod's profile allows", world(sec, policy("sec", "p", pass)), wayIn, ipA, outside,
			"allow: profile (Pass by " + secP + "#0; Allow by profile kns.blue)"},
		{"nothing matched: the end of the tier denies", world(sec, policy("sec", "p", tcp(allow, 81)), policy("default", "d", allow)), wayIn, ipA, outside,
			"deny: tier default (Deny at the end of tier sec)"},
		{"or passes", world(tier("sec", 1, true), policy("sec", "p", tcp(allow, 81)), policy("default", "d", allow)), wayIn, ipA, outside,
			"allow: rule (Pass at the end of tier sec; Allow by " + defD + "#0)"},
		{"a tier that passes, and no other", world(tier("sec", 1, true), policy("sec", "p")), wayIn, ipA, outside,
			"allow: profile (Pass at the end of tier sec; Allow by profile kns.blue)"},
		{"a tier whose policies select others does not apply", world(sec, to("app == 'b'", policy("sec", "p", deny))), wayIn, ipA, outside,
			"allow: no policy applies"},
		{"a tier with egress policy only does not touch ingress", world(sec, egress(policy("sec", "p", deny))), wayIn, ipA, outside,
			"allow: no policy applies"},
		{"and the other way", world(sec, policy("sec", "p", deny)), verdict.Egress, ipA, outside, "allow: no policy applies"},
		{"a policy without rules makes the tier apply", world(sec, policy("sec", "p")), wayIn, ipA, outside,
			"deny: tier default (Deny at the end of tier sec)"},
		{"a policy that selects nothing does not", world(sec, nothing(policy("sec", "p", deny))), wayIn, ipA, outside,
			"allow: no policy applies"},
		{"an invalid direction denies where the policy stands", world(sec, at(order(1), policy("sec", "q", tcp(allow, 81))), at(order(2), invalid(policy("sec", "p", allow)))), wayIn, ipA, outside,
			"deny: invalid policy (Deny by invalid policy " + secP + ")"},
		{"not before it", world(sec, at(order(1), policy("sec", "q", allow)), at(order(2), invalid(policy("sec", "p", allow)))), wayIn, ipA, outside,
			"allow: rule (Allow by " + secQ + "#0)"},
		{"nor in the other direction", world(sec, invalid(policy("sec", "p", allow)), egress(policy("sec", "q", allow))), verdict.Egress, ipA, outside,
			"allow: rule (Allow by " + secQ + "#0)"},
	})
}

func nothing(p *model.Policy) *model.Policy {
	p.Selector = nil
	return p
}

func invalid(p *model.Policy) *model.Policy {
	p.Invalid[verdict.Ingress] = true
	return p
}

// TestAllowIsForOneSide: what the destination allows at ingress does not open
// the source's egress, nor the way back.
func TestAllowIsForOneSide(t *testing.T) {
	s := world(to("app == 'b'", policy("default", "in", allow)), to("app == 'a'", egress(policy("default", "out"))))
	check(t, []row{
		{"the destination's ingress", s, verdict.Ingress, ipB, ipA, "allow: rule (Allow by default/GlobalNetworkPolicy//in#0)"},
		{"the source's egress", s, verdict.Egress, ipA, ipB, "deny: tier default (Deny at the end of tier default)"},
		{"the destination's egress", s, verdict.Egress, ipB, ipA, "allow: no policy applies"},
	})
}

// TestEndOfTier: the end is credited to the tier and lists the policies that
// applied, in order, and no others (section 0, decision 6).
func TestEndOfTier(t *testing.T) {
	s := world(tier("sec", 1, false),
		at(order(3), policy("sec", "x", tcp(allow, 81))), at(order(1), policy("sec", "z", log)),
		at(order(2), to("app == 'b'", policy("sec", "y", allow))), at(nil, policy("sec", "a")))
	got := decide(t, s, verdict.Ingress, ipA, outside)
	step := got.Deciding()
	if step == nil || !step.EndOfTier() || step.Rule != verdict.NoRule || step.Tier != "sec" {
		t.Fatalf("%s", &got)
	}
	var names string
	for _, p := range step.Applied {
		names += p.Name + " "
	}
	if names != "z x a " {
		t.Errorf("applied: %q", names)
	}
}

// TestHostEndpoints holds what sections 9 and 11 say of host endpoints: no
// implicit allow, profiles in order, failsafe ports first.
func TestHostEndpoints(t *testing.T) {
	const here = verdict.Ingress
	profile := func(name string, rules ...model.Rule) *model.Profile {
		for i := range rules {
			rules[i].Index = i
		}
		return &model.Profile{Name: name, Rules: [2][]model.Rule{rules, nil}}
	}
	broken := profile("p", allow)
	broken.Invalid[here] = true
	sec := tier("sec", 1, false)
	check(t, []row{
		{"no policy and no profile: denied", world(), here, ipHost, outside, "deny: host default"},
		{"the profile that allows all", world(hep("projectcalico-default-allow")), here, ipHost, outside,
			"allow: profile (Allow by profile projectcalico-default-allow)"},
		{"and at egress", world(hep("projectcalico-default-allow")), verdict.Egress, ipHost, outside,
			"allow: profile (Allow by profile projectcalico-default-allow)"},
		{"Pass in the last tier, no profile: denied", world(sec, policy("sec", "p", pass)), here, ipHost, outside,
			"deny: host default (Pass by sec/GlobalNetworkPolicy//p#0)"},
		{"Pass in the last tier, then the profile", world(hep("projectcalico-default-allow"), sec, policy("sec", "p", pass)), here, ipHost, outside,
			"allow: profile (Pass by sec/GlobalNetworkPolicy//p#0; Allow by profile projectcalico-default-allow)"},
		{"the end of a tier comes before profiles", world(hep("projectcalico-default-allow"), sec, policy("sec", "p")), here, ipHost, outside,
			"deny: tier default (Deny at the end of tier sec)"},
		{"profiles in their order", world(hep("q", "p"), profile("p", allow), profile("q", deny)), here, ipHost, outside,
			"deny: profile (Deny by profile q)"},
		{"no match in a profile: the next", world(hep("q", "p"), profile("p", allow), profile("q", tcp(deny, 81))), here, ipHost, outside,
			"allow: profile (Allow by profile p)"},
		{"no match in any: denied", world(hep("q"), profile("q", tcp(allow, 81))), here, ipHost, outside, "deny: host default"},
		{"Pass in a profile denies", world(hep("q", "p"), profile("p", allow), profile("q", pass)), here, ipHost, outside,
			"deny: profile (Pass by profile q)"},
		{"Log in a profile goes on", world(hep("q"), profile("q", log, allow)), here, ipHost, outside,
			"allow: profile (Log by profile q; Allow by profile q)"},
		{"a profile that does not exist counts for nothing", world(hep("gone", "p"), profile("p", allow)), here, ipHost, outside,
			"allow: profile (Allow by profile p)"},
		{"a profile that cannot be read denies", world(hep("p"), broken), here, ipHost, outside,
			"deny: invalid policy (Deny by profile p)"},
	})
}

func TestFailsafe(t *testing.T) {
	s := world(tier("sec", 1, false), policy("sec", "p", deny), egress(policy("sec", "q", deny)))
	s.Settings.FailsafeIn = append(s.Settings.FailsafeIn, model.Failsafe{Protocol: verdict.TCP, Port: 9999, Net: nets("8.0.0.0/8")[0]})
	for _, r := range []struct {
		name     string
		d        verdict.Direction
		local    string
		peer     string
		protocol uint8
		port     uint16
		open     bool
	}{
		{"ssh in", verdict.Ingress, ipHost, outside, verdict.TCP, 22, true},
		{"not over UDP", verdict.Ingress, ipHost, outside, verdict.UDP, 22, false},
		{"not out", verdict.Egress, ipHost, outside, verdict.TCP, 22, false},
		{"DNS out", verdict.Egress, ipHost, outside, verdict.UDP, 53, true},
		{"not in", verdict.Ingress, ipHost, outside, verdict.UDP, 53, false},
		{"the port beside", verdict.Ingress, ipHost, outside, verdict.TCP, 23, false},
		{"a peer in the net", verdict.Ingress, ipHost, outside, verdict.TCP, 9999, true},
		{"a peer that is not", verdict.Ingress, ipHost, "9.9.9.9", verdict.TCP, 9999, false},
		{"pods have none", verdict.Ingress, ipA, outside, verdict.TCP, 22, false},
	} {
		e, p := question(t, s, r.d, r.local, r.peer)
		p.Protocol, p.DstPort = r.protocol, r.port
		got := evaluate.New(s).Decide(e, r.d, p)
		if open := got.Reason == verdict.ByFailsafe; open != r.open || open != (got.Verdict == verdict.Allow) {
			t.Errorf("%s: %s", r.name, &got)
		}
	}
}

// TestEffective: the tiers and policies that apply, per direction, as they are
// evaluated; the state's own order is not touched.
func TestEffective(t *testing.T) {
	s := world(tier("sec", 1, false),
		at(order(2), policy("sec", "p")), at(order(1), to("app == 'a'", policy("sec", "q"))),
		egress(policy("sec", "out")), policy("default", "d"), policy("gone", "g"), nothing(policy("default", "none")))
	oracle := evaluate.New(s)
	for want, of := range map[string]struct {
		name string
		d    verdict.Direction
	}{
		"sec: q p; default: d; gone: g; ": {"a", verdict.Ingress},
		"sec: p; default: d; gone: g; ":   {"b", verdict.Ingress},
		"sec: out; ":                      {"a", verdict.Egress},
	} {
		e := s.Endpoints[verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: of.name}]
		var got string
		for _, t := range oracle.Effective(e, of.d) {
			got += t.Name + ":"
			for _, p := range t.Policies {
				got += " " + p.ID.Name
			}
			got += "; "
		}
		if got != want {
			t.Errorf("%s %s: %q, want %q", of.name, of.d, got, want)
		}
	}
}
