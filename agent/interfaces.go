package agent

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// host is what the kernel says of the node: which interface leads to which
// single address, and what the interfaces' own addresses are.
type host struct {
	routes map[netip.Addr]string
	links  []link
}

// link is one interface of the node.
type link struct {
	name  string
	addrs []netip.Addr
}

// readHost asks the kernel. It is a few netlink dumps: milliseconds.
func readHost() (*host, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list of interfaces: %w", err)
	}
	names := make(map[int]string, len(links))
	h := &host{routes: map[netip.Addr]string{}}
	for _, l := range links {
		names[l.Attrs().Index] = l.Attrs().Name
		if l.Attrs().Flags&net.FlagLoopback == 0 {
			h.links = append(h.links, link{name: l.Attrs().Name})
		}
	}
	slices.SortFunc(h.links, func(a, b link) int { return strings.Compare(a.name, b.name) })
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := netlink.RouteList(nil, family)
		if err != nil {
			return nil, fmt.Errorf("list of routes: %w", err)
		}
		for _, r := range routes {
			if a, ok := singleAddr(r); ok && names[r.LinkIndex] != "" {
				h.routes[a] = names[r.LinkIndex]
			}
		}
		if err := h.readAddrs(family, names); err != nil {
			return nil, err
		}
	}
	return h, nil
}

func (h *host) readAddrs(family int, names map[int]string) error {
	addrs, err := netlink.AddrList(nil, family)
	if err != nil {
		return fmt.Errorf("list of addresses: %w", err)
	}
	for _, a := range addrs {
		ip, ok := netip.AddrFromSlice(a.IP)
		i := slices.IndexFunc(h.links, func(l link) bool { return l.name == names[a.LinkIndex] })
		if ok && i >= 0 {
			h.links[i].addrs = append(h.links[i].addrs, ip.Unmap())
		}
	}
	return nil
}

// singleAddr returns the one address that a route leads to.
func singleAddr(r netlink.Route) (netip.Addr, bool) {
	if r.Dst == nil {
		return netip.Addr{}, false
	}
	ones, bits := r.Dst.Mask.Size()
	a, ok := netip.AddrFromSlice(r.Dst.IP)
	return a.Unmap(), ok && ones == bits && bits > 0
}

// interfaces says where the node's endpoints are. Endpoints that the kernel
// has no interface for are left out: they are not there yet.
func (h *host) interfaces(s *model.State, node string) map[verdict.EndpointID][]string {
	out := map[verdict.EndpointID][]string{}
	pods := map[string]bool{}
	for id, e := range s.Endpoints {
		if e.Node != node || id.Kind != verdict.Pod {
			continue
		}
		for _, a := range e.Addrs {
			if name := h.routes[a]; name != "" && !slices.Contains(out[id], name) {
				out[id] = append(out[id], name)
				pods[name] = true
			}
		}
	}
	for _, l := range h.links {
		if pods[l.name] {
			continue
		}
		if e := governing(s, node, l); e != nil {
			out[e.ID] = append(out[e.ID], l.name)
		}
	}
	return out
}

// governing returns the host endpoint for an interface (semantics.md section
// 11): one that has its name, or that has no name and expects one of its
// addresses; else one for "*"; of several the lowest name.
func governing(s *model.State, node string, l link) *model.Endpoint {
	var named, star *model.Endpoint
	for id, e := range s.Endpoints {
		if e.Node != node || id.Kind != verdict.Host {
			continue
		}
		switch {
		case e.Interface == "*":
			star = lower(star, e)
		case e.Interface == l.name,
			e.Interface == "" && slices.ContainsFunc(e.Addrs, func(a netip.Addr) bool { return slices.Contains(l.addrs, a) }):
			named = lower(named, e)
		}
	}
	if named != nil {
		return named
	}
	return star
}

func lower(a, b *model.Endpoint) *model.Endpoint {
	if a == nil || b.ID.Name < a.ID.Name {
		return b
	}
	return a
}

// settle is how long to wait for more after a first sign of change, so that
// the making of a pod's interface, address and route is one change.
const settle = 2 * time.Millisecond

// watchHost sends a sign after interfaces, addresses or routes have changed,
// until the context ends.
func watchHost(ctx context.Context, changed chan<- struct{}) error {
	links := make(chan netlink.LinkUpdate, 64)
	addrs := make(chan netlink.AddrUpdate, 64)
	routes := make(chan netlink.RouteUpdate, 256)
	if err := netlink.LinkSubscribe(links, ctx.Done()); err != nil {
		return fmt.Errorf("subscription to interfaces: %w", err)
	}
	if err := netlink.AddrSubscribe(addrs, ctx.Done()); err != nil {
		return fmt.Errorf("subscription to addresses: %w", err)
	}
	if err := netlink.RouteSubscribe(routes, ctx.Done()); err != nil {
		return fmt.Errorf("subscription to routes: %w", err)
	}
	go func() {
		var quiet <-chan time.Time
		for {
			select {
			case <-ctx.Done():
				return
			case <-links:
			case <-addrs:
			case <-routes:
			case <-quiet:
				quiet = nil
				select {
				case changed <- struct{}{}:
				default:
				}
				continue
			}
			if quiet == nil {
				quiet = time.After(settle)
			}
		}
	}()
	return nil
}
