package lab

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// The pods' gateways, the same on every node: addresses of no machine, which
// each node answers for on each pod's link.
var (
	podGateway4 = netip.MustParseAddr("169.254.1.1")
	podGateway6 = netip.MustParseAddr("fe80::1")
)

// setting is one file under /proc/sys/net of a namespace.
type setting struct{ name, value string }

// settingsOfAll hold in every namespace: IPv6 addresses are usable at once and
// come from us only.
var settingsOfAll = []setting{
	{"ipv6/conf/all/accept_dad", "0"},
	{"ipv6/conf/default/accept_dad", "0"},
	{"ipv6/conf/default/dad_transmits", "0"},
	{"ipv6/conf/default/accept_ra", "0"},
	{"ipv6/conf/default/disable_ipv6", "0"},
}

// settingsOfRouters hold in nodes and in the fabric.
var settingsOfRouters = []setting{
	{"ipv4/ip_forward", "1"},
	{"ipv6/conf/all/forwarding", "1"},
	{"ipv4/conf/all/send_redirects", "0"},
	{"ipv4/conf/default/send_redirects", "0"},
	{"ipv4/conf/all/rp_filter", "1"},
	{"ipv4/conf/default/rp_filter", "1"},
}

// settingsOfPodLink hold for the node's end of a pod's link. The delay is that
// of proxy ARP answers: by default up to 0.8 s, before a pod's first packet.
func settingsOfPodLink(link string) []setting {
	return []setting{
		{"ipv4/conf/" + link + "/proxy_arp", "1"},
		{"ipv4/neigh/" + link + "/proxy_delay", "0"},
		{"ipv6/conf/" + link + "/addr_gen_mode", "1"}, // no address but fe80::1
	}
}

// write sets the settings of the calling thread's namespace.
func write(settings ...setting) error {
	for _, s := range settings {
		if err := os.WriteFile(filepath.Join("/proc/sys/net", s.name), []byte(s.value), 0); err != nil {
			return err
		}
	}
	return nil
}

// newStack makes a namespace with its settings and its loopback up, and opens a
// handle on it. The caller closes the handle.
func newStack(name string, settings ...setting) (*netlink.Handle, error) {
	if err := createNetns(name); err != nil {
		return nil, err
	}
	if err := inNetns(name, func() error { return write(append(settings, settingsOfAll...)...) }); err != nil {
		return nil, fmt.Errorf("settings of %s: %w", name, err)
	}
	ns, err := netns.GetFromPath(netnsPath(name))
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	nl, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("netlink in %s: %w", name, err)
	}
	lo, err := nl.LinkByName("lo")
	if err == nil {
		err = nl.LinkSetUp(lo)
	}
	if err != nil {
		nl.Close()
		return nil, fmt.Errorf("loopback of %s: %w", name, err)
	}
	return nl, nil
}

// newFabric makes the bridge that machines are plugged into.
func newFabric(nl *netlink.Handle) (netlink.Link, error) {
	off := false
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "fabric"}, MulticastSnooping: &off}
	if err := nl.LinkAdd(bridge); err != nil {
		return nil, err
	}
	for _, p := range []netip.Prefix{fabric4, fabric6} {
		if err := nl.AddrAdd(bridge, address(p)); err != nil {
			return nil, err
		}
	}
	return bridge, nl.LinkSetUp(bridge)
}

// plug makes a pair of links: name in the namespace of nl, and eth0 in peer.
// A master of 0 means none.
func plug(nl *netlink.Handle, name, peer string, master int) (netlink.Link, error) {
	ns, err := netns.GetFromPath(netnsPath(peer))
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	veth := &netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: name, MasterIndex: master},
		PeerName:      "eth0",
		PeerNamespace: netlink.NsFd(ns),
	}
	if err := nl.LinkAdd(veth); err != nil {
		return nil, fmt.Errorf("link %s to %s: %w", name, peer, err)
	}
	return nl.LinkByName(name)
}

// address is a prefix as an interface's address, usable at once.
func address(p netip.Prefix) *netlink.Addr {
	a := &netlink.Addr{IPNet: ipNet(p)}
	if p.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	return a
}

// hostAddress is address for a single one, without the route that an address
// with a prefix brings along.
func hostAddress(a netip.Addr) *netlink.Addr {
	out := address(single(a))
	out.Flags |= unix.IFA_F_NOPREFIXROUTE
	return out
}

// route is a way to a destination over a link. An invalid via means that the
// destination is on the link itself; an invalid source leaves the choice of
// source address to the kernel.
type route struct {
	to          netip.Prefix
	via, source netip.Addr
	link        int
	unreachable bool // there is no way: say so at once
}

func (r route) netlink() *netlink.Route {
	out := &netlink.Route{LinkIndex: r.link, Dst: ipNet(r.to), Family: netlink.FAMILY_V4}
	if r.to.Addr().Is6() {
		out.Family = netlink.FAMILY_V6
	}
	if r.source.IsValid() {
		out.Src = r.source.AsSlice()
	}
	switch {
	case r.unreachable:
		out.Type = unix.RTN_UNREACHABLE
	case r.via.IsValid():
		out.Gw = r.via.AsSlice()
		out.SetFlag(netlink.FLAG_ONLINK)
	default:
		out.Scope = netlink.SCOPE_LINK
	}
	return out
}

// addRoutes adds routes; one that is there already is left.
func addRoutes(nl *netlink.Handle, routes ...route) error {
	for _, r := range routes {
		if err := nl.RouteAdd(r.netlink()); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("route to %s: %w", r.to, err)
		}
	}
	return nil
}

// deleteRoutes deletes routes; one that is not there is no error.
func deleteRoutes(nl *netlink.Handle, routes ...route) error {
	for _, r := range routes {
		if err := nl.RouteDel(r.netlink()); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("route to %s: %w", r.to, err)
		}
	}
	return nil
}

// anywhere is the default route's destination, of the family of a.
func anywhere(a netip.Addr) netip.Prefix {
	if a.Is4() {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
}

// single is the prefix of one address.
func single(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// linkName is the name of a pod's link in its node: short enough for Linux (15
// characters) and the same each time.
func linkName(ref string) string {
	sum := sha256.Sum256([]byte(ref))
	return "tw" + hex.EncodeToString(sum[:])[:11]
}
