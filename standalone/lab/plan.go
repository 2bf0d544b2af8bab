package lab

import (
	"fmt"
	"net/netip"
	"slices"
)

// The fabric: the network that nodes and external machines share.
var (
	fabric4 = netip.MustParsePrefix("172.30.0.1/24")
	fabric6 = netip.MustParsePrefix("fd00:172:30::1/64")
)

// FabricAddr is the fabric's own address, where ProxyAPI listens.
func FabricAddr() netip.Addr { return fabric4.Addr() }

// Where the numbers of machines begin in the fabric.
const (
	firstNode     = 11
	firstExternal = 100
)

// onFabric is the address with a host number in the fabric. The IPv6 one is
// written with the same digits: number 100 is fd00:172:30::100.
func onFabric(number int) (v4, v6 netip.Addr) {
	return netip.AddrFrom4([4]byte{172, 30, 0, byte(number)}), netip.MustParseAddr(fmt.Sprintf("fd00:172:30::%d", number))
}

// complete adds the default of each family that has no address.
func complete(addrs []netip.Addr, defaults ...netip.Addr) []netip.Addr {
	out := slices.Clone(addrs)
	for _, d := range defaults {
		if !slices.ContainsFunc(addrs, func(a netip.Addr) bool { return a.Is4() == d.Is4() }) {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, netip.Addr.Compare) // IPv4 first
	return out
}

// podCIDRs is complete for the prefixes of the i-th node, counted from 1.
func podCIDRs(given []netip.Prefix, i int) []netip.Prefix {
	out := slices.Clone(given)
	for _, d := range []netip.Prefix{
		netip.MustParsePrefix(fmt.Sprintf("10.244.%d.0/24", i)),
		netip.MustParsePrefix(fmt.Sprintf("fd00:244:%d::/64", i)),
	} {
		if !slices.ContainsFunc(given, func(p netip.Prefix) bool { return p.Addr().Is4() == d.Addr().Is4() }) {
			out = append(out, d)
		}
	}
	for k := range out {
		out[k] = out[k].Masked()
	}
	slices.SortFunc(out, netip.Prefix.Compare)
	return out
}

// pool gives out the addresses of a node's pods.
type pool struct {
	cidrs []netip.Prefix
	// next is the host number to try first. It only grows until it wraps, so
	// that an address is not used again soon: whoever still holds the old
	// meaning of an address would be wrong about it.
	next uint32
}

// firstPod leaves out the network's address and its first, which many plugins
// give to the node.
const firstPod = 2

// take returns an address of each of the pool's CIDRs with one host number that
// is free in all of them, or an error if none is.
func (p *pool) take(free func(netip.Addr) bool) ([]netip.Addr, error) {
	size := p.size()
	for range size {
		if p.next < firstPod || p.next >= size {
			p.next = firstPod
		}
		number := p.next
		p.next++
		addrs := make([]netip.Addr, len(p.cidrs))
		usable := number < size
		for i, c := range p.cidrs {
			addrs[i] = add(c.Addr(), number)
			usable = usable && c.Contains(addrs[i]) && free(addrs[i])
		}
		if usable {
			return addrs, nil
		}
	}
	return nil, fmt.Errorf("no free address in %v", p.cidrs)
}

// size is the number of hosts of the smallest CIDR, less its broadcast address,
// and 65535 at most.
func (p *pool) size() uint32 {
	bits := 16
	for _, c := range p.cidrs {
		bits = min(bits, c.Addr().BitLen()-c.Bits())
	}
	return 1<<bits - 1
}

// add is the address n after a masked one, with room for n in its last 4 bytes.
func add(a netip.Addr, n uint32) netip.Addr {
	b := a.AsSlice()
	for i := len(b) - 1; n > 0; i-- {
		n += uint32(b[i])
		b[i] = byte(n)
		n >>= 8
	}
	out, _ := netip.AddrFromSlice(b)
	return out
}
