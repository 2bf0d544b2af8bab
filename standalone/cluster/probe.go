package cluster

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/tierwall/tierwall/labhost"
	"github.com/tierwall/tierwall/standalone/lab"
	"github.com/tierwall/tierwall/verdict"
)

// Probe is one connection to try for real.
type Probe struct {
	// From and To are references of commands.md; hep: stands for its node.
	From, To string
	// Addr is where to connect.
	Addr netip.Addr
	// Protocol is TCP, UDP, ICMP or ICMPv6.
	Protocol uint8
	Port     uint16
	// Expect is what should come of it. A connection that is expected to be
	// allowed gets more time and further tries, so that a busy machine does not
	// pass for a policy; one that is expected to be denied must stay silent.
	Expect verdict.Verdict
}

// Result is what came of a probe.
type Result struct {
	Probe
	Verdict verdict.Verdict
	Detail  string
}

// Agrees reports whether the kernel did what was expected.
func (r Result) Agrees() bool { return r.Verdict == r.Expect }

// How long a connection may take. Denied ones say nothing, so all of silence is
// spent on each; a SYN that was lost on the way is sent again after a second.
const (
	silence = 300 * time.Millisecond
	tries   = 3
)

// atOnce bounds how many probes are under way.
const atOnce = 400

// ProbeAll tries the connections at once and returns what came of them, in
// their order.
func (c *Cluster) ProbeAll(ctx context.Context, probes []Probe) ([]Result, error) {
	results := make([]Result, len(probes))
	problems := make([]error, len(probes))
	slots := make(chan struct{}, atOnce)
	var wait sync.WaitGroup
	for i, p := range probes {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			results[i], problems[i] = c.probe(ctx, p)
		})
	}
	wait.Wait()
	for _, err := range problems {
		if err != nil {
			return nil, err
		}
	}
	return results, nil
}

func (c *Cluster) probe(ctx context.Context, p Probe) (Result, error) {
	host, err := c.Host(p.From)
	if err != nil {
		return Result{}, err
	}
	spec := lab.DialSpec{Addr: p.Addr, Port: p.Port, Timeout: silence}
	switch p.Protocol {
	case verdict.TCP:
		spec.Proto = labhost.TCP
	case verdict.UDP:
		spec.Proto = labhost.UDP
	case verdict.ICMP, verdict.ICMPv6:
		spec.Proto = labhost.ICMP
	default:
		return Result{}, fmt.Errorf("protocol %s cannot be tried in the lab", verdict.ProtocolName(p.Protocol))
	}
	if a, err := netip.ParseAddr(p.From); err == nil && c.Lab.LentTo(a) != "" {
		spec.LocalAddr = a // one of many of its machine
	}
	out := Result{Probe: p}
	for try := range tries {
		r, err := host.Dial(ctx, spec)
		if err != nil {
			return Result{}, fmt.Errorf("%s to %s: %w", p.From, p.To, err)
		}
		out.Detail = string(r.Outcome)
		if r.Detail != "" {
			out.Detail += ": " + r.Detail
		}
		// an answer of the other side's kernel is an answer: the packet got there
		if r.Connected() || r.Outcome == labhost.Refused || r.Outcome == labhost.NoAnswer {
			out.Verdict = verdict.Allow
			return out, nil
		}
		if p.Expect == verdict.Deny {
			return out, nil
		}
		spec.Timeout = silence << (2 * (try + 1)) // 1.2 s, 4.8 s
	}
	return out, nil
}

// Host returns the machine that a reference of commands.md stands for: a pod,
// hep: or node:, or an address of one or of an external machine.
func (c *Cluster) Host(ref string) (*lab.Host, error) {
	if name, ok := strings.CutPrefix(ref, "hep:"); ok {
		w, ok := c.holds["HostEndpoint//"+name]
		if !ok {
			return nil, fmt.Errorf("no host endpoint is called %q", name)
		}
		return c.Lab.Host("node:" + nodeOf(w))
	}
	a, err := netip.ParseAddr(ref)
	if err != nil {
		return c.Lab.Host(ref)
	}
	for _, r := range c.Lab.Refs() {
		for _, own := range c.Lab.Addrs(r) {
			if own == a {
				return c.Lab.Host(r)
			}
		}
	}
	if r := c.Lab.LentTo(a); r != "" {
		return c.Lab.Host(r)
	}
	return nil, fmt.Errorf("no machine of the lab has the address %s", a)
}
