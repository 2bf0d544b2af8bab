package main

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
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

// changeKinds are changes, each the opposite of the last.
func changeKinds() map[string]func(i int) model.Change {
	return map[string]func(i int) model.Change{
		"policy": func(i int) model.Change {
			p := changePolicy("probed", 1, verdict.ActionDeny, selector.Equal("app", testbed.ClientInterface), 80)
			if i%2 == 1 {
				return model.Delete(p.Key())
			}
			return model.Put(p)
		},
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
		b.names = append(b.names, "kernel/change/"+kind)
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
		for kind, change := range changeKinds() {
			var compiling, whole []float64
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
			figures = append(figures, figure{"kernel/change/" + kind, median(whole), "ms", "of which compiling", median(compiling)})
		}
		return figures, nil
	}
	return b
}
