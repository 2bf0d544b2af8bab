package agent

import (
	"cmp"
	"maps"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// host is what the kernel says of the node: its interfaces, their addresses,
// and which interface leads to which single address. It is read once and then
// kept by what the kernel reports.
type host struct {
	links map[int]link
	addrs map[int][]netip.Addr
	// routes are those that lead to one address only, the way in which pods
	// hang on a host that routes to them.
	routes map[netip.Addr][]route
	// bridged are the networks that lie behind bridges, where all pods of the
	// node share an interface.
	bridged map[subnet]bool
}

// link is one interface of the node.
type link struct {
	name             string
	loopback, bridge bool
	// pair says that it is one end of two, of which a pod has the other.
	pair bool
}

// route leads to one address.
type route struct {
	link, metric int
}

// subnet is a network on a link.
type subnet struct {
	prefix netip.Prefix
	link   int
}

func newHost() *host {
	return &host{links: map[int]link{}, addrs: map[int][]netip.Addr{}, routes: map[netip.Addr][]route{}, bridged: map[subnet]bool{}}
}

// touched is what a report of the kernel concerns.
type touched struct {
	// addrs are addresses that may be led to by another interface now.
	addrs []netip.Addr
	// links says that interfaces or their own addresses changed.
	links bool
	// all says that anything may be different.
	all bool
}

// interfaceOf returns the interface that leads to a pod's address: that of the
// best route to just this address, else the bridge in whose network it lies;
// empty if neither is there.
func (h *host) interfaceOf(a netip.Addr) string {
	if list := h.routes[a]; len(list) > 0 {
		best := slices.MinFunc(list, func(a, b route) int { return cmp.Or(a.metric-b.metric, a.link-b.link) })
		return h.links[best.link].name
	}
	var found subnet
	for s := range h.bridged {
		if s.prefix.Contains(a) && (!found.prefix.IsValid() || s.prefix.Bits() > found.prefix.Bits()) {
			found = s
		}
	}
	return h.links[found.link].name
}

// has reports whether an address is the node's own.
func (h *host) has(a netip.Addr) bool {
	for _, list := range h.addrs {
		if slices.Contains(list, a) {
			return true
		}
	}
	return a.IsLoopback()
}

// isPair reports whether an interface is one end of a pair.
func (h *host) isPair(name string) bool {
	for _, l := range h.links {
		if l.name == name {
			return l.pair
		}
	}
	return false
}

// ordered returns the indexes of all interfaces but the loopback, by name.
func (h *host) ordered() []int {
	list := slices.Collect(maps.Keys(h.links))
	list = slices.DeleteFunc(list, func(i int) bool { return h.links[i].loopback })
	slices.SortFunc(list, func(a, b int) int { return cmp.Compare(h.links[a].name, h.links[b].name) })
	return list
}

// setLink notes an interface. The kernel drops the IPv4 routes of one that goes
// away without a word about them. It does so too where one goes down; but
// reports on interfaces and on routes come in no common order, and what was
// added after it was up again may be known already. So then all is read again.
func (h *host) setLink(l netlink.Link, gone bool) touched {
	a := l.Attrs()
	was, known := h.links[a.Index]
	var t touched
	if gone {
		t.addrs = h.dropRoutes(a.Index)
		delete(h.links, a.Index)
		delete(h.addrs, a.Index)
		bridged := len(h.bridged)
		maps.DeleteFunc(h.bridged, func(s subnet, _ bool) bool { return s.link == a.Index })
		t.links, t.all = known, bridged != len(h.bridged)
		return t
	}
	now := link{name: a.Name, loopback: a.Flags&net.FlagLoopback != 0, bridge: l.Type() == "bridge", pair: l.Type() == "veth" || l.Type() == "netkit"}
	h.links[a.Index] = now
	if now != was {
		t.links = true
		t.all = t.all || known // renamed: whatever led there leads elsewhere
		if !known {
			t.addrs = append(t.addrs, h.routedTo(a.Index)...)
		}
	}
	return t
}

func (h *host) routedTo(index int) []netip.Addr {
	var list []netip.Addr
	for a, routes := range h.routes {
		if slices.ContainsFunc(routes, func(r route) bool { return r.link == index }) {
			list = append(list, a)
		}
	}
	return list
}

func (h *host) dropRoutes(index int) []netip.Addr {
	list := h.routedTo(index)
	for _, a := range list {
		h.keepRoutes(a, func(r route) bool { return r.link != index })
	}
	return list
}

func (h *host) keepRoutes(a netip.Addr, keep func(route) bool) {
	left := slices.DeleteFunc(slices.Clone(h.routes[a]), func(r route) bool { return !keep(r) })
	if len(left) == 0 {
		delete(h.routes, a)
		return
	}
	h.routes[a] = left
}

// setAddr notes an address of an interface.
func (h *host) setAddr(index int, a netip.Addr, gone bool) touched {
	i := slices.Index(h.addrs[index], a)
	switch {
	case gone == (i < 0):
		return touched{}
	case gone:
		h.addrs[index] = slices.Delete(slices.Clone(h.addrs[index]), i, i+1)
	default:
		h.addrs[index] = append(slices.Clone(h.addrs[index]), a)
	}
	return touched{links: true}
}

// setRoute notes a route. replaces says that it takes the place of what has
// the same destination and metric.
func (h *host) setRoute(r netlink.Route, gone, replaces bool) touched {
	p, ok := destination(r)
	if !ok {
		return touched{}
	}
	if !p.IsSingleIP() {
		return h.setBridged(subnet{p, r.LinkIndex}, r, gone)
	}
	now := route{r.LinkIndex, r.Priority}
	a := p.Addr()
	h.keepRoutes(a, func(o route) bool { return o != now && !(replaces && o.metric == now.metric) })
	if !gone {
		h.routes[a] = append(h.routes[a], now)
	}
	return touched{addrs: []netip.Addr{a}}
}

func (h *host) setBridged(s subnet, r netlink.Route, gone bool) touched {
	if gone || len(r.Gw) > 0 || !h.links[s.link].bridge {
		if !h.bridged[s] {
			return touched{}
		}
		delete(h.bridged, s)
		return touched{all: true}
	}
	if h.bridged[s] {
		return touched{}
	}
	h.bridged[s] = true
	return touched{all: true}
}

// destination returns where a route leads; false for default routes, for those
// that are not in the main table, and for those that lead nowhere.
func destination(r netlink.Route) (netip.Prefix, bool) {
	if r.Dst == nil || r.LinkIndex == 0 || r.Type != unix.RTN_UNICAST || r.Table != unix.RT_TABLE_MAIN || r.Flags&unix.RTM_F_CLONED != 0 {
		return netip.Prefix{}, false
	}
	a, ok := netip.AddrFromSlice(r.Dst.IP)
	ones, bits := r.Dst.Mask.Size()
	if !ok || bits == 0 || ones == 0 {
		return netip.Prefix{}, false
	}
	p := netip.PrefixFrom(a.Unmap(), ones)
	return p, p.IsValid()
}
