package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	mdns "github.com/miekg/dns"

	"github.com/tierwall/tierwall/agent/dns"
	"github.com/tierwall/tierwall/agent/dns/book"
	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/dataplane/nft"
	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/test/bench/testbed"
	"github.com/tierwall/tierwall/verdict"
)

// outside is a network beyond the node, every address of which answers, and the
// DNS server there.
var (
	outside   = netip.MustParsePrefix("198.18.0.0/15")
	dnsServer = netip.AddrPortFrom(testbed.ServerAddr, 53)
)

// The queue and the group by which the kernel hands over DNS.
const dnsQueue, dnsGroup = 101, 66

// namesNode is a node with a pod, and a DNS server and the machines that it knows
// outside.
type namesNode struct {
	*testbed.Node
	ttl  atomic.Uint32
	turn atomic.Uint32 // added to every address, so that names get others
	stop []func() error

	// what enforces, if anything does
	mu       sync.Mutex
	agent    *miniAgent
	file     string
	settings book.Settings
}

// newNamesNode makes a node on which nothing is enforced.
func newNamesNode() (*namesNode, error) {
	bed, err := testbed.New()
	if err != nil {
		return nil, err
	}
	n := &namesNode{Node: bed, settings: book.DefaultSettings()}
	n.ttl.Store(60)
	dir, err := os.MkdirTemp("", "names-")
	if err != nil {
		n.Close()
		return nil, err
	}
	n.stop = append(n.stop, func() error { return os.RemoveAll(dir) })
	n.file = filepath.Join(dir, "names")
	err = errors.Join(n.Behind(outside), n.Load("table inet alone { chain c { type filter hook forward priority 0; ct state established accept\n }\n}\n"), n.InServer(n.serve))
	if err != nil {
		n.Close()
	}
	return n, err
}

// Close ends all that runs on the node.
func (n *namesNode) Close() {
	n.kill()
	for _, f := range n.stop {
		_ = f()
	}
	n.Node.Close()
}

// serve starts the DNS server, and a server that echoes on all addresses.
func (n *namesNode) serve() error {
	packets, err := net.ListenPacket("udp4", dnsServer.String())
	if err != nil {
		return err
	}
	server := &mdns.Server{PacketConn: packets, Handler: mdns.HandlerFunc(n.answer)}
	go func() { _ = server.ActivateAndServe() }()
	streams, err := net.Listen("tcp4", dnsServer.String())
	if err != nil {
		return err
	}
	byTCP := &mdns.Server{Listener: streams, Handler: server.Handler}
	go func() { _ = byTCP.ActivateAndServe() }()
	l, err := net.Listen("tcp4", ":80")
	if err != nil {
		return err
	}
	n.stop = append(n.stop, l.Close, server.Shutdown, byTCP.Shutdown)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	return nil
}

// answer gives "I-COUNT.bench.example" so many addresses, from the I-th on.
func (n *namesNode) answer(w mdns.ResponseWriter, q *mdns.Msg) {
	m := new(mdns.Msg).SetReply(q)
	first, rest, _ := strings.Cut(q.Question[0].Name, "-")
	count, _, _ := strings.Cut(rest, ".")
	i, _ := strconv.Atoi(first)
	k, _ := strconv.Atoi(count)
	for j := range k {
		a := addressAt(uint32(i+j) + n.turn.Load())
		m.Answer = append(m.Answer, &mdns.A{Hdr: mdns.RR_Header{Name: q.Question[0].Name, Rrtype: mdns.TypeA, Class: mdns.ClassINET, Ttl: n.ttl.Load()}, A: a.AsSlice()})
	}
	_ = w.WriteMsg(m)
}

// addressAt is the i-th address outside.
func addressAt(i uint32) netip.Addr {
	base := outside.Addr().As4()
	at := uint32(base[0])<<24 | uint32(base[1])<<16 | i%(1<<17)
	return addr4(at)
}

func nameOf(i, count int) string { return fmt.Sprintf("%d-%d.bench.example.", i, count) }

// miniAgent is what of the agent has a part in names: compile, apply, tell.
type miniAgent struct {
	compiler *compile.Compiler
	plane    *nft.Dataplane
	cancel   context.CancelFunc
	done     chan struct{}
	failed   atomic.Pointer[error]
	learner  *dns.Learner
}

// enforce begins to enforce a policy that allows the pod what is below
// bench.example, and DNS, and nothing else. What an earlier enforcer knew is known.
func (n *namesNode) enforce() error {
	ctx, cancel := context.WithCancel(context.Background())
	a := &miniAgent{compiler: compile.New(compile.Options{Node: here}), plane: nft.New(nft.Options{NetNS: int(n.NS)}), cancel: cancel, done: make(chan struct{})}
	learner, known, err := dns.New(dns.Options{NetNS: int(n.NS), Queue: dnsQueue, QueryGroup: dnsGroup, File: n.file, Settings: n.settings,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		cancel()
		return err
	}
	a.learner = learner
	a.compiler.Apply(append(changesOf(known), namesPolicy()...)...)
	learner.Want(a.compiler.Domains())
	pod := verdict.EndpointID{Kind: verdict.Pod, Namespace: "shop", Name: testbed.ClientInterface}
	err = errors.Join(learner.Listen(ctx), a.plane.Apply(ctx, dataplane.Program{
		Tables: a.compiler.Tables(), Interfaces: map[verdict.EndpointID][]string{pod: {testbed.ClientInterface}},
		Settings: dataplane.Settings{DNS: &dataplane.DNS{Servers: []netip.AddrPort{dnsServer}, Queue: dnsQueue, QueryGroup: dnsGroup}},
	}))
	go a.loop(ctx)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.agent = a
	return err
}

// kill ends what enforces, in the middle of whatever it does. The kernel keeps what
// it has.
func (n *namesNode) kill() {
	n.mu.Lock()
	a := n.agent
	n.agent = nil
	n.mu.Unlock()
	if a != nil {
		a.cancel()
		<-a.done
	}
}

func changesOf(names []*model.Learned) (all []model.Change) {
	for _, l := range names {
		if len(l.Addrs) == 0 {
			all = append(all, model.Delete(l.Key()))
		} else {
			all = append(all, model.Put(l))
		}
	}
	return all
}

func namesPolicy() []model.Change {
	pod := podOf("shop", testbed.ClientInterface, 0, true, map[string]string{"app": "here"})
	pod.Addrs = []netip.Addr{testbed.ClientAddr}
	dnsPorts := []model.PortRange{{From: 53, To: 53}}
	return []model.Change{model.Put(pod), model.Put(&model.Policy{
		ID: verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: "names"}, Tier: "default", Applies: [2]bool{verdict.Egress: true}, Selector: selector.Equal("app", "here"),
		Rules: [2][]model.Rule{verdict.Egress: {
			{Action: verdict.ActionAllow, Protocol: number8(verdict.UDP), Destination: model.Peer{Nets: []netip.Prefix{netip.PrefixFrom(dnsServer.Addr(), 32)}, Ports: dnsPorts}},
			{Index: 1, Action: verdict.ActionAllow, Protocol: number8(verdict.TCP), Destination: model.Peer{Nets: []netip.Prefix{netip.PrefixFrom(dnsServer.Addr(), 32)}, Ports: dnsPorts}},
			{Index: 2, Action: verdict.ActionAllow, Destination: model.Peer{Domains: []domain.Pattern{domain.MustParsePattern("*.bench.example")}}},
		}},
	})}
}

func (a *miniAgent) loop(ctx context.Context) {
	defer close(a.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.learner.News():
			names, known := a.learner.Next()
			a.learn(ctx, names, known)
		}
	}
}

// learn is what the agent's loop does with a Learning.
func (a *miniAgent) learn(ctx context.Context, names []*model.Learned, known func()) {
	d := a.compiler.Apply(changesOf(names)...)
	if !d.Empty() {
		if err := a.plane.Change(ctx, dataplane.Change{Delta: d}); err != nil && ctx.Err() == nil {
			a.failed.Store(&err)
		}
	}
	known()
}

// err is what went wrong while it was enforced.
func (n *namesNode) err() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.agent == nil {
		return nil
	}
	if err := n.agent.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// resolver asks the DNS server from the pod.
type resolver struct {
	net.Conn
	id  uint16
	buf []byte
}

// resolver opens a socket for look-ups, one after the other.
func (n *namesNode) resolver() (r *resolver, err error) {
	err = n.InClient(func() error {
		c, err := net.Dial("udp4", dnsServer.String())
		r = &resolver{Conn: c, buf: make([]byte, 4096)}
		return err
	})
	return r, err
}

// ask looks a name up and returns how long that took.
func (r *resolver) ask(name string) (addrs []netip.Addr, took time.Duration, err error) {
	m := new(mdns.Msg).SetQuestion(name, mdns.TypeA)
	r.id++
	m.Id = r.id
	q, err := m.Pack()
	if err != nil {
		return nil, 0, err
	}
	began := time.Now()
	if err := r.SetDeadline(began.Add(5 * time.Second)); err != nil {
		return nil, 0, err
	}
	if _, err := r.Write(q); err != nil {
		return nil, 0, err
	}
	size, err := r.Read(r.buf)
	took = time.Since(began)
	if err != nil {
		return nil, took, fmt.Errorf("look-up of %s: %w", name, err)
	}
	if err := m.Unpack(r.buf[:size]); err != nil {
		return nil, took, err
	}
	for _, rr := range m.Answer {
		if a, ok := rr.(*mdns.A); ok {
			addr, _ := netip.AddrFromSlice(a.A.To4())
			addrs = append(addrs, addr)
		}
	}
	return addrs, took, nil
}

// firstPacket is how long a connection may take whose first packet passes: the
// second is sent after a second.
const firstPacket = 900 * time.Millisecond

// reach opens a connection from the pod, and ends it at once.
func (n *namesNode) reach(a netip.Addr) error {
	c, err := n.open(a)
	if err != nil {
		return err
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a reset: no port is taken for a minute
	}
	return c.Close()
}

func (n *namesNode) open(a netip.Addr) (c net.Conn, err error) {
	err = n.InClient(func() error {
		c, err = net.DialTimeout("tcp4", netip.AddrPortFrom(a, 80).String(), firstPacket)
		return err
	})
	return c, err
}
