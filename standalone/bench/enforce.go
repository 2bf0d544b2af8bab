package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tierwall/tierwall/test/bench/result"
	"github.com/tierwall/tierwall/test/bench/testbed"
)

// flip is a kind of change that opens and closes a port in turn.
type flip struct {
	name string
	port int
	// do makes the i-th change, which opens or closes, by one call of the API.
	do func(ctx context.Context, i int, open bool) error
}

func (w *world) flips() []flip {
	policies, sets, pods := w.admin.Resource(globalPolicies), w.admin.Resource(globalSets), w.core.CoreV1().Pods(namespace)
	return []flip{
		{"policy", policyPort, func(ctx context.Context, i int, open bool) error {
			if open {
				return policies.Delete(ctx, "probed", metav1.DeleteOptions{})
			}
			_, err := policies.Create(ctx, probedPolicy(i/2), metav1.CreateOptions{})
			return err
		}},
		{"label", labelPort, func(ctx context.Context, _ int, open bool) error {
			door := map[bool]string{true: "open", false: "closed"}[open]
			_, err := pods.Patch(ctx, testbed.ClientInterface, types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"labels":{"door":%q}}}`, door), metav1.PatchOptions{})
			return err
		}},
		{"set", setPort, func(ctx context.Context, _ int, open bool) error {
			nets := `["198.51.100.0/24"]`
			if open {
				nets = `["198.51.100.0/24","` + testbed.ClientAddr.String() + `/32"]`
			}
			_, err := sets.Patch(ctx, probedSet, types.MergePatchType, fmt.Appendf(nil, `{"spec":{"nets":%s}}`, nets), metav1.PatchOptions{})
			return err
		}},
	}
}

// limit is how long a change may take to be enforced; what takes longer is an
// error of the benchmark.
const limit = 30 * time.Second

// enforced makes changes of one kind, until there are enough or the time is up, and
// returns how long each took from the call's return to the kernel's verdict, and the
// call itself, in ms.
func (w *world) enforced(ctx context.Context, f flip, e effort) (verdict, calls []float64, err error) {
	probe, err := w.node.Probe(f.port)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = probe.Close() }()
	open := f.name == "policy" // that is open as long as the probed policy is not there
	if _, err := probe.Until(open, time.Time{}, limit); err != nil {
		return nil, nil, fmt.Errorf("%s: before the first change: %w", f.name, err)
	}
	end := time.Now().Add(e.each)
	for i := range e.changes {
		if i%2 == 0 && i > 0 && time.Now().After(end) { // all is as it was
			w.step("the time is up", "after", i)
			break
		}
		time.Sleep(time.Duration(5+rand.IntN(10)) * time.Millisecond) // in no step with anything
		open = !open
		called := time.Now()
		if err := f.do(ctx, i, open); err != nil {
			return nil, nil, fmt.Errorf("%s: change %d: %w", f.name, i, err)
		}
		returned := time.Now()
		at, err := probe.Until(open, called, limit)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: change %d: %w", f.name, i, err)
		}
		verdict = append(verdict, since(returned, at))
		calls = append(calls, since(called, returned))
	}
	return verdict, calls, nil
}

// since is the time between in ms; 0 if the second came first.
func since(from, to time.Time) float64 { return max(0, float64(to.Sub(from).Microseconds())/1000) }

// quantiles are the two figures of a kind of change.
func quantiles(name string, verdict, calls []float64) []result.Figure {
	const baseline = "the call itself"
	return []result.Figure{
		{Name: "enforce/" + name + "/p50", Value: result.Quantile(verdict, 0.5), Unit: "ms", Baseline: baseline, BaselineValue: result.Quantile(calls, 0.5)},
		{Name: "enforce/" + name + "/p99", Value: result.Quantile(verdict, 0.99), Unit: "ms", Baseline: baseline, BaselineValue: result.Quantile(calls, 0.99)},
	}
}

// podStarts starts the server's pod anew several times and returns how long it took from
// the moment at which the API knew its address, its process ready to answer, to the
// first connection that was let through, and how many were before that moment.
func (w *world) podStarts(ctx context.Context, times int) (took []float64, early int, err error) {
	pods := w.core.CoreV1().Pods(namespace)
	probe, err := w.node.Probe(startPort)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = probe.Close() }()
	if _, err := probe.Until(true, time.Time{}, limit); err != nil {
		return nil, 0, fmt.Errorf("pod-start: %w", err)
	}
	for range times {
		now := int64(0)
		if err := pods.Delete(ctx, testbed.ServerInterface, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
			return nil, 0, err
		}
		if _, err := probe.Until(false, time.Now(), limit); err != nil {
			return nil, 0, fmt.Errorf("pod-start: the pod that is gone: %w", err)
		}
		p := pod(namespace, testbed.ServerInterface, nodeName, testbed.ServerAddr, map[string]string{"app": "server"})
		status := p.Status
		p.ObjectMeta = metav1.ObjectMeta{Name: p.Name, Labels: p.Labels}
		made, err := pods.Create(ctx, p, metav1.CreateOptions{})
		if err != nil {
			return nil, 0, err
		}
		time.Sleep(30 * time.Millisecond) // the sandbox is made; its process would answer
		early += probe.Passed()
		made.Status = status
		made.Status.Phase = corev1.PodRunning
		called := time.Now()
		if _, err := pods.UpdateStatus(ctx, made, metav1.UpdateOptions{}); err != nil {
			return nil, 0, err
		}
		returned := time.Now()
		at, err := probe.Until(true, called, limit)
		if err != nil {
			return nil, 0, fmt.Errorf("pod-start: %w", err)
		}
		took = append(took, since(returned, at))
	}
	return took, early, nil
}
