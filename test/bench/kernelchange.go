package main

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"syscall"
	"time"

	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/dataplane/nft"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/test/bench/testbed"
	"github.com/tierwall/tierwall/verdict"
)

// changeWorld is a node of two pods under so many policies, each of which names an
// application of ten pods elsewhere; enforce/* of the module standalone has the
// same behind a real API server.
func changeWorld(policies int) []model.Object {
	var all []model.Object
	for name, a := range map[string]netip.Addr{testbed.ClientInterface: testbed.ClientAddr, testbed.ServerInterface: testbed.ServerAddr} {
		pod := podOf("shop", name, 0, true, map[string]string{"app": name})
		pod.Addrs = []netip.Addr{a}
		all = append(all, pod)
	}
	all = append(all, &model.NetworkSet{Name: "probed", Labels: map[string]string{"probed": "yes"}, Nets: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}})
	for i := range policies * 10 {
		pod := podOf("team", fmt.Sprintf("pod-%d", i), 0, false, map[string]string{"app": fmt.Sprintf("app-%d", i/10)})
		pod.Addrs = []netip.Addr{addr4(11<<24 + uint32(i))}
		all = append(all, pod)
	}
	for i := range policies {
		all = append(all, changePolicy(fmt.Sprintf("policy-%d", i), float64(100+i), verdict.ActionAllow, selector.Equal("app", fmt.Sprintf("app-%d", i)), uint16(1000+i%5000)))
	}
	return append(all, changePolicy("door", 50, verdict.ActionAllow, selector.Equal("door", "open"), 81),
		changePolicy("set", 51, verdict.ActionAllow, selector.Equal("probed", "yes"), 82))
}

// changePolicy has a rule for each direction and applies to both pods.
func changePolicy(name string, order float64, action verdict.Action, peer *selector.Selector, port uint16) *model.Policy {
	in := model.Rule{Action: action, Protocol: number8(verdict.TCP)}
	out := in
	in.Source.Selector, out.Destination.Selector = peer, peer
	in.Destination.Ports = []model.PortRange{{From: port, To: port}}
	out.Destination.Ports = in.Destination.Ports
	return &model.Policy{
		ID: verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: name}, Tier: "default", Order: &order, Applies: [2]bool{true, true},
		Selector: inNamespace("shop", selector.All()), Rules: [2][]model.Rule{{in}, {out}},
	}
}

// comesAndGoes is a policy that comes and goes.
func comesAndGoes(p *model.Policy) func(i int) model.Change {
	return func(i int) model.Change {
		if i%2 == 1 {
			return model.Delete(p.Key())
		}
		return model.Put(p)
	}
}

// probed is a policy that denies peers port 80.
func probed(peer *selector.Selector, nets ...netip.Prefix) *model.Policy {
	p := changePolicy("probed", 1, verdict.ActionDeny, peer, 80)
	p.Rules[verdict.Ingress][0].Source.Nets, p.Rules[verdict.Egress][0].Destination.Nets = nets, nets
	return p
}

// changeKinds are changes, each the opposite of the last. The policies are about
// one pod, which no rule knew, whoever it is, a network of all pods, all pods by a
// label, and fifty applications.
func changeKinds() map[string]func(i int) model.Change {
	many := probed(selector.Equal("app", testbed.ClientInterface))
	for d := range many.Rules {
		for j := range 50 {
			r := changePolicy("", 0, verdict.ActionAllow, selector.Equal("app", fmt.Sprintf("app-%d", j)), uint16(2000+j)).Rules[d][0]
			r.Index = j + 1
			many.Rules[d] = append(many.Rules[d], r)
		}
	}
	return map[string]func(i int) model.Change{
		"policy":       comesAndGoes(probed(selector.Equal("app", testbed.ClientInterface))),
		"policy-any":   comesAndGoes(probed(nil)),
		"policy-net":   comesAndGoes(probed(nil, netip.MustParsePrefix("11.0.0.0/8"))),
		"policy-every": comesAndGoes(probed(selector.MustParse("has(app)"))),
		"policy-many":  comesAndGoes(many),
		"label": func(i int) model.Change {
			pod := podOf("shop", testbed.ClientInterface, 0, true, map[string]string{"app": testbed.ClientInterface, "door": []string{"open", "closed"}[i%2]})
			pod.Addrs = []netip.Addr{testbed.ClientAddr}
			return model.Put(pod)
		},
		"set": func(i int) model.Change {
			s := &model.NetworkSet{Name: "probed", Labels: map[string]string{"probed": "yes"}, Nets: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}
			if i%2 == 0 {
				s.Nets = append(s.Nets, netip.PrefixFrom(testbed.ClientAddr, 32))
			}
			return model.Put(s)
		},
	}
}

// enforceChanging compiles that world and puts it into the kernel of a node.
func enforceChanging(n *testbed.Node, policies int) (*compile.Compiler, *nft.Dataplane, error) {
	c, d := compile.New(compile.Options{Node: here}), nft.New(nft.Options{NetNS: int(n.NS)})
	var all []model.Change
	for _, o := range changeWorld(policies) {
		all = append(all, model.Put(o))
	}
	c.Apply(all...)
	return c, d, d.Apply(context.Background(), dataplane.Program{Tables: c.Tables(), Interfaces: interfaces()})
}

// changed measures how long the agent's own part of a change takes: compiling it,
// and having it in the kernel.
func (e effort) changed() benchmark {
	b := benchmark{}
	for kind := range changeKinds() {
		b.names = append(b.names, "kernel/change/"+kind, "kernel/change/"+kind+"/cpu")
	}
	b.run = func(*regexp.Regexp) ([]figure, error) {
		n, err := testbed.New()
		if err != nil {
			return nil, err
		}
		defer n.Close()
		c, d, err := enforceChanging(n, e.policies)
		if err != nil {
			return nil, err
		}
		var figures []figure
		kinds := changeKinds()
		for _, kind := range slices.Sorted(maps.Keys(kinds)) {
			change := kinds[kind]
			var compiling, whole []float64
			began := cpuTime()
			for i := range e.changes {
				time.Sleep(60 * time.Millisecond) // what a change leaves is tidied up after it
				began := time.Now()
				delta := c.Apply(change(i))
				compiled := time.Now()
				if err := d.Change(context.Background(), dataplane.Change{Delta: delta}); err != nil {
					return nil, fmt.Errorf("%s: %w", kind, err)
				}
				compiling = append(compiling, float64(compiled.Sub(began).Microseconds())/1000)
				whole = append(whole, float64(time.Since(began).Microseconds())/1000)
			}
			busy := float64((cpuTime() - began).Microseconds()) / 1000 / float64(e.changes)
			figures = append(figures, figure{"kernel/change/" + kind, median(whole), "ms", "of which compiling", median(compiling)},
				figure{"kernel/change/" + kind + "/cpu", busy, "ms", "", 0})
		}
		return figures, nil
	}
	return b
}

// cpuTime is what the process has used of the processor, with what the kernel did
// for it.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
