package translate_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/translate"
	"github.com/tierwall/tierwall/verdict"
)

// TestFailClosed: a direction with a rule that cannot be read denies all that
// the policy selects, also what a good rule before it would have allowed, and
// says why.
func TestFailClosed(t *testing.T) {
	for _, bad := range []string{
		"{action: Reject}",
		"{action: Allow, protocol: HTTP}",
		"{action: Allow, destination: {ports: [80]}}",
		"{action: Allow, source: {selector: app = 'web'}}",
		"{action: Allow, source: {nets: [web]}}",
		"{action: Allow, protocol: TCP, destination: {ports: ['a b']}}",
		"{action: Allow, source: {services: {namespace: blue}}}",
		"{action: Allow, icmp: {type: 8}}",
		"{action: Allow, destination: {domains: [example.com]}}",
		"{action: Allow, source: {domains: [example.com]}}",
		"{action: Deny, source: {nets: [web]}}",
	} {
		spec := "{selector: app == 'fe', ingress: [{action: Allow}, " + bad + "], egress: [{action: Allow}]}"
		for _, text := range []string{np(spec), gnp(spec)} {
			s, problems := world(t, cluster, text)
			if len(problems) != 1 {
				t.Errorf("%s: problems %v", bad, problems)
			}
			oracle := evaluate.New(s)
			at := func(name string, d verdict.Direction) verdict.Trace {
				e := s.Endpoints[verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: name}]
				return oracle.Decide(e, d, packet(d, e.Addrs[0], netip.MustParseAddr("8.8.8.8")))
			}
			for _, row := range []struct {
				trace   verdict.Trace
				verdict verdict.Verdict
				reason  verdict.Reason
			}{
				{at("fe", verdict.Ingress), verdict.Deny, verdict.InvalidPolicy},
				{at("fe", verdict.Egress), verdict.Allow, verdict.ByRule},
				{at("be", verdict.Ingress), verdict.Allow, verdict.NoPolicyApplies},
			} {
				if row.trace.Verdict != row.verdict || row.trace.Reason != row.reason {
					t.Errorf("%s: %s, want %s: %s", bad, &row.trace, row.verdict, row.reason)
				}
			}
		}
	}
}

// TestUnknownTypeAppliesBothWays: a type that cannot be read is not a way to
// leave a direction open.
func TestUnknownTypeAppliesBothWays(t *testing.T) {
	for _, text := range []string{
		np("{types: [Inbound]}"), gnp("{types: [Ingress, Outbound]}"), knp("{podSelector: {}, policyTypes: [egress]}"),
	} {
		object, problems := translate.Object(read(t, text)[0])
		if p := object.(*model.Policy); p.Applies != [2]bool{true, true} || len(problems) != 1 {
			t.Errorf("%s\n%v, %v", text, p.Applies, problems)
		}
	}
}

// TestNotTheNormalStage: policies for other stages of host endpoints apply
// nowhere, not as if they were for the normal one.
func TestNotTheNormalStage(t *testing.T) {
	for _, stage := range []string{"preDNAT: true", "doNotTrack: true", "preDNAT: true, doNotTrack: true"} {
		s, _ := world(t, cluster, gnp("{applyOnForward: true, "+stage+", ingress: [{action: Allow}]}"))
		for _, e := range s.SortedEndpoints() {
			if tiers := evaluate.New(s).Effective(e, verdict.Ingress); len(tiers) > 0 {
				t.Errorf("%s: applies to %s", stage, e.ID)
			}
		}
	}
	s, _ := world(t, cluster, gnp("{applyOnForward: true, selector: app == 'fe', ingress: [{action: Allow}]}"))
	if got, want := strings.Join(appliesTo(s), " "), "blue/fe hep:fe hep:unaddressed red/fe"; got != want {
		t.Errorf("applyOnForward: applies to %q, want %q", got, want)
	}
}

func packet(d verdict.Direction, local, remote netip.Addr) verdict.Packet {
	p := verdict.Packet{Src: remote, Dst: local, Protocol: verdict.TCP, SrcPort: 80, DstPort: 80}
	if d == verdict.Egress {
		p.Src, p.Dst = p.Dst, p.Src
	}
	return p
}

// warnings are the codes of problems in a rule whose meaning is clear all the
// same: the rule applies as it is written.
var warnings = []string{"net-catch-all", "item-repeated", "net-families", "protocol-family", "http-not-seen"}

// FuzzPolicy: no manifest makes the translation panic; what it cannot read in a
// rule closes the direction and nothing else does; and oracle and tables take
// what comes out, and agree.
func FuzzPolicy(f *testing.F) {
	for _, row := range problemRows() {
		if text, ok := strings.CutPrefix(row.manifest, "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: p}\n"); ok {
			f.Add(text)
		}
	}
	f.Add(`spec: {tier: sec, order: -1, selector: "app == 'fe' || !has(x)", namespaceSelector: all(), ingress: [{action: Pass, notProtocol: 17, source: {notNets: [10.0.0.0/8], notSelector: app == 'be', ports: ["1:9"]}}]}`)
	base, _ := world(f, cluster)
	f.Fuzz(func(t *testing.T, text string) {
		var policy v3.GlobalNetworkPolicy
		if yaml.Unmarshal([]byte(text), &policy) != nil {
			t.Skip()
		}
		policy.Name, policy.Namespace = "p", ""
		object, problems := translate.Object(&policy)
		p := object.(*model.Policy)
		closes(t, p, problems)
		s := model.NewState()
		s.Endpoints, s.NetworkSets, s.Namespaces, s.ServiceAccounts = base.Endpoints, base.NetworkSets, base.Namespaces, base.ServiceAccounts
		s.Apply(model.Put(p))
		agree(t, s)
	})
}

// closes holds problems of rules against the directions that are closed.
func closes(t *testing.T, p *model.Policy, problems []model.Problem) {
	t.Helper()
	var closed [2]bool
	selects := true
	for _, problem := range problems {
		for _, d := range verdict.Directions {
			if strings.HasPrefix(problem.Path, "spec."+d.String()+"[") && !slices.Contains(warnings, problem.Code) {
				closed[d] = true
			}
		}
		switch problem.Path {
		case "spec.selector", "spec.namespaceSelector", "spec.serviceAccountSelector":
			selects = false
		}
		if problem.Code == "stages-exclusive" {
			closed = [2]bool{true, true}
		}
		if problem.Code == "" || problem.Message == "" || problem.Object != "GlobalNetworkPolicy//p" {
			t.Errorf("half a problem: %+v", problem)
		}
	}
	if p.Invalid != closed {
		t.Errorf("closed are %v, and the problems %v", p.Invalid, problems)
	}
	if (p.Selector != nil) != selects {
		t.Errorf("selects by %v, and the problems %v", p.Selector, problems)
	}
}

// agree compares oracle and tables.
func agree(t *testing.T, s *model.State) {
	t.Helper()
	oracle, tables := evaluate.New(s), compile.Compile(s, compile.Options{})
	for _, e := range s.SortedEndpoints() {
		if len(e.Addrs) == 0 {
			continue
		}
		for _, d := range verdict.Directions {
			for _, peer := range peers() {
				p := packet(d, e.Addrs[0], peer.addr)
				want, got := oracle.Decide(e, d, p), tables.Lookup(e.ID, d, p)
				if got == nil || !got.Equal(table.Decided(want)) {
					t.Errorf("%s %s %s:\n got %v\nwant %s", e.ID, d, p, got, &want)
				}
			}
		}
	}
}
