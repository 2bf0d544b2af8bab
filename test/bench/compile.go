package main

import (
	"fmt"
	"net/netip"
	"regexp"
	"runtime"
	"slices"
	"time"

	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// portion is how many objects are told at once.
const portion = 5000

// start tells a world to a new compiler and returns it with the time that it
// took, without the making of the objects.
func start(w world) (*compile.Compiler, time.Duration) {
	c := compile.New(compile.Options{Node: w.node})
	var took time.Duration
	changes := make([]model.Change, 0, portion)
	for i := 0; i < w.count; i += portion {
		changes = changes[:0]
		for j := i; j < min(i+portion, w.count); j++ {
			changes = append(changes, model.Put(w.object(j)))
		}
		began := time.Now()
		c.Apply(changes...)
		took += time.Since(began)
	}
	return c, took
}

// asking is the time to ask every selector about every object, which is what
// finding members takes without an index and without groups.
func asking(w world) float64 {
	var all []*selector.Selector
	w.selectors(func(s *selector.Selector) { all = append(all, s) })
	var took time.Duration
	w.labels(func(l selector.Labels) {
		began := time.Now()
		for _, s := range all {
			matched = s.Matches(l) != matched
		}
		took += time.Since(began)
	})
	return took.Seconds() * w.scale
}

// matched keeps the compiler from leaving out what it counts.
var matched bool

// heap is the live heap in MB.
func heap() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / 1e6
}

var sizes = []struct {
	suffix string
	size   float64
}{{"/half", 0.5}, {"", 1}, {"/double", 2}}

// starts measures how long a world takes to be compiled at once, and what it
// leaves in memory, at three sizes.
func starts(name string, shape func(float64) world) benchmark {
	b := benchmark{}
	for _, s := range sizes {
		b.names = append(b.names, "compile/"+name+"/start"+s.suffix, "compile/"+name+"/heap"+s.suffix)
	}
	b.run = func(asked *regexp.Regexp) ([]figure, error) {
		var figures []figure
		for _, s := range sizes {
			if !asked.MatchString("compile/"+name+"/start"+s.suffix) && !asked.MatchString("compile/"+name+"/heap"+s.suffix) {
				continue
			}
			w := shape(s.size)
			var seconds, megabytes []float64
			for range 3 {
				before := heap()
				c, took := start(w)
				seconds = append(seconds, took.Seconds())
				megabytes = append(megabytes, heap()-before)
				runtime.KeepAlive(c)
			}
			figures = append(figures,
				figure{"compile/" + name + "/start" + s.suffix, median(seconds), "s", "every selector asked of every object", asking(w)},
				figure{"compile/" + name + "/heap" + s.suffix, median(megabytes), "MB", "", 0})
		}
		return figures, nil
	}
	return b
}

// churn measures single changes of shape A.
func churn() benchmark {
	names := []string{"known-pod", "new-labels", "policy-edit", "namespace-relabel", "set-gains-one", "unrelated-pod"}
	b := benchmark{}
	for _, s := range sizes {
		for _, n := range names {
			b.names = append(b.names, "compile/A/"+n+s.suffix)
		}
	}
	b.run = func(asked *regexp.Regexp) ([]figure, error) {
		var figures []figure
		for _, s := range sizes {
			if !slices.ContainsFunc(names, func(n string) bool { return asked.MatchString("compile/A/" + n + s.suffix) }) {
				continue
			}
			w := shapeA(s.size)
			c, whole := start(w)
			feed := addFeed(c)
			for _, x := range edits(w, feed) {
				value, err := perChange(c, x)
				if err != nil {
					return nil, err
				}
				figures = append(figures, figure{"compile/A/" + x.name + s.suffix, value, "µs", "full rebuild", float64(whole.Microseconds())})
			}
		}
		return figures, nil
	}
	return b
}

type edit struct {
	name   string
	rounds int
	// tells says whether the change shows in the tables.
	tells  bool
	change func(i int) model.Change
}

// edits are the changes, each different from the last.
func edits(w world, feed []netip.Prefix) []edit {
	last := func(n int) *model.Endpoint { return w.object(w.count - 1 - n).(*model.Endpoint) }
	return []edit{
		{"known-pod", 1000, true, func(i int) model.Change {
			e := *w.object(w.first + 3*(w.first-100) + 1 + i%100).(*model.Endpoint) // of an application that rules here name
			e.ID.Name, e.Addrs = fmt.Sprintf("new-%d", i), []netip.Addr{addr4(12<<24 + uint32(i))}
			return model.Put(&e)
		}},
		{"new-labels", 1000, true, func(i int) model.Change {
			e := *last(i)
			e.ID.Name, e.Addrs = fmt.Sprintf("other-%d", i), []netip.Addr{addr4(13<<24 + uint32(i))}
			e.Labels["app"], e.Labels["canary"] = fmt.Sprintf("app-%d", 1+i%100), fmt.Sprint(i)
			e.Labels[model.LabelNamespace], e.ID.Namespace = fmt.Sprintf("ns-%d", (1+i%100)%100), fmt.Sprintf("ns-%d", (1+i%100)%100)
			return model.Put(&e)
		}},
		{"policy-edit", 200, true, func(i int) model.Change {
			p := *w.object(100 + i%200).(*model.Policy)
			r := p.Rules[0][0]
			r.Destination.Ports = []model.PortRange{{From: 1, To: 1 + uint16(i)}}
			p.Rules = [2][]model.Rule{{r}, nil}
			return model.Put(&p)
		}},
		{"namespace-relabel", 50, false, func(i int) model.Change {
			n := *w.object(i % 100).(*model.Namespace)
			n.Labels = map[string]string{"kubernetes.io/metadata.name": n.Name, "team": fmt.Sprintf("new-%d", i)}
			return model.Put(&n)
		}},
		{"set-gains-one", 1000, true, func(i int) model.Change {
			nets := append(slices.Clip(feed), netip.PrefixFrom(addr4(15<<24+uint32(i)), 32))
			return model.Put(&model.NetworkSet{Name: "feed", Labels: map[string]string{"feed": "yes"}, Nets: nets})
		}},
		{"unrelated-pod", 1000, false, func(i int) model.Change {
			e := *last(5000 + i)
			e.ID.Name, e.Addrs = fmt.Sprintf("far-%d", i), []netip.Addr{addr4(16<<24 + uint32(i))}
			return model.Put(&e)
		}},
	}
}

// addFeed adds a set of 10,000 addresses and a policy that denies it.
func addFeed(c *compile.Compiler) []netip.Prefix {
	var nets []netip.Prefix
	for i := range 10_000 {
		nets = append(nets, netip.PrefixFrom(addr4(14<<24+uint32(i)), 32))
	}
	r := model.Rule{Action: verdict.ActionDeny}
	r.Source.Selector = selector.Equal("feed", "yes")
	c.Apply(
		model.Put(&model.NetworkSet{Name: "feed", Labels: map[string]string{"feed": "yes"}, Nets: nets}),
		model.Put(&model.Policy{
			ID: verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: "feed"}, Tier: "default", Applies: [2]bool{true, false},
			Selector: selector.Equal("app", "app-7"), Rules: [2][]model.Rule{{r}, nil},
		}))
	return nets
}

// perChange returns the median time of a change, in µs.
func perChange(c *compile.Compiler, x edit) (float64, error) {
	changes := make([]model.Change, x.rounds)
	for i := range changes {
		changes[i] = x.change(i)
	}
	runtime.GC()
	values := make([]float64, x.rounds)
	for i, ch := range changes {
		began := time.Now()
		d := c.Apply(ch)
		values[i] = float64(time.Since(began).Nanoseconds()) / 1000
		if d.Empty() == x.tells {
			return 0, fmt.Errorf("%s: change %d of the tables: %v, want %v", x.name, i, !d.Empty(), x.tells)
		}
	}
	return median(values), nil
}
