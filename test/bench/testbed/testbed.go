package testbed

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Names of the node's ends of the pairs, and addresses of the pods.
const (
	ClientInterface = "client"
	ServerInterface = "server"
)

// The addresses of the two pods.
var (
	ClientAddr = netip.MustParseAddr("10.1.0.1")
	ServerAddr = netip.MustParseAddr("10.1.0.2")
)

// Node is a node that routes between two pods, the client and the server.
type Node struct {
	// NS is the node's namespace, in which policy is enforced.
	NS             netns.NsHandle
	client, server netns.NsHandle
	link           *netlink.Handle
}

// New makes a node in a namespace of its own.
func New() (*Node, error) {
	ns, err := newNS()
	if err != nil {
		return nil, fmt.Errorf("a network namespace: %w", err)
	}
	return newNode(ns)
}

// Here makes a node of the namespace that this process is in, which should be its
// own: interfaces and routes are added to it.
func Here() (*Node, error) {
	ns, err := netns.Get()
	if err != nil {
		return nil, err
	}
	return newNode(ns)
}

func newNode(ns netns.NsHandle) (n *Node, err error) {
	n = &Node{NS: ns, client: netns.None(), server: netns.None()}
	defer func() {
		if err != nil {
			n.Close()
		}
	}()
	for _, ns := range []*netns.NsHandle{&n.client, &n.server} {
		if *ns, err = newNS(); err != nil {
			return n, fmt.Errorf("a network namespace: %w", err)
		}
	}
	err = in(n.NS, func() error {
		return errors.Join(sysctl("ipv4/ip_forward", "1"), sysctl("ipv4/conf/all/rp_filter", "0"), sysctl("ipv4/conf/default/rp_filter", "0"))
	})
	if err != nil {
		return n, err
	}
	if n.link, err = netlink.NewHandleAt(n.NS); err != nil {
		return n, err
	}
	if err := n.attach(ClientInterface, n.client, ClientAddr); err != nil {
		return n, err
	}
	return n, n.attach(ServerInterface, n.server, ServerAddr)
}

// Close gives the namespaces back.
func (n *Node) Close() {
	if n.link != nil {
		n.link.Close()
	}
	for _, ns := range []netns.NsHandle{n.NS, n.client, n.server} {
		if ns.IsOpen() {
			_ = ns.Close()
		}
	}
}

// Load gives a ruleset to the nft program, in the node.
func (n *Node) Load(ruleset string) error {
	return in(n.NS, func() error {
		c := exec.Command("nft", "-f", "-")
		c.Stdin = strings.NewReader(ruleset)
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("nft: %w: %.300s", err, out)
		}
		return nil
	})
}

// Run runs a program in the node.
func (n *Node) Run(name string, args ...string) error {
	return in(n.NS, func() error { return exec.Command(name, args...).Run() })
}

// InClient and InServer run f in a pod's namespace. Sockets that f opens stay there.
func (n *Node) InClient(f func() error) error { return in(n.client, f) }

// InServer is InClient for the other pod.
func (n *Node) InServer(f func() error) error { return in(n.server, f) }

// Behind makes the server answer for a whole network, to which the node leads.
func (n *Node) Behind(network netip.Prefix) error {
	outer, err := n.link.LinkByName(ServerInterface)
	if err != nil {
		return err
	}
	dst := &net.IPNet{IP: network.Addr().AsSlice(), Mask: net.CIDRMask(network.Bits(), 32)}
	if err := n.link.RouteReplace(&netlink.Route{LinkIndex: outer.Attrs().Index, Dst: dst, Gw: ServerAddr.AsSlice()}); err != nil {
		return err
	}
	h, err := netlink.NewHandleAt(n.server)
	if err != nil {
		return err
	}
	defer h.Close()
	lo, err := up(h, "lo")
	if err != nil {
		return err
	}
	return h.RouteReplace(&netlink.Route{LinkIndex: lo.Attrs().Index, Dst: dst, Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Scope: netlink.SCOPE_HOST})
}

func newNS() (netns.NsHandle, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		return netns.None(), err
	}
	defer func() { _ = home.Close() }()
	ns, err := netns.New()
	if err != nil {
		return ns, err
	}
	return ns, netns.Set(home)
}

// in runs f in a namespace. Sockets that f opens stay there.
func in(ns netns.NsHandle, f func() error) error {
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer func() { _ = home.Close() }()
	if err := netns.Set(ns); err != nil {
		runtime.UnlockOSThread()
		return err
	}
	err = f()
	if back := netns.Set(home); back != nil {
		return errors.Join(err, back) // the thread stays locked, and ends with its goroutine
	}
	runtime.UnlockOSThread()
	return err
}

func sysctl(name, value string) error { return os.WriteFile("/proc/sys/net/"+name, []byte(value), 0) }

// attach connects a pod to the node, with static neighbours: nothing but what is
// measured is on the wire.
func (n *Node) attach(name string, pod netns.NsHandle, a netip.Addr) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	if err := n.link.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(pod)}); err != nil {
		return fmt.Errorf("a veth pair: %w", err)
	}
	h, err := netlink.NewHandleAt(pod)
	if err != nil {
		return err
	}
	defer h.Close()
	inner, err := up(h, "eth0")
	if err != nil {
		return err
	}
	outer, err := up(n.link, name)
	if err != nil {
		return err
	}
	if err := errors.Join(running(h, "eth0"), running(n.link, name)); err != nil {
		return err
	}
	via := net.IPv4(169, 254, 1, 1)
	index := inner.Attrs().Index
	return errors.Join(
		h.AddrAdd(inner, &netlink.Addr{IPNet: whole(a.AsSlice())}),
		h.NeighSet(&netlink.Neigh{LinkIndex: index, State: netlink.NUD_PERMANENT, IP: via, HardwareAddr: outer.Attrs().HardwareAddr}),
		h.RouteReplace(&netlink.Route{LinkIndex: index, Dst: whole(via), Scope: netlink.SCOPE_LINK}),
		h.RouteReplace(&netlink.Route{LinkIndex: index, Dst: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}, Gw: via}),
		n.link.NeighSet(&netlink.Neigh{LinkIndex: outer.Attrs().Index, State: netlink.NUD_PERMANENT, IP: a.AsSlice(), HardwareAddr: inner.Attrs().HardwareAddr}),
		n.link.RouteReplace(&netlink.Route{LinkIndex: outer.Attrs().Index, Dst: whole(a.AsSlice()), Scope: netlink.SCOPE_LINK}),
	)
}

func up(h *netlink.Handle, name string) (netlink.Link, error) {
	link, err := h.LinkByName(name)
	if err != nil {
		return nil, err
	}
	return link, h.LinkSetUp(link)
}

// running waits until the kernel has seen that both ends of a link are up: until
// then it drops what is sent.
func running(h *netlink.Handle, name string) error {
	for range 1000 {
		link, err := h.LinkByName(name)
		if err != nil || link.Attrs().OperState == netlink.OperUp {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
	return fmt.Errorf("%s does not come up", name)
}

func whole(ip net.IP) *net.IPNet { return &net.IPNet{IP: ip.To4(), Mask: net.CIDRMask(32, 32)} }

// at is an address as system calls want it.
func at(a netip.Addr, port int) *unix.SockaddrInet4 {
	return &unix.SockaddrInet4{Port: port, Addr: a.As4()}
}
