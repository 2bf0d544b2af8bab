package realtest

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/tierwall/tierwall/analysis"
	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/policytest"
	"github.com/tierwall/tierwall/standalone/cluster"
	"github.com/tierwall/tierwall/verdict"
)

// Result is what came of one test.
type Result struct {
	Name string
	// Settled says what was applied and how soon the kernels had it.
	Settled cluster.Settled
	// Pairs is how many connections were tried and Agreed how many came out as
	// the oracle says; Allowed is how many of them were allowed.
	Pairs, Agreed, Allowed int
	// Checks and Failed count the test's own expectations, those of its
	// selects included.
	Checks, Failed int
	// Recorded is how many records of flows there were, each of which was held
	// against the oracle.
	Recorded int
	// Disagreements say what went wrong, a line each.
	Disagreements []string
	// Took is the time for all of it.
	Took time.Duration
}

// Pass reports whether all came out as it should.
func (r *Result) Pass() bool {
	return r.Pairs > 0 && r.Agreed == r.Pairs && r.Failed == 0 && len(r.Disagreements) == 0
}

// Failed is the result of a test that could not be carried out, for instance
// because the API refuses one of its objects.
func Failed(name string, err error) *Result {
	return &Result{Name: name, Disagreements: []string{err.Error()}}
}

// Run puts the test's world into the cluster and tries every pair of machines
// over IPv4 and IPv6, and the test's own checks. The error is about the
// cluster; what does not come out as it should is in the result.
func Run(ctx context.Context, c *cluster.Cluster, t *policytest.Test) (*Result, error) {
	began := time.Now()
	r := &Result{Name: t.Name}
	objects, err := serveNames(ctx, c, t)
	if err != nil {
		return nil, err
	}
	if r.Settled, err = c.Sync(ctx, objects); err != nil {
		return nil, err
	}
	if err := lookUp(ctx, c, t); err != nil {
		return nil, err
	}
	oracle := evaluate.New(t.State)
	probes, err := matrix(c, t.State, oracle)
	if err != nil {
		return nil, err
	}
	own, titles := r.own(t, oracle)
	since := time.Now()
	results, err := c.ProbeAll(ctx, append(probes, own...))
	if err != nil {
		return nil, err
	}
	if err := r.flows(ctx, c, t.State, results, since); err != nil {
		return nil, err
	}
	for i, result := range results {
		r.count(result, i < len(probes))
		if !result.Agrees() {
			title := ""
			if i >= len(probes) {
				title = titles[i-len(probes)] + ": "
			}
			r.Disagreements = append(r.Disagreements, title+describe(result))
		}
	}
	r.Took = time.Since(began)
	return r, nil
}

func (r *Result) count(result cluster.Result, pair bool) {
	if !pair {
		if !result.Agrees() {
			r.Failed++
		}
		return
	}
	r.Pairs++
	if result.Agrees() {
		r.Agreed++
	}
	if result.Verdict == verdict.Allow {
		r.Allowed++
	}
}

// machine is one end of the matrix.
type machine struct {
	ref   string
	addrs []netip.Addr
}

// matrix is every pair of different machines, on TCP port 80, in each family
// that both have.
func matrix(c *cluster.Cluster, s *model.State, oracle *evaluate.Oracle) ([]cluster.Probe, error) {
	var machines []machine
	for _, ref := range c.Lab.Refs() {
		machines = append(machines, machine{ref, c.Lab.Addrs(ref)})
	}
	slices.SortFunc(machines, func(a, b machine) int { return cmp.Compare(a.ref, b.ref) })
	var probes []cluster.Probe
	for _, from := range machines {
		for _, to := range machines {
			if from.ref == to.ref {
				continue
			}
			for _, a := range from.addrs {
				for _, b := range to.addrs {
					if a.Is4() != b.Is4() {
						continue
					}
					p, err := probe(s, oracle, a.String(), b.String(), analysis.DefaultPort())
					if err != nil {
						return nil, err
					}
					p.From, p.To = from.ref, to.ref
					probes = append(probes, p)
				}
			}
		}
	}
	return probes, nil
}

// probe is a connection with what the oracle expects of it.
func probe(s *model.State, oracle *evaluate.Oracle, from, to string, port analysis.Port) (cluster.Probe, error) {
	conn, err := s.Connect(from, to)
	if err != nil {
		return cluster.Probe{}, err
	}
	packet := port.Packet(conn)
	return cluster.Probe{
		From: from, To: to, Addr: packet.Dst, Protocol: packet.Protocol, Port: packet.DstPort,
		Expect: analysis.Decide(oracle, conn, packet).Verdict,
	}, nil
}

// own runs the test on the oracle, and returns its checks as probes.
func (r *Result) own(t *policytest.Test, oracle *evaluate.Oracle) ([]cluster.Probe, []string) {
	byOracle := policytest.Run(t, oracle)
	r.Checks = byOracle.Count()
	for _, o := range slices.Concat(byOracle.Checks, byOracle.Selects) {
		if !o.Pass {
			r.Failed++
			r.Disagreements = append(r.Disagreements, fmt.Sprintf("%s: by the oracle: %v", o.Title, o.Why))
		}
	}
	var probes []cluster.Probe
	var titles []string
	for i := range t.Checks {
		c := &t.Checks[i]
		p, err := probe(t.State, oracle, c.From, c.To, c.Port)
		if err != nil {
			continue // told by the oracle's run
		}
		p.Expect = c.Expect
		probes = append(probes, p)
		titles = append(titles, c.Title())
	}
	return probes, titles
}

// describe says what was seen and what was expected.
func describe(r cluster.Result) string {
	return fmt.Sprintf("%s -> %s (%s) %s/%d: the kernel says %s (%s), expected %s",
		r.From, r.To, r.Addr, verdict.ProtocolName(r.Protocol), r.Port, r.Verdict, r.Detail, r.Expect)
}
