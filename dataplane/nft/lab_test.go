package nft

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/dataplane"
)

// lab is a small network of namespaces that the test makes and that vanish
// with it: a router, where the dataplane works, and machines on veth pairs.
type lab struct {
	t      *testing.T
	router netns.NsHandle
	link   *netlink.Handle
}

// machine is a pod, or a host outside, at the end of a veth pair. Routes and
// neighbours are static on both sides: nothing but what a test sends is on
// the wire.
type machine struct {
	lab   *lab
	name  string
	iface string // the router's end
	ns    netns.NsHandle
	addrs []netip.Addr
	// mac is the machine's address on the wire, gateway the router's.
	mac, gateway net.HardwareAddr
	index        int // of the machine's own end
}

func newLab(t *testing.T) *lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	l := &lab{t: t, router: newNS(t)}
	l.in(l.router, func() {
		for _, f := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
			l.must(os.WriteFile("/proc/sys/net/"+f, []byte("1"), 0))
		}
		for _, f := range []string{"ipv4/conf/all/rp_filter", "ipv4/conf/default/rp_filter", "ipv4/icmp_ratelimit"} {
			l.must(os.WriteFile("/proc/sys/net/"+f, []byte("0"), 0))
		}
	})
	l.link = l.handle(l.router)
	l.up(l.link, "lo")
	return l
}

func newNS(t *testing.T) netns.NsHandle {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	ns, err := netns.New()
	if err != nil {
		t.Skipf("network namespaces cannot be made here: %v", err)
	}
	if err := netns.Set(home); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	return ns
}

// in runs f in a namespace. Sockets that f opens stay there.
func (l *lab) in(ns netns.NsHandle, f func()) {
	l.t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	l.must(err)
	defer home.Close()
	l.must(netns.Set(ns))
	defer func() { l.must(netns.Set(home)) }()
	f()
}

func (l *lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) handle(ns netns.NsHandle) *netlink.Handle {
	h, err := netlink.NewHandleAt(ns)
	l.must(err)
	l.t.Cleanup(h.Close)
	return h
}

func (l *lab) up(h *netlink.Handle, name string) netlink.Link {
	link, err := h.LinkByName(name)
	l.must(err)
	l.must(h.LinkSetUp(link))
	return link
}

// add connects a machine with its addresses. A mute one has no addresses of
// its own: it takes packets from the wire and never answers.
func (l *lab) add(name string, mute bool, addrs ...string) *machine {
	l.t.Helper()
	m := &machine{lab: l, name: name, iface: "v-" + name, ns: newNS(l.t)}
	for _, a := range addrs {
		m.addrs = append(m.addrs, netip.MustParseAddr(a))
	}
	l.must(l.link.LinkAdd(&netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: m.iface}, PeerName: "eth0", PeerNamespace: netlink.NsFd(m.ns),
	}))
	h := l.handle(m.ns)
	l.up(h, "lo")
	l.quiet(m.ns, "eth0")
	l.quiet(l.router, m.iface)
	inner, outer := l.up(h, "eth0"), l.up(l.link, m.iface)
	l.running(h, "eth0")
	l.running(l.link, m.iface)
	m.mac, m.gateway, m.index = inner.Attrs().HardwareAddr, outer.Attrs().HardwareAddr, inner.Attrs().Index
	for _, a := range m.addrs {
		l.routeTo(m, outer, a)
		if !mute {
			l.configure(h, inner, m.gateway, a)
		}
	}
	return m
}

// running waits until the kernel has seen that both ends of a link are up: until
// then it drops what is sent.
func (l *lab) running(h *netlink.Handle, name string) {
	for range 500 {
		link, err := h.LinkByName(name)
		l.must(err)
		if link.Attrs().OperState == netlink.OperUp {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	l.t.Fatalf("%s does not come up", name)
}

// quiet keeps IPv6 from talking on its own on an interface.
func (l *lab) quiet(ns netns.NsHandle, name string) {
	l.in(ns, func() {
		for _, f := range []string{"accept_dad", "router_solicitations", "accept_ra"} {
			l.must(os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/"+f, []byte("0"), 0))
		}
	})
}

func host(a netip.Addr) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}
}

func (l *lab) routeTo(m *machine, outer netlink.Link, a netip.Addr) {
	l.must(l.link.NeighSet(&netlink.Neigh{LinkIndex: outer.Attrs().Index, State: netlink.NUD_PERMANENT, IP: a.AsSlice(), HardwareAddr: m.mac}))
	l.must(l.link.RouteAdd(&netlink.Route{LinkIndex: outer.Attrs().Index, Dst: host(a), Scope: netlink.SCOPE_LINK}))
}

func (l *lab) configure(h *netlink.Handle, inner netlink.Link, gateway net.HardwareAddr, a netip.Addr) {
	via := netip.MustParseAddr("169.254.1.1")
	if a.Is6() {
		via = netip.MustParseAddr("fe80::1")
	}
	i := inner.Attrs().Index
	l.must(h.AddrAdd(inner, &netlink.Addr{IPNet: host(a), Flags: unix.IFA_F_NODAD}))
	l.must(h.NeighSet(&netlink.Neigh{LinkIndex: i, State: netlink.NUD_PERMANENT, IP: via.AsSlice(), HardwareAddr: gateway}))
	l.must(h.RouteReplace(&netlink.Route{LinkIndex: i, Dst: host(via), Scope: netlink.SCOPE_LINK}))
	all := &net.IPNet{IP: make(net.IP, a.BitLen()/8), Mask: net.CIDRMask(0, a.BitLen())}
	l.must(h.RouteReplace(&netlink.Route{LinkIndex: i, Dst: all, Gw: via.AsSlice()}))
}

// dataplane returns a dataplane in the router, as a process that just started.
func (l *lab) dataplane() *Dataplane { return New(Options{NetNS: int(l.router), Grace: -1}) }

func (l *lab) apply(d dataplane.Dataplane, p dataplane.Program) {
	l.t.Helper()
	l.must(d.Apply(context.Background(), p))
}

// nft runs the nft program in the router.
func (l *lab) nft(args ...string) string {
	l.t.Helper()
	var out []byte
	var err error
	l.in(l.router, func() { out, err = exec.Command("nft", args...).CombinedOutput() })
	if err != nil {
		l.t.Fatalf("nft %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// listen answers every TCP connection and UDP packet to a port, in a namespace,
// by one byte a byte.
func (l *lab) listen(ns netns.NsHandle, network string, port uint16) {
	l.t.Helper()
	at := fmt.Sprintf("[::]:%d", port)
	l.in(ns, func() {
		if network == "udp" {
			c, err := net.ListenPacket(network, at)
			l.must(err)
			l.t.Cleanup(func() { c.Close() })
			go echoPackets(c)
			return
		}
		s, err := net.Listen(network, at)
		l.must(err)
		l.t.Cleanup(func() { s.Close() })
		go func() {
			for {
				c, err := s.Accept()
				if err != nil {
					return
				}
				go echo(c)
			}
		}()
	})
}

func echoPackets(c net.PacketConn) {
	buf := make([]byte, 64)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		c.WriteTo(buf[:n], from)
	}
}

func echo(c net.Conn) {
	defer c.Close()
	buf := make([]byte, 1)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
		if _, err := c.Write(buf); err != nil {
			return
		}
	}
}

// patience is how long an answer may take: silence longer than that is a drop.
// Where an answer is expected, a busy machine gets more time.
func patience(want bool) time.Duration {
	if want {
		return 3 * time.Second
	}
	return 150 * time.Millisecond
}

// dial opens a connection from a namespace, from a source port if it is not 0.
func (l *lab) dial(ns netns.NsHandle, network string, source uint16, to netip.AddrPort, want bool) (c net.Conn, err error) {
	l.t.Helper()
	d := net.Dialer{Timeout: patience(want)}
	if source != 0 {
		d.Control = func(_, _ string, raw syscall.RawConn) error {
			return raw.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) })
		}
		d.LocalAddr = &net.TCPAddr{Port: int(source)}
		if network == "udp" {
			d.LocalAddr = &net.UDPAddr{Port: int(source)}
		}
	}
	l.in(ns, func() { c, err = d.Dial(network, to.String()) })
	return c, err
}

// reaches reports whether a new connection comes about and carries a byte. A
// refusal counts: the packet arrived. What is wanted only says how long to wait.
func (l *lab) reaches(ns netns.NsHandle, network string, source uint16, to netip.AddrPort, want bool) bool {
	l.t.Helper()
	c, err := l.dial(ns, network, source, to, want)
	if err != nil {
		return errors.Is(err, unix.ECONNREFUSED)
	}
	defer c.Close()
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	err = talk(c, want)
	return err == nil || errors.Is(err, unix.ECONNREFUSED)
}

// talk sends a byte and waits for it to come back.
func talk(c net.Conn, want bool) error {
	c.SetDeadline(time.Now().Add(patience(want)))
	if _, err := c.Write([]byte{'x'}); err != nil {
		return err
	}
	_, err := c.Read(make([]byte, 1))
	return err
}
