package nft

import (
	"context"
	"encoding/binary"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/florianl/go-nfqueue/v2"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/verdict"
)

const testQueue, testQueryGroup = 7, 71

// held is a listener to the queue of the router that keeps what it gets until
// the test lets it go.
type held struct {
	nf  *nfqueue.Nfqueue
	all chan nfqueue.Attribute
}

func (l *lab) hold(ctx context.Context) *held {
	l.t.Helper()
	nf, err := nfqueue.Open(&nfqueue.Config{NetNS: int(l.router), NfQueue: testQueue, MaxQueueLen: 100, MaxPacketLen: 0xffff,
		Copymode: nfqueue.NfQnlCopyPacket, Flags: nfqueue.NfQaCfgFlagFailOpen})
	l.must(err)
	h := &held{nf: nf, all: make(chan nfqueue.Attribute, 100)}
	l.must(nf.RegisterWithErrorFunc(ctx, func(a nfqueue.Attribute) int { h.all <- a; return 0 }, func(error) int { return 0 }))
	return h
}

// one returns a packet that waits, nil if none comes.
func (h *held) one(want bool) *nfqueue.Attribute {
	select {
	case a := <-h.all:
		return &a
	case <-time.After(patience(want)):
		return nil
	}
}

// dnsLab is a pod and two servers outside, one of them trusted, to which a
// service address leads too.
type dnsLab struct {
	*pods
	server, other *machine
	plane         *Dataplane
}

var serviceAddr = netip.MustParseAddr("10.96.0.10")

func newDNSLab(t *testing.T) *dnsLab {
	p := newPods(t)
	l := &dnsLab{pods: p, server: p.add("s", false, "192.0.2.1", "2001:db8::1"), other: p.add("o", false, "192.0.2.2", "2001:db8::2")}
	l.plane = l.dataplane()
	l.DNS = &dataplane.DNS{Queue: testQueue, QueryGroup: testQueryGroup, Servers: []netip.AddrPort{
		netip.AddrPortFrom(serviceAddr, 53), netip.AddrPortFrom(l.server.addrs[0], 53), netip.AddrPortFrom(l.server.addrs[1], 53)}}
	for _, m := range []*machine{l.server, l.other} {
		l.listen(m.ns, "udp", 53)
		l.listen(m.ns, "tcp", 53)
		l.listen(m.ns, "udp", 5353)
	}
	l.apply(l.plane, l.Program)
	return l
}

// asks sends a byte from the pod and reports whether it comes back, in a
// channel, since it may be held.
func (l *dnsLab) asks(network string, to netip.Addr, port uint16) <-chan bool {
	out := make(chan bool, 1)
	go func() { out <- l.reaches(l.a.ns, network, 0, netip.AddrPortFrom(to, port), true) }()
	return out
}

// TestDNSHeld: answers of trusted servers wait for a verdict, whether the server
// was asked itself or by the address of its service; others' do not.
func TestDNSHeld(t *testing.T) {
	l := newDNSLab(t)
	l.in(l.router, func() {
		out, err := exec.Command("nft", "add table ip fake-proxy; add chain ip fake-proxy pre { type nat hook prerouting priority dstnat; }; "+
			"add rule ip fake-proxy pre ip daddr 10.96.0.10 udp dport 53 dnat to 192.0.2.1:5353").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	})
	h := l.hold(t.Context())
	for _, try := range []struct {
		network string
		to      netip.Addr
		port    uint16
		held    bool
	}{
		{"udp", l.server.addrs[0], 53, true},
		{"udp", l.server.addrs[1], 53, true},
		{"udp", serviceAddr, 53, true},
		{"udp", l.other.addrs[0], 53, false},
		{"udp", l.other.addrs[1], 53, false},
		{"tcp", l.other.addrs[0], 53, false},
		{"udp", l.server.addrs[0], 5353, false},
	} {
		answered := l.asks(try.network, try.to, try.port)
		a := h.one(try.held)
		if (a != nil) != try.held {
			t.Errorf("%s %s port %d: held %v, want %v", try.network, try.to, try.port, a != nil, try.held)
		}
		if a != nil {
			select {
			case <-answered:
				t.Errorf("%s %s: the answer did not wait", try.network, try.to)
			case <-time.After(50 * time.Millisecond):
			}
			l.must(h.nf.SetVerdict(*a.PacketID, nfqueue.NfAccept))
		}
		if !<-answered {
			t.Errorf("%s %s port %d: no answer", try.network, try.to, try.port)
		}
	}
}

// TestDNSHeldTCP: all segments of the server's wait.
func TestDNSHeldTCP(t *testing.T) {
	l := newDNSLab(t)
	h := l.hold(t.Context())
	for _, to := range l.server.addrs {
		answered := l.asks("tcp", to, 53)
		payload := 0
		for payload == 0 {
			a := h.one(true)
			if a == nil {
				t.Fatalf("%s: nothing was held", to)
			}
			if b := *a.Payload; to.Is4() {
				header := int(b[0]&15) * 4
				payload = len(b) - header - int(b[header+12]>>4)*4
			} else {
				payload = len(b) - 40 - int(b[52]>>4)*4
			}
			l.must(h.nf.SetVerdict(*a.PacketID, nfqueue.NfAccept))
		}
		if !<-answered {
			t.Errorf("%s: no answer", to)
		}
	}
}

// TestDNSOpen: where nobody listens, or who listens dies, answers pass.
func TestDNSOpen(t *testing.T) {
	l := newDNSLab(t)
	try := func(when string) {
		t.Helper()
		for _, network := range []string{"udp", "tcp"} {
			for _, to := range l.server.addrs {
				if !<-l.asks(network, to, 53) {
					t.Errorf("%s: no answer by %s from %s", when, network, to)
				}
			}
		}
	}
	try("nobody ever listened")
	ctx, stop := context.WithCancel(t.Context())
	h := l.hold(ctx)
	answered := l.asks("udp", l.server.addrs[0], 53)
	if h.one(true) == nil {
		t.Fatal("nothing was held")
	}
	stop()
	h.nf.Close()
	if <-answered {
		t.Log("what was held when the listener went away was let go")
	}
	try("who listened is gone")
}

// TestDNSQueries: a copy of each query to a trusted server is there before the
// answer.
func TestDNSQueries(t *testing.T) {
	l := newDNSLab(t)
	heard := l.logged(testQueryGroup)
	for _, to := range []netip.Addr{l.server.addrs[0], l.server.addrs[1], l.other.addrs[0]} {
		if !<-l.asks("udp", to, 53) {
			t.Errorf("%s does not answer", to)
		}
	}
	for range 2 {
		select {
		case prefix := <-heard:
			if strings.TrimRight(prefix, "\x00") != "dns" {
				t.Errorf("prefix %q", prefix)
			}
		case <-time.After(3 * time.Second):
			t.Fatal("a query was not copied")
		}
	}
	select {
	case <-heard:
		t.Error("a query to a server that is not trusted was copied")
	case <-time.After(150 * time.Millisecond):
	}
}

// TestDNSOfHost: the host's own look-ups, and those of pods at the host, are
// handed over as well.
func TestDNSOfHost(t *testing.T) {
	l := newDNSLab(t)
	own := netip.MustParseAddr("10.9.9.9")
	lo, err := l.link.LinkByName("lo")
	l.must(err)
	l.must(l.link.AddrAdd(lo, &netlink.Addr{IPNet: host(own)}))
	l.DNS = &dataplane.DNS{Queue: testQueue, QueryGroup: testQueryGroup, Servers: []netip.AddrPort{
		netip.AddrPortFrom(l.server.addrs[0], 53), netip.AddrPortFrom(own, 53)}}
	l.apply(l.plane, l.Program)
	l.listen(l.router, "udp", 53)
	h := l.hold(t.Context())
	for _, try := range []struct {
		from *machine
		to   netip.Addr
	}{{nil, l.server.addrs[0]}, {l.a, own}, {nil, own}} {
		ns := l.router
		if try.from != nil {
			ns = try.from.ns
		}
		answered := make(chan bool, 1)
		go func() { answered <- l.reaches(ns, "udp", 0, netip.AddrPortFrom(try.to, 53), true) }()
		a := h.one(true)
		if a == nil {
			t.Fatalf("the answer of %s was not held", try.to)
		}
		l.must(h.nf.SetVerdict(*a.PacketID, nfqueue.NfAccept))
		if !<-answered {
			t.Errorf("%s: no answer", try.to)
		}
		if h.one(false) != nil {
			t.Errorf("the answer of %s was held twice", try.to)
		}
	}
}

// TestDNSUntracked: a resolver of the node itself counts although conntrack is told
// to ignore it; one elsewhere that it is told to ignore does not.
func TestDNSUntracked(t *testing.T) {
	l := newDNSLab(t)
	own := []netip.Addr{netip.MustParseAddr("169.254.20.10"), netip.MustParseAddr("fd00::10")}
	lo, err := l.link.LinkByName("lo")
	l.must(err)
	l.DNS = &dataplane.DNS{Queue: testQueue, QueryGroup: testQueryGroup, Servers: []netip.AddrPort{netip.AddrPortFrom(l.server.addrs[0], 53)}}
	for _, a := range own {
		l.must(l.link.AddrAdd(lo, &netlink.Addr{IPNet: host(a), Flags: unix.IFA_F_NODAD}))
		l.DNS.Servers = append(l.DNS.Servers, netip.AddrPortFrom(a, 53))
	}
	l.apply(l.plane, l.Program)
	l.in(l.router, func() {
		rules := "table inet raw { chain in { type filter hook prerouting priority raw; th dport 53 notrack; th sport 53 notrack; }; chain out { type filter hook output priority raw; th sport 53 notrack; }; }"
		out, err := exec.Command("nft", rules).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	})
	for _, network := range []string{"udp", "tcp"} {
		l.listen(l.router, network, 53)
	}
	h := l.hold(t.Context())
	heard := l.logged(testQueryGroup)
	for _, a := range own {
		answered := l.asks("udp", a, 53)
		packet := h.one(true)
		if packet == nil {
			t.Fatalf("the answer of %s was not held", a)
		}
		l.must(h.nf.SetVerdict(*packet.PacketID, nfqueue.NfAccept))
		if !<-answered {
			t.Errorf("%s: no answer", a)
		}
		select {
		case <-heard:
		case <-time.After(3 * time.Second):
			t.Errorf("the query to %s was not copied", a)
		}
	}
	<-l.asks("udp", l.server.addrs[0], 53)
	if h.one(false) != nil {
		t.Error("an answer from elsewhere that is not tracked was believed")
	}
}

// TestDNSComesAndGoes: the chains are there as long as they are asked for, and
// change without a new epoch; the nft program lists them.
func TestDNSComesAndGoes(t *testing.T) {
	l := newDNSLab(t)
	for _, ask := range []*dataplane.DNS{l.DNS, nil, {Queue: 9, Servers: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.77:5300"), netip.MustParseAddrPort("[2001:db8::77]:53")}}, nil} {
		s := l.Settings
		s.DNS = ask
		l.must(l.plane.Change(t.Context(), dataplane.Change{Settings: &s}))
		l.plane.Lock()
		err := l.plane.settled()
		l.plane.Unlock()
		l.must(err)
		got := l.nft("list", "ruleset")
		for _, name := range []string{dnsForwardHook, dnsInputHook, dnsOutputHook} {
			if strings.Contains(got, "chain "+name+" ") != (ask != nil) {
				t.Errorf("chain %s: there %v, want %v\n%s", name, ask == nil, ask != nil, got)
			}
		}
		if ask != nil && !strings.Contains(got, "ct original ip daddr . ct original proto-dst") {
			t.Errorf("the listing does not show the servers:\n%s", got)
		}
		if strings.Contains(got, "out4.") {
			t.Error("there is another epoch")
		}
	}
}

// TestNoQueue: where the kernel cannot hand packets over, the rest is enforced,
// and it is said.
func TestNoQueue(t *testing.T) {
	p := newPods(t)
	p.pod(p.b, p.set(verdict.Ingress, verdict.Pod, p.no, p.no, nil), p.open[verdict.Egress])
	p.DNS = &dataplane.DNS{Queue: testQueue, Servers: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53")}}
	d := p.dataplane()
	d.queue = noQueue
	p.apply(d, p.Program)
	if got := p.nft("list", "ruleset"); strings.Contains(got, dnsForwardHook) {
		t.Errorf("there is a chain that hands over nothing:\n%s", got)
	}
	p.ask(t, "udp", 0, 80, false)
}

// TestQueueTarget: the iptables target is encoded as its revision 3 wants it.
func TestQueueTarget(t *testing.T) {
	b := builder{queue: xtablesQueue}
	b.settings.DNS = &dataplane.DNS{Queue: 0x1234}
	var out batch
	data := out.marshal(b.hold(), "")
	want := append(binary.NativeEndian.AppendUint16(nil, 0x1234), 1, 0, 1, 0, 0, 0)
	if out.err != nil || !strings.HasSuffix(string(data), string(want)) {
		t.Errorf("%x does not end in %x (%v)", data, want, out.err)
	}
}
