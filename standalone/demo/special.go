package demo

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/labhost"
	"github.com/tierwall/tierwall/manifest"
	"github.com/tierwall/tierwall/standalone/cluster"
	"github.com/tierwall/tierwall/standalone/lab"
	"github.com/tierwall/tierwall/standalone/realtest"
	"github.com/tierwall/tierwall/verdict"
)

// special are the steps about what happens over time.
func (d *demo) special() []step {
	return []step{
		{"an-open-connection-stays-open", d.openStays},
		{"a-log-rule-writes-a-line", d.logWrites},
		{"a-denied-connection-is-in-the-flows", d.flowsTell},
		{"a-staged-deny-tells-what-it-would-cut", d.stagedCuts},
		{"a-name-is-open-once-it-was-looked-up", d.nameOpens},
	}
}

// from and to are the ends that the special steps use; they are on different
// nodes.
const from, to = "red/fe-1", "blue/be-1"

const denyAll = `
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: closed, namespace: blue}
spec: {selector: app/tier == 'BE', types: [Ingress]}
`

// openStays opens a connection, applies a policy that denies it, and finds the
// open one alive and a new one refused.
func (d *demo) openStays(ctx context.Context) (*realtest.Result, error) {
	r, began := &realtest.Result{Name: "an-open-connection-stays-open"}, time.Now()
	if _, err := d.cluster.Sync(ctx, d.world); err != nil {
		return nil, err
	}
	h, err := d.cluster.Lab.Host(from)
	if err != nil {
		return nil, err
	}
	conn, opened, err := h.Open(ctx, lab.DialSpec{Proto: labhost.TCP, Addr: d.cluster.Lab.Addrs(to)[0], Port: 80, Timeout: 5 * time.Second})
	if err != nil {
		return nil, err
	}
	expect(r, "a connection without a policy", opened.Outcome, labhost.Answered)
	if !opened.Connected() {
		return r, nil
	}
	defer func() { _ = conn.Close(ctx) }()
	if r.Settled, err = d.with(ctx, denyAll); err != nil {
		return nil, err
	}
	sent, err := conn.Send(ctx, 2*time.Second)
	if err != nil {
		return nil, err
	}
	expect(r, "the open connection under the deny", sent.Outcome, labhost.Answered)
	fresh, err := d.try(ctx, verdict.Deny)
	if err != nil {
		return nil, err
	}
	expect(r, "a new connection under the deny", fresh.Verdict, verdict.Deny)
	r.Took = time.Since(began)
	return r, nil
}

const logThenAllow = `
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: noted, namespace: blue}
spec:
  selector: app/tier == 'BE'
  ingress:
  - {action: Log, protocol: TCP}
  - {action: Allow}
`

// logWrites applies a Log rule and looks for its line in the agent's log.
func (d *demo) logWrites(ctx context.Context) (*realtest.Result, error) {
	r, began := &realtest.Result{Name: "a-log-rule-writes-a-line"}, time.Now()
	var err error
	if r.Settled, err = d.with(ctx, logThenAllow); err != nil {
		return nil, err
	}
	got, err := d.try(ctx, verdict.Allow)
	if err != nil {
		return nil, err
	}
	expect(r, "a connection that a rule logs", got.Verdict, verdict.Allow)
	node, err := d.nodeOf(ctx, to)
	if err != nil {
		return nil, err
	}
	const rule = "NetworkPolicy/blue/noted#0"
	line, err := waitForLine(ctx, d.cluster.AgentLog(node), rule, d.address(from))
	if err != nil {
		return nil, err
	}
	expect(r, "a line with "+rule+" and "+d.address(from)+" in the log of the agent on "+node, line, true)
	r.Took = time.Since(began)
	return r, nil
}

// flowsTell has a connection denied and looks for it, with its reason, in the
// flows, as `tierwall flows` does.
func (d *demo) flowsTell(ctx context.Context) (*realtest.Result, error) {
	r, began := &realtest.Result{Name: "a-denied-connection-is-in-the-flows"}, time.Now()
	var err error
	if r.Settled, err = d.with(ctx, denyAll); err != nil {
		return nil, err
	}
	events := d.cluster.Plane.Flows().Follow(ctx, flow.Access{All: true}, flow.Filter{From: from, To: to, Verdict: verdict.Deny.String(), Event: flow.Connections})
	if _, err := d.try(ctx, verdict.Deny); err != nil {
		return nil, err
	}
	why := "no record of it"
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(5 * time.Second):
	case e := <-events:
		if e.Record != nil && e.Record.Deciding() != nil {
			why = e.Record.Deciding().Trace.String()
		}
	}
	expect(r, "why a denied connection was denied", why, "deny: tier default (Deny at the end of tier default)")
	r.Took = time.Since(began)
	return r, nil
}

// with puts the world and one more object into force.
func (d *demo) with(ctx context.Context, text string) (cluster.Settled, error) {
	docs, problems := manifest.Parse("demo", []byte(text))
	objects, more := manifest.Objects(docs)
	if problems = append(problems, more...); len(problems) > 0 {
		return cluster.Settled{}, fmt.Errorf("%s", problems[0])
	}
	return d.cluster.Sync(ctx, append(slices.Clone(d.world), objects...))
}

func (d *demo) try(ctx context.Context, v verdict.Verdict) (cluster.Result, error) {
	results, err := d.cluster.ProbeAll(ctx, []cluster.Probe{{
		From: from, To: to, Addr: d.cluster.Lab.Addrs(to)[0], Protocol: verdict.TCP, Port: 80, Expect: v,
	}})
	if err != nil {
		return cluster.Result{}, err
	}
	return results[0], nil
}

func (d *demo) nodeOf(ctx context.Context, ref string) (string, error) {
	ns, name, _ := strings.Cut(ref, "/")
	p, err := d.cluster.Client.CoreV1().Pods(ns).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	return p.Spec.NodeName, nil
}

// expect counts one comparison.
func expect[T comparable](r *realtest.Result, what string, got, want T) {
	r.Pairs++
	if got == want {
		r.Agreed++
		return
	}
	r.Disagreements = append(r.Disagreements, fmt.Sprintf("%s: %v, expected %v", what, got, want))
}

// waitForLine looks for a line with all the words in a file that grows.
func waitForLine(ctx context.Context, path string, words ...string) (bool, error) {
	for range 100 {
		b, err := os.ReadFile(path)
		if err != nil {
			return false, err
		}
		for line := range strings.Lines(string(b)) {
			if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
				return true, nil
			}
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return false, nil
}
