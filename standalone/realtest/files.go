package realtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tierwall/tierwall/labhost"
	"github.com/tierwall/tierwall/policytest"
	"github.com/tierwall/tierwall/standalone/cluster"
	"github.com/tierwall/tierwall/standalone/lab"
)

// Options say how to run tests from files.
type Options struct {
	// Port is the port of the API on loopback.
	Port int
	// Out takes the results, Progress what is under way.
	Out, Progress io.Writer
	// Log takes what the lab has to say; nil for nothing.
	Log *slog.Logger
}

// ErrFailed is returned by Files if a test failed or none ran.
var ErrFailed = errors.New("not every test passed")

// Files runs the PolicyTests of files and directories. Tests with the same
// nodes and external machines share one lab.
func Files(ctx context.Context, paths []string, o Options) error {
	tests, problems, err := policytest.Load(paths, strings.NewReader(""))
	if err != nil {
		return err
	}
	for _, p := range problems {
		fmt.Fprintln(o.Progress, p)
	}
	if len(problems) > 0 {
		return errors.New("some tests cannot be read")
	}
	if len(tests) == 0 {
		return fmt.Errorf("%w: there is no PolicyTest in %s", ErrFailed, strings.Join(paths, ", "))
	}
	byLab := map[string][]*policytest.Test{}
	var order []string
	for _, t := range tests {
		key := labKey(t)
		if byLab[key] == nil {
			order = append(order, key)
		}
		byLab[key] = append(byLab[key], t)
	}
	if len(order) > 1 {
		// a process can hold one control plane, and so one lab
		return fmt.Errorf("the tests have %d different sets of nodes: run those with the same nodes together", len(order))
	}
	results, err := runAll(ctx, tests, o)
	if err != nil {
		return err
	}
	return report(o.Out, results)
}

// labKey is equal for tests that can share a lab.
func labKey(t *policytest.Test) string {
	var parts []string
	for _, n := range nodes(t) {
		parts = append(parts, n.Name, fmt.Sprint(n.Spec.PodCIDRs, n.Status.Addresses))
	}
	return strings.Join(parts, "\n")
}

// nodes are the test's nodes; those that pods and host endpoints only name are
// made up.
func nodes(t *policytest.Test) []*corev1.Node {
	var all []*corev1.Node
	known := map[string]bool{}
	for _, o := range t.Objects {
		if n, ok := o.Value.(*corev1.Node); ok {
			all, known[n.Name] = append(all, n), true
		}
	}
	for _, e := range t.State.SortedEndpoints() {
		if e.Node != "" && !known[e.Node] {
			all, known[e.Node] = append(all, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: e.Node}}), true
		}
	}
	return all
}

// externals are machines for the addresses that checks name and that nothing
// in the cluster has.
func externals(tests []*policytest.Test) []lab.External {
	var addrs []netip.Addr
	for _, t := range tests {
		for _, c := range t.Checks {
			for _, ref := range []string{c.From, c.To} {
				a, err := netip.ParseAddr(ref)
				if err == nil && !slices.Contains(addrs, a) && !isInside(t, a) {
					addrs = append(addrs, a)
				}
			}
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	var all []lab.External
	for i, a := range addrs {
		all = append(all, lab.External{Name: "m" + strconv.Itoa(i+1), Addrs: []netip.Addr{a}, Ports: cluster.Ports})
	}
	if slices.ContainsFunc(tests, func(t *policytest.Test) bool { return speaksOfNames(t.State) }) {
		all = append(all, lab.External{Name: resolver, Ports: cluster.ServerPorts, Names: []labhost.Record{}})
	}
	return all
}

// resolver is the machine that has the DNS server.
const resolver = "dns"

func isInside(t *policytest.Test, a netip.Addr) bool {
	for _, e := range t.State.Endpoints {
		if slices.Contains(e.Addrs, a) {
			return true
		}
	}
	for _, l := range t.State.Learned {
		if slices.Contains(l.Addrs, a) {
			return true // the DNS server answers there
		}
	}
	for _, n := range t.State.Nodes {
		if slices.Contains(n.Addrs, a) {
			return true
		}
	}
	return false
}

func runAll(ctx context.Context, tests []*policytest.Test, o Options) (results []*Result, err error) {
	dir, err := os.MkdirTemp("", "tierwall-test-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	fmt.Fprintln(o.Progress, "starting the control plane and the lab")
	options := cluster.Options{Name: "test", DataDir: dir, Port: o.Port, Nodes: nodes(tests[0]), Externals: externals(tests), Log: o.Log}
	if slices.ContainsFunc(options.Externals, func(e lab.External) bool { return e.Name == resolver }) {
		options.Resolver = resolver
	}
	c, err := cluster.Up(ctx, options)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	for i, t := range tests {
		fmt.Fprintf(o.Progress, "test %d of %d: %s\n", i+1, len(tests), t.Name)
		r, err := Run(ctx, c, t)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			r = Failed(t.Name, err)
		}
		results = append(results, r)
	}
	return results, nil
}

// Table prints results and what went wrong, and returns how many failed.
func Table(out io.Writer, results []*Result) (failed int, err error) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "STEP\tAPPLIED\tREMOVED\tPAIRS\tAGREED\tALLOWED\tCHECKS\tFAILED\tFLOWS\tIN FORCE AFTER\tTOOK\tRESULT")
	for _, r := range results {
		word := "ok"
		if !r.Pass() {
			word = "DISAGREES"
			failed++
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t%s\n", r.Name, r.Settled.Applied, r.Settled.Removed,
			r.Pairs, r.Agreed, r.Allowed, r.Checks, r.Failed, r.Recorded,
			r.Settled.After.Round(100*time.Microsecond), r.Took.Round(10*time.Millisecond), word)
	}
	if err := w.Flush(); err != nil {
		return failed, err
	}
	for _, r := range results {
		for _, line := range r.Disagreements {
			fmt.Fprintf(out, "%s: %s\n", r.Name, line)
		}
	}
	_, err = fmt.Fprintf(out, "\n%d passed, %d failed\n", len(results)-failed, failed)
	return failed, err
}

func report(out io.Writer, results []*Result) error {
	failed, err := Table(out, results)
	if err == nil && failed > 0 {
		return ErrFailed
	}
	return err
}
