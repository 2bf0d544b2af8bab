package nft

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// TestPodInterfaces: interfaces that must be pods' are closed until their pod is
// programmed, whatever addresses are behind them, to and from others and to the
// host; the others are as they were.
func TestPodInterfaces(t *testing.T) {
	p := newPods(t)
	ext := p.add("ext", false, "192.0.2.5", "2001:db8::5")
	me := routerAddrs(p.lab)
	p.Settings = dataplane.Settings{PodInterfaces: []string{"v-b*", "v-exactly"}}
	d := p.dataplane()
	p.apply(d, p.Program)
	late := p.add("but-late", false, "203.0.113.9", "2001:db8:9::9")
	try := func(what string, from *machine, to []netip.Addr, want bool) {
		t.Helper()
		for _, a := range to {
			if got := p.reaches(from.ns, "tcp", 0, netip.AddrPortFrom(a, 80), want); got != want {
				t.Errorf("%s: %s to %s: %v, want %v", what, from.name, a, got, want)
			}
		}
	}
	for _, pod := range []*machine{p.b, late} {
		try("not programmed", pod, ext.addrs, false)
		try("not programmed", pod, me, false)
		try("not programmed", ext, pod.addrs, false)
		try("not programmed", p.a, pod.addrs, false)
	}
	try("another interface", ext, me, true)
	try("a pod that is programmed", p.a, ext.addrs, true)
	p.pod(p.b, p.open[verdict.Ingress], p.open[verdict.Egress])
	p.apply(d, p.Program)
	try("programmed", p.b, ext.addrs, true)
	try("programmed", p.b, me, true)
	try("programmed", ext, p.b.addrs, true)
	try("still not", late, ext.addrs, false)
}

// TestPodGone: where a pod was that is not in the tables any more nothing passes as
// long as the interface is said to be its; then it is as any other.
func TestPodGone(t *testing.T) {
	p := newPods(t)
	ext := p.add("ext", false, "192.0.2.5", "2001:db8::5")
	p.PodNets = nil
	p.pod(p.b, p.open[verdict.Ingress], p.open[verdict.Egress])
	d := p.dataplane()
	p.apply(d, p.Program)
	id := verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: "b"}
	now := p.Tables.Clone()
	delete(now.Endpoints, id)
	try := func(what string, want bool) {
		t.Helper()
		for i, a := range ext.addrs {
			if got := p.reaches(p.b.ns, "tcp", 0, netip.AddrPortFrom(a, 80), want); got != want {
				t.Errorf("%s: out to %s: %v, want %v", what, a, got, want)
			}
			if got := p.reaches(ext.ns, "tcp", 0, netip.AddrPortFrom(p.b.addrs[i], 80), want); got != want {
				t.Errorf("%s: in to %s: %v, want %v", what, p.b.addrs[i], got, want)
			}
		}
	}
	try("there", true)
	p.must(d.Change(context.Background(), dataplane.Change{Delta: table.Diff(p.Tables, now)}))
	try("gone, its interface not", false)
	p.Tables = now
	p.apply(p.dataplane(), p.Program)
	try("the same from the start", false)
	delete(p.Interfaces, id)
	p.apply(p.dataplane(), p.Program)
	try("its interface is anybody's", true)
}

// TestNoIPv6: policy works on a node whose IPv6 is switched off.
func TestNoIPv6(t *testing.T) {
	l := newLab(t)
	h := newHand(0)
	a, b := l.add("a", false, "10.1.0.1"), l.add("b", false, "10.1.0.2")
	l.in(l.router, func() {
		for _, name := range []string{"all", "default"} {
			l.must(os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0))
		}
	})
	row := h.row(trace(verdict.Deny, 1), ports(verdict.TCP, trace(verdict.Allow, 0), trace(verdict.Deny, 1), [2]uint16{80, 80}))
	yes := h.row(trace(verdict.Allow, 0))
	out := h.set(verdict.Egress, verdict.Pod, yes, yes, nil)
	in := h.set(verdict.Ingress, verdict.Pod, row, row, nil)
	h.pod(a, in, out)
	h.pod(b, in, out)
	h.PodNets = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/24"), netip.MustParsePrefix("fd01::/64")}
	l.apply(l.dataplane(), h.Program)
	for port, want := range map[uint16]bool{80: true, 81: false} {
		if got := l.reaches(a.ns, "tcp", 0, netip.AddrPortFrom(b.addrs[0], port), want); got != want {
			t.Errorf("port %d: %v, want %v", port, got, want)
		}
	}
}

// TestUDPLite: rules for UDPLite hold for its packets, and those of UDP do not.
func TestUDPLite(t *testing.T) {
	p := newPods(t)
	row := p.row(trace(verdict.Deny, 1), plainly(verdict.UDPLite, trace(verdict.Allow, 0)))
	p.pod(p.b, p.set(verdict.Ingress, verdict.Pod, row, row, nil), p.open[verdict.Egress])
	only := p.add("c", true, "10.1.0.3", "fd01::3")
	udp := p.row(trace(verdict.Deny, 1), plainly(verdict.UDP, trace(verdict.Allow, 0)))
	p.pod(only, p.set(verdict.Ingress, verdict.Pod, udp, udp, nil), p.open[verdict.Egress])
	p.apply(p.dataplane(), p.Program)
	// conntrack sums UDPLite up as if it were UDP, and takes what is right for
	// invalid (6.18), unless it is told not to look
	p.in(p.router, func() { p.must(os.WriteFile("/proc/sys/net/netfilter/nf_conntrack_checksum", []byte("0"), 0)) })
	from, b, c := p.a.wire(t), p.b.wire(t), only.wire(t)
	for i := range p.a.addrs {
		from.send(packet(p.a.addrs[i], p.b.addrs[i], verdict.UDPLite, 1, 2), uint32(10+i))
		from.send(packet(p.a.addrs[i], p.b.addrs[i], verdict.UDP, 1, 2), uint32(20+i))
		from.send(packet(p.a.addrs[i], only.addrs[i], verdict.UDPLite, 1, 2), uint32(30+i))
	}
	for i := range p.a.addrs {
		if got := b.settled(uint32(10+i), 1); got != 1 {
			t.Errorf("UDPLite that is allowed arrived %d times", got)
		}
		if got := b.count(uint32(20 + i)); got != 0 {
			t.Errorf("UDP arrived %d times", got)
		}
		if got := c.count(uint32(30 + i)); got != 0 {
			t.Errorf("UDPLite that is denied arrived %d times", got)
		}
	}
}

// TestReportsOverflow: reports of changes that do not fit into the kernel's buffer
// are noticed, and count as a change.
func TestReportsOverflow(t *testing.T) {
	p := small(t)
	d := p.dataplane()
	d.reportBuffer = 4096
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	drifts := make(chan dataplane.Drift) // the listener waits until somebody takes it
	p.must(d.Watch(ctx, func(drift dataplane.Drift) {
		select {
		case drifts <- drift:
		case <-ctx.Done():
		}
	}))
	p.apply(d, p.Program)
	var script strings.Builder
	script.WriteString("add table inet other\nadd set inet other s { type ipv4_addr; }\n")
	for i := range 2000 {
		fmt.Fprintf(&script, "add element inet other s { 10.0.%d.%d }\n", i/250, i%250)
	}
	p.nft("add", "chain", "inet", "tierwall", "foreign")
	p.in(p.router, func() {
		c := exec.Command("nft", "-f", "-")
		c.Stdin = strings.NewReader(script.String())
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("nft: %v\n%s", err, out)
		}
	})
	limit := time.After(10 * time.Second)
	for lost := false; !lost; {
		select {
		case drift := <-drifts:
			lost = drift.Lost
		case <-limit:
			t.Fatal("the loss is not noticed")
		}
	}
	if err := d.Change(ctx, dataplane.Change{}); err == nil {
		t.Error("a change on top of what is not known")
	}
}
