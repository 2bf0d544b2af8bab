package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// inNetNS starts f in a new network namespace and returns a handle for it.
func inNetNS(t *testing.T, f func()) *netlink.Handle {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	ready := make(chan any)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			ready <- err
			return
		}
		ns, err := netns.Get()
		if err != nil {
			ready <- err
			return
		}
		ready <- ns
		f()
	}()
	switch got := (<-ready).(type) {
	case netns.NsHandle:
		t.Cleanup(func() { _ = got.Close() })
		h, err := netlink.NewHandleAt(got)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(h.Close)
		return h
	default:
		t.Fatal(got)
	}
	return nil
}

// follow takes what the watch says until the condition holds.
func follow(t *testing.T, w *hostWatch, p *places, what string, until func() bool) {
	t.Helper()
	limit := time.After(10 * time.Second)
	for !until() {
		select {
		case e := <-w.events:
			p.take(e)
		case <-limit:
			t.Fatalf("%s: not after 10 s", what)
		}
	}
}

func routeTo(index int, a string) *netlink.Route {
	ip := net.ParseIP(a)
	bits := 128
	if ip.To4() != nil {
		bits = 32
	}
	return &netlink.Route{LinkIndex: index, Dst: &net.IPNet{IP: ip, Mask: net.CIDRMask(bits, bits)}}
}

// TestFollowsKernel: interfaces, addresses and routes as the kernel really
// reports them.
func TestFollowsKernel(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	w := &hostWatch{events: make(chan hostEvent), log: slog.New(slog.DiscardHandler), buffer: receiveBuffer}
	h := inNetNS(t, func() { w.run(ctx) })
	p := newPlaces("n1")
	at := func(a string) func(string) func() bool {
		return func(name string) func() bool {
			return func() bool { return p.host.interfaceOf(netip.MustParseAddr(a)) == name }
		}
	}
	four, six := at("10.1.0.2"), at("fd00:1::2")
	e := <-w.events // all that is there: the loopback
	p.take(e)
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "tw1"}, PeerName: "peer"}
	must(t, h.LinkAdd(veth))
	l, err := h.LinkByName("tw1")
	must(t, err)
	index := l.Attrs().Index
	must(t, h.LinkSetUp(l))
	must(t, h.RouteAdd(routeTo(index, "10.1.0.2")))
	follow(t, w, p, "route", four("tw1"))
	if err := h.RouteAdd(routeTo(index, "fd00:1::2")); err != nil {
		t.Log("this node has no IPv6:", err)
	} else {
		follow(t, w, p, "IPv6 route", six("tw1"))
	}
	addr, _ := netlink.ParseAddr("192.0.2.1/24")
	must(t, h.AddrAdd(l, addr))
	follow(t, w, p, "address", func() bool { return len(p.host.addrs[index]) > 0 })
	must(t, h.LinkSetDown(l))
	follow(t, w, p, "down", four(""))
	must(t, h.LinkSetUp(l))
	must(t, h.RouteAdd(routeTo(index, "10.1.0.2")))
	follow(t, w, p, "up", four("tw1"))
	must(t, h.LinkDel(l))
	follow(t, w, p, "gone", func() bool { return four("")() && six("")() && len(p.host.links) == 1 })

	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "cni0"}}
	must(t, h.LinkAdd(bridge))
	must(t, h.LinkSetUp(bridge))
	gateway, _ := netlink.ParseAddr("10.1.0.1/24")
	must(t, h.AddrAdd(bridge, gateway))
	must(t, h.LinkAdd(veth))
	port, err := h.LinkByName("tw1")
	must(t, err)
	must(t, h.LinkSetMaster(port, bridge))
	follow(t, w, p, "bridge", func() bool { return four("cni0")() && len(p.host.links) == 4 })
	must(t, h.AddrAdd(port, addr))
	follow(t, w, p, "address of the port", func() bool { return len(p.host.addrs[port.Attrs().Index]) > 0 })
	must(t, h.LinkSetNoMaster(port)) // reported as the end of a port, not of the interface
	must(t, h.RouteAdd(routeTo(indexOf(t, h, "cni0"), "10.1.0.77")))
	follow(t, w, p, "port", func() bool { return len(p.host.routes) > 0 })
	if len(p.host.links) != 4 || len(p.host.addrs[port.Attrs().Index]) == 0 {
		t.Errorf("links %v after an interface left its bridge", p.host.links)
	}
}

func indexOf(t *testing.T, h *netlink.Handle, name string) int {
	l, err := h.LinkByName(name)
	must(t, err)
	return l.Attrs().Index
}

// TestOverflow: reports that do not fit into the kernel's buffer are noticed,
// everything is read again, and nothing is missing.
func TestOverflow(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	w := &hostWatch{events: make(chan hostEvent), log: slog.New(slog.DiscardHandler), buffer: 4096}
	h := inNetNS(t, func() { w.run(ctx) })
	p := newPlaces("n1")
	p.take(<-w.events)
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "tw1"}, PeerName: "peer"}
	must(t, h.LinkAdd(veth))
	must(t, h.LinkSetUp(veth))
	const n = 3000
	for i := range n { // nobody listens meanwhile
		must(t, h.RouteAdd(routeTo(veth.Index, fmt.Sprintf("10.1.%d.%d", i/250, i%250+1))))
	}
	lost := false
	limit := time.After(20 * time.Second)
	for !lost || len(p.host.routes) < n {
		select {
		case e := <-w.events:
			lost = lost || e.lost
			p.take(e)
		case <-limit:
			t.Fatalf("%d of %d routes are known (loss noticed: %v)", len(p.host.routes), n, lost)
		}
	}
}
