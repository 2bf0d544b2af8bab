package translate_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/translate"
	"github.com/tierwall/tierwall/verdict"
)

// TestTypes holds section 2: which directions a policy has.
func TestTypes(t *testing.T) {
	const in, eg = "ingress: [{action: Allow}]", "egress: [{action: Allow}]"
	for _, row := range []struct {
		name, spec      string
		ingress, egress bool
	}{
		{"no rules", "{}", true, false},
		{"empty keys are no rules", "{ingress: [], egress: []}", true, false},
		{"ingress rules only", "{" + in + "}", true, false},
		{"egress rules only", "{" + eg + "}", false, true},
		{"egress rules and an empty ingress key", "{ingress: [], " + eg + "}", false, true},
		{"both", "{" + in + ", " + eg + "}", true, true},
		{"empty types are none", "{types: [], " + eg + "}", false, true},
		{"given types are not extended", "{types: [Ingress], " + eg + "}", true, false},
		{"nor are others", "{types: [Egress], " + in + "}", false, true},
		{"a type without rules", "{types: [Egress]}", false, true},
		{"both types, one with rules", "{types: [Ingress, Egress], " + in + "}", true, true},
		{"order of types does not matter", "{types: [Egress, Ingress]}", true, true},
	} {
		for kind, text := range map[string]string{"NetworkPolicy": np(row.spec), "GlobalNetworkPolicy": gnp(row.spec)} {
			p := one[*model.Policy](t, text)
			if got, want := p.Applies, [2]bool{row.ingress, row.egress}; got != want {
				t.Errorf("%s, %s: %v, want %v", kind, row.name, got, want)
			}
		}
	}
	for _, row := range []struct {
		name, spec      string
		ingress, egress bool
	}{
		{"no rules", "{podSelector: {}}", true, false},
		{"ingress", "{podSelector: {}, ingress: [{}]}", true, false},
		{"egress rules add Egress, and do not take Ingress away", "{podSelector: {}, egress: [{}]}", true, true},
		{"given types", "{podSelector: {}, policyTypes: [Egress], ingress: [{}]}", false, true},
		{"both", "{podSelector: {}, policyTypes: [Ingress, Egress]}", true, true},
	} {
		p := one[*model.Policy](t, knp(row.spec))
		if got, want := p.Applies, [2]bool{row.ingress, row.egress}; got != want {
			t.Errorf("Kubernetes, %s: %v, want %v", row.name, got, want)
		}
	}
}

// TestInertRules: rules of a direction that types leave out are kept and do
// nothing; types are about the policy, not the rules.
func TestInertRules(t *testing.T) {
	p := one[*model.Policy](t, np("{types: [Ingress], egress: [{action: Allow}]}"))
	if len(p.Rules[verdict.Egress]) != 1 || p.Applies[verdict.Egress] {
		t.Errorf("%+v", p)
	}
}

func TestTierAndOrder(t *testing.T) {
	for _, row := range []struct {
		spec, tier string
		order      *float64
	}{
		{"{}", "default", nil},
		{`{tier: ""}`, "default", nil},
		{"{tier: sec}", "sec", nil},
		{"{order: 0}", "default", number(0)},
		{"{order: -2.5, tier: sec}", "sec", number(-2.5)},
	} {
		for _, text := range []string{np(row.spec), gnp(row.spec)} {
			p := one[*model.Policy](t, text)
			if p.Tier != row.tier || !cmp.Equal(p.Order, row.order) {
				t.Errorf("%s: tier %q, order %v", row.spec, p.Tier, p.Order)
			}
		}
	}
}

func number(f float64) *float64 { return &f }

// TestPolicyID holds decision 1 of section 0: kind, namespace and name, with
// the name as it is written, tier prefix included.
func TestPolicyID(t *testing.T) {
	for text, want := range map[string]string{
		np("{}"):                 "NetworkPolicy/blue/p",
		gnp("{}"):                "GlobalNetworkPolicy//p",
		knp("{podSelector: {}}"): "KubernetesNetworkPolicy/blue/p",
		manifest("GlobalNetworkPolicy", "", "sec.p", "{tier: sec}"):      "GlobalNetworkPolicy//sec.p",
		manifest("NetworkPolicy", "blue", "knp.default.p", "{order: 1}"): "NetworkPolicy/blue/knp.default.p",
	} {
		if got := one[*model.Policy](t, text).ID.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestTier(t *testing.T) {
	for _, row := range []struct {
		name, spec string
		want       model.Tier
	}{
		{"sec", "{}", model.Tier{Name: "sec"}},
		{"sec", "{order: 5}", model.Tier{Name: "sec", Order: number(5)}},
		{"sec", "{defaultAction: Pass}", model.Tier{Name: "sec", Pass: true}},
		{"sec", "{defaultAction: Deny}", model.Tier{Name: "sec"}},
		{"sec", "{defaultAction: Allow}", model.Tier{Name: "sec"}},
		{"default", "{order: 1000000}", model.Tier{Name: "default", Order: number(1000000)}},
		{"default", "{order: 1000000, defaultAction: Deny}", model.Tier{Name: "default", Order: number(1000000)}},
		{"kube-admin", "{order: 1000, defaultAction: Pass}", model.Tier{Name: "kube-admin", Order: number(1000), Pass: true}},
		{"kube-baseline", "{order: 10000000, defaultAction: Pass}", model.Tier{Name: "kube-baseline", Order: number(10000000), Pass: true}},
	} {
		got := one[*model.Tier](t, manifest("Tier", "", row.name, row.spec))
		if diff := cmp.Diff(&row.want, got); diff != "" {
			t.Errorf("%s %s: (-want +got)\n%s", row.name, row.spec, diff)
		}
	}
}

// TestBuiltinTierHolds: whatever is stored, a tier that every cluster has keeps
// its values.
func TestBuiltinTierHolds(t *testing.T) {
	for _, want := range model.BuiltinTiers() {
		for _, spec := range []string{"{}", "{order: 5, defaultAction: Pass}", "{order: 5, defaultAction: Deny}", "{defaultAction: Allow}"} {
			got, problems := translate.Object(read(t, manifest("Tier", "", want.Name, spec))[0])
			if diff := cmp.Diff(model.Object(want), got); diff != "" || len(problems) == 0 {
				t.Errorf("%s %s: %v (-want +got)\n%s", want.Name, spec, problems, diff)
			}
		}
	}
}

// TestRuleFields: everything that a rule can say arrives.
func TestRuleFields(t *testing.T) {
	p := one[*model.Policy](t, gnp(`
  ingress:
  - action: Log
  - action: Pass
    ipVersion: 6
    protocol: 132
    notProtocol: udp
    metadata: {annotations: {why: because}}
    source: {nets: ["2001:db8::/32", "2001:db8::1"], ports: [1, "8000:8080"]}
    destination: {notNets: ["2001:db8:1::/48"], notPorts: ["443"]}
  - {action: Allow, protocol: TCP, destination: {ports: ["80"]}}
  - {action: Deny, source: {nets: [192.0.2.7]}}`))
	udp, sctp, tcp := verdict.UDP, verdict.SCTP, verdict.TCP
	want := []model.Rule{
		{Index: 0, Action: verdict.ActionLog},
		{
			Index: 1, Action: verdict.ActionPass, IPVersion: 6, Protocol: &sctp, NotProtocol: &udp,
			Annotations: map[string]string{"why": "because"},
			Source:      model.Peer{Nets: prefixes("2001:db8::/32", "2001:db8::1/128"), Ports: []model.PortRange{{From: 1, To: 1}, {From: 8000, To: 8080}}},
			Destination: model.Peer{NotNets: prefixes("2001:db8:1::/48"), NotPorts: []model.PortRange{{From: 443, To: 443}}},
		},
		{Index: 2, Action: verdict.ActionAllow, Protocol: &tcp, Destination: model.Peer{Ports: []model.PortRange{{From: 80, To: 80}}}},
		{Index: 3, Action: verdict.ActionDeny, Source: model.Peer{Nets: prefixes("192.0.2.7/32")}},
	}
	if diff := cmp.Diff(want, p.Rules[verdict.Ingress], comparePrefix); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
