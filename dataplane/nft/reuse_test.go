package nft

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/conntrack"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// reused is a connection that its server has reset: the kernel remembers it for
// ten seconds, and takes a SYN of the same addresses and ports for a packet of it.
type reused struct {
	*lab
	from   netns.NsHandle
	source uint16
	to     netip.AddrPort
}

// breakOff opens a connection and has the server reset it. The server answers all
// that come later.
func (l *lab) breakOff(from, at netns.NsHandle, source uint16, to netip.AddrPort) reused {
	l.t.Helper()
	var s net.Listener
	var err error
	l.in(at, func() { s, err = net.Listen("tcp", to.String()) })
	l.must(err)
	l.t.Cleanup(func() { s.Close() })
	go func() {
		for first := true; ; first = false {
			c, err := s.Accept()
			switch {
			case err != nil:
				return
			case first:
				_, _ = c.Read(make([]byte, 1))
				_ = c.(*net.TCPConn).SetLinger(0)
				_ = c.Close()
			default:
				go echo(c)
			}
		}
	}()
	c, err := l.dial(from, "tcp", source, to, true)
	l.must(err)
	defer c.Close()
	if err := talk(c, true); !errors.Is(err, unix.ECONNRESET) {
		l.t.Fatalf("%s: %v, want a reset", to, err)
	}
	return reused{l, from, source, to}
}

// again opens the connection again, while the kernel remembers the first.
func (r reused) again(want bool) {
	r.t.Helper()
	if got := r.reaches(r.from, "tcp", r.source, r.to, want); got != want {
		r.t.Errorf("from port %d to %s again: %v, want %v", r.source, r.to, got, want)
	}
	known := false
	r.must(conntrack.Dump(int(r.router), func(e *conntrack.Event) {
		known = known || e.Origin.SrcPort == r.source && e.Origin.Dst == r.to.Addr()
	}))
	if !known {
		r.t.Errorf("from port %d to %s: the kernel has forgotten the first connection, so that this says nothing", r.source, r.to)
	}
}

// TestReusedByPods: policy of now judges a connection of the addresses and ports
// of one that the server has reset, on its way out of a pod and into one.
func TestReusedByPods(t *testing.T) {
	p := newPods(t)
	d := p.dataplane()
	shut := [2]table.SetID{p.set(verdict.Ingress, verdict.Pod, p.no, p.no, nil), p.set(verdict.Egress, verdict.Pod, p.no, p.no, nil)}
	p.pod(p.b, p.open[verdict.Ingress], p.open[verdict.Egress])
	before := p.Program
	ingress, egress := before, before
	p.Tables = before.Tables.Clone()
	p.pod(p.b, shut[verdict.Ingress], p.open[verdict.Egress])
	ingress.Tables = p.Tables
	p.Tables = before.Tables.Clone()
	p.pod(p.a, p.open[verdict.Ingress], shut[verdict.Egress])
	egress.Tables = p.Tables

	p.apply(d, before)
	var list []reused
	for i, to := range p.b.addrs {
		list = append(list, p.breakOff(p.a.ns, p.b.ns, 40000+uint16(i), netip.AddrPortFrom(to, 80)))
	}
	for _, r := range list {
		p.apply(d, ingress)
		r.again(false)
		p.apply(d, egress)
		r.again(false)
		p.apply(d, before)
		r.again(true)
	}
}

// TestReusedByHost: the same for host endpoints: what comes to the host, what it
// opens itself, what it forwards, and what policy before translation allowed.
func TestReusedByHost(t *testing.T) {
	s := newStages(t)
	with := func(change func()) {
		s.Tables = s.Tables.Clone()
		s.reset()
		change()
		s.program()
	}
	allow := func() {
		s.host("east", "", s.set(verdict.Ingress, verdict.Host, s.yes, s.yes, nil), s.set(verdict.Egress, verdict.Host, s.yes, s.yes, nil), s.east.iface)
	}
	early := func(stage verdict.Stage, v verdict.Verdict, port uint16) func() {
		return func() { s.stage("east", stage, verdict.Ingress, s.only(v, port), nil) }
	}
	none := func() {}
	for i := range s.me {
		port := 41000 + uint16(i)*10
		with(allow)
		in := s.breakOff(s.east.ns, s.router, port, netip.AddrPortFrom(s.me[i], 80))
		out := s.breakOff(s.router, s.east.ns, port+1, netip.AddrPortFrom(s.east.addrs[i], 80))
		through := s.breakOff(s.east.ns, s.west.ns, port+2, netip.AddrPortFrom(s.west.addrs[i], 80))
		with(none)
		in.again(false)
		out.again(false)
		with(early(verdict.Forward, verdict.Deny, 80))
		through.again(false)
		with(allow)
		in.again(true)
		out.again(true)
		through.again(true)

		with(early(verdict.PreDNAT, verdict.Allow, 82))
		first := s.breakOff(s.east.ns, s.router, port+3, netip.AddrPortFrom(s.me[i], 82))
		with(early(verdict.PreDNAT, verdict.Deny, 82))
		first.again(false)
		with(early(verdict.PreDNAT, verdict.Allow, 83))
		first.again(false)
		with(none)
		first.again(false)
		with(early(verdict.PreDNAT, verdict.Allow, 82))
		first.again(true)
	}
}

// TestBothOpen: two ends that open the same connection at once. It is the one of
// which the kernel saw the first SYN; the other end's belongs to it, whatever that
// may open itself.
func TestBothOpen(t *testing.T) {
	p := newPods(t)
	one, other := p.add("one", true, "10.1.0.3", "fd01::3"), p.add("other", true, "10.1.0.4", "fd01::4")
	p.pod(one, p.set(verdict.Ingress, verdict.Pod, p.no, p.no, nil), p.open[verdict.Egress])
	p.pod(other, p.open[verdict.Ingress], p.set(verdict.Egress, verdict.Pod, p.no, p.no, nil))
	p.apply(p.dataplane(), p.Program)
	here, there := one.wire(t), other.wire(t)
	for i, a := range one.addrs {
		b, id := other.addrs[i], uint32(10*i)
		there.send(packet(b, a, verdict.TCP, 80, 42000), id+1)
		if n := here.settled(id+1, 0); n != 0 {
			t.Errorf("%s opens a connection to %s that it may not", b, a)
		}
		here.send(packet(a, b, verdict.TCP, 42000, 80), id+2)
		if n := there.settled(id+2, 1); n != 1 {
			t.Fatalf("%s to %s: %d arrived, want 1", a, b, n)
		}
		there.send(packet(b, a, verdict.TCP, 80, 42000), id+3)
		if n := here.settled(id+3, 1); n != 1 {
			t.Errorf("%s to %s, both at once: %d arrived, want 1", b, a, n)
		}
	}
}
