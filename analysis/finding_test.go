package analysis_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/tierwall/tierwall/analysis"
	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// TestFindings: each code, and for each the nearest thing that is not found.
func TestFindings(t *testing.T) {
	const in, out = verdict.Ingress, verdict.Egress
	udp, tcp := verdict.UDP, verdict.TCP
	rule := func(a verdict.Action) model.Rule { return model.Rule{Action: a} }
	allow, deny, log, pass := rule(verdict.ActionAllow), rule(verdict.ActionDeny), rule(verdict.ActionLog), rule(verdict.ActionPass)
	policy := func(name string, order float64, d verdict.Direction, text string, rules ...model.Rule) *model.Policy {
		p := &model.Policy{ID: verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: name}, Tier: "default", Order: &order, Selector: selector.MustParse(text)}
		p.Applies[d], p.Rules[d] = true, rules
		return p
	}
	to := func(r model.Rule, protocol *uint8, port uint16) model.Rule {
		r.Protocol, r.Destination.Ports = protocol, []model.PortRange{{From: port, To: port}}
		return r
	}
	not := func(r model.Rule, nets ...netip.Prefix) model.Rule {
		r.Source.NotSelector, r.Source.Nets = selector.MustParse("app == 'a'"), nets
		return r
	}
	both := func(r model.Rule) model.Rule {
		r.Destination.Ports = append(r.Destination.Ports, model.PortRange{From: 8080, To: 8080})
		return r
	}
	toPods := func(r model.Rule) model.Rule {
		r.Destination.Selector = selector.MustParse("app == 'a'")
		return r
	}
	toName := func(r model.Rule) model.Rule {
		r.Destination.Domains = []domain.Pattern{domain.MustParsePattern("*.example.com")}
		return r
	}
	passing := func(p *model.Policy) *model.Policy {
		p.Tier = "soft"
		return p
	}
	const pods = "projectcalico.org/orchestrator == 'k8s'"
	for _, row := range []struct {
		name     string
		policies []*model.Policy
		want     []string
	}{
		{"logs and nothing else", []*model.Policy{policy("p", 1, in, "all()", log, log)}, []string{"log-only p"}},
		{"logs and allows", []*model.Policy{policy("p", 1, in, "all()", log, allow)}, nil},
		{"logs in a tier that passes", []*model.Policy{passing(policy("p", 1, in, "all()", log))}, nil},
		{"egress without a rule", []*model.Policy{policy("p", 1, out, pods)}, []string{"egress-empty p", "egress-no-dns p"}},
		{"ingress without a rule", []*model.Policy{policy("p", 1, in, pods)}, nil},
		{"egress without DNS", []*model.Policy{policy("p", 1, out, pods, to(allow, &udp, 54))}, []string{"egress-no-dns p"}},
		{"egress with DNS", []*model.Policy{policy("p", 1, out, pods, to(allow, &udp, 53))}, nil},
		{"DNS in another policy", []*model.Policy{policy("p", 1, out, pods, to(allow, &udp, 54)), policy("q", 2, out, pods, to(allow, &udp, 53))}, nil},
		{"only domains, which cannot be asked for", []*model.Policy{policy("p", 1, out, pods, toName(allow))}, []string{"egress-no-dns p"}},
		{"domains and DNS", []*model.Policy{policy("p", 1, out, pods, toName(allow), to(allow, &udp, 53))}, nil},
		{"DNS is passed on", []*model.Policy{policy("p", 1, out, pods, pass)}, nil},
		{"all but what is selected", []*model.Policy{policy("p", 1, in, "all()", not(allow))}, []string{"not-selector-alone p"}},
		{"of a network", []*model.Policy{policy("p", 1, in, "all()", not(allow, netip.MustParsePrefix("10.0.0.0/8")))}, nil},
		{"denied", []*model.Policy{policy("p", 1, in, "all()", not(deny))}, nil},
		{"a negation", []*model.Policy{policy("p", 1, in, "app != 'b'", deny)}, []string{"negative-selects-hosts p"}},
		{"a negation among pods", []*model.Policy{policy("p", 1, in, "app != 'b' && "+pods, deny)}, nil},
		{"hosts that are meant", []*model.Policy{policy("p", 1, in, "role == 'gw'", deny)}, nil},
		{"a tie", []*model.Policy{policy("p", 1, in, pods, allow), policy("q", 1, in, pods, deny)}, []string{"order-tie q"}},
		{"a tie that says one thing", []*model.Policy{policy("p", 1, in, pods, allow), policy("q", 1, in, pods, log, allow)}, nil},
		{"a tie of others", []*model.Policy{policy("p", 1, in, "role == 'gw'", allow), policy("q", 1, in, pods, deny)}, nil},
		{"a tie in the other direction", []*model.Policy{policy("p", 1, in, pods, deny), policy("q", 1, out, pods, allow)}, nil},
		{"a service's port", []*model.Policy{policy("p", 1, in, pods, to(allow, &tcp, 80))}, []string{"service-port p"}},
		{"its pods' port", []*model.Policy{policy("p", 1, in, pods, to(allow, &tcp, 8080))}, nil},
		{"both ports", []*model.Policy{policy("p", 1, in, pods, both(to(allow, &tcp, 80)))}, nil},
		{"another protocol", []*model.Policy{policy("p", 1, in, pods, to(allow, &udp, 80))}, nil},
		{"of pods that are not its own", []*model.Policy{policy("p", 1, in, "role == 'gw'", to(allow, &tcp, 80))}, nil},
		{"a service's port at egress", []*model.Policy{policy("p", 1, out, "role == 'gw'", toPods(to(allow, &tcp, 80)))}, []string{"service-port p"}},
		{"no tie", []*model.Policy{policy("p", 1, in, pods, allow), policy("q", 2, in, pods, deny)}, nil},
	} {
		s := model.NewState()
		order := 7.0
		s.Apply(
			model.Put(&model.Service{Namespace: "blue", Name: "web", Selector: map[string]string{"app": "a"}, Ports: []model.TargetPort{{Protocol: tcp, Port: 80, Target: 8080}}}),
			model.Put(&model.Tier{Name: "soft", Order: &order, Pass: true}),
			model.Put(&model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: "a"},
				Labels: map[string]string{"app": "a", model.LabelNamespace: "blue", model.LabelOrchestrator: "k8s"}, Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}}),
			model.Put(&model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Host, Name: "h"}, Labels: map[string]string{"role": "gw"}, Interface: "eth0"}),
		)
		for _, p := range row.policies {
			s.Apply(model.Put(p))
		}
		var got []string
		for _, f := range analysis.Findings(s) {
			got = append(got, f.Code+" "+f.Object[len("GlobalNetworkPolicy//"):])
			if !f.Warning || f.Message == "" || f.Hint == "" || f.Path == "" {
				t.Errorf("%s: %+v", row.name, f)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, row.want) {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
		if other := analysis.Findings(s, verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: "none"}); len(other) > 0 {
			t.Errorf("%s: found about a policy that is not there: %v", row.name, other)
		}
	}
}
