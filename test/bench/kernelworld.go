package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/dataplane/nft"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/test/bench/testbed"
	"github.com/tierwall/tierwall/verdict"
)

// The ports that the last rule allows, and one that no rule does.
const (
	allowedPort = 80
	deniedPort  = 81
)

// perPolicy is how many rules a policy of the kernel's benchmarks has.
const perPolicy = 10

// fabric is the policy of a node with two pods, client and server: so many rules
// in each direction apply to both, and the last two are what allows the one to
// reach the other, by UDP and by TCP. Of ten other rules nine are about pods of
// other nodes by a label, one is about a network.
type fabric struct {
	rules int
	// byNet makes the last rules name the pods by a network instead of a label.
	byNet bool
}

// peer is what the i-th rule is about: a pod with a label of its own and an
// address, or a network.
func (f fabric) peer(i int) (net netip.Prefix, pod bool) {
	switch {
	case f.last(i) && f.byNet:
		return netip.PrefixFrom(testbed.ClientAddr, 24).Masked(), false
	case f.last(i):
		return netip.Prefix{}, true
	case i%10 == 5:
		return netip.PrefixFrom(addr4(100<<24+uint32(i)<<4), 28), false
	}
	return netip.PrefixFrom(addr4(11<<24+uint32(i)), 32), true
}

// last reports whether the i-th rule is one that allows what is measured.
func (f fabric) last(i int) bool { return i >= f.rules-2 }

// port is the port of the i-th rule.
func (f fabric) port(i int) uint16 {
	if f.last(i) {
		return allowedPort
	}
	return uint16(1000 + i%5000)
}

// state is the world as the model has it.
func (f fabric) state() *model.State {
	s := model.NewState()
	for name, a := range map[string]netip.Addr{testbed.ClientInterface: testbed.ClientAddr, testbed.ServerInterface: testbed.ServerAddr} {
		pod := podOf("shop", name, 0, true, map[string]string{"app": "here", "peer": "here"})
		pod.Addrs = []netip.Addr{a}
		s.Apply(model.Put(pod))
	}
	var policy *model.Policy
	for i := range f.rules {
		if i%perPolicy == 0 {
			order := float64(i)
			policy = &model.Policy{
				ID: verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: fmt.Sprintf("policy-%d", i/perPolicy)}, Tier: "default", Order: &order,
				Applies: [2]bool{true, true}, Selector: selector.Equal("app", "here"),
			}
		}
		f.add(s, policy, i)
		if (i+1)%perPolicy == 0 || i == f.rules-1 {
			s.Apply(model.Put(policy))
		}
	}
	return s
}

// add adds the i-th rule to a policy, in both directions, and the pod that it is
// about.
func (f fabric) add(s *model.State, policy *model.Policy, i int) {
	net, isPod := f.peer(i)
	peer := model.Peer{Nets: []netip.Prefix{net}}
	if isPod && !net.IsValid() {
		peer = model.Peer{Selector: selector.Equal("peer", "here")}
	} else if isPod {
		peer = model.Peer{Selector: selector.Equal("peer", fmt.Sprint(i))}
		pod := podOf("shop", fmt.Sprintf("peer-%d", i), 0, false, map[string]string{"peer": fmt.Sprint(i)})
		pod.Addrs = []netip.Addr{net.Addr()}
		s.Apply(model.Put(pod))
	}
	ports := []model.PortRange{{From: f.port(i), To: f.port(i)}}
	in := model.Rule{Index: i % perPolicy, Action: verdict.ActionAllow, Protocol: number8(protocolOf(i)), Source: peer, Destination: model.Peer{Ports: ports}}
	out := in
	out.Source, out.Destination = model.Peer{}, peer
	out.Destination.Ports = ports
	policy.Rules[verdict.Ingress] = append(policy.Rules[verdict.Ingress], in)
	policy.Rules[verdict.Egress] = append(policy.Rules[verdict.Egress], out)
}

// protocolOf is the protocol of the i-th rule.
func protocolOf(i int) uint8 {
	if i%2 == 0 {
		return verdict.UDP
	}
	return verdict.TCP
}

// enforce compiles the world and puts it into the kernel of a node.
func (f fabric) enforce(n *testbed.Node) error {
	program := dataplane.Program{
		Tables:     compile.Compile(f.state(), compile.Options{Node: here}),
		Interfaces: interfaces(),
	}
	return nft.New(nft.Options{NetNS: int(n.NS)}).Apply(context.Background(), program)
}

// interfaces are where the two pods are.
func interfaces() map[verdict.EndpointID][]string {
	return map[verdict.EndpointID][]string{
		{Kind: verdict.Pod, Namespace: "shop", Name: testbed.ClientInterface}: {testbed.ClientInterface},
		{Kind: verdict.Pod, Namespace: "shop", Name: testbed.ServerInterface}: {testbed.ServerInterface},
	}
}

// linear is the same policy as one nft rule for each of its rules and directions,
// in a form that the nft program reads.
func (f fabric) linear() string {
	var b strings.Builder
	for _, d := range []struct{ chain, field string }{{"egress", "daddr"}, {"ingress", "saddr"}} {
		fmt.Fprintf(&b, "table inet linear {\n chain %s {\n", d.chain)
		for i := range f.rules {
			peer := "10.1.0.0/24"
			if net, _ := f.peer(i); net.IsValid() {
				peer = net.String()
			}
			fmt.Fprintf(&b, "  ip %s %s %s dport %d return\n", d.field, peer, strings.ToLower(verdict.ProtocolName(protocolOf(i))), f.port(i))
		}
		b.WriteString("  drop\n }\n}\n")
	}
	b.WriteString(conntracked("linear", "iifname \"client\" jump egress\n oifname \"server\" jump ingress\n"))
	return b.String()
}

// conntracked is a table whose forwarded packets are tracked; the new ones go
// through the rules.
func conntracked(table, rules string) string {
	return fmt.Sprintf("table inet %s {\n chain forward {\n type filter hook forward priority filter; policy accept;\n"+
		" ct state vmap { established : accept, related : accept, invalid : drop }\n %s }\n}\n", table, rules)
}
