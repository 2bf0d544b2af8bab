package main

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"time"

	"github.com/tierwall/tierwall/test/bench/testbed"
)

// effort says how long the kernel's benchmarks take.
type effort struct {
	// rules are how many rules there are.
	rules []int
	// linear is up to how many rules their linear form is measured.
	linear int
	// slice is the CPU time of one measurement; each is taken in each round.
	slice  time.Duration
	rounds int
	// policies are how many there are where one changes, changes how often it does.
	policies, changes int
}

var fullEffort = effort{rules: []int{10, 1000, 5000, 100_000}, linear: 5000, slice: 60 * time.Millisecond, rounds: 41, policies: 1000, changes: 100}

// variant is a node with one form of policy.
type variant struct {
	name string
	node *testbed.Node
	// samples are the outcomes of all rounds so far.
	samples []float64
}

// The variants that are not policy: what a node costs that tracks connections,
// as every node of a cluster does, and one that does not even do that.
const (
	conntrack = "conntrack alone"
	untracked = "nothing"
)

// kernel measures what policy costs in the kernel: the variants are there side by
// side, each on a node of its own, and each round measures all of them, in an
// order of its own.
func kernel(e effort) []benchmark {
	return []benchmark{e.perConnection("connect", connections), e.perConnection("new-packet", newPackets), e.established(), e.changed(), e.others()}
}

// setUp makes the nodes of the variants. What it returns takes them down.
func (e effort) setUp(forms map[string]func(*testbed.Node) error) (all []*variant, down func(), err error) {
	down = func() {
		for _, v := range all {
			v.node.Close()
		}
	}
	for name, load := range forms {
		n, err := testbed.New()
		if err != nil {
			return nil, down, err
		}
		all = append(all, &variant{name: name, node: n})
		if err := load(n); err != nil {
			return nil, down, fmt.Errorf("%s: %w", name, err)
		}
	}
	return all, down, nil
}

func (e effort) measure(all []*variant, one func(*testbed.Node) (float64, error)) error {
	for range e.rounds {
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for _, v := range all {
			value, err := one(v.node)
			if err != nil {
				return fmt.Errorf("%s: %w", v.name, err)
			}
			v.samples = append(v.samples, value)
		}
	}
	return nil
}

// forms are the variants of policies of so many rules: compiled, with the peer
// known by its network, and one nft rule for each.
func (e effort) forms(asked func(string) bool) map[string]func(*testbed.Node) error {
	forms := map[string]func(*testbed.Node) error{
		conntrack: func(n *testbed.Node) error { return n.Load(conntracked("alone", "")) },
	}
	for _, rules := range e.rules {
		if !asked(fmt.Sprint(rules)) {
			continue
		}
		forms[fmt.Sprint(rules)] = fabric{rules: rules}.enforce
		forms[fmt.Sprint(rules, netForm)] = fabric{rules: rules, byNet: true}.enforce
		if rules <= e.linear {
			forms[fmt.Sprint(rules, linearForm)] = func(n *testbed.Node) error { return n.Load(fabric{rules: rules}.linear()) }
		}
	}
	return forms
}

const (
	netForm    = "/net"
	linearForm = "/linear"
)

// outcome makes the figures of one number of rules from the medians of the
// variants.
type outcome struct {
	one     func(effort, *testbed.Node) (float64, error)
	figures func(name string, of, alone, linear []float64) figure
}

// connections is TCP connections of one second of CPU time.
var connections = outcome{
	one: func(e effort, n *testbed.Node) (float64, error) { return n.Connect(allowedPort, e.slice) },
	figures: func(name string, of, alone, _ []float64) figure {
		return figure{name, median(of), "1/s", conntrack, median(alone)}
	},
}

// newPackets is the CPU time of a new packet over that under conntrack alone, in
// the same round.
var newPackets = outcome{
	one: func(e effort, n *testbed.Node) (float64, error) {
		each, err := n.Flood(allowedPort, e.slice)
		return float64(each.Nanoseconds()), err
	},
	figures: func(name string, of, alone, linear []float64) figure {
		f := figure{Name: name, Value: median(over(of, alone)), Unit: "ns"}
		if linear != nil {
			f.Baseline, f.BaselineValue = "one linear nft rule per rule", median(over(linear, alone))
		}
		return f
	},
}

// over are the differences round by round.
func over(of, alone []float64) []float64 {
	list := make([]float64, len(of))
	for i := range of {
		list[i] = of[i] - alone[i]
	}
	return list
}

func (e effort) perConnection(name string, o outcome) benchmark {
	b := benchmark{}
	full := func(form string) string { return "kernel/" + name + "/" + form }
	for _, rules := range e.rules {
		b.names = append(b.names, full(fmt.Sprint(rules)), full(fmt.Sprint(rules, netForm)))
		if rules <= e.linear {
			b.names = append(b.names, full(fmt.Sprint(rules, linearForm)))
		}
	}
	b.run = func(asked *regexp.Regexp) ([]figure, error) {
		all, down, err := e.setUp(e.forms(func(form string) bool {
			return slices.ContainsFunc([]string{"", netForm, linearForm}, func(f string) bool { return asked.MatchString(full(form + f)) })
		}))
		defer down()
		if err != nil {
			return nil, err
		}
		if err := enforced(all); err != nil {
			return nil, err
		}
		if err := e.measure(all, func(n *testbed.Node) (float64, error) { return o.one(e, n) }); err != nil {
			return nil, err
		}
		samples := map[string][]float64{}
		for _, v := range all {
			samples[v.name] = v.samples
		}
		var figures []figure
		for form, of := range samples {
			if form != conntrack {
				figures = append(figures, o.figures(full(form), slices.Clone(of), slices.Clone(samples[conntrack]), slices.Clone(samples[form+linearForm])))
			}
		}
		return figures, nil
	}
	return b
}

// enforced makes sure that what is measured is policy: a port that no rule allows
// is closed under every variant but that without.
func enforced(all []*variant) error {
	for _, v := range all {
		want, within := v.name != conntrack && v.name != untracked, 100*time.Millisecond
		if !want {
			within = 10 * time.Second // it is open at once, unless the machine is very busy
		}
		refused, err := v.node.Refuses(deniedPort, within)
		if err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		if refused != want {
			return fmt.Errorf("%s: the port that no rule allows is closed: %v, want %v", v.name, refused, want)
		}
	}
	return nil
}

// established measures the throughput of an open connection.
func (e effort) established() benchmark {
	const name = "kernel/established"
	rules := e.rules[len(e.rules)-1]
	return benchmark{names: []string{name, name + "/conntrack"}, run: func(*regexp.Regexp) ([]figure, error) {
		all, down, err := e.setUp(map[string]func(*testbed.Node) error{
			untracked: func(*testbed.Node) error { return nil },
			conntrack: func(n *testbed.Node) error { return n.Load(conntracked("alone", "")) },
			name:      fabric{rules: rules}.enforce,
		})
		defer down()
		if err != nil {
			return nil, err
		}
		if err := enforced(all); err != nil {
			return nil, err
		}
		if err := e.measure(all, func(n *testbed.Node) (float64, error) { return n.Stream(allowedPort, e.slice) }); err != nil {
			return nil, err
		}
		medians := map[string]float64{}
		for _, v := range all {
			medians[v.name] = median(v.samples)
		}
		return []figure{
			{name, medians[name], "Gbit/s", "no policy, " + conntrack, medians[conntrack]},
			{name + "/conntrack", medians[conntrack], "Gbit/s", untracked, medians[untracked]},
		}, nil
	}}
}
