package evaluate_test

import (
	"net/netip"
	"testing"

	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// The actors of the tests: pods a and b in blue, c in red, a host endpoint,
// and the outside.
const (
	ipA, ipB, ipC = "10.0.0.1", "10.0.0.2", "10.0.1.1"
	ipHost        = "10.9.0.1"
	outside       = "8.8.8.8"
)

func pod(ns, name string, labels map[string]string, ips ...string) *model.Endpoint {
	own := map[string]string{
		model.LabelNamespace: ns, model.LabelOrchestrator: model.OrchestratorK8s, model.LabelServiceAccount: "default",
	}
	for k, v := range labels {
		own[k] = v
	}
	return &model.Endpoint{
		ID: verdict.EndpointID{Kind: verdict.Pod, Namespace: ns, Name: name}, Node: "n1",
		Labels: own, ServiceAccount: "default", Addrs: addrs(ips...),
	}
}

func hep(profiles ...string) *model.Endpoint {
	return &model.Endpoint{
		ID: verdict.EndpointID{Kind: verdict.Host, Name: "h"}, Node: "n1", Interface: "eth0",
		Labels: map[string]string{"role": "gw"}, Addrs: addrs(ipHost), Profiles: profiles,
	}
}

func addrs(texts ...string) []netip.Addr {
	var all []netip.Addr
	for _, t := range texts {
		all = append(all, netip.MustParseAddr(t))
	}
	return all
}

func nets(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, t := range texts {
		all = append(all, netip.MustParsePrefix(t))
	}
	return all
}

// world is the actors and what a test adds, which may replace them.
func world(objects ...model.Object) *model.State {
	s := model.NewState()
	s.Apply(
		model.Put(&model.Namespace{Name: "blue", Labels: map[string]string{"env": "dev"}}),
		model.Put(&model.Namespace{Name: "red", Labels: map[string]string{"env": "prod"}}),
		model.Put(pod("blue", "a", map[string]string{"app": "a"}, ipA, "fd00::1")),
		model.Put(pod("blue", "b", map[string]string{"app": "b"}, ipB, "fd00::2")),
		model.Put(pod("red", "c", map[string]string{"app": "c"}, ipC, "fd00::c")),
		model.Put(hep()),
	)
	for _, o := range objects {
		s.Apply(model.Put(o))
	}
	return s
}

func order(f float64) *float64 { return &f }

func tier(name string, at float64, pass bool) *model.Tier {
	return &model.Tier{Name: name, Order: &at, Pass: pass}
}

// policy is a global policy that applies to everything at ingress; the tests
// change what they are about.
func policy(tier, name string, rules ...model.Rule) *model.Policy {
	for i := range rules {
		rules[i].Index = i
	}
	return &model.Policy{
		ID: verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: name}, Tier: tier, Selector: selector.All(),
		Applies: [2]bool{true, false}, Rules: [2][]model.Rule{rules, nil},
	}
}

// egress turns a policy of policy's into one of egress.
func egress(p *model.Policy) *model.Policy {
	p.Applies = [2]bool{false, true}
	p.Rules = [2][]model.Rule{nil, p.Rules[0]}
	return p
}

// at gives a policy its order.
func at(o *float64, p *model.Policy) *model.Policy {
	p.Order = o
	return p
}

// to limits a policy to a selector.
func to(text string, p *model.Policy) *model.Policy {
	p.Selector = selector.MustParse(text)
	return p
}

// Rules that match everything.
var (
	allow = model.Rule{Action: verdict.ActionAllow}
	deny  = model.Rule{Action: verdict.ActionDeny}
	pass  = model.Rule{Action: verdict.ActionPass}
	log   = model.Rule{Action: verdict.ActionLog}
)

// tcp narrows a rule to a TCP port.
func tcp(r model.Rule, port uint16) model.Rule {
	n := verdict.TCP
	r.Protocol, r.Destination.Ports = &n, []model.PortRange{{From: port, To: port}}
	return r
}

// from narrows a rule to a source.
func from(r model.Rule, p model.Peer) model.Rule {
	r.Source = p
	return r
}

// selecting is a peer by selector.
func selecting(text string) model.Peer { return model.Peer{Selector: selector.MustParse(text)} }

// decide asks for a TCP connection to or from an actor, on port 80.
func decide(t *testing.T, s *model.State, d verdict.Direction, local, peer string) verdict.Trace {
	t.Helper()
	e, p := question(t, s, d, local, peer)
	return evaluate.New(s).Decide(e, d, p)
}

func question(t *testing.T, s *model.State, d verdict.Direction, local, peer string) (*model.Endpoint, verdict.Packet) {
	t.Helper()
	a := netip.MustParseAddr(local)
	for _, e := range s.SortedEndpoints() {
		for _, own := range e.Addrs {
			if own == a {
				p := verdict.Packet{Src: netip.MustParseAddr(peer), Dst: a, Protocol: verdict.TCP, SrcPort: 32768, DstPort: 80}
				if d == verdict.Egress {
					p.Src, p.Dst = p.Dst, p.Src
				}
				return e, p
			}
		}
	}
	t.Fatalf("no endpoint has %s", local)
	return nil, verdict.Packet{}
}
