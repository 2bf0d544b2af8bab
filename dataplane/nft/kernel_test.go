package nft

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// pods is a lab of two pods that answer; a may do everything.
type pods struct {
	*lab
	*hand
	a, b    *machine
	yes, no table.RowID
	open    [2]table.SetID // by direction: everything is allowed
}

func newPods(t *testing.T) *pods {
	l := newLab(t)
	p := &pods{lab: l, hand: newHand(0), a: l.add("a", false, "10.1.0.1", "fd01::1"), b: l.add("b", false, "10.1.0.2", "fd01::2")}
	p.yes, p.no = p.row(trace(verdict.Allow, 0)), p.row(trace(verdict.Deny, 1))
	for _, d := range verdict.Directions {
		p.open[d] = p.set(d, verdict.Pod, p.yes, p.yes, nil)
	}
	p.pod(p.a, p.open[verdict.Ingress], p.open[verdict.Egress])
	return p
}

// ask tries a new connection from a to each address of b.
func (p *pods) ask(t *testing.T, network string, source, port uint16, want bool) {
	t.Helper()
	for _, to := range p.b.addrs {
		if got := p.reaches(p.a.ns, network, source, netip.AddrPortFrom(to, port), want); got != want {
			t.Errorf("%s from port %d to %s port %d: %v, want %v", network, source, to, port, got, want)
		}
	}
}

func TestIngressOfPod(t *testing.T) {
	p := newPods(t)
	yes, no := trace(verdict.Allow, 0), trace(verdict.Deny, 1)
	tcp := ports(verdict.TCP, yes, no, [2]uint16{80, 80}, [2]uint16{1000, 2000})
	udp := table.Protocol{Number: verdict.UDP, Bands: []table.Band{
		{From: 0, To: 4999, Cells: cells(yes, no, [2]uint16{53, 53})},
		{From: 5000, To: 65535, Cells: cells(yes, no, [2]uint16{54, 60})},
	}}
	row := p.row(no, tcp, udp)
	in := p.set(verdict.Ingress, verdict.Pod, p.no, p.no, map[table.ClassID]table.RowID{p.class(p.a.addrs...): row})
	p.pod(p.b, in, p.open[verdict.Egress])
	p.apply(p.dataplane(), p.Program)
	p.listen(p.b.ns, "tcp", 80)
	p.listen(p.b.ns, "tcp", 81)
	p.listen(p.b.ns, "udp", 53)
	p.listen(p.b.ns, "udp", 57)
	p.ask(t, "tcp", 0, 80, true)
	p.ask(t, "tcp", 0, 81, false)
	p.ask(t, "tcp", 0, 999, false)
	p.ask(t, "tcp", 0, 1000, true)
	p.ask(t, "tcp", 0, 2000, true)
	p.ask(t, "tcp", 0, 2001, false)
	p.ask(t, "udp", 4999, 53, true)
	p.ask(t, "udp", 5000, 53, false)
	p.ask(t, "udp", 5000, 57, true)
	p.ask(t, "udp", 4999, 57, false)
}

func TestEgressOfPodByNet(t *testing.T) {
	p := newPods(t)
	ext := p.add("ext", false, "192.0.2.5", "2001:db8::5", "192.0.2.6", "2001:db8::6")
	c := p.class()
	for _, n := range []string{"192.0.2.0/30", "192.0.2.4/31", "2001:db8::4/127"} {
		prefix := netip.MustParsePrefix(n)
		p.Tables.Nets = append(p.Tables.Nets, table.Net{From: prefix.Addr(), To: last(prefix), Class: c})
	}
	out := p.set(verdict.Egress, verdict.Pod, p.no, p.no, map[table.ClassID]table.RowID{c: p.yes})
	p.pod(p.a, p.open[verdict.Ingress], out)
	p.apply(p.dataplane(), p.Program)
	for i, to := range ext.addrs {
		want := i < 2
		if got := p.reaches(p.a.ns, "tcp", 0, netip.AddrPortFrom(to, 80), want); got != want {
			t.Errorf("%s: %v, want %v", to, got, want)
		}
	}
}

// TestDenyLater: a connection that is open goes on under a policy that denies
// it; a new one is refused.
func TestDenyLater(t *testing.T) {
	p := newPods(t)
	p.pod(p.b, p.open[verdict.Ingress], p.open[verdict.Egress])
	d := p.dataplane()
	p.apply(d, p.Program)
	p.listen(p.b.ns, "tcp", 80)
	to := netip.AddrPortFrom(p.b.addrs[0], 80)
	c, err := p.dial(p.a.ns, "tcp", 0, to, true)
	p.must(err)
	defer c.Close()
	p.must(talk(c, true))

	after := *p.hand
	after.Tables = p.Tables.Clone()
	after.pod(p.b, after.set(verdict.Ingress, verdict.Pod, p.no, p.no, nil), p.open[verdict.Egress])
	p.apply(d, after.Program)
	if err := talk(c, true); err != nil {
		t.Errorf("the open connection: %v", err)
	}
	if p.reaches(p.a.ns, "tcp", 0, to, false) {
		t.Error("a new connection was allowed")
	}
	p.apply(d, p.Program)
	if !p.reaches(p.a.ns, "tcp", 0, to, true) {
		t.Error("a new connection is denied after the policy is gone")
	}
}

// TestClosed: a pod that is not programmed gets nothing through and nothing
// in, and a pod cannot lie about its address.
func TestClosed(t *testing.T) {
	p := newPods(t)
	p.PodNets = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/24"), netip.MustParsePrefix("fd01::/64")}
	ext := p.add("ext", false, "192.0.2.5", "2001:db8::5")
	d := p.dataplane()
	p.apply(d, p.Program)
	p.ask(t, "tcp", 0, 80, false)
	for i, to := range ext.addrs {
		if p.reaches(p.b.ns, "tcp", 0, netip.AddrPortFrom(to, 80), false) {
			t.Errorf("a pod that is not programmed reaches %s", to)
		}
		if p.reaches(p.b.ns, "tcp", 0, netip.AddrPortFrom(routerAddrs(p.lab)[i], 80), false) {
			t.Errorf("a pod that is not programmed reaches its host at %s", routerAddrs(p.lab)[i])
		}
		if !p.reaches(p.router, "tcp", 0, netip.AddrPortFrom(p.b.addrs[i], 80), true) {
			t.Errorf("the host does not reach its pod at %s", p.b.addrs[i])
		}
	}
	p.pod(p.b, p.open[verdict.Ingress], p.open[verdict.Egress])
	p.apply(d, p.Program)
	p.ask(t, "tcp", 0, 80, true)

	wire, honest := p.a.wire(t), ext.wire(t)
	for i, to := range ext.addrs {
		wire.send(packet(p.a.addrs[i], to, verdict.UDP, 1, 2), uint32(10+i))
		wire.send(packet(p.b.addrs[i], to, verdict.UDP, 1, 2), uint32(20+i))
		wire.send(packet(netip.MustParseAddr([]string{"203.0.113.1", "2001:db8:9::1"}[i]), to, verdict.UDP, 1, 2), uint32(30+i))
	}
	for id, want := range map[uint32]int{10: 1, 11: 1, 20: 0, 21: 0, 30: 0, 31: 0} {
		if got := honest.settled(id, want); got != want {
			t.Errorf("packet %d arrived %d times, want %d", id, got, want)
		}
	}
}

// routerAddrs gives the router addresses of its own, of which every machine
// knows the way to.
func routerAddrs(l *lab) []netip.Addr {
	addrs := []netip.Addr{netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8:1::1")}
	lo, err := l.link.LinkByName("lo")
	l.must(err)
	for _, a := range addrs {
		l.must(l.link.AddrReplace(lo, &netlink.Addr{IPNet: host(a), Flags: unix.IFA_F_NODAD}))
	}
	return addrs
}

func TestHostEndpoints(t *testing.T) {
	p := newPods(t)
	p.pod(p.b, p.open[verdict.Ingress], p.set(verdict.Egress, verdict.Pod, p.no, p.no, nil))
	uplink, other, free := p.add("eth1", false, "192.0.2.1", "2001:db8::1"), p.add("eth2", false, "192.0.2.2", "2001:db8::2"), p.add("eth3", false, "192.0.2.3", "2001:db8::3")
	me := routerAddrs(p.lab)
	ssh := p.row(trace(verdict.Deny, 1), ports(verdict.TCP, trace(verdict.Allow, 0), trace(verdict.Deny, 1), [2]uint16{22, 22}))
	onlySSH := [2]table.SetID{p.set(verdict.Ingress, verdict.Host, ssh, ssh, nil), p.set(verdict.Egress, verdict.Host, ssh, ssh, nil)}
	nothing := [2]table.SetID{p.set(verdict.Ingress, verdict.Host, p.no, p.no, nil), p.set(verdict.Egress, verdict.Host, p.no, p.no, nil)}
	p.host("node", "", onlySSH[0], onlySSH[1], uplink.iface)
	p.host("zz", "", nothing[0], nothing[1], uplink.iface) // comes after node, governs nothing
	d := p.dataplane()
	try := func(step string, m *machine, port uint16, in, out bool) {
		t.Helper()
		for i := range me {
			if got := p.reaches(m.ns, "tcp", 0, netip.AddrPortFrom(me[i], port), in); got != in {
				t.Errorf("%s: %s to the host at %s port %d: %v, want %v", step, m.name, me[i], port, got, in)
			}
			if got := p.reaches(p.router, "tcp", 0, netip.AddrPortFrom(m.addrs[i], port), out); got != out {
				t.Errorf("%s: the host to %s at %s port %d: %v, want %v", step, m.name, m.addrs[i], port, got, out)
			}
		}
	}
	p.apply(d, p.Program)
	try("named", uplink, 22, true, true)
	try("named", uplink, 80, false, false)
	try("named", other, 80, true, true)
	try("named", p.a, 80, true, true)
	try("named", p.b, 80, false, true)

	p.host("star", "*", nothing[0], nothing[1])
	p.apply(d, p.Program)
	try("star", uplink, 22, true, true)
	try("star", other, 22, false, false)
	try("star", p.a, 80, true, true)

	p.host("node2", "", nothing[0], onlySSH[1], free.iface)
	spans := &p.Tables.Endpoints[verdict.EndpointID{Kind: verdict.Host, Name: "node2"}].Spans[verdict.Ingress]
	v4 := (*spans)[0]
	*spans = []table.Span{
		{From: v4.From, To: me[0].Prev(), Set: nothing[0]}, {From: me[0], To: me[0], Set: onlySSH[0]}, {From: me[0].Next(), To: v4.To, Set: nothing[0]},
		(*spans)[1],
	}
	p.apply(d, p.Program)
	for i, want := range []bool{true, false} {
		if got := p.reaches(free.ns, "tcp", 0, netip.AddrPortFrom(me[i], 22), want); got != want {
			t.Errorf("split: %s: %v, want %v", me[i], got, want)
		}
	}
	delete(p.Tables.Endpoints, verdict.EndpointID{Kind: verdict.Host, Name: "star"})
	p.apply(d, p.Program)
	try("star gone", other, 80, true, true)
	if !strings.Contains(p.nft("list", "chains", "inet"), "chain fork-") {
		t.Error("node2 has no chain that chooses by address")
	}
	delete(p.Tables.Endpoints, verdict.EndpointID{Kind: verdict.Host, Name: "node2"})
	p.apply(d, p.Program)
	if strings.Contains(p.nft("list", "chains", "inet"), "chain fork-") {
		t.Error("the chain that chose by address is left over")
	}
}

// TestMany: lists of elements that need several messages, and ranges that
// touch.
func TestMany(t *testing.T) {
	p := newPods(t)
	d := p.dataplane()
	even, odd := p.class(), p.class()
	in := p.set(verdict.Ingress, verdict.Pod, p.no, p.no, map[table.ClassID]table.RowID{even: p.yes})
	p.pod(p.b, in, p.open[verdict.Egress])
	p.apply(d, p.Program)
	p.ask(t, "tcp", 0, 80, false)
	p.Tables = p.Tables.Clone()
	for i := range 5000 {
		p.Tables.Hosts[netip.AddrFrom4([4]byte{10, 2, byte(i >> 8), byte(i)})] = odd
		from, to := netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 255})
		p.Tables.Nets = append(p.Tables.Nets, table.Net{From: from, To: to, Class: []table.ClassID{even, odd}[i%2]})
	}
	p.Tables.Hosts[p.a.addrs[1]] = even
	p.apply(d, p.Program)
	p.ask(t, "tcp", 0, 80, true) // 10.1.0.1 is in an even range
	if n := strings.Count(p.nft("list", "map", "inet", "tierwall", "host4"), " : "); n != 5000+1 {
		t.Errorf("%d addresses in the kernel, want 5000", n-1)
	}
	p.Tables = p.Tables.Clone()
	for i := range p.Tables.Nets {
		p.Tables.Nets[i].Class = []table.ClassID{odd, even}[i%2]
	}
	p.Tables.Hosts = map[netip.Addr]table.ClassID{}
	p.apply(d, p.Program)
	p.ask(t, "tcp", 0, 80, false)
}

// TestTraceless: the priority, in which the class travels, is none again for
// whoever comes after, and the mark is as it was.
func TestTraceless(t *testing.T) {
	p := newPods(t)
	p.class(p.a.addrs...)
	p.class(p.b.addrs...)
	p.pod(p.b, p.open[verdict.Ingress], p.open[verdict.Egress])
	host := p.set(verdict.Egress, verdict.Host, p.yes, p.yes, nil)
	p.host("node", "*", p.set(verdict.Ingress, verdict.Host, p.yes, p.yes, nil), host)
	ext := p.add("ext", false, "192.0.2.1", "2001:db8::1")
	p.apply(p.dataplane(), p.Program)
	for _, hook := range []string{"forward", "input", "output"} {
		p.nft("add", "table", "inet", "probe")
		p.nft("add", "chain", "inet", "probe", hook+"-before", "{ type filter hook "+hook+" priority -10; }")
		p.nft("add", "rule", "inet", "probe", hook+"-before", "meta mark set 0x4000")
		p.nft("add", "chain", "inet", "probe", hook, "{ type filter hook "+hook+" priority 10; }")
		p.nft("add", "rule", "inet", "probe", hook, "meta mark != 0x4000 drop")
		p.nft("add", "rule", "inet", "probe", hook, "ct state new meta priority != 0:0 drop")
	}
	p.ask(t, "tcp", 0, 80, true)
	for i, me := range routerAddrs(p.lab) {
		if !p.reaches(ext.ns, "tcp", 0, netip.AddrPortFrom(me, 80), true) || !p.reaches(p.a.ns, "tcp", 0, netip.AddrPortFrom(me, 80), true) {
			t.Errorf("the host at %s is not reached", me)
		}
		if !p.reaches(p.router, "tcp", 0, netip.AddrPortFrom(ext.addrs[i], 80), true) {
			t.Errorf("the host does not reach %s", ext.addrs[i])
		}
	}
}

// TestNeighbours: IPv6 neighbours find each other past a host endpoint that
// denies all but one port, and a pod finds its host.
func TestNeighbours(t *testing.T) {
	p := newPods(t)
	uplink := p.add("eth1", false)
	ssh := p.row(trace(verdict.Deny, 1), ports(verdict.TCP, trace(verdict.Allow, 0), trace(verdict.Deny, 1), [2]uint16{22, 22}))
	p.host("node", "", p.set(verdict.Ingress, verdict.Host, ssh, ssh, nil), p.set(verdict.Egress, verdict.Host, ssh, ssh, nil), uplink.iface)
	p.pod(p.a, p.open[verdict.Ingress], p.set(verdict.Egress, verdict.Pod, ssh, ssh, nil))
	p.apply(p.dataplane(), p.Program)
	for i, m := range []*machine{uplink, p.a} {
		local, remote := netip.MustParseAddr([]string{"2001:db8:5::1", "2001:db8:6::1"}[i]), netip.MustParseAddr([]string{"2001:db8:5::2", "fd01::1"}[i])
		p.onLink(p.link, m.iface, local)
		if m == uplink {
			p.onLink(p.handle(m.ns), "eth0", remote)
		} else {
			h := p.handle(m.ns)
			l, err := h.LinkByName("eth0")
			p.must(err)
			p.must(h.RouteReplace(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: host(local), Scope: netlink.SCOPE_LINK}))
		}
		if !p.reaches(m.ns, "tcp", 0, netip.AddrPortFrom(local, 22), true) {
			t.Errorf("%s does not find its neighbour", m.name)
		}
		if p.reaches(m.ns, "tcp", 0, netip.AddrPortFrom(local, 23), false) {
			t.Errorf("%s reaches port 23", m.name)
		}
	}
}

// onLink gives an interface an address in a network of 64 bits.
func (l *lab) onLink(h *netlink.Handle, name string, a netip.Addr) {
	link, err := h.LinkByName(name)
	l.must(err)
	l.must(h.AddrAdd(link, &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(64, 128)}, Flags: unix.IFA_F_NODAD}))
}
