package agent

import (
	"context"
	"net/netip"
	"time"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/verdict"
)

// cutter ends open connections that the tables deny, after changes, off the
// agent's loop; which ones, it asks the loop.
type cutter struct {
	plane dataplane.Cutter
	// wake says that there was a change.
	wake chan struct{}
	ask  chan cutQuestion
}

// cutQuestion asks which of the connections are denied.
type cutQuestion struct {
	open   []dataplane.Connection
	answer chan<- []bool
}

// newCutter returns one for a dataplane that can cut, else nil: nothing is cut.
func newCutter(o Options) *cutter {
	plane, ok := o.Dataplane.(dataplane.Cutter)
	if !ok || !o.CutDenied {
		return nil
	}
	return &cutter{plane: plane, wake: make(chan struct{}, 1), ask: make(chan cutQuestion)}
}

// changed says that there was a change. It may be called on nil.
func (c *cutter) changed() {
	if c == nil {
		return
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// questions is where the loop hears of connections; nil if nothing is cut.
func (c *cutter) questions() <-chan cutQuestion {
	if c == nil {
		return nil
	}
	return c.ask
}

func (a *agent) cutDenied(ctx context.Context, c *cutter) {
	which := func(open []dataplane.Connection) []bool {
		answer := make(chan []bool, 1)
		select {
		case c.ask <- cutQuestion{open, answer}:
			return <-answer
		case <-ctx.Done():
			return make([]bool, len(open))
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		}
		n, err := c.plane.Cut(ctx, which)
		a.metrics.cut.Add(float64(n))
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			a.Log.Error("open connections that policy denies may go on; trying again", "error", err, "in", retryAfter.String())
			select {
			case <-ctx.Done():
				return
			case <-time.After(retryAfter):
				c.changed()
			}
		case n > 0:
			a.Log.Info("open connections that policy denies were ended", "connections", n)
		}
	}
}

// answerCut says which connections are denied. While the kernel does not have
// what the tables say, none is: there is another change to come.
func (a *agent) answerCut(q cutQuestion) {
	out := make([]bool, len(q.open))
	if len(a.waiting) == 0 && !a.whole && a.delta == nil {
		l := legs{a.legTo, map[netip.Addr]string{}}
		for i, c := range q.open {
			out[i] = a.denies(c, l) && (!c.Either || a.denies(turned(c), l))
		}
	}
	q.answer <- out
}

// turned is a connection as if its other end had opened it.
func turned(c dataplane.Connection) dataplane.Connection {
	p := &c.First
	p.Src, p.Dst, p.SrcPort, p.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
	c.Asked = netip.AddrPortFrom(p.Dst, p.DstPort)
	return c
}

// legs remembers by which interface addresses are reached.
type legs struct {
	legTo func(netip.Addr) (leg, bool)
	known map[netip.Addr]string
}

func (l legs) to(addr netip.Addr) string {
	name, known := l.known[addr]
	if !known {
		r, _ := l.legTo(addr)
		name, l.known[addr] = r.iface, r.iface
	}
	return name
}

// denies reports whether a new connection like an open one would be denied: at
// the policy of the pods at its ends, and of the host endpoints on its way. What
// is not known, such as a pod that two objects claim, denies nothing here.
func (a *agent) denies(c dataplane.Connection, l legs) bool {
	p := c.First
	from, to := a.localAt(p.Src), a.localAt(p.Dst)
	if from.pod != nil && a.deniedBy(*from.pod, verdict.Normal, verdict.Egress, p) ||
		to.pod != nil && !from.host && a.deniedBy(*to.pod, verdict.Normal, verdict.Ingress, p) {
		return true
	}
	if from.pod != nil && to.host && a.set.PodToHost == verdict.HostDrop {
		return true
	}
	if len(a.places.hosts) == 0 || from.host && (to.host || to.pod != nil) {
		return false
	}
	return a.deniedByHosts(c, from, to, l)
}

// end is one end of a connection: a pod of this node, the node itself, or
// neither.
type end struct {
	pod   *verdict.EndpointID
	iface string
	host  bool
}

// localAt finds who has an address on this node.
func (a *agent) localAt(addr netip.Addr) end {
	if list := a.places.byAddr[addr]; len(list) > 0 {
		if names := a.places.at[list[0]]; len(list) == 1 && len(names) == 1 {
			return end{pod: &list[0], iface: names[0]}
		}
		return end{}
	}
	return end{host: a.places.host.has(addr)}
}

// deniedByHosts asks the policy of host endpoints, in the order of the packet.
func (a *agent) deniedByHosts(c dataplane.Connection, from, to end, l legs) bool {
	p := c.First
	in, out := from.iface, to.iface
	if !from.host && in == "" {
		in = l.to(p.Src)
	}
	if !to.host && out == "" {
		out = l.to(p.Dst)
	}
	accepted := false
	if !from.host {
		before := p
		before.Dst, before.DstPort = c.Asked.Addr(), c.Asked.Port()
		if d := a.compiler.Lookup(a.hostOr(in), verdict.PreDNAT, verdict.Ingress, before); d != nil {
			if d.Verdict == verdict.Deny {
				return true
			}
			accepted = d.Reason == verdict.ByRule
		}
	}
	deniedAt := func(iface string, stage verdict.Stage, d verdict.Direction) bool {
		id, ok := a.places.hostOn[iface]
		return ok && a.deniedBy(id, stage, d, p)
	}
	switch {
	case from.host:
		return deniedAt(out, verdict.Normal, verdict.Egress)
	case to.host:
		return !accepted && from.pod == nil && deniedAt(in, verdict.Normal, verdict.Ingress)
	}
	return !accepted && deniedAt(in, verdict.Forward, verdict.Ingress) || deniedAt(out, verdict.Forward, verdict.Egress)
}

// hostOr is the host endpoint of an interface, or for that of a pod the one for
// all interfaces.
func (a *agent) hostOr(iface string) verdict.EndpointID {
	if id, ok := a.places.hostOn[iface]; ok {
		return id
	}
	if a.places.podsOn[iface] > 0 {
		if e := governing(a.places.hosts, iface, nil); e != nil && e.Interface == "*" {
			return e.ID
		}
	}
	return verdict.EndpointID{}
}

// deniedBy reports whether the tables deny; what is not in them does not.
func (a *agent) deniedBy(id verdict.EndpointID, stage verdict.Stage, d verdict.Direction, p verdict.Packet) bool {
	found := a.compiler.Lookup(id, stage, d, p)
	return found != nil && found.Verdict == verdict.Deny
}
