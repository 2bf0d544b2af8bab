package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/cli"
	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/replay"
	"github.com/tierwall/tierwall/standalone/cluster"
	"github.com/tierwall/tierwall/standalone/realtest"
	"github.com/tierwall/tierwall/verdict"
)

// guard denies some of the connections to the back ends, by port and by where
// they come from.
const guard = `
apiVersion: projectcalico.org/v3
kind: %s
metadata: {name: guard, namespace: blue}
spec:
  selector: app/tier == 'BE'
  types: [Ingress]
  ingress:
  - {action: Deny, protocol: TCP, source: {namespaceSelector: color == 'red', selector: app/tier == 'FE'}, destination: {ports: [80]}}
  - {action: Allow}
`

// stagedCuts has connections made while a deny is staged, asks `tierwall staged`
// which of them it would cut, enforces it with `tierwall staged enforce`, and makes
// them again: those and no others are cut.
func (d *demo) stagedCuts(ctx context.Context) (*realtest.Result, error) {
	r, began := &realtest.Result{Name: "a-staged-deny-tells-what-it-would-cut"}, time.Now()
	var err error
	if r.Settled, err = d.with(ctx, fmt.Sprintf(guard, "StagedNetworkPolicy")); err != nil {
		return nil, err
	}
	probes := d.toBackEnds()
	since := time.Now()
	before, err := d.cluster.ProbeAll(ctx, probes)
	if err != nil {
		return nil, err
	}
	for _, p := range before {
		expect(r, fmt.Sprintf("%s to %s:%d while the deny is staged", p.From, p.To, p.Port), p.Verdict, verdict.Allow)
	}
	told, err := d.wouldCut(ctx, since, probes)
	if err != nil {
		return nil, err
	}
	expect(r, "connections that would be cut, of "+fmt.Sprint(len(probes)), len(told) > 0 && len(told) < len(probes), true)
	if _, err := d.command(ctx, "staged", "enforce", "blue/guard"); err != nil {
		return nil, err
	}
	if err := d.onlyEnforced(ctx); err != nil {
		return nil, err
	}
	// the same again, so that the lab waits until the agents have it
	if _, err := d.with(ctx, fmt.Sprintf(guard, "NetworkPolicy")); err != nil {
		return nil, err
	}
	for i := range probes {
		if told[keyOf(probes[i])] {
			probes[i].Expect = verdict.Deny
		}
	}
	after, err := d.cluster.ProbeAll(ctx, probes)
	if err != nil {
		return nil, err
	}
	for _, p := range after {
		expect(r, fmt.Sprintf("%s to %s:%d once it is enforced", p.From, p.To, p.Port), p.Verdict, p.Expect)
	}
	r.Took = time.Since(began)
	return r, nil
}

// toBackEnds are connections from every pod to the back ends in blue, on two ports.
func (d *demo) toBackEnds() (probes []cluster.Probe) {
	refs := slices.DeleteFunc(d.cluster.Lab.Refs(), func(ref string) bool { return !strings.Contains(ref, "/") })
	slices.Sort(refs)
	for _, from := range refs {
		for _, to := range refs {
			if from == to || !strings.HasPrefix(to, "blue/be") {
				continue
			}
			for _, port := range []uint16{80, 443} {
				probes = append(probes, cluster.Probe{From: from, To: to, Addr: d.cluster.Lab.Addrs(to)[0], Protocol: verdict.TCP, Port: port, Expect: verdict.Allow})
			}
		}
	}
	return probes
}

// connection is one of them.
type connection struct {
	from, to string
	port     uint16
}

func keyOf(p cluster.Probe) connection { return connection{p.From, p.To, p.Port} }

// wouldCut asks `tierwall staged` when all the connections are recorded, and returns
// those that it names, group by group.
func (d *demo) wouldCut(ctx context.Context, since time.Time, probes []cluster.Probe) (map[connection]bool, error) {
	groups, err := d.recorded(ctx, since, probes)
	if err != nil {
		return nil, err
	}
	text, err := d.command(ctx, "staged", "diff", "--since", since.UTC().Format(time.RFC3339Nano), "-o", "json")
	if err != nil {
		return nil, err
	}
	var report replay.Report
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		return nil, fmt.Errorf("answer of tierwall staged: %w", err)
	}
	told := map[connection]bool{}
	for _, p := range probes {
		if slices.ContainsFunc(report.Denied, func(c replay.Change) bool {
			return c.Source == groups[p.From] && c.Destination == groups[p.To] && c.Protocol == "TCP" && c.Port == p.Port
		}) {
			told[keyOf(p)] = true
		}
	}
	return told, nil
}

// recorded waits until each of the connections is in the flows, and returns the
// groups of their ends.
func (d *demo) recorded(ctx context.Context, since time.Time, probes []cluster.Probe) (map[string]string, error) {
	for deadline := time.Now().Add(10 * time.Second); ; {
		groups, seen, missing := map[string]string{}, map[connection]bool{}, ""
		for f, err := range d.cluster.Plane.Flows().All(ctx, flow.Access{All: true}, flow.Filter{Since: since, Event: flow.Connections}) {
			if err != nil {
				return nil, err
			}
			seen[connection{f.Source.String(), f.Destination.String(), f.Port}] = true
			groups[f.Source.String()], groups[f.Destination.String()] = f.Source.Group(), f.Destination.Group()
		}
		for _, p := range probes {
			if !seen[keyOf(p)] {
				missing = fmt.Sprintf("%s to %s:%d", p.From, p.To, p.Port)
			}
		}
		switch {
		case missing == "":
			return groups, nil
		case time.Now().After(deadline):
			return nil, fmt.Errorf("no record of the connection from %s", missing)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// command runs a command of tierwall as the administrator.
func (d *demo) command(ctx context.Context, args ...string) (string, error) {
	var out, problems bytes.Buffer
	root := cli.New("tierwall", cli.Streams{In: strings.NewReader(""), Out: &out, Err: &problems})
	if code := cli.Execute(ctx, root, append(args, "--kubeconfig", d.cluster.Plane.Kubeconfig)); code != 0 {
		return "", fmt.Errorf("tierwall %s: %s", strings.Join(args, " "), problems.String())
	}
	return out.String(), nil
}

// onlyEnforced returns an error unless the policy is enforced and not staged any
// more.
func (d *demo) onlyEnforced(ctx context.Context) error {
	client, err := dynamic.NewForConfig(d.cluster.Plane.Config)
	if err != nil {
		return err
	}
	policies := func(resource string) error {
		_, err := client.Resource(v3.GroupVersion.WithResource(resource)).Namespace("blue").Get(ctx, "guard", metav1.GetOptions{})
		return err
	}
	if err := policies("networkpolicies"); err != nil {
		return fmt.Errorf("after it was enforced: %w", err)
	}
	if err := policies("stagednetworkpolicies"); !apierrors.IsNotFound(err) {
		return fmt.Errorf("the staged policy after it was enforced: %w", err)
	}
	return nil
}
