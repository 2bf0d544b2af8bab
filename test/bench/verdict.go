package main

import (
	"fmt"
	"net/netip"
	"regexp"
	"runtime"
	"testing"
	"time"

	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// production is shape D: a node that was seen in production.
func production(size float64) shape {
	return shape{policies: int(294 * size), rules: 68, sets: int(3708 * size), addresses: int(256_000 * size)}
}

// shapeD measures one verdict of shape D, and its full explanation.
func shapeD() benchmark {
	names := []string{"table/D/verdict", "table/D/explain", "table/D/allocs", "table/D/compile"}
	b := benchmark{}
	for _, s := range sizes {
		for _, n := range names {
			b.names = append(b.names, n+s.suffix)
		}
	}
	b.run = func(asked *regexp.Regexp) ([]figure, error) {
		var figures []figure
		for _, s := range sizes {
			if !asked.MatchString(names[0]+s.suffix) && !asked.MatchString(names[1]+s.suffix) && !asked.MatchString(names[3]+s.suffix) {
				continue
			}
			state, pod := worldOf(production(s.size))
			began := time.Now()
			tables := compile.Compile(state, compile.Options{})
			took := time.Since(began).Seconds()
			oracle, probes := evaluate.New(state), packets(production(s.size), pod)
			if err := agree(tables, oracle, pod, probes[:2]); err != nil {
				return nil, err
			}
			began = time.Now()
			oracle.Decide(pod, verdict.Ingress, probes[2])
			slow := float64(time.Since(began).Nanoseconds())
			figures = append(figures,
				figure{names[0] + s.suffix, lookups(tables, pod, probes), "ns", "oracle", slow},
				figure{names[1] + s.suffix, explanations(tables, pod, probes), "ns", "oracle", slow},
				figure{names[2] + s.suffix, testing.AllocsPerRun(100, func() { tables.Lookup(pod.ID, verdict.Ingress, probes[0]) }), "count", "", 0},
				figure{names[3] + s.suffix, took, "s", "", 0})
		}
		return figures, nil
	}
	return b
}

// explanations returns the time of a verdict with its whole way, in ns.
func explanations(t *table.Tables, e *model.Endpoint, probes []verdict.Packet) float64 {
	steps := 0
	took := timed(len(probes), func() {
		for _, p := range probes {
			steps += len(t.Lookup(e.ID, verdict.Ingress, p).Trace().Steps)
		}
	})
	runtime.KeepAlive(steps)
	return took
}

// manyRules is shape E: one endpoint with many rules, each for a network and
// ports of its own.
func manyRules(rules int) (*model.State, *model.Endpoint, []verdict.Packet) {
	state := model.NewState()
	pod := &model.Endpoint{
		ID: verdict.EndpointID{Kind: verdict.Pod, Namespace: "app", Name: "one"}, Node: "n",
		Labels: map[string]string{model.LabelNamespace: "app", "app": "one"}, Addrs: []netip.Addr{addr4(10<<24 + 1)},
	}
	state.Apply(model.Put(pod))
	const each = 1000
	for i := 0; i < rules; i += each {
		order := float64(i)
		p := &model.Policy{
			ID:   verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: fmt.Sprintf("p-%d", i)},
			Tier: "default", Order: &order, Applies: [2]bool{true, false}, Selector: selector.Equal("app", "one"),
		}
		for j := i; j < min(i+each, rules); j++ {
			r := model.Rule{Index: j - i, Action: []verdict.Action{verdict.ActionAllow, verdict.ActionDeny}[j%2], Protocol: number8(verdict.TCP)}
			r.Source.Nets = []netip.Prefix{netip.PrefixFrom(addr4(11<<24+uint32(j)*4), 30)}
			r.Destination.Ports = []model.PortRange{{From: 80, To: 80}, {From: 1000, To: 1000 + uint16(j%5000)}}
			p.Rules[verdict.Ingress] = append(p.Rules[verdict.Ingress], r)
		}
		state.Apply(model.Put(p))
	}
	probes := make([]verdict.Packet, 1024)
	for i := range probes {
		probes[i] = verdict.Packet{
			Src: addr4(11<<24 + uint32(i%rules)*uint32(max(1, rules/1024))*4 + 1), Dst: pod.Addrs[0], Protocol: verdict.TCP, SrcPort: 40000, DstPort: uint16(80 + i%3000),
		}
	}
	return state, pod, probes
}

// shapeE measures one verdict with 100,000 rules against one with 10.
func shapeE() benchmark {
	b := benchmark{}
	for _, s := range sizes {
		b.names = append(b.names, "table/E/verdict"+s.suffix, "table/E/compile"+s.suffix)
	}
	b.run = func(asked *regexp.Regexp) ([]figure, error) {
		few, one, probes := manyRules(10)
		base := lookups(compile.Compile(few, compile.Options{}), one, probes)
		var figures []figure
		for _, s := range sizes {
			if !asked.MatchString("table/E/verdict"+s.suffix) && !asked.MatchString("table/E/compile"+s.suffix) {
				continue
			}
			state, pod, probes := manyRules(int(100_000 * s.size))
			began := time.Now()
			tables := compile.Compile(state, compile.Options{})
			took := time.Since(began).Seconds()
			if err := agree(tables, evaluate.New(state), pod, probes[:32]); err != nil {
				return nil, err
			}
			figures = append(figures,
				figure{"table/E/verdict" + s.suffix, lookups(tables, pod, probes), "ns", "10 rules", base},
				figure{"table/E/compile" + s.suffix, took, "s", "", 0})
		}
		return figures, nil
	}
	return b
}
