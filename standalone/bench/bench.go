package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/tierwall/tierwall/test/bench/result"
	"github.com/tierwall/tierwall/test/bench/testbed"
)

// effort says how much is measured.
type effort struct {
	// usual is the size at which everything is measured, large that of one figure
	// of memory.
	usual, large size
	// starts, changes and pods are how often an agent and a pod start, and how many
	// changes of each kind are made.
	starts, changes, pods int
	// idle is how long is looked at an agent that has nothing to do.
	idle time.Duration
	// each is how long the changes of one kind may take all together, so that a slow
	// machine measures fewer of them and comes to an end.
	each time.Duration
}

var fullEffort = effort{
	usual: size{pods: 10_000, policies: 1000, local: 98}, large: size{pods: 30_000, policies: 30_000, local: 98},
	starts: 5, changes: 400, pods: 50, idle: 10 * time.Second, each: 40 * time.Second,
}

// smallEffort is for tests: it shows that everything works, and no figure.
var smallEffort = effort{
	usual: size{pods: 100, policies: 20, local: 8}, large: size{pods: 200, policies: 50, local: 8},
	starts: 2, changes: 12, pods: 3, idle: 10 * time.Millisecond, each: time.Minute,
}

// part is what is measured with one API server.
type part struct {
	name string
	// figures are the names of what it measures.
	figures []string
	run     func(effort, context.Context, options, *testbed.Node, func(...string) bool) ([]result.Figure, error)
}

var large = []string{rss(fullEffort.large), rss(fullEffort.large) + "/peak"}

var parts = []part{
	{"usual", slices.DeleteFunc(result.Standalone(), func(name string) bool { return slices.Contains(large, name) }), effort.atUsual},
	{"large", large, effort.atLarge},
}

// run measures what is asked for of a part.
func run(ctx context.Context, o options, name string, asked func(string) bool) ([]result.Figure, error) {
	i := slices.IndexFunc(parts, func(p part) bool { return p.name == name })
	if i < 0 {
		return nil, fmt.Errorf("%s is no part", name)
	}
	wants := func(names ...string) bool { return slices.ContainsFunc(names, asked) }
	if !wants(parts[i].figures...) {
		return nil, nil
	}
	node, err := testbed.Here()
	if err != nil {
		return nil, err
	}
	defer node.Close()
	e := fullEffort
	if o.small {
		e = smallEffort
	}
	return parts[i].run(e, ctx, o, node, wants)
}

// rss names the figure of memory at a size.
func rss(s size) string { return fmt.Sprintf("agent/rss/%d", s.policies) }

// routes leads to the local pods that do not answer, as the CNI would.
func routes(s size) error {
	link, err := netlink.LinkByName(testbed.ServerInterface)
	if err != nil {
		return err
	}
	for i := range s.local {
		dst := &net.IPNet{IP: localAddr(i).AsSlice(), Mask: net.CIDRMask(32, 32)}
		if err := netlink.RouteReplace(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: dst, Scope: netlink.SCOPE_LINK}); err != nil {
			return err
		}
	}
	return nil
}

// atUsual measures what is measured at the usual size.
func (e effort) atUsual(ctx context.Context, o options, node *testbed.Node, wants func(...string) bool) (figures []result.Figure, err error) {
	w, err := newWorld(ctx, o, "usual", node)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	w.reports = true
	w.step("filling the API", "pods", e.usual.pods, "policies", e.usual.policies)
	if err := errors.Join(routes(e.usual), w.fill(ctx, e.usual)); err != nil {
		return nil, err
	}
	w.step("waiting for the server to write its statuses")
	if err := w.calm(ctx); err != nil {
		return nil, err
	}
	starts := 1
	if wants("agent/start", "agent/start/cpu") {
		starts = e.starts
	}
	agent, took, err := w.startSeveral(ctx, starts)
	if err != nil {
		return nil, err
	}
	defer agent.stop()
	figures = append(figures,
		result.Figure{Name: "agent/start", Value: result.Median(took.whole), Unit: "s"},
		result.Figure{Name: "agent/start/cpu", Value: result.Median(took.cpu), Unit: "s"})
	if !wants(afterStart()...) {
		return figures, nil
	}
	if err := w.calm(ctx); err != nil {
		return figures, err
	}
	if name := rss(e.usual); o.small || wants(name, name+"/peak") {
		memory, err := e.memory(agent, name)
		if figures = append(figures, memory...); err != nil {
			return figures, err
		}
	}
	if wants("agent/idle") {
		w.step("looking at the agent while nothing changes", "for", e.idle.String())
		idle, err := e.idleCPU(agent)
		if figures = append(figures, idle); err != nil {
			return figures, err
		}
	}
	changes, err := e.changed(ctx, w, agent, wants)
	return append(figures, changes...), err
}

// afterStart are the figures for which an agent must go on after its start.
func afterStart() []string {
	return slices.DeleteFunc(result.Standalone(), func(name string) bool {
		return name == "agent/start" || name == "agent/start/cpu" || slices.Contains(large, name)
	})
}

// startSeveral starts the agent that many times on a node that knows nothing, and
// leaves the last one running.
func (w *world) startSeveral(ctx context.Context, times int) (*process, started, error) {
	var took started
	for {
		w.step("starting the agent", "time", len(took.whole)+1, "of", times)
		agent, err := w.startAgent(ctx)
		if err != nil {
			return nil, took, err
		}
		took.whole, took.cpu = append(took.whole, agent.took.Seconds()), append(took.cpu, agent.used.Seconds())
		if len(took.whole) == times {
			return agent, took, nil
		}
		err = w.calm(ctx)
		agent.stop()
		if err = errors.Join(err, w.remove(ctx)); err != nil {
			return nil, took, err
		}
	}
}

// started are the times of several starts, and the CPU time of each, in s.
type started struct{ whole, cpu []float64 }

// settled is how long after its start the memory of an agent is looked at.
const settled = 5 * time.Second

func (e effort) memory(agent *process, name string) ([]result.Figure, error) {
	time.Sleep(settled)
	now, peak, err := agent.memory()
	return []result.Figure{{Name: name, Value: now, Unit: "MB"}, {Name: name + "/peak", Value: peak, Unit: "MB"}}, err
}

// idleCPU is the CPU time that the agent uses in a second in which nothing
// changes.
func (e effort) idleCPU(agent *process) (result.Figure, error) {
	before, err := agent.cpu()
	if err != nil {
		return result.Figure{}, err
	}
	time.Sleep(e.idle)
	after, err := agent.cpu()
	return result.Figure{Name: "agent/idle", Value: float64((after - before).Microseconds()) / 1000 / e.idle.Seconds(), Unit: "ms/s"}, err
}

// changed measures how long changes take to be enforced, and the CPU time of the
// agent that one takes, which does not depend on what else the machine does.
func (e effort) changed(ctx context.Context, w *world, agent *process, wants func(...string) bool) (figures []result.Figure, err error) {
	for _, f := range w.flips() {
		name := "enforce/" + f.name
		if !wants(name+"/p50", name+"/p99", name+"/cpu") {
			continue
		}
		w.step("changing", "what", f.name, "times", e.changes, "at most", e.each.String())
		before, err := agent.cpu()
		if err != nil {
			return figures, err
		}
		verdict, calls, err := w.enforced(ctx, f, e)
		if err != nil {
			return figures, err
		}
		after, err := agent.cpu()
		if err != nil {
			return figures, err
		}
		figures = append(figures, quantiles(f.name, verdict, calls)...)
		figures = append(figures, result.Figure{Name: name + "/cpu", Value: float64((after - before).Microseconds()) / 1000 / float64(len(verdict)), Unit: "ms"})
	}
	if wants("enforce/pod-start/p50", "enforce/pod-start/p99", "enforce/pod-start/early") {
		w.step("starting a pod", "times", e.pods)
		took, early, err := w.podStarts(ctx, e.pods)
		if err != nil {
			return figures, err
		}
		figures = append(figures,
			result.Figure{Name: "enforce/pod-start/p50", Value: result.Quantile(took, 0.5), Unit: "ms"},
			result.Figure{Name: "enforce/pod-start/p99", Value: result.Quantile(took, 0.99), Unit: "ms"},
			result.Figure{Name: "enforce/pod-start/early", Value: float64(early), Unit: "count"})
	}
	return figures, nil
}

// atLarge measures the memory of an agent in a large world. Tierwall's server does
// not run then: it would write a status on each of the policies first.
func (e effort) atLarge(ctx context.Context, o options, node *testbed.Node, _ func(...string) bool) (figures []result.Figure, err error) {
	w, err := newWorld(ctx, o, "large", node)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	w.step("filling the API", "pods", e.large.pods, "policies", e.large.policies)
	if err := errors.Join(w.plane.StopServer(), routes(e.large), w.fill(ctx, e.large)); err != nil {
		return nil, err
	}
	w.step("starting the agent")
	agent, err := w.startAgent(ctx)
	if err != nil {
		return nil, err
	}
	defer agent.stop()
	w.step("enforcing", "after", agent.took.String(), "CPU", agent.used.String())
	return e.memory(agent, rss(e.large))
}
