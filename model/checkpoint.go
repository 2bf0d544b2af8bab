package model

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/tierwall/tierwall/verdict"
)

// Checkpoint is one place where a packet meets policy: a stage of an endpoint,
// in a direction. Pods have the normal stage alone.
type Checkpoint struct {
	Endpoint  *Endpoint
	Stage     verdict.Stage
	Direction verdict.Direction
}

// Skips reports whether an explicit Allow here spares the packet the other
// checkpoint, which comes later: an early stage spares those of the same
// interface, of a host and not of a pod (semantics.md section 11).
func (c Checkpoint) Skips(later Checkpoint) bool {
	return c.Stage.FallsThrough() && later.Endpoint == c.Endpoint && later.Direction == c.Direction
}

// checkpoints lists where the connection's first packet meets policy (semantics.md
// section 11). The ends must be known.
func (s *State) checkpoints(c *Connection, src, dst place) {
	sameNode := src.node != "" && src.node == dst.node
	switch {
	case sameNode && src.host, src.pod != nil && src.pod == dst.pod:
		return // loopback, and a host to its own pods: nothing is asked
	case src.pod != nil && sameNode && dst.host:
		c.Egress.add(src.pod, verdict.Egress, verdict.Normal)
		c.Ingress.add(s.everywhere(src.node), verdict.Ingress, verdict.PreDNAT)
		return
	case src.pod != nil:
		c.Egress.add(s.everywhere(src.node), verdict.Ingress, verdict.PreDNAT) // it comes in at an interface of the pod's
		c.Egress.add(src.pod, verdict.Egress, verdict.Normal)
		if !sameNode { // what is forwarded meets no untracked stage on its way out
			c.Egress.add(s.uplink(src.node, c.Egress.Addr), verdict.Egress, verdict.Forward)
		}
	case src.host:
		c.Egress.add(c.Egress.Endpoint, verdict.Egress, verdict.Untracked, verdict.Normal)
	}
	switch {
	case dst.pod != nil && !sameNode:
		c.Ingress.add(s.uplink(dst.node, c.Ingress.Addr), verdict.Ingress, verdict.Untracked, verdict.PreDNAT, verdict.Forward)
		fallthrough
	case dst.pod != nil:
		c.Ingress.add(dst.pod, verdict.Ingress, verdict.Normal)
	case dst.host:
		c.Ingress.add(c.Ingress.Endpoint, verdict.Ingress, verdict.Untracked, verdict.PreDNAT, verdict.Normal)
	}
}

// add appends checkpoints at an endpoint; none if it is nil.
func (s *Side) add(e *Endpoint, d verdict.Direction, stages ...verdict.Stage) {
	if e == nil {
		return
	}
	for _, stage := range stages {
		s.Checkpoints = append(s.Checkpoints, Checkpoint{e, stage, d})
	}
}

// everywhere returns the host endpoint of all interfaces of a node, which before
// translation sees what comes from pods too; nil if there is none.
func (s *State) everywhere(node string) *Endpoint {
	return lowest(s.hostEndpoints(node, func(e *Endpoint) bool { return e.Interface == "*" }))
}

// uplink returns the host endpoint that governs the interface by which a node's
// pods reach other machines, and are reached, with addresses of the family of
// a; nil if none does. Which one that is, the node alone knows: it is taken to be
// the one with the node's own address, or, where that is not known, with the
// address that the lowest host endpoint expects.
func (s *State) uplink(node string, a netip.Addr) *Endpoint {
	if node == "" {
		return nil
	}
	var known []netip.Addr
	if n := s.Nodes[node]; n != nil {
		known = n.Addrs
	}
	if len(known) == 0 {
		if e := lowest(s.hostEndpoints(node, func(e *Endpoint) bool { return e.Interface != "*" && len(e.Addrs) > 0 })); e != nil {
			known = e.Addrs
		}
	}
	if len(known) == 0 {
		return s.governing(node, netip.Addr{})
	}
	i := slices.IndexFunc(known, func(k netip.Addr) bool { return k.Is4() == a.Is4() })
	return s.governing(node, known[max(i, 0)])
}

// hostEndpoints returns those of a node that are asked for, in no order.
func (s *State) hostEndpoints(node string, want func(*Endpoint) bool) (found []*Endpoint) {
	for _, e := range s.Endpoints {
		if e.ID.Kind == verdict.Host && e.Node == node && want(e) {
			found = append(found, e)
		}
	}
	return found
}

// lowest returns the one with the lowest name, nil of none.
func lowest(all []*Endpoint) *Endpoint {
	if len(all) == 0 {
		return nil
	}
	return slices.MinFunc(all, func(x, y *Endpoint) int { return cmp.Compare(x.ID.Name, y.ID.Name) })
}
