package main

import (
	"fmt"
	"net/netip"
	"regexp"
	"runtime"

	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// learning measures what one answer of DNS costs the compiler when 100,000
// addresses are known, of 50,000 names that 100 policies allow in 1,000
// different ways; and what they take in memory.
func learning() benchmark {
	b := benchmark{names: []string{"compile/domains/answer", "compile/domains/new-combination", "compile/domains/forgotten", "compile/domains/not-asked", "compile/domains/heap"}}
	b.run = func(*regexp.Regexp) ([]figure, error) {
		before := heap()
		c := allowing()
		name := func(i int) *model.Learned {
			return &model.Learned{Name: domain.Name(fmt.Sprintf("host-%d.zone-%d.example", i, i%1000)), Addrs: []netip.Addr{addr4(17<<24 + uint32(2*i)), addr4(17<<24 + uint32(2*i+1))}}
		}
		var changes []model.Change
		for i := range 50_000 {
			changes = append(changes, model.Put(name(i)))
		}
		c.Apply(changes...)
		figures := []figure{{"compile/domains/heap", heap() - before, "MB", "", 0}}
		for _, x := range []edit{
			{"answer", 1000, true, func(i int) model.Change { return model.Put(name(50_000 + i)) }},
			{"new-combination", 500, true, func(i int) model.Change { // an address that two zones have
				l := *name(i)
				l.Name = domain.Name(fmt.Sprintf("other-%d.zone-%d.example", i, (i+500)%1000))
				return model.Put(&l)
			}},
			{"forgotten", 1000, true, func(i int) model.Change { return model.Delete(name(10_000 + i).Key()) }},
			{"not-asked", 1000, false, func(i int) model.Change {
				l := *name(60_000 + i)
				l.Name += ".else"
				return model.Put(&l)
			}},
		} {
			value, err := perChange(c, x)
			if err != nil {
				return nil, err
			}
			figures = append(figures, figure{"compile/domains/" + x.name, value, "µs", "", 0})
		}
		runtime.KeepAlive(c)
		return figures, nil
	}
	return b
}

// allowing is a compiler with 100 policies of one pod each. Each allows ten zones,
// half of the policies by a network set.
func allowing() *compile.Compiler {
	c := compile.New(compile.Options{})
	for i := range 100 {
		app := fmt.Sprintf("app-%d", i)
		labels := map[string]string{"app": app, model.LabelNamespace: "ns"}
		var zones []domain.Pattern
		var rules []model.Rule
		for j := range 10 {
			p := domain.MustParsePattern(fmt.Sprintf("*.zone-%d.example", 10*i+j))
			zones = append(zones, p)
			rules = append(rules, model.Rule{Index: j, Action: verdict.ActionAllow, Destination: model.Peer{Domains: []domain.Pattern{p}}})
		}
		if i%2 == 0 {
			rules = []model.Rule{{Action: verdict.ActionAllow, Destination: model.Peer{Selector: selector.Equal("app", "set-"+app)}}}
			c.Apply(model.Put(&model.NetworkSet{Name: app, Labels: map[string]string{"app": "set-" + app}, Domains: zones}))
		}
		c.Apply(
			model.Put(&model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Pod, Namespace: "ns", Name: app}, Labels: labels, Addrs: []netip.Addr{addr4(10<<24 + uint32(i))}}),
			model.Put(&model.Policy{
				ID: verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: app}, Tier: "default", Applies: [2]bool{false, true},
				Selector: selector.Equal("app", app), Rules: [2][]model.Rule{nil, rules},
			}))
	}
	return c
}
