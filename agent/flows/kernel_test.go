package flows

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/florianl/go-nflog/v2"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/conntrack"
	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/dataplane/nft"
	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// node is a node with two pods, in namespaces of its own, with the kernel's
// tables, and everything that records.
type node struct {
	t        *testing.T
	ns       netns.NsHandle
	pods     map[string]netns.NsHandle
	state    *model.State
	compiler *compile.Compiler
	plane    *nft.Dataplane
	book     *Book
	dir      *Directory
	collect  *Collector
	sport    int

	mu      sync.Mutex
	records []flow.Record
	lost    flow.Loss
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newNode(t *testing.T, rate uint64) *node {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	n := &node{t: t, pods: map[string]netns.NsHandle{}, state: model.NewState(), compiler: compile.New(compile.Options{Node: "n1"}), book: NewBook(), dir: NewDirectory(), sport: 10_000}
	n.ns = newNS(t)
	n.in(n.ns, func() {
		must(t, os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0))
		must(t, os.WriteFile("/proc/sys/net/netfilter/nf_conntrack_acct", []byte("1"), 0))
	})
	n.plane = nft.New(nft.Options{NetNS: int(n.ns), FlowGroup: 65, FlowRate: rate, LogGroup: 64, LogRate: 1, LogBurst: 5})
	n.collect = NewCollector("n1", func() uint8 { return n.plane.Recording().Tag }, n.book, n.dir, nil)
	program := dataplane.Program{Interfaces: map[verdict.EndpointID][]string{}}
	var changes []model.Change
	for i, name := range []string{"a", "b"} {
		e := pod(name, "n1", fmt.Sprintf("10.1.0.%d", i+1))
		n.add(name, e.Addrs[0])
		program.Interfaces[e.ID] = []string{"v-" + name}
		changes = append(changes, model.Put(e))
	}
	n.take(changes...)
	program.Tables = n.compiler.Tables()
	must(t, n.plane.Apply(t.Context(), program))
	return n
}

func newNS(t *testing.T) netns.NsHandle {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	must(t, err)
	defer home.Close()
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	must(t, netns.Set(home))
	t.Cleanup(func() { ns.Close() })
	return ns
}

func (n *node) in(ns netns.NsHandle, f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	must(n.t, err)
	defer home.Close()
	must(n.t, netns.Set(ns))
	defer func() { must(n.t, netns.Set(home)) }()
	f()
}

// add connects a pod by a pair, with routes both ways and no neighbours to ask.
func (n *node) add(name string, addr netip.Addr) {
	ns := newNS(n.t)
	n.pods[name] = ns
	host := &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(32, 32)}
	outer, err := netlink.NewHandleAt(n.ns)
	must(n.t, err)
	defer outer.Close()
	inner, err := netlink.NewHandleAt(ns)
	must(n.t, err)
	defer inner.Close()
	must(n.t, outer.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "v-" + name}, PeerName: "eth0", PeerNamespace: netlink.NsFd(ns)}))
	o, err := outer.LinkByName("v-" + name)
	must(n.t, err)
	i, err := inner.LinkByName("eth0")
	must(n.t, err)
	must(n.t, outer.LinkSetUp(o))
	must(n.t, inner.LinkSetUp(i))
	via := net.IPv4(169, 254, 1, 1)
	must(n.t, inner.AddrAdd(i, &netlink.Addr{IPNet: host}))
	must(n.t, inner.NeighSet(&netlink.Neigh{LinkIndex: i.Attrs().Index, State: netlink.NUD_PERMANENT, IP: via, HardwareAddr: o.Attrs().HardwareAddr}))
	must(n.t, inner.RouteReplace(&netlink.Route{LinkIndex: i.Attrs().Index, Dst: &net.IPNet{IP: via, Mask: net.CIDRMask(32, 32)}, Scope: netlink.SCOPE_LINK}))
	must(n.t, inner.RouteReplace(&netlink.Route{LinkIndex: i.Attrs().Index, Dst: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}, Gw: via}))
	must(n.t, outer.NeighSet(&netlink.Neigh{LinkIndex: o.Attrs().Index, State: netlink.NUD_PERMANENT, IP: addr.AsSlice(), HardwareAddr: i.Attrs().HardwareAddr}))
	must(n.t, outer.RouteAdd(&netlink.Route{LinkIndex: o.Attrs().Index, Dst: host, Scope: netlink.SCOPE_LINK}))
}

// take tells the compiler and who records.
func (n *node) take(changes ...model.Change) {
	for _, c := range changes {
		n.dir.See(c)
	}
	n.state.Apply(changes...)
	d := n.compiler.Apply(changes...)
	n.book.Take(d)
	if n.applied() {
		must(n.t, n.plane.Change(n.t.Context(), dataplane.Change{Delta: d}))
	}
}

func (n *node) applied() bool { return n.plane.Recording().Tag != 0 }

// listen begins to record and waits until the kernel is heard.
func (n *node) listen() {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	l := n.listener()
	go func() {
		done <- l.Run(ctx, n.collect, func(r []flow.Record, lost flow.Loss) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.records = append(n.records, r...)
			n.lost.Add(lost)
		})
	}()
	n.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			n.t.Error(err)
		}
	})
	for began := time.Now(); ; { // the first that is heard shows that it listens
		n.send("a", "10.1.0.2", 1, 9)
		if n.wait(50*time.Millisecond, func() bool { return len(n.records) > 0 }) {
			break
		}
		if time.Since(began) > 10*time.Second {
			n.t.Fatal("nothing is recorded")
		}
	}
	time.Sleep(2 * window)
	n.mu.Lock()
	n.records, n.lost = nil, flow.Loss{}
	n.mu.Unlock()
}

func (n *node) listener() Listener {
	return Listener{Recorder: n.plane, NetNS: int(n.ns), HostAt: nowhere, Log: slog.New(slog.DiscardHandler)}
}

func nowhere(uint32) verdict.EndpointID { return verdict.EndpointID{} }

// send sends a packet from a pod to each of some ports, from sockets of its own.
func (n *node) send(from, to string, sockets int, ports ...int) {
	n.in(n.pods[from], func() {
		for range sockets {
			n.sport++ // a port that comes again is the same connection
			c, err := net.ListenPacket("udp4", fmt.Sprintf("0.0.0.0:%d", n.sport))
			must(n.t, err)
			for _, p := range ports {
				_, err := c.WriteTo([]byte("x"), &net.UDPAddr{IP: net.ParseIP(to), Port: p})
				must(n.t, err)
			}
			must(n.t, c.Close())
		}
	})
}

func (n *node) wait(d time.Duration, ok func() bool) bool {
	for deadline := time.Now().Add(d); ; time.Sleep(2 * time.Millisecond) {
		n.mu.Lock()
		done := ok()
		n.mu.Unlock()
		if done || time.Now().After(deadline) {
			return done
		}
	}
}

// sum adds up what was recorded.
func (n *node) sum() (allowed, denied uint64) {
	for _, r := range n.records {
		if r.Verdict == flow.Verdict(verdict.Allow) {
			allowed += r.Connections
		} else {
			denied += r.Connections
		}
	}
	return allowed, denied
}

func allow(name string, from, to int) *model.Policy {
	udp := verdict.UDP
	return &model.Policy{
		ID: verdict.PolicyID{Kind: "NetworkPolicy", Namespace: "blue", Name: name}, Tier: "default", Applies: [2]bool{verdict.Ingress: true},
		Selector: selector.MustParse("app == 'b'"),
		Rules: [2][]model.Rule{verdict.Ingress: {{Action: verdict.ActionAllow, Protocol: &udp,
			Destination: model.Peer{Ports: []model.PortRange{{From: uint16(from), To: uint16(to)}}}}}},
	}
}

// count reads the counter of a rule of the test's own.
func (n *node) count() uint64 {
	var out []byte
	var err error
	n.in(n.ns, func() { out, err = exec.Command("nft", "list", "table", "ip", "probe").CombinedOutput() })
	must(n.t, err)
	m := regexp.MustCompile(`packets (\d+)`).FindStringSubmatch(string(out))
	v, err := strconv.ParseUint(m[1], 10, 64)
	must(n.t, err)
	return v
}

// TestKernel: of many connections, half of them denied, each is recorded with
// the oracle's decision, or counted as not recorded; nothing is missing.
// FLOWS_CONNECTIONS says how many.
func TestKernel(t *testing.T) {
	n := newNode(t, 1000)
	all := 4000
	if text := os.Getenv("FLOWS_CONNECTIONS"); text != "" {
		var err error
		all, err = strconv.Atoi(text)
		must(t, err)
	}
	n.take(model.Put(allow("p", 1000, 1999)))
	n.in(n.ns, func() {
		nftables := exec.Command("nft", "-f", "-")
		nftables.Stdin = strings.NewReader("table ip probe { chain c { type filter hook prerouting priority 0; udp dport 2000-2999 counter; }; }\n")
		out, err := nftables.CombinedOutput()
		if err != nil {
			t.Fatalf("%v %s", err, out)
		}
	})
	n.listen()
	var ports []int
	for p := 1000; p < 3000; p++ {
		ports = append(ports, p)
	}
	before := n.count()
	for sent := 0; sent < all; sent += len(ports) {
		n.send("a", "10.1.0.2", 1, ports...)
		time.Sleep(5 * time.Millisecond)
	}
	want := n.count() - before
	n.wait(20*time.Second, func() bool {
		_, denied := n.sum()
		return denied+n.lost.Denied >= want
	})
	n.mu.Lock()
	defer n.mu.Unlock()
	allowed, denied := n.sum()
	if want == 0 || denied+n.lost.Denied != want || n.lost.Denied == 0 || denied == 0 {
		t.Errorf("the kernel denied %d; %d are recorded and %d counted as not", want, denied, n.lost.Denied)
	}
	if allowed != uint64(all/2) || n.lost.Connections != 0 {
		t.Errorf("%d allowed connections are recorded of %d, %d lost", allowed, all/2, n.lost.Connections)
	}
	oracle := evaluate.New(n.state)
	for _, r := range n.records {
		p := verdict.Packet{Src: r.Source.Address, Dst: r.Destination.Address, Protocol: verdict.UDP, SrcPort: 40000, DstPort: r.Port}
		for dir, d := range map[verdict.Direction]*flow.Decision{verdict.Egress: r.Egress, verdict.Ingress: r.Ingress} {
			e := n.state.Endpoints[idOf(map[verdict.Direction]*flow.End{verdict.Egress: &r.Source, verdict.Ingress: &r.Destination}[dir])]
			if trace := oracle.Decide(e, dir, p); d == nil || !d.Trace.Equal(&trace) {
				t.Fatalf("%s: %s is recorded as %+v, the oracle says %s", p, dir, d, &trace)
			}
		}
	}
	if n.collect.Disagreed() != 0 {
		t.Errorf("%d disagreements", n.collect.Disagreed())
	}
	t.Logf("%d allowed, %d denied, %d of them not recorded, %d records", allowed, want, n.lost.Denied, len(n.records))
}

// TestKernelChanges: while policy changes all the time, each record bears the
// decision of one of the two states, and a denial is never explained by what
// allows.
func TestKernelChanges(t *testing.T) {
	n := newNode(t, 100_000)
	n.take(model.Put(allow("p", 1000, 1499)))
	n.listen()
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			n.send("a", "10.1.0.2", 1, 1200, 1700)
			time.Sleep(time.Millisecond)
		}
	}()
	for i := range 60 {
		p := allow("p", 1000, 1499)
		if i%2 == 0 {
			p = allow("p", 1500, 1999)
		}
		n.take(model.Put(p))
		time.Sleep(5 * time.Millisecond)
	}
	close(stop)
	<-done
	time.Sleep(3 * window)
	n.mu.Lock()
	defer n.mu.Unlock()
	rule := verdict.Step{Tier: "default", Policy: allow("p", 0, 0).ID, Rule: 0, Action: verdict.ActionAllow}
	allowed, denied := n.sum()
	for _, r := range n.records {
		d := r.Deciding()
		if !d.Known() || verdict.Verdict(r.Verdict) != d.Trace.Verdict {
			t.Errorf("%s to port %d: %s", r.Verdict, r.Port, &d.Trace)
			continue
		}
		last := d.Trace.Deciding()
		if r.Verdict == flow.Verdict(verdict.Allow) && !last.Equal(rule) || r.Verdict == flow.Verdict(verdict.Deny) && d.Trace.Reason != verdict.ByTierDefault {
			t.Errorf("%s to port %d: %s", r.Verdict, r.Port, &d.Trace)
		}
	}
	if allowed < 20 || denied < 20 || n.collect.Disagreed() != 0 {
		t.Errorf("%d allowed, %d denied, %d disagreements", allowed, denied, n.collect.Disagreed())
	}
}

// TestKernelLogged: of connections that meet a Log rule, each is an event with the
// rule, however long its name, or counted as held back by the limit; and each is a
// connection of its own record.
func TestKernelLogged(t *testing.T) {
	n := newNode(t, 1000)
	p := allow(strings.Repeat("a-long-name-", 20), 1000, 1999)
	logs := p.Rules[verdict.Ingress][0]
	logs.Action = verdict.ActionLog
	p.Rules[verdict.Ingress][0].Index = 1
	p.Rules[verdict.Ingress] = append([]model.Rule{logs}, p.Rules[verdict.Ingress]...)
	n.take(model.Put(p))
	nf, err := nflog.Open(&nflog.Config{NetNS: int(n.ns), Group: 64, Copymode: nflog.CopyPacket, Bufsize: 128})
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	context.AfterFunc(ctx, func() { nf.Close() })
	hook := func(a nflog.Attribute) int {
		if l, ok := ParseLogged(a, nowhere); ok {
			n.collect.Logged(l)
		}
		return 0
	}
	must(t, nf.RegisterWithErrorFunc(ctx, hook, func(error) int { return 0 }))
	n.listen()
	before, err := n.plane.Unlogged()
	must(t, err)
	const sent = 20
	for port := range sent {
		n.send("a", "10.1.0.2", 1, 1000+port)
	}
	held := uint64(0)
	logged, connections := uint64(0), uint64(0)
	n.wait(10*time.Second, func() bool {
		counts, err := n.plane.Unlogged()
		if err != nil {
			t.Error(err)
			return true
		}
		held, logged, connections = 0, 0, 0
		for rule, c := range counts {
			held += c - before[rule]
		}
		for _, r := range n.records {
			connections += r.Connections
			if r.Logged != nil {
				logged += r.Logged.Packets
			}
		}
		return logged+held == sent && connections == sent
	})
	if logged+held != sent || logged == 0 || held == 0 || connections != sent {
		t.Errorf("of %d connections %d are recorded; %d are logged, %d held back", sent, connections, logged, held)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	want := flow.Logged{Prefix: "tierwall", Tier: "default", Policy: p.ID.String(), Direction: "ingress", Packets: 1}
	for _, r := range n.records {
		if r.Logged != nil && (*r.Logged != want || r.Verdict != flow.Verdict(verdict.Allow) || r.Destination.String() != "blue/b" || r.Port < 1000) {
			t.Errorf("%+v %s %s %d", *r.Logged, r.Verdict, r.Destination, r.Port)
		}
	}
}

// TestKernelUpdates: what passes in a connection is told of while it goes on, and
// with its end adds up to what was sent.
func TestKernelUpdates(t *testing.T) {
	n := newNode(t, 1000)
	n.take(model.Put(allow("p", 1000, 1999)))
	n.listen()
	var c net.PacketConn // not connected: nobody answers, and the word of it is not for the next packet
	n.in(n.pods["a"], func() {
		var err error
		c, err = net.ListenPacket("udp4", "0.0.0.0:0")
		must(t, err)
	})
	defer c.Close()
	write := func() {
		_, err := c.WriteTo([]byte("hello"), &net.UDPAddr{IP: net.IPv4(10, 1, 0, 2), Port: 1234})
		must(t, err)
	}
	packets := uint64(0)
	told := func(what string, ended bool) {
		t.Helper()
		var sum flow.Volume
		connections, over := uint64(0), false
		if !n.wait(10*time.Second, func() bool {
			sum, connections, over = flow.Volume{}, 0, false
			for _, r := range n.records {
				if r.Port == 1234 {
					sum.Add(r.Out)
					connections += r.Connections
					over = r.Ended
				}
			}
			return sum == flow.Volume{Packets: packets, Bytes: packets * (28 + 5)} && connections == 1 && over == ended
		}) {
			t.Errorf("%s: %d packets were sent; %+v are told in %d connections, ended %v", what, packets, sum, connections, over)
		}
	}
	for round := range 3 {
		for range round + 2 {
			write()
			packets++
		}
		if round == 0 {
			n.wait(10*time.Second, func() bool { return n.collect.Open() > 0 })
		}
		n.listener().update(t.Context(), n.collect)
		told("while it goes on", false)
	}
	write()
	write()
	h, err := netlink.NewHandleAt(n.ns)
	must(t, err)
	defer h.Close()
	counted := n.entries(1234)
	must(t, h.ConntrackTableFlush(netlink.ConntrackTable))
	if packets = counted; packets < 10 {
		t.Errorf("the kernel counted %d packets", packets)
	}
	told("when it is over", true)
}

// entries is how many packets the kernel has counted to a port.
func (n *node) entries(port uint16) (packets uint64) {
	must(n.t, conntrack.Dump(int(n.ns), func(e *conntrack.Event) {
		if e.Origin.DstPort == port {
			packets += e.Out.Packets
		}
	}))
	return packets
}
