package translate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// TestKubernetesPlace: tier default, order 1000, under its own kind.
func TestKubernetesPlace(t *testing.T) {
	p := one[*model.Policy](t, knp("{podSelector: {}}"))
	if p.Tier != "default" || p.Order == nil || *p.Order != 1000 || p.ID.Kind != "KubernetesNetworkPolicy" {
		t.Errorf("%+v", p)
	}
}

// TestKubernetesAppliesTo: the pod selector, in its own namespace, pods only.
func TestKubernetesAppliesTo(t *testing.T) {
	for _, row := range []struct{ selector, want string }{
		{"{}", "blue/be blue/fe"},
		{"{matchLabels: {app: fe}}", "blue/fe"},
		{"{matchLabels: {app: none}}", ""},
		{"{matchExpressions: [{key: app, operator: In, values: [fe, other]}]}", "blue/fe"},
		{"{matchExpressions: [{key: app, operator: NotIn, values: [fe]}]}", "blue/be"},
		{"{matchExpressions: [{key: none, operator: NotIn, values: [fe]}]}", "blue/be blue/fe"},
		{"{matchExpressions: [{key: app, operator: Exists}]}", "blue/be blue/fe"},
		{"{matchExpressions: [{key: app, operator: DoesNotExist}]}", ""},
		{"{matchLabels: {app: fe}, matchExpressions: [{key: app, operator: NotIn, values: [fe]}]}", ""},
	} {
		s, problems := world(t, cluster, knp("{podSelector: "+row.selector+"}"))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		if got := appliesTo(s); !slices.Equal(got, strings.Fields(row.want)) {
			t.Errorf("%s selects %q, want %q", row.selector, got, row.want)
		}
	}
}

// TestKubernetesSelectorText: the orchestrator first, labels sorted, then the
// expressions in their order.
func TestKubernetesSelectorText(t *testing.T) {
	p := one[*model.Policy](t, knp("{podSelector: {matchLabels: {b: '2', a: '1'}, matchExpressions: [{key: z, operator: Exists}, {key: w, operator: In, values: [v]}]}}"))
	want := `(projectcalico.org/orchestrator == "k8s" && a == "1" && b == "2" && has(z) && w in {"v"} && projectcalico.org/namespace == "blue")`
	if got := p.Selector.String(); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// TestKubernetesPeers holds section 12: what a peer matches. Pod and namespace
// selectors never match network sets or host endpoints.
func TestKubernetesPeers(t *testing.T) {
	const everything = "blue/fe blue/be red/fe red/be blue/set red/set gns:fe gns:plain hep:fe hep:plain unknown world"
	for _, row := range []struct{ name, peers, want string }{
		{"none", "", everything},
		{"an empty list", "[]", everything},
		{"all pods of its namespace", "[{podSelector: {}}]", "blue/fe blue/be"},
		{"some pods of its namespace", "[{podSelector: {matchLabels: {app: fe}}}]", "blue/fe"},
		{"all namespaces", "[{namespaceSelector: {}}]", "blue/fe blue/be red/fe red/be"},
		{"some namespaces", "[{namespaceSelector: {matchLabels: {env: prod}}}]", "red/fe red/be"},
		{"not some namespaces", "[{namespaceSelector: {matchExpressions: [{key: env, operator: NotIn, values: [prod]}]}}]", "blue/fe blue/be"},
		{"some pods of some namespaces", "[{namespaceSelector: {matchLabels: {env: prod}}, podSelector: {matchLabels: {app: fe}}}]", "red/fe"},
		{"some pods of all namespaces", "[{namespaceSelector: {}, podSelector: {matchLabels: {app: fe}}}]", "blue/fe red/fe"},
		{"pods that lack a label", "[{namespaceSelector: {}, podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [fe]}]}}]", "blue/be red/be"},
		{"a block", "[{ipBlock: {cidr: 10.0.0.0/16}}]", "blue/fe blue/be red/fe red/be unknown"},
		{"a block with exceptions", "[{ipBlock: {cidr: 10.0.0.0/16, except: [10.0.1.0/24, 10.0.0.1/32]}}]", "blue/be unknown"},
		{"an unmasked block", "[{ipBlock: {cidr: 10.0.1.7/24}}]", "red/fe red/be"},
		{"two peers", "[{podSelector: {}}, {ipBlock: {cidr: 8.0.0.0/8}}]", "blue/fe blue/be world"},
	} {
		t.Run(row.name, func(t *testing.T) {
			from, to := "{}", "{}"
			if row.peers != "" {
				from, to = "{from: "+row.peers+"}", "{to: "+row.peers+"}"
			}
			s, problems := world(t, cluster, knp(fmt.Sprintf("{podSelector: {}, ingress: [%s], egress: [%s]}", from, to)))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			for _, d := range verdict.Directions {
				if diff := cmp.Diff(strings.Fields(row.want), matched(s, d)); diff != "" {
					t.Errorf("%s: (-want +got)\n%s", d, diff)
				}
			}
		})
	}
}

// TestKubernetesPorts: one rule for each protocol and peer, all with the index
// of the rule that they come from, all Allow.
func TestKubernetesPorts(t *testing.T) {
	for _, row := range []struct{ name, ports, want string }{
		{"none: any protocol", "[]", "any"},
		{"no protocol is TCP", "[{port: 80}]", "TCP 80"},
		{"given protocols, sorted", "[{port: 9, protocol: SCTP}, {port: 53, protocol: UDP}, {port: 80, protocol: TCP}]", "TCP 80; UDP 53; SCTP 9"},
		{"no port: all of the protocol", "[{protocol: UDP}]", "UDP any"},
		{"an entry without anything: all of TCP", "[{}]", "TCP any"},
		{"all of a protocol absorbs numbers", "[{protocol: UDP, port: 53}, {protocol: UDP}, {port: 80}]", "TCP 80; UDP any"},
		{"a range", "[{port: 8000, endPort: 8080}]", "TCP 8000-8080"},
		{"a range of one", "[{port: 80, endPort: 80}]", "TCP 80"},
		{"the last port", "[{port: 1, endPort: 65535}]", "TCP 1-65535"},
		{"several of one protocol", "[{port: 80}, {port: 443}]", "TCP 80,443"},
	} {
		t.Run(row.name, func(t *testing.T) {
			spec := "{podSelector: {}, policyTypes: [Ingress, Egress], " +
				"ingress: [{from: [{podSelector: {}}]}, {ports: " + row.ports + ", from: [{podSelector: {}}, {ipBlock: {cidr: 10.0.0.0/8}}]}], " +
				"egress: [{ports: " + row.ports + "}]}"
			p := one[*model.Policy](t, knp(spec))
			n := len(strings.Split(row.want, "; "))
			if got := len(p.Rules[verdict.Ingress]); got != 1+2*n {
				t.Errorf("%d rules from two peers, want one and %d", got, 2*n)
			}
			for i, r := range p.Rules[verdict.Ingress] {
				if want := min(i, 1); r.Index != want || r.Action != verdict.ActionAllow {
					t.Errorf("rule %d has index %d and action %s", i, r.Index, r.Action)
				}
			}
			if got := portsOf(p.Rules[verdict.Egress]); got != row.want {
				t.Errorf("%q, want %q", got, row.want)
			}
		})
	}
}

// portsOf writes what rules say of protocols and destination ports.
func portsOf(rules []model.Rule) string {
	var all []string
	for _, r := range rules {
		if r.Protocol == nil {
			all = append(all, "any")
			continue
		}
		ports := "any"
		if r.Destination.Ports != nil {
			ports = strings.ReplaceAll(strings.Trim(fmt.Sprint(r.Destination.Ports), "[]"), " ", ",")
		}
		all = append(all, verdict.ProtocolName(*r.Protocol)+" "+ports)
	}
	return strings.Join(all, "; ")
}

// TestKubernetesDropsRules: a port that is none drops its rule, is reported,
// and the rest of the policy applies.
func TestKubernetesDropsRules(t *testing.T) {
	for _, port := range []string{
		"{port: 0}", "{port: 65536}", "{port: -1}", "{port: 90, endPort: 80}", "{port: 80, endPort: 65536}",
		"{endPort: 80}", "{protocol: ICMP}", "{protocol: tcp, port: 80}",
	} {
		s, problems := world(t, cluster, knp("{podSelector: {}, ingress: [{ports: [{port: 80}, "+port+"]}, {ports: [{port: 443}]}]}"))
		p := s.Policies[verdict.PolicyID{Kind: "KubernetesNetworkPolicy", Namespace: "blue", Name: "p"}]
		if got := portsOf(p.Rules[verdict.Ingress]); got != "TCP 443" || p.Rules[verdict.Ingress][0].Index != 1 {
			t.Errorf("%s: the rules are %q", port, got)
		}
		if p.Invalid != [2]bool{} {
			t.Errorf("%s: the policy is invalid", port)
		}
		if len(problems) != 1 || !strings.HasPrefix(problems[0].Path, "spec.ingress[0].ports[1]") {
			t.Errorf("%s: problems %v", port, problems)
		}
	}
}

// TestKubernetesIsolation: a policy that selects a pod denies what none of the
// rules allows, at the end of the tier; others are not touched.
func TestKubernetesIsolation(t *testing.T) {
	s, _ := world(t, cluster, knp("{podSelector: {matchLabels: {app: fe}}, ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}]}"))
	oracle := evaluate.New(s)
	fe := s.Endpoints[verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: "fe"}]
	be := s.Endpoints[verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: "be"}]
	tcp := func(port uint16) verdict.Packet {
		return verdict.Packet{Src: be.Addrs[0], Dst: fe.Addrs[0], Protocol: verdict.TCP, SrcPort: 1024, DstPort: port}
	}
	back := verdict.Packet{Src: fe.Addrs[0], Dst: be.Addrs[0], Protocol: verdict.TCP, SrcPort: 1024, DstPort: 80}
	for _, row := range []struct {
		name   string
		got    verdict.Trace
		reason verdict.Reason
	}{
		{"allowed", oracle.Decide(fe, verdict.Ingress, tcp(80)), verdict.ByRule},
		{"another port", oracle.Decide(fe, verdict.Ingress, tcp(81)), verdict.ByTierDefault},
		{"the other direction", oracle.Decide(fe, verdict.Egress, back), verdict.NoPolicyApplies},
		{"another pod", oracle.Decide(be, verdict.Ingress, back), verdict.NoPolicyApplies},
	} {
		if row.got.Reason != row.reason {
			t.Errorf("%s: %s", row.name, &row.got)
		}
	}
}

// TestKubernetesBesideOthers: before 1000 a policy overrides Kubernetes', after
// it one can add an Allow but cannot take one away.
func TestKubernetesBesideOthers(t *testing.T) {
	kubernetes := knp("{podSelector: {}, ingress: [{ports: [{port: 80}]}]}")
	for _, row := range []struct {
		name, spec string
		port       uint16
		want       string
	}{
		{"Deny before", "{order: 999, ingress: [{action: Deny, protocol: TCP}]}", 80, "NetworkPolicy/blue/p"},
		{"Deny after cannot revoke", "{order: 1001, ingress: [{action: Deny, protocol: TCP}]}", 80, "KubernetesNetworkPolicy/blue/p"},
		{"nor without an order", "{ingress: [{action: Deny, protocol: TCP}]}", 80, "KubernetesNetworkPolicy/blue/p"},
		{"Allow after can add", "{ingress: [{action: Allow, protocol: TCP}]}", 81, "NetworkPolicy/blue/p"},
		{"a tie goes by name, namespace, kind", "{order: 1000, ingress: [{action: Deny, protocol: TCP}]}", 80, "KubernetesNetworkPolicy/blue/p"},
	} {
		s, _ := world(t, cluster, kubernetes, np(row.spec))
		fe := s.Endpoints[verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: "fe"}]
		p := verdict.Packet{Src: peers()[1].addr, Dst: fe.Addrs[0], Protocol: verdict.TCP, SrcPort: 1024, DstPort: row.port}
		trace := evaluate.New(s).Decide(fe, verdict.Ingress, p)
		if d := trace.Deciding(); d == nil || d.Policy.String() != row.want {
			t.Errorf("%s: %s, want %s to decide", row.name, &trace, row.want)
		}
	}
}
