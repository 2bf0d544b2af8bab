package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"github.com/tierwall/tierwall/labhost"
)

// Limits of the address plan.
const (
	// MaxNodes is how many nodes have a place in the fabric: .11 to .99.
	MaxNodes = 89
	// MaxExternals is how many outside machines have one: .100 to .254.
	MaxExternals = 155
)

// Spec is what a lab consists of at its start.
type Spec struct {
	// Name tells labs apart: 1 to 12 lower-case letters and digits. It is a
	// part of the namespaces' names.
	Name      string
	Nodes     []Node
	Pods      []Pod
	Externals []External
	// Resolver is the external machine whose DNS server the pods ask: it is named in
	// a resolv.conf for each of their namespaces, which "ip netns exec" puts in its
	// place. Empty for none.
	Resolver string
}

// Node is a machine of the cluster.
type Node struct {
	Name string
	// Addrs are the node's addresses, at most one per family. A family that is
	// missing gets its address in the fabric: 172.30.0.(10+i) and
	// fd00:172:30::(10+i) for the i-th node, counted from 1.
	Addrs []netip.Addr
	// PodCIDRs is where addresses of its pods are taken from, at most one per
	// family. A family that is missing gets 10.244.i.0/24 or fd00:244:i::/64.
	PodCIDRs []netip.Prefix
	// Ports are listened on in the node itself, as by a daemon of the host.
	Ports []Port
}

// Pod is an endpoint on a node.
type Pod struct {
	Namespace, Name string
	// Node is the name of a node of the lab.
	Node string
	// Addrs are the pod's addresses, at most one per family, and then it has
	// these only. Empty: the next free address of each PodCIDR of the node.
	Addrs []netip.Addr
	// Ports are listened on from the start.
	Ports []Port
}

// External is a machine outside the cluster.
type External struct {
	Name string
	// Addrs are its addresses, at most one per family, of any network: the
	// nodes get routes to them. A family that is missing gets 172.30.0.(99+i)
	// or fd00:172:30::(99+i) for the i-th machine, counted from 1.
	Addrs []netip.Addr
	// Ports are listened on from the start.
	Ports []Port
	// Names are what its DNS server says, on port 53; nil for no such server.
	Names []labhost.Record
}

// Port is what a host listens on: labhost.TCP or labhost.UDP, on all addresses.
type Port struct {
	Proto  labhost.Proto
	Number uint16
}

// Ref is how the lab calls the pod: "namespace/name".
func (p Pod) Ref() string { return p.Namespace + "/" + p.Name }

// Ref is how the lab calls the node itself: "node:name".
func (n Node) Ref() string { return "node:" + n.Name }

// Ref is how the lab calls the machine: "ext:name".
func (e External) Ref() string { return "ext:" + e.Name }

var (
	labName  = regexp.MustCompile(`^[a-z0-9]{1,12}$`)
	hostName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)
)

// validate reports everything that is wrong with the spec, but for addresses
// that are taken twice: the addresses' reservation finds those.
func (s Spec) validate() error {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if !labName.MatchString(s.Name) {
		problem("lab name %q: 1 to 12 lower-case letters and digits are needed", s.Name)
	}
	if len(s.Nodes) > MaxNodes || len(s.Externals) > MaxExternals {
		problem("%d nodes and %d external machines: %d and %d are the most", len(s.Nodes), len(s.Externals), MaxNodes, MaxExternals)
	}
	refs := map[string]bool{}
	check := func(ref, name string, addrs []netip.Addr) {
		if refs[ref] {
			problem("%s is there twice", ref)
		}
		refs[ref] = true
		if !hostName.MatchString(name) {
			problem("%s: %q is not a name", ref, name)
		}
		if err := checkAddrs(addrs); err != nil {
			problem("%s: %w", ref, err)
		}
	}
	for _, n := range s.Nodes {
		check(n.Ref(), n.Name, n.Addrs)
		if len(n.PodCIDRs) > 2 || len(n.PodCIDRs) == 2 && n.PodCIDRs[0].Addr().Is4() == n.PodCIDRs[1].Addr().Is4() {
			problem("%s: more than one pod CIDR of a family", n.Ref())
		}
	}
	for _, e := range s.Externals {
		check(e.Ref(), e.Name, e.Addrs)
	}
	if s.Resolver != "" && !refs["ext:"+s.Resolver] {
		problem("there is no external machine %q to ask for names", s.Resolver)
	}
	for _, p := range s.Pods {
		check(p.Ref(), p.Name, p.Addrs)
		if err := p.validate(); err != nil {
			problem("%w", err)
		}
		if !refs["node:"+p.Node] {
			problem("%s: there is no node %q", p.Ref(), p.Node)
		}
	}
	return errors.Join(problems...)
}

// validate checks what a pod says of itself.
func (p Pod) validate() error {
	if !hostName.MatchString(p.Name) || !hostName.MatchString(p.Namespace) || strings.Contains(p.Namespace, ".") {
		return fmt.Errorf("%s: not the name of a pod", p.Ref())
	}
	if err := checkAddrs(p.Addrs); err != nil {
		return fmt.Errorf("%s: %w", p.Ref(), err)
	}
	return nil
}

// checkAddrs allows one ordinary address per family.
func checkAddrs(addrs []netip.Addr) error {
	families := map[bool]bool{}
	for _, a := range addrs {
		switch {
		case !a.IsValid() || a.Is4In6() || a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || a.IsLinkLocalUnicast():
			return fmt.Errorf("%s is not an address for a machine", a)
		case families[a.Is4()]:
			return fmt.Errorf("%s is the second address of its family", a)
		}
		families[a.Is4()] = true
	}
	return nil
}
