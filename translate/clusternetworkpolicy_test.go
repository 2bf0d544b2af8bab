package translate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/translate"
	"github.com/tierwall/tierwall/verdict"
)

// TestClusterPlace: the tier, the priority as order, and the types of which
// there are rules (semantics.md section 12).
func TestClusterPlace(t *testing.T) {
	rule := "{action: %s, %s: [{namespaces: {}}]}"
	for _, row := range []struct {
		spec, tier string
		order      float64
		applies    [2]bool
	}{
		{"{tier: Admin, priority: 0, subject: {namespaces: {}}}", "kube-admin", 0, [2]bool{}},
		{"{tier: Baseline, priority: 1000, subject: {namespaces: {}}, ingress: [" + fmt.Sprintf(rule, "Pass", "from") + "]}", "kube-baseline", 1000, [2]bool{true, false}},
		{"{tier: Admin, priority: 7, subject: {namespaces: {}}, egress: [" + fmt.Sprintf(rule, "Deny", "to") + "]}", "kube-admin", 7, [2]bool{false, true}},
	} {
		p := one[*model.Policy](t, manifest("cnp", "", "p", row.spec))
		if p.Tier != row.tier || *p.Order != row.order || p.Applies != row.applies || p.ID != (verdict.PolicyID{Kind: "ClusterNetworkPolicy", Name: "p"}) {
			t.Errorf("%s: %+v", row.spec, p)
		}
	}
}

// TestClusterSubject: pods only, whatever the selector asks to be absent.
func TestClusterSubject(t *testing.T) {
	for _, row := range []struct{ subject, want string }{
		{"{namespaces: {}}", "blue/be blue/fe red/be red/fe"},
		{"{namespaces: {matchLabels: {env: prod}}}", "red/be red/fe"},
		{"{namespaces: {matchExpressions: [{key: none, operator: DoesNotExist}]}}", "blue/be blue/fe red/be red/fe"},
		{"{pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: fe}}}}", "blue/fe red/fe"},
		{"{pods: {namespaceSelector: {matchLabels: {env: prod}}, podSelector: {}}}", "red/be red/fe"},
		{"{pods: {namespaceSelector: {}, podSelector: {matchExpressions: [{key: none, operator: DoesNotExist}]}}}", "blue/be blue/fe red/be red/fe"},
	} {
		s, problems := world(t, cluster, manifest("cnp", "", "p", "{tier: Admin, priority: 1, subject: "+row.subject+", ingress: [{action: Deny, from: [{namespaces: {}}]}]}"))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		if got := appliesTo(s); !slices.Equal(got, strings.Fields(row.want)) {
			t.Errorf("%s selects %q, want %q", row.subject, got, row.want)
		}
	}
}

// TestClusterPeers: namespaces stand for the network sets in them too; pods do
// not; neither ever for hosts.
func TestClusterPeers(t *testing.T) {
	for _, row := range []struct {
		name, peers, want string
		egressOnly        bool
	}{
		{"all namespaces", "[{namespaces: {}}]", "blue/fe blue/be red/fe red/be blue/set red/set", false},
		{"some namespaces", "[{namespaces: {matchLabels: {env: prod}}}]", "red/fe red/be red/set", false},
		{"not some namespaces", "[{namespaces: {matchExpressions: [{key: env, operator: NotIn, values: [prod]}]}}]", "blue/fe blue/be blue/set", false},
		{"pods", "[{pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: fe}}}}]", "blue/fe red/fe", false},
		{"all pods", "[{pods: {namespaceSelector: {}, podSelector: {}}}]", "blue/fe blue/be red/fe red/be", false},
		{"two peers", "[{namespaces: {matchLabels: {env: prod}}}, {pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: be}}}}]", "blue/be red/fe red/be red/set", false},
		{"networks", "[{networks: [10.0.0.0/16, 8.0.0.0/8]}]", "blue/fe blue/be red/fe red/be unknown world", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			rules := "egress: [{action: Accept, to: " + row.peers + "}]"
			if !row.egressOnly {
				rules += ", ingress: [{action: Accept, from: " + row.peers + "}]"
			}
			s, problems := world(t, cluster, cnp(rules))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			for _, d := range verdict.Directions {
				if row.egressOnly && d == verdict.Ingress {
					continue
				}
				// the tier passes at its end, which matched takes for a surprise
				got := slices.DeleteFunc(matched(s, d), func(text string) bool { return strings.Contains(text, "Pass at the end of tier kube-admin") })
				if diff := cmp.Diff(strings.Fields(row.want), got); diff != "" {
					t.Errorf("%s: (-want +got)\n%s", d, diff)
				}
			}
		})
	}
}

// TestClusterRules: a rule for each peer and protocol, with the index, the
// action and the name of the one that was written.
func TestClusterRules(t *testing.T) {
	p := one[*model.Policy](t, cnp(`egress: [{action: Pass, to: [{namespaces: {}}]}, {name: web, action: Deny, to: [{nodes: {matchLabels: {a: b}}}, {networks: [10.0.0.0/8]}],
  protocols: [{tcp: {destinationPort: {number: 80}}}, {udp: {destinationPort: {range: {start: 53, end: 54}}}}, {sctp: {}}, {destinationNamedPort: http}]}]`))
	rules := p.Rules[verdict.Egress]
	if len(rules) != 1+2*4 || rules[0].Action != verdict.ActionPass || rules[0].Annotations != nil {
		t.Fatalf("%+v", rules)
	}
	var texts []string
	for _, r := range rules[1:] {
		if r.Index != 1 || r.Action != verdict.ActionDeny || r.Annotations["name"] != "web" {
			t.Errorf("%+v", r)
		}
		protocol := "any"
		if r.Protocol != nil {
			protocol = verdict.ProtocolName(*r.Protocol)
		}
		texts = append(texts, fmt.Sprint(protocol, r.Destination.Ports, r.Destination.NamedPorts, r.Destination.Nodes, r.Destination.Nets))
	}
	want := []string{
		"TCP[80] [] a == \"b\" []", "TCP[80] [] all() [10.0.0.0/8]", "UDP[53-54] [] a == \"b\" []", "UDP[53-54] [] all() [10.0.0.0/8]",
		"SCTP[] [] a == \"b\" []", "SCTP[] [] all() [10.0.0.0/8]", "any[] [http] a == \"b\" []", "any[] [http] all() [10.0.0.0/8]",
	}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestClusterUnreadable: one that denies or passes denies everything at its
// place, one that accepts is left out, and the others hold.
func TestClusterUnreadable(t *testing.T) {
	s, problems := world(t, cnp("ingress: [{action: Accept, from: [{}]}, {action: Pass, from: [{}]}, {action: Deny, from: [{}]}, {action: Allow, from: [{namespaces: {}}]}, {action: Accept, from: [{namespaces: {}}]}]"))
	if len(problems) != 4 {
		t.Errorf("%v", problems)
	}
	p := s.Policies[verdict.PolicyID{Kind: translate.KindClusterNetworkPolicy, Name: "p"}]
	var got []string
	for _, r := range p.Rules[verdict.Ingress] {
		got = append(got, fmt.Sprint(r.Index, r.Action, r.Source.Selector == nil))
	}
	if diff := cmp.Diff([]string{"1 Deny true", "2 Deny true", "3 Deny true", "4 Allow false"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
