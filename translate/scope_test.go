package translate_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// cluster is what the tests of section 6 choose from: two namespaces with two
// pods and a network set each, two global network sets, three host endpoints.
const cluster = `
apiVersion: v1
kind: Namespace
metadata: {name: blue, labels: {env: dev, kubernetes.io/metadata.name: blue}}
---
apiVersion: v1
kind: Namespace
metadata: {name: red, labels: {env: prod, kubernetes.io/metadata.name: red}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: robot, namespace: blue, labels: {team: a}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: robot, namespace: red, labels: {team: b}}
---
apiVersion: v1
kind: Pod
metadata: {name: fe, namespace: blue, labels: {app: fe}}
spec: {serviceAccountName: robot, containers: []}
status: {podIP: 10.0.0.1}
---
apiVersion: v1
kind: Pod
metadata: {name: be, namespace: blue, labels: {app: be}}
status: {podIP: 10.0.0.2}
---
apiVersion: v1
kind: Pod
metadata: {name: fe, namespace: red, labels: {app: fe}}
spec: {serviceAccountName: robot, containers: []}
status: {podIP: 10.0.1.1}
---
apiVersion: v1
kind: Pod
metadata: {name: be, namespace: red, labels: {app: be}}
status: {podIP: 10.0.1.2}
---
apiVersion: projectcalico.org/v3
kind: NetworkSet
metadata: {name: set, namespace: blue, labels: {app: fe}}
spec: {nets: [192.0.2.0/28]}
---
apiVersion: projectcalico.org/v3
kind: NetworkSet
metadata: {name: set, namespace: red, labels: {app: fe}}
spec: {nets: [192.0.2.16/28]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkSet
metadata: {name: fe, labels: {app: fe}}
spec: {nets: [198.51.100.0/28]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkSet
metadata: {name: plain}
spec: {nets: [198.51.100.16/28]}
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: fe, labels: {app: fe}}
spec: {node: n1, interfaceName: eth0, expectedIPs: [10.9.0.1]}
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: plain}
spec: {node: n2, interfaceName: eth0, expectedIPs: [10.9.0.2]}
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: unaddressed, labels: {app: fe}}
spec: {node: n3, interfaceName: "*"}
---
`

// TestAppliesTo holds section 6.1: which endpoints a policy selects.
func TestAppliesTo(t *testing.T) {
	const (
		pods = "blue/fe blue/be red/fe red/be"
		heps = "hep:plain hep:unaddressed hep:fe"
		blue = "blue/fe blue/be"
	)
	for _, row := range []struct{ name, policy, want string }{
		{"NP without a selector: its namespace's pods", np("{}"), blue},
		{"NP with all(): the same", np("{selector: all()}"), blue},
		{"NP with a blank selector: the same", np(`{selector: "  "}`), blue},
		{"NP with a selector", np("{selector: app == 'fe'}"), "blue/fe"},
		{"NP never selects host endpoints, not by a negation either", np("{selector: app != 'z'}"), blue},
		{"NP with an or: the namespace bounds all of it", np("{selector: app == 'fe' || app == 'be'}"), blue},
		{"NP for another namespace", manifest("NetworkPolicy", "green", "p", "{}"), ""},
		{"NP cannot select another namespace", np("{selector: projectcalico.org/namespace == 'red'}"), ""},
		{"NP with a service account selector", np("{serviceAccountSelector: team == 'a'}"), "blue/fe"},
		{"NP with both", np("{selector: app == 'be', serviceAccountSelector: team == 'a'}"), ""},
		{"NP by the account's name", np("{serviceAccountSelector: projectcalico.org/name == 'robot'}"), "blue/fe"},
		{"NP by the account's label in a plain selector", np("{selector: projectcalico.org/serviceaccount == 'robot'}"), "blue/fe"},
		{"GNP without a selector: pods and host endpoints", gnp("{}"), pods + " " + heps},
		{"GNP with all(): the same", gnp("{selector: all()}"), pods + " " + heps},
		{"GNP with a selector: both kinds", gnp("{selector: app == 'fe'}"), "blue/fe red/fe hep:unaddressed hep:fe"},
		{"GNP with a negative selector: what lacks the label too", gnp("{selector: app != 'fe'}"), "blue/be red/be hep:plain"},
		{"GNP with not in: the same", gnp("{selector: \"app not in {'fe'}\"}"), "blue/be red/be hep:plain"},
		{"GNP with !has: what lacks it", gnp("{selector: '!has(app)'}"), "hep:plain"},
		{"GNP for pods by the orchestrator", gnp("{selector: projectcalico.org/orchestrator == 'k8s'}"), pods},
		{"GNP with a namespace selector", gnp("{namespaceSelector: env == 'dev'}"), blue},
		{"GNP with namespaceSelector all(): pods only", gnp("{namespaceSelector: all()}"), pods},
		{"GNP with a blank namespaceSelector that is written: pods only", gnp(`{namespaceSelector: " "}`), pods},
		{"GNP with selector all() and namespaceSelector all(): pods only", gnp("{selector: all(), namespaceSelector: all()}"), pods},
		{"GNP with selector all() and a negative namespaceSelector: pods only", gnp("{selector: all(), namespaceSelector: env != 'prod'}"), blue},
		{"GNP with no selector and a negative namespaceSelector: pods only", gnp("{namespaceSelector: env != 'prod'}"), blue},
		{"GNP with a specific selector and a negative namespaceSelector: host endpoints too",
			gnp("{selector: app == 'fe', namespaceSelector: env != 'prod'}"), "blue/fe hep:unaddressed hep:fe"},
		{"GNP with a specific selector and namespaceSelector all()", gnp("{selector: app == 'fe', namespaceSelector: all()}"), "blue/fe red/fe"},
		{"GNP with all() inside an or: only there", gnp("{selector: app == 'none' || all(), namespaceSelector: has(env)}"), pods},
		{"GNP by the namespace's name", gnp("{namespaceSelector: projectcalico.org/name == 'red'}"), "red/fe red/be"},
		{"GNP by Kubernetes' label of the name", gnp("{namespaceSelector: kubernetes.io/metadata.name == 'red'}"), "red/fe red/be"},
		{"GNP with a service account selector", gnp("{serviceAccountSelector: team == 'a'}"), "blue/fe"},
		{"GNP with serviceAccountSelector all(): pods only", gnp("{serviceAccountSelector: all()}"), pods},
		{"GNP with a negative service account selector and no selector: pods only", gnp("{serviceAccountSelector: team != 'a'}"), "blue/be red/fe red/be"},
		{"GNP with a specific selector and a negative account selector: host endpoints too",
			gnp("{selector: app == 'fe', serviceAccountSelector: team != 'a'}"), "red/fe hep:unaddressed hep:fe"},
		{"GNP with both", gnp("{namespaceSelector: env == 'prod', serviceAccountSelector: has(team)}"), "red/fe"},
		{"GNP with both, one of them all()", gnp("{namespaceSelector: all(), serviceAccountSelector: team == 'b'}"), "red/fe"},
		{"GNP never selects network sets; nothing else has this label", gnp("{selector: app == 'set'}"), ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, problems := world(t, cluster, row.policy)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			want := strings.Fields(row.want)
			slices.Sort(want)
			if got := appliesTo(s); !slices.Equal(got, want) {
				t.Errorf("selects %q, want %q", got, want)
			}
		})
	}
}

// appliesTo lists, sorted, the endpoints that the one policy of the state
// applies to at ingress.
func appliesTo(s *model.State) []string {
	oracle := evaluate.New(s)
	var all []string
	for _, e := range s.SortedEndpoints() {
		if len(oracle.Effective(e, verdict.Ingress)) > 0 {
			all = append(all, e.ID.String())
		}
	}
	slices.Sort(all)
	return all
}

// TestAllInsideAValue: the text all() in a value is a value.
func TestAllInsideAValue(t *testing.T) {
	p := one[*model.Policy](t, gnp(`{selector: "role == 'all()'", namespaceSelector: "env == 'global()' || all()"}`))
	want := `(role == "all()" && (pcns.env == "global()" || has(projectcalico.org/namespace)))`
	if got := p.Selector.String(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	q := one[*model.Policy](t, np(`{ingress: [{action: Allow, source: {selector: "role == 'all()'", namespaceSelector: "env == 'global()'"}}]}`))
	want = `(pcns.env == "global()" && role == "all()")`
	if got := q.Rules[verdict.Ingress][0].Source.Selector.String(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestUnreadableSelects: a policy whose scope cannot be read selects nothing
// and keeps everything else; it is never widened by leaving the selector out.
func TestUnreadableSelects(t *testing.T) {
	const bad = "app = 'fe'"
	for _, row := range []struct{ policy, path string }{
		{np(`{selector: "` + bad + `"}`), "spec.selector"},
		{np(`{serviceAccountSelector: "` + bad + `"}`), "spec.serviceAccountSelector"},
		{np(`{selector: "global()"}`), "spec.selector"},
		{np(`{serviceAccountSelector: "app == 'fe' && global()"}`), "spec.serviceAccountSelector"},
		{gnp(`{selector: "` + bad + `"}`), "spec.selector"},
		{gnp(`{namespaceSelector: "` + bad + `"}`), "spec.namespaceSelector"},
		{gnp(`{namespaceSelector: "` + bad + `", selector: "app == 'fe'"}`), "spec.namespaceSelector"},
		{gnp(`{serviceAccountSelector: "` + bad + `"}`), "spec.serviceAccountSelector"},
		{gnp(`{namespaceSelector: "global()"}`), "spec.namespaceSelector"},
		{gnp(`{selector: "!global()"}`), "spec.selector"},
	} {
		s, problems := world(t, cluster, row.policy)
		if got := appliesTo(s); len(got) > 0 {
			t.Errorf("%s\nselects %q", row.policy, got)
		}
		if len(problems) != 1 || problems[0].Path != row.path {
			t.Errorf("%s\nproblems %v, want one at %s", row.policy, problems, row.path)
		}
		if len(s.Policies) != 1 {
			t.Errorf("%s\nthe policy is gone", row.policy)
		}
	}
}

// peers are the addresses that a rule's peer is asked about.
func peers() []namedAddr {
	at := func(name, addr string) namedAddr { return namedAddr{name, netip.MustParseAddr(addr)} }
	return []namedAddr{
		at("blue/fe", "10.0.0.1"), at("blue/be", "10.0.0.2"), at("red/fe", "10.0.1.1"), at("red/be", "10.0.1.2"),
		at("blue/set", "192.0.2.1"), at("red/set", "192.0.2.17"),
		at("gns:fe", "198.51.100.1"), at("gns:plain", "198.51.100.17"),
		at("hep:fe", "10.9.0.1"), at("hep:plain", "10.9.0.2"), at("unknown", "10.0.2.1"), at("world", "8.8.8.8"),
	}
}

type namedAddr struct {
	name string
	addr netip.Addr
}

// TestPeer holds the table of section 6.2: which addresses a rule's entity
// matches in a namespaced policy of blue and in a global one, as the source of
// an ingress rule and as the destination of an egress rule.
func TestPeer(t *testing.T) {
	const (
		everything = "blue/fe blue/be red/fe red/be blue/set red/set gns:fe gns:plain hep:fe hep:plain unknown world"
		known      = "blue/fe blue/be red/fe red/be blue/set red/set gns:fe gns:plain hep:fe hep:plain"
		namespaced = "blue/fe blue/be red/fe red/be blue/set red/set"
		hosts      = "gns:fe gns:plain hep:fe hep:plain"
		blue       = "blue/fe blue/be blue/set"
		red        = "red/fe red/be red/set"
	)
	for _, row := range []struct{ name, entity, np, gnp string }{
		{"nothing", "{}", everything, everything},
		{"only nets", "{nets: [10.0.0.0/16]}", "blue/fe blue/be red/fe red/be unknown", "blue/fe blue/be red/fe red/be unknown"},
		{"a bare address in nets", "{nets: [10.0.2.1, 8.8.8.8]}", "unknown world", "unknown world"},
		{"only notNets", "{notNets: [10.0.0.0/8]}", "blue/set red/set gns:fe gns:plain world", "blue/set red/set gns:fe gns:plain world"},
		{"only ports", "{ports: [80]}", everything, everything},
		{"only ports that the packet has not", "{ports: [81]}", "", ""},
		{"selector all()", "{selector: all()}", blue, known},
		{"selector X", "{selector: app == 'fe'}", "blue/fe blue/set", "blue/fe red/fe blue/set red/set gns:fe hep:fe"},
		{"negative selector", "{selector: app != 'fe'}", "blue/be", "blue/be red/be gns:plain hep:plain"},
		{"pods by orchestrator", "{selector: has(projectcalico.org/orchestrator)}", "blue/fe blue/be", "blue/fe blue/be red/fe red/be"},
		{"namespaceSelector Y", "{namespaceSelector: env == 'prod'}", red, red},
		{"namespaceSelector Y, selector X", "{namespaceSelector: env == 'prod', selector: app == 'fe'}", "red/fe red/set", "red/fe red/set"},
		{"namespaceSelector by name", "{namespaceSelector: projectcalico.org/name == 'red', selector: app == 'be'}", "red/be", "red/be"},
		{"namespaceSelector of both names, selector all()", "{namespaceSelector: \"kubernetes.io/metadata.name in {'red', 'blue'}\", selector: all()}", namespaced, namespaced},
		{"namespaceSelector all()", "{namespaceSelector: all()}", namespaced, namespaced},
		{"namespaceSelector all(), selector X", "{namespaceSelector: all(), selector: app == 'fe'}", "blue/fe red/fe blue/set red/set", "blue/fe red/fe blue/set red/set"},
		{"negative namespaceSelector: what has no namespace too", "{namespaceSelector: env != 'prod'}", blue + " " + hosts, blue + " " + hosts},
		{"namespaceSelector global()", "{namespaceSelector: global()}", hosts, hosts},
		{"global() with spaces", `{namespaceSelector: " global( ) "}`, hosts, hosts},
		{"global() + selector X", "{namespaceSelector: global(), selector: app == 'fe'}", "gns:fe hep:fe", "gns:fe hep:fe"},
		{"global() + selector all()", "{namespaceSelector: global(), selector: all()}", hosts, hosts},
		{"notSelector alone", "{notSelector: app == 'fe'}", "blue/be", "blue/be red/be gns:plain hep:plain unknown world"},
		{"notSelector all()", "{notSelector: all()}", "", "unknown world"},
		{"selector and notSelector", "{selector: all(), notSelector: app == 'fe'}", "blue/be", "blue/be red/be gns:plain hep:plain"},
		{"namespaceSelector and notSelector", "{namespaceSelector: all(), notSelector: app == 'fe'}", "blue/be red/be", "blue/be red/be"},
		{"notSelector is not of the namespace", "{namespaceSelector: all(), notSelector: projectcalico.org/namespace == 'red'}", blue, blue},
		{"nets and selector", "{nets: [10.0.0.0/16], selector: app == 'fe'}", "blue/fe", "blue/fe red/fe"},
		{"notNets and selector", "{notNets: [10.0.0.0/16], selector: app == 'fe'}", "blue/set", "blue/set red/set gns:fe hep:fe"},
		{"nets and notSelector", "{nets: [10.0.0.0/16], notSelector: app == 'fe'}", "blue/be", "blue/be red/be unknown"},
		{"serviceAccounts names", "{serviceAccounts: {names: [robot]}}", "blue/fe", "blue/fe red/fe"},
		{"serviceAccounts several names", "{serviceAccounts: {names: [robot, default]}}", "blue/fe blue/be", "blue/fe blue/be red/fe red/be"},
		{"serviceAccounts selector", "{serviceAccounts: {selector: team == 'b'}}", "", "red/fe"},
		{"serviceAccounts names and selector", "{serviceAccounts: {names: [robot], selector: team == 'b'}}", "", "red/fe"},
		{"serviceAccounts names and a selector that excludes them", "{serviceAccounts: {names: [default], selector: has(team)}}", "", ""},
		{"serviceAccounts and selector", "{serviceAccounts: {names: [robot]}, selector: app == 'be'}", "", ""},
		{"serviceAccounts and namespaceSelector", "{serviceAccounts: {names: [robot]}, namespaceSelector: env == 'prod'}", "red/fe", "red/fe"},
		{"serviceAccounts and notSelector", "{serviceAccounts: {names: [robot, default]}, notSelector: app == 'fe'}", "blue/be", "blue/be red/be"},
		{"a selector that nothing matches", "{selector: app == 'none'}", "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, kind := range []struct {
				name string
				text func(string) string
				want string
			}{{"namespaced", np, row.np}, {"global", gnp, row.gnp}} {
				spec := fmt.Sprintf("{ingress: [{action: Allow, protocol: TCP, source: %s}], egress: [{action: Allow, protocol: TCP, destination: %s}]}", row.entity, row.entity)
				s, problems := world(t, cluster, kind.text(spec))
				if len(problems) > 0 {
					t.Fatal(problems)
				}
				for _, d := range verdict.Directions {
					if diff := cmp.Diff(strings.Fields(kind.want), matched(s, d)); diff != "" {
						t.Errorf("%s, %s: (-want +got)\n%s", kind.name, d, diff)
					}
				}
			}
		})
	}
}

// matched lists the peers that the one rule of the state's policy matches at
// the pod blue/be.
func matched(s *model.State, d verdict.Direction) []string {
	local := s.Endpoints[verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: "be"}]
	oracle := evaluate.New(s)
	all := []string{}
	for _, peer := range peers() {
		p := verdict.Packet{Src: peer.addr, Dst: local.Addrs[0], Protocol: verdict.TCP, SrcPort: 80, DstPort: 80}
		if d == verdict.Egress {
			p.Src, p.Dst = p.Dst, p.Src
		}
		trace := oracle.Decide(local, d, p)
		switch trace.Reason {
		case verdict.ByRule:
			all = append(all, peer.name)
		case verdict.ByTierDefault:
		default:
			all = append(all, peer.name+": "+trace.String())
		}
	}
	return all
}

// TestEntityOnTheOtherSide: source and destination are the packet's. An egress
// rule may ask for its own side, with the scope of its policy.
func TestEntityOnTheOtherSide(t *testing.T) {
	for _, row := range []struct {
		entity string
		match  bool
	}{
		{"{selector: app == 'be'}", true},
		{"{selector: app == 'fe'}", false},
		{"{namespaceSelector: env == 'prod'}", false},
		{"{nets: [10.0.0.2]}", true},
	} {
		spec := fmt.Sprintf("{ingress: [{action: Allow, destination: %s}], egress: [{action: Allow, source: %s}]}", row.entity, row.entity)
		s, problems := world(t, cluster, np(spec))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		for _, d := range verdict.Directions {
			if got := slices.Contains(matched(s, d), "world"); got != row.match {
				t.Errorf("%s at %s: %v", row.entity, d, got)
			}
		}
	}
}

// TestByAddress holds section 6.3: a pod whose address lies in a set that
// matches is matched, though its own labels are not.
func TestByAddress(t *testing.T) {
	cover := "apiVersion: projectcalico.org/v3\nkind: NetworkSet\nmetadata: {name: cover, namespace: blue, labels: {cover: 'yes'}}\nspec: {nets: [10.0.1.0/24]}"
	s, problems := world(t, cluster, cover, np("{ingress: [{action: Allow, source: {selector: cover == 'yes'}}]}"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if diff := cmp.Diff([]string{"red/fe", "red/be"}, matched(s, verdict.Ingress)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	// A selector and a notSelector are one set: what is taken out is the object
	// that notSelector matches, not the address that it shares with others.
	s, _ = world(t, cluster, cover, gnp("{ingress: [{action: Allow, source: {selector: app == 'fe' || has(cover), notSelector: has(cover), nets: [10.0.0.0/8]}}]}"))
	if diff := cmp.Diff([]string{"blue/fe", "red/fe", "hep:fe"}, matched(s, verdict.Ingress)); diff != "" {
		t.Errorf("with a notSelector: (-want +got)\n%s", diff)
	}
	// A notSelector alone is about addresses.
	s, _ = world(t, cluster, cover, gnp("{ingress: [{action: Allow, source: {notSelector: has(cover), nets: [10.0.0.0/16]}}]}"))
	if diff := cmp.Diff([]string{"blue/fe", "blue/be", "unknown"}, matched(s, verdict.Ingress)); diff != "" {
		t.Errorf("with a notSelector alone: (-want +got)\n%s", diff)
	}
}
