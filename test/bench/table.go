package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"time"

	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// shape is the size of a world with one endpoint that many policies apply to.
type shape struct {
	policies, rules, sets, addresses int
}

// worldOf makes a world like that of a node that was seen in production: many
// policies of rules that all Pass, each from a network set by its label, and
// many addresses in the sets.
func worldOf(s shape) (*model.State, *model.Endpoint) {
	g := rand.New(rand.NewPCG(1, 2))
	state := model.NewState()
	pod := &model.Endpoint{
		ID: verdict.EndpointID{Kind: verdict.Pod, Namespace: "app", Name: "one"}, Node: "n",
		Labels: map[string]string{model.LabelNamespace: "app", "app": "one"},
		Addrs:  []netip.Addr{netip.MustParseAddr("10.255.0.1")},
	}
	state.Apply(model.Put(pod))
	next := uint32(11 << 24)
	for i := range s.sets {
		n := &model.NetworkSet{Name: fmt.Sprintf("set-%d", i), Labels: map[string]string{"set": fmt.Sprint(i)}}
		for range s.addresses / s.sets {
			n.Nets = append(n.Nets, netip.PrefixFrom(addr4(next), 32))
			next += 2
		}
		state.Apply(model.Put(n))
	}
	for i := range s.policies {
		order := float64(i)
		p := &model.Policy{
			ID:   verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: fmt.Sprintf("p-%d", i)},
			Tier: fmt.Sprintf("tier-%d", i), Order: &order, Applies: [2]bool{true, false}, Selector: selector.Equal("app", "one"),
		}
		state.Apply(model.Put(&model.Tier{Name: p.Tier, Order: &order, Pass: true}))
		for j := range s.rules {
			tcp := verdict.TCP
			r := model.Rule{Index: j, Action: verdict.ActionPass, Protocol: &tcp}
			r.Source.Selector = selector.Equal("set", fmt.Sprint(g.IntN(s.sets)))
			r.Destination.Ports = []model.PortRange{{From: uint16(1 + g.IntN(1000)), To: uint16(1000 + g.IntN(1000))}}
			p.Rules[verdict.Ingress] = append(p.Rules[verdict.Ingress], r)
		}
		state.Apply(model.Put(p))
	}
	return state, pod
}

func addr4(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

// packets are new connections to the endpoint from addresses in the sets.
func packets(s shape, e *model.Endpoint) []verdict.Packet {
	g := rand.New(rand.NewPCG(3, 4))
	out := make([]verdict.Packet, 1024)
	for i := range out {
		out[i] = verdict.Packet{
			Src: addr4(11<<24 + 2*uint32(g.IntN(s.addresses))), Dst: e.Addrs[0],
			Protocol: verdict.TCP, SrcPort: 40000, DstPort: uint16(1 + g.IntN(2000)),
		}
	}
	return out
}

// growth is one verdict as the number of rules doubles: the table's cost must
// not follow it, as the oracle's does.
func growth() benchmark {
	names := []string{"table/growth/500", "table/growth/1000", "table/growth/2000"}
	return benchmark{
		names: names,
		run: func(*regexp.Regexp) ([]figure, error) {
			var figures []figure
			for i, name := range names {
				s := shape{policies: 10 << i, rules: 50, sets: 200, addresses: 2000}
				state, pod := worldOf(s)
				tables, oracle, probes := compile.Compile(state, compile.Options{}), evaluate.New(state), packets(s, pod)
				if err := agree(tables, oracle, pod, probes[:64]); err != nil {
					return nil, err
				}
				figures = append(figures, figure{name, lookups(tables, pod, probes), "ns", "oracle", verdicts(oracle, pod, probes[:64])})
			}
			return figures, nil
		},
	}
}

// agree makes sure that the two that are compared do the same.
func agree(t *table.Tables, o *evaluate.Oracle, e *model.Endpoint, probes []verdict.Packet) error {
	for _, p := range probes {
		want := o.Decide(e, verdict.Ingress, p)
		if got := t.Lookup(e.ID, verdict.Ingress, p); got == nil || !got.Equal(table.Decided(want)) {
			return fmt.Errorf("%s: the tables and the oracle differ: there is nothing to compare", p)
		}
	}
	return nil
}

// rounds is how often each figure is taken; the median counts.
const rounds = 5

// lookups returns the time of one look-up, in ns.
func lookups(t *table.Tables, e *model.Endpoint, probes []verdict.Packet) float64 {
	return timed(200*len(probes), func() {
		for range 200 {
			for _, p := range probes {
				t.Lookup(e.ID, verdict.Ingress, p)
			}
		}
	})
}

// verdicts returns the time of one decision of the oracle, in ns.
func verdicts(o *evaluate.Oracle, e *model.Endpoint, probes []verdict.Packet) float64 {
	return timed(len(probes), func() {
		for _, p := range probes {
			o.Decide(e, verdict.Ingress, p)
		}
	})
}

func timed(count int, f func()) float64 {
	var values []float64
	for range rounds {
		began := time.Now()
		f()
		values = append(values, float64(time.Since(began).Nanoseconds())/float64(count))
	}
	return median(values)
}
