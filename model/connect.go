package model

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/verdict"
)

// Side is one end of a connection and what polices it there.
type Side struct {
	// Addr is the end's address.
	Addr netip.Addr
	// Endpoint is what polices the connection at this end in the normal stage;
	// nil if nothing does, and then Fixed says why.
	Endpoint *Endpoint
	// Fixed is the verdict where no policy is asked, or where what Checkpoints
	// ask lets the packet go on and Endpoint is nil.
	Fixed verdict.Trace
	// Checkpoints are where the first packet meets policy on this side, in its
	// order. Endpoint's normal stage is among them.
	Checkpoints []Checkpoint
}

// Connection is who polices a connection between two references, and with
// which addresses.
type Connection struct {
	// Egress is the source's side, Ingress the destination's.
	Egress, Ingress Side
}

// Packet returns the connection's first packet.
func (c Connection) Packet(protocol uint8, port uint16) verdict.Packet {
	return verdict.Packet{Src: c.Egress.Addr, Dst: c.Ingress.Addr, Protocol: protocol, DstPort: port, SrcPort: ephemeral(protocol)}
}

// ephemeral is the source port that connections are taken to come from when
// none is given: the first of the kernel's usual range.
func ephemeral(protocol uint8) uint16 {
	if verdict.HasPorts(protocol) {
		return 32768
	}
	return 0
}

// place is what a reference or an address stands for.
type place struct {
	node  string    // the node that it is on or that it is
	pod   *Endpoint // a pod
	host  bool      // the node itself
	hep   *Endpoint // the host endpoint that the reference names, if it does
	addrs []netip.Addr
	named bool // a domain name: who has the address that is taken is to be found
}

// Connect finds who polices a connection between two references of
// commands.md: NAMESPACE/POD, hep:NAME, node:NAME, an address, or a domain name,
// which stands for the first address that it was learned to have (domain:NAME
// where a name could be taken for something else). IPv4 is taken if both ends
// have it. An error says which reference names nothing, or that the ends have no
// address family in common; it is ErrNotLearned for a name without an address.
func (s *State) Connect(from, to string) (Connection, error) {
	src, err := s.place(from)
	if err != nil {
		return Connection{}, err
	}
	dst, err := s.place(to)
	if err != nil {
		return Connection{}, err
	}
	var c Connection
	if c.Egress.Addr, c.Ingress.Addr, err = commonFamily(src, dst, from, to); err != nil {
		return Connection{}, err
	}
	src, dst = s.whose(src, c.Egress.Addr), s.whose(dst, c.Ingress.Addr)
	s.ends(&c, src, dst)
	s.checkpoints(&c, src, dst)
	return c, nil
}

// ends finds what polices each end in the normal stage, or why nothing does.
func (s *State) ends(c *Connection, src, dst place) {
	c.Egress.Endpoint, c.Ingress.Endpoint = src.pod, dst.pod
	outside := verdict.Trace{Verdict: verdict.Allow, Reason: verdict.NotAnEndpoint}
	host := verdict.Trace{Verdict: verdict.Allow, Reason: verdict.ByHostDefault}
	c.Egress.Fixed, c.Ingress.Fixed = outside, outside
	if src.host {
		c.Egress.Endpoint, c.Egress.Fixed = s.hostEndpoint(src, c.Egress.Addr), host
	}
	if dst.host {
		c.Ingress.Endpoint, c.Ingress.Fixed = s.hostEndpoint(dst, c.Ingress.Addr), host
	}
	switch sameNode := src.node != "" && src.node == dst.node; {
	case src.pod != nil && src.pod == dst.pod: // never leaves the pod
		c.Egress.Endpoint, c.Ingress.Endpoint = nil, nil
	case sameNode && src.host && dst.host: // loopback
		c.Egress.Endpoint, c.Ingress.Endpoint = nil, nil
	case sameNode && src.host && dst.pod != nil: // always allowed, semantics.md section 11
		c.Egress.Endpoint, c.Ingress.Endpoint = nil, nil
		c.Ingress.Fixed = host
	case sameNode && src.pod != nil && dst.host: // the pod's egress alone decides
		c.Ingress.Endpoint = nil
		if s.SettingsOf(src.node).PodToHost == verdict.HostDrop {
			c.Ingress.Fixed.Verdict = verdict.Deny
		}
	}
}

// whose finds who has the address that a domain name stands for.
func (s *State) whose(p place, a netip.Addr) place {
	if !p.named {
		return p
	}
	found := s.placeOf(a)
	found.addrs = p.addrs
	return found
}

func commonFamily(src, dst place, from, to string) (a, b netip.Addr, err error) {
	for _, v4 := range []bool{true, false} {
		i := slices.IndexFunc(src.addrs, func(a netip.Addr) bool { return a.Is4() == v4 })
		j := slices.IndexFunc(dst.addrs, func(a netip.Addr) bool { return a.Is4() == v4 })
		if i >= 0 && j >= 0 {
			return src.addrs[i], dst.addrs[j], nil
		}
	}
	return a, b, fmt.Errorf("%s and %s have no addresses of one family: %v and %v", from, to, src.addrs, dst.addrs)
}

func (s *State) place(ref string) (place, error) {
	if a, err := netip.ParseAddr(ref); err == nil {
		a = a.Unmap().WithZone("")
		p := s.placeOf(a)
		p.addrs = []netip.Addr{a}
		return p, nil
	}
	if name, ok := strings.CutPrefix(ref, "hep:"); ok {
		e := s.Endpoints[verdict.EndpointID{Kind: verdict.Host, Name: name}]
		if e == nil {
			return place{}, fmt.Errorf("no host endpoint is called %q", name)
		}
		p := place{node: e.Node, host: true, hep: e, addrs: e.Addrs}
		if n := s.Nodes[e.Node]; n != nil && len(p.addrs) == 0 {
			p.addrs = n.Addrs
		}
		if len(p.addrs) == 0 {
			return place{}, fmt.Errorf("host endpoint %q has no expectedIPs and its node %q no address, so no connection of it can be told", name, e.Node)
		}
		return p, nil
	}
	if name, ok := strings.CutPrefix(ref, "node:"); ok {
		n := s.Nodes[name]
		if n == nil {
			return place{}, fmt.Errorf("no node is called %q", name)
		}
		if len(n.Addrs) == 0 {
			return place{}, fmt.Errorf("node %q has no address", name)
		}
		return place{node: name, host: true, addrs: n.Addrs}, nil
	}
	return s.podPlace(ref)
}

// ErrNotLearned is the error of a domain name of which no address is known.
var ErrNotLearned = errors.New("no address of the domain name is known")

// DomainRef returns the domain name that a reference is, and whether it is one:
// domain:NAME, or a name with a dot in it that is nothing else.
func DomainRef(ref string) (domain.Name, bool) {
	text, marked := strings.CutPrefix(ref, "domain:")
	if _, err := netip.ParseAddr(text); err == nil && !marked || !marked && !strings.ContainsRune(text, '.') {
		return "", false
	}
	n, err := domain.ParseName(text)
	return n, err == nil
}

func (s *State) podPlace(ref string) (place, error) {
	if n, ok := DomainRef(ref); ok {
		l := s.Learned[n]
		if l == nil {
			return place{}, fmt.Errorf("%w: %s", ErrNotLearned, n)
		}
		return place{addrs: l.Addrs, named: true}, nil
	}
	ns, name, ok := strings.Cut(ref, "/")
	if !ok || strings.Contains(name, "/") {
		return place{}, fmt.Errorf("%q is not a reference: write NAMESPACE/POD, hep:NAME, node:NAME, an address or a domain name", ref)
	}
	e := s.Endpoints[verdict.EndpointID{Kind: verdict.Pod, Namespace: ns, Name: name}]
	if e == nil {
		return place{}, fmt.Errorf("no pod is called %q (pods that are finished, that have no address or that share their node's network are not endpoints)", ref)
	}
	return place{node: e.Node, pod: e, addrs: e.Addrs}, nil
}

// placeOf finds what an address belongs to; nothing for the outside.
func (s *State) placeOf(a netip.Addr) place {
	for _, e := range s.SortedEndpoints() {
		if !slices.Contains(e.Addrs, a) {
			continue
		}
		if e.ID.Kind == verdict.Pod {
			return place{node: e.Node, pod: e}
		}
		return place{node: e.Node, host: true}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Nodes)) {
		if slices.Contains(s.Nodes[name].Addrs, a) {
			return place{node: name, host: true}
		}
	}
	return place{}
}

// hostEndpoint returns what polices a host's own connections on an address:
// the host endpoint that was named, or else the one that governs; nil if none
// does.
func (s *State) hostEndpoint(p place, a netip.Addr) *Endpoint {
	if p.hep != nil {
		return p.hep
	}
	return s.governing(p.node, a)
}

// governing returns the host endpoint that governs the interface with the
// address on a node, as far as the API tells (semantics.md section 11): one
// that expects the address, else one by interface name, else "*"; the lowest
// name of several. Which interface has which address is known to the node
// alone, so a host endpoint that is named after an interface and expects no
// address is taken to be the one.
func (s *State) governing(node string, a netip.Addr) *Endpoint {
	rank := func(e *Endpoint) int {
		switch {
		case slices.Contains(e.Addrs, a) && e.Interface != "*":
			return 1
		case e.Interface != "" && e.Interface != "*" && len(e.Addrs) == 0:
			return 2
		case e.Interface == "*":
			return 3
		}
		return 0
	}
	found := s.hostEndpoints(node, func(e *Endpoint) bool { return rank(e) > 0 })
	if len(found) == 0 {
		return nil
	}
	return slices.MinFunc(found, func(x, y *Endpoint) int {
		return cmp.Or(cmp.Compare(rank(x), rank(y)), cmp.Compare(x.ID.Name, y.ID.Name))
	})
}
