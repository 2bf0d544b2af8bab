package manifest

import (
	"cmp"
	"encoding/binary"
	"hash/fnv"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	v3 "github.com/tierwall/tierwall/api/v3"
)

// addresses gives addresses to pods from files that have none. A pod's address
// follows from its namespace and name; only where two pods would have the same
// one, or where it stands elsewhere in the input, is the next free one taken.
type addresses struct{ given map[*corev1.Pod]netip.Addr }

// givenNet is the network that is shared address space for providers: real
// pods are not likely to have their addresses there.
func givenNet() netip.Prefix { return netip.MustParsePrefix("100.64.0.0/10") }

func newAddresses(objects []*Object) *addresses {
	a := &addresses{given: map[*corev1.Pod]netip.Addr{}}
	var without []*corev1.Pod
	for _, o := range objects {
		if p, ok := o.Value.(*corev1.Pod); ok && o.Document != nil && needsAddress(p) {
			without = append(without, p)
		}
	}
	if len(without) == 0 {
		return a
	}
	slices.SortFunc(without, func(x, y *corev1.Pod) int {
		return cmp.Or(cmp.Compare(x.Namespace, y.Namespace), cmp.Compare(x.Name, y.Name))
	})
	hosts, nets := taken(objects)
	for _, p := range without {
		addr := free(wish(p), hosts, nets)
		hosts[addr] = true
		a.given[p] = addr
	}
	return a
}

// free returns the first address from the wished one on, round the network,
// that is not taken. Where the networks of the input leave none, only those of
// single hosts are avoided.
func free(wish netip.Addr, hosts map[netip.Addr]bool, nets []netip.Prefix) netip.Addr {
	addr := wish
	for range 2*len(nets) + len(hosts) + 2 {
		i := slices.IndexFunc(nets, func(n netip.Prefix) bool { return n.Contains(addr) })
		switch {
		case i >= 0:
			addr = next(last(nets[i]))
		case hosts[addr]:
			addr = next(addr)
		default:
			return addr
		}
	}
	if nets == nil {
		return addr // as many pods as addresses
	}
	return free(wish, hosts, nil)
}

func next(a netip.Addr) netip.Addr {
	if a = a.Next(); !givenNet().Contains(a) {
		return givenNet().Addr().Next()
	}
	return a
}

// last returns the last address of an IPv4 network.
func last(n netip.Prefix) netip.Addr {
	b := n.Addr().As4()
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])|uint32(1<<(32-n.Bits())-1))
	return netip.AddrFrom4(b)
}

func needsAddress(p *corev1.Pod) bool {
	return p.Status.PodIP == "" && len(p.Status.PodIPs) == 0 && !p.Spec.HostNetwork &&
		p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed
}

// wish is the address that follows from the pod's name alone.
func wish(p *corev1.Pod) netip.Addr {
	h := fnv.New32a()
	_, _ = h.Write([]byte(p.Namespace + "/" + p.Name)) // never fails
	base := givenNet().Addr().As4()
	host := h.Sum32() % (1<<22 - 2)
	var out [4]byte
	binary.BigEndian.PutUint32(out[:], binary.BigEndian.Uint32(base[:])+1+host)
	return netip.AddrFrom4(out)
}

// assign returns the pod with its address, or the pod itself if it keeps what
// it has.
func (a *addresses) assign(p *corev1.Pod) *corev1.Pod {
	addr, ok := a.given[p]
	if !ok {
		return p
	}
	p = p.DeepCopy()
	p.Status.PodIP = addr.String()
	p.Status.PodIPs = []corev1.PodIP{{IP: addr.String()}}
	return p
}

// taken returns the addresses that stand somewhere in the input, and the
// networks that are smaller than givenNet and within it.
func taken(objects []*Object) (hosts map[netip.Addr]bool, nets []netip.Prefix) {
	hosts = map[netip.Addr]bool{}
	note := func(texts ...string) {
		for _, text := range texts {
			if a, err := netip.ParseAddr(text); err == nil {
				hosts[a.Unmap()] = true
			} else if n, err := netip.ParsePrefix(text); err == nil && n.Bits() > givenNet().Bits() && givenNet().Contains(n.Addr()) {
				nets = append(nets, n.Masked())
			}
		}
	}
	for _, o := range objects {
		note(writtenAddresses(o.Value)...)
	}
	return hosts, nets
}

// writtenAddresses returns the addresses and networks in an object.
func writtenAddresses(o any) []string {
	var all []string
	switch o := o.(type) {
	case *corev1.Pod:
		all = append(all, o.Status.PodIP)
		for _, ip := range o.Status.PodIPs {
			all = append(all, ip.IP)
		}
	case *corev1.Node:
		for _, a := range o.Status.Addresses {
			all = append(all, a.Address)
		}
	case *networkingv1.NetworkPolicy:
		all = blocks(o)
	case *v3.HostEndpoint:
		all = o.Spec.ExpectedIPs
	case *v3.NetworkSet:
		all = o.Spec.Nets
	case *v3.GlobalNetworkSet:
		all = o.Spec.Nets
	case *v3.NetworkPolicy:
		all = ruleNets(o.Spec.Ingress, o.Spec.Egress)
	case *v3.GlobalNetworkPolicy:
		all = ruleNets(o.Spec.Ingress, o.Spec.Egress)
	}
	return all
}

func ruleNets(lists ...[]v3.Rule) []string {
	var all []string
	for _, r := range slices.Concat(lists...) {
		all = slices.Concat(all, r.Source.Nets, r.Source.NotNets, r.Destination.Nets, r.Destination.NotNets)
	}
	return all
}

func blocks(p *networkingv1.NetworkPolicy) []string {
	var all []string
	note := func(peers []networkingv1.NetworkPolicyPeer) {
		for _, peer := range peers {
			if peer.IPBlock != nil {
				all = append(append(all, peer.IPBlock.CIDR), peer.IPBlock.Except...)
			}
		}
	}
	for _, r := range p.Spec.Ingress {
		note(r.From)
	}
	for _, r := range p.Spec.Egress {
		note(r.To)
	}
	return all
}
