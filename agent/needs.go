package agent

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/tierwall/tierwall/verdict"
)

// need is a connection without which the node does not work, or cannot be
// reached to be put right.
type need struct {
	// what is the need in words, for instance "DNS at 10.0.0.53".
	what string
	// ways are the connections of which one at least must go.
	ways []way
}

// way is a connection of the node itself by one of its interfaces, or one of a
// pod here.
type way struct {
	direction verdict.Direction
	iface     string
	// pod is set if it is not the node's own.
	pod    verdict.EndpointID
	packet verdict.Packet
	// anyone says that the remote address of the packet counts for its family
	// only: whoever is let in will do.
	anyone bool
}

// needsWatch finds out what the node needs, now and then, off the agent's loop.
type needsWatch struct {
	found chan []need
	log   *slog.Logger
	// api is the API server as the agent is told to reach it, HOST or HOST:PORT.
	// If byService is set, that is its service, and the connections go to the
	// backends: policy meets packets after translation.
	api       string
	byService bool
	backends  atomic.Pointer[[]netip.AddrPort]
	// server is where Tierwall's server takes reports; nil if that is not known.
	server atomic.Pointer[netip.AddrPort]
	again  chan struct{}
	// resolvConf and proc are where those files are.
	resolvConf, proc string
}

// needsEvery is how often the node is looked at again: connections come and go.
const needsEvery = 30 * time.Second

func newNeedsWatch(o Options) *needsWatch {
	w := &needsWatch{found: make(chan []need, 1), again: make(chan struct{}, 1), log: o.Log, resolvConf: "/etc/resolv.conf", proc: "/proc/self/net"}
	if o.Config != nil {
		if u, err := url.Parse(o.Config.Host); err == nil && u.Host != "" {
			w.api = u.Host
		} else {
			w.api = o.Config.Host
		}
		service := os.Getenv("KUBERNETES_SERVICE_HOST")
		host, _, err := net.SplitHostPort(w.api)
		w.byService = service != "" && (w.api == service || err == nil && host == service)
	}
	return w
}

// setBackends says who answers for the API server's service.
func (w *needsWatch) setBackends(list []netip.AddrPort) {
	w.backends.Store(&list)
	w.lookAgain()
}

// setServer says where Tierwall's server takes reports.
func (w *needsWatch) setServer(to receiver) {
	u, err := url.Parse(to.url)
	if err != nil {
		return
	}
	at, err := netip.ParseAddrPort(u.Host)
	if err != nil { // a name
		return
	}
	w.server.Store(&at)
	w.lookAgain()
}

// lookAgain has the node looked at before the time.
func (w *needsWatch) lookAgain() {
	select {
	case w.again <- struct{}{}:
	default:
	}
}

// run looks at the node until the context ends.
func (w *needsWatch) run(ctx context.Context) {
	tick := time.NewTicker(needsEvery)
	defer tick.Stop()
	for {
		select {
		case w.found <- w.look(ctx):
		case <-ctx.Done():
			return
		}
		select {
		case <-tick.C:
		case <-w.again:
		case <-ctx.Done():
			return
		}
	}
}

// services are those of a node that others must reach, and etcd, which it
// may be a client of too.
var services = []struct {
	port uint16
	what string
}{{22, "ssh"}, {2379, "etcd"}, {2380, "etcd's peers"}, {6443, "the API server"}, {10250, "the kubelet"}}

// look reads what the node really uses: sockets that listen on the ports of the
// services above, and who is connected to them; the API server, the name
// servers, and the etcd that it is connected to.
func (w *needsWatch) look(ctx context.Context) []need {
	var list []need
	out := func(what string, protocol uint8, to netip.AddrPort) {
		if d, ok := egress(protocol, to); ok {
			list = append(list, need{what: what + " at " + to.String(), ways: []way{d}})
		}
	}
	api := w.apiServers(ctx)
	for _, a := range api {
		out("the API server", verdict.TCP, a)
	}
	if s := w.server.Load(); s != nil {
		out("Tierwall's server", verdict.TCP, *s)
	}
	for _, a := range w.nameServers(w.resolvConf) {
		out("DNS", verdict.UDP, netip.AddrPortFrom(a, 53))
	}
	sockets := w.sockets()
	for _, p := range services {
		serves, peers, servers := sockets.of(p.port)
		if p.port == 10250 { // logs, exec and what else the API server asks of it
			for _, a := range api {
				peers = append(peers, a.Addr())
			}
			slices.SortFunc(peers, netip.Addr.Compare)
			peers = slices.Compact(peers)
		}
		if serves {
			list = append(list, served(p.port, p.what, peers)...)
		}
		if p.port == 2379 || p.port == 2380 {
			for _, s := range servers {
				out(p.what, verdict.TCP, s)
			}
		}
	}
	return list
}

// served are the needs of a service of this node: those who are connected, and
// that anybody at all may connect.
func served(port uint16, what string, peers []netip.Addr) []need {
	var list []need
	for _, p := range peers {
		if r, ok := legTo(p); ok {
			list = append(list, need{what: what + " from " + p.String(), ways: []way{{direction: verdict.Ingress, iface: r.iface,
				packet: verdict.Packet{Src: p, Dst: r.local, Protocol: verdict.TCP, SrcPort: 40000, DstPort: port}}}})
		}
	}
	n := need{what: what}
	for _, r := range uplinks() {
		n.ways = append(n.ways, way{direction: verdict.Ingress, iface: r.iface, anyone: true,
			packet: verdict.Packet{Src: r.remote, Dst: r.local, Protocol: verdict.TCP, SrcPort: 40000, DstPort: port}})
	}
	if len(n.ways) > 0 {
		list = append(list, n)
	}
	return list
}

// apiServers are the addresses of the API server that the agent was given, or
// its service's backends. A name is looked up.
func (w *needsWatch) apiServers(ctx context.Context) []netip.AddrPort {
	if list := w.backends.Load(); w.byService {
		if list == nil {
			return nil
		}
		return *list
	}
	host, port := w.api, "443"
	if h, p, err := net.SplitHostPort(w.api); err == nil {
		host, port = h, p
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if host == "" || err != nil {
		return nil
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(a.Unmap(), uint16(number))}
	}
	ctx, stop := context.WithTimeout(ctx, 5*time.Second)
	defer stop()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		w.log.Debug("the API server's name is not found", "name", host, "error", err)
		return nil
	}
	var list []netip.AddrPort
	for _, a := range addrs {
		list = append(list, netip.AddrPortFrom(a.Unmap(), uint16(number)))
	}
	return list
}

// nameServers reads a resolv.conf. Where the only one is a resolver on this
// machine, systemd's own file tells whom that asks.
func (w *needsWatch) nameServers(path string) []netip.Addr {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var list []netip.Addr
	local := false
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" {
			continue
		}
		a, err := netip.ParseAddr(f[1])
		switch {
		case err != nil:
		case a.IsLoopback():
			local = true
		default:
			list = append(list, a.Unmap().WithZone(""))
		}
	}
	const upstream = "/run/systemd/resolve/resolv.conf"
	if local && len(list) == 0 && path != upstream {
		return w.nameServers(upstream)
	}
	return list
}

// sockets are the TCP sockets of the node's own processes.
type sockets struct {
	// listening holds ports on which somebody listens to more than the loopback.
	listening map[uint16]bool
	// open are the connections to other machines, local end first.
	open [][2]netip.AddrPort
}

// of returns whether a port is served here, by whom connections to it are held,
// and to which other machines' port connections are.
func (s *sockets) of(port uint16) (serves bool, peers []netip.Addr, servers []netip.AddrPort) {
	from, to := map[netip.Addr]bool{}, map[netip.AddrPort]bool{}
	for _, c := range s.open {
		if c[0].Port() == port && s.listening[port] {
			from[c[1].Addr()] = true
		} else if c[1].Port() == port {
			to[c[1]] = true
		}
	}
	return s.listening[port], slices.SortedFunc(maps.Keys(from), netip.Addr.Compare), slices.SortedFunc(maps.Keys(to), netip.AddrPort.Compare)
}

// The states of sockets in /proc/net/tcp (include/net/tcp_states.h).
const (
	stateEstablished = "01"
	stateListen      = "0A"
)

func (w *needsWatch) sockets() *sockets {
	s := &sockets{listening: map[uint16]bool{}}
	for _, name := range []string{"tcp", "tcp6"} { // a node without IPv6 has no tcp6
		f, err := os.Open(w.proc + "/" + name)
		if err != nil {
			continue
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			s.line(strings.Fields(lines.Text()))
		}
		_ = f.Close()
	}
	return s
}

func (s *sockets) line(f []string) {
	if len(f) < 4 || f[3] != stateListen && f[3] != stateEstablished {
		return
	}
	local, ok := procAddr(f[1])
	remote, ok2 := procAddr(f[2])
	switch {
	case !ok || !ok2 || local.Addr().IsLoopback():
	case f[3] == stateListen:
		s.listening[local.Port()] = true
	case !remote.Addr().IsLoopback() && remote.Addr() != local.Addr():
		s.open = append(s.open, [2]netip.AddrPort{local, remote})
	}
}

// procAddr reads an address as /proc/net/tcp writes it: words of four bytes in
// the machine's order, in hexadecimal, and the port.
func procAddr(text string) (netip.AddrPort, bool) {
	host, port, ok := strings.Cut(text, ":")
	b, err := hex.DecodeString(host)
	p, err2 := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || err2 != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	a, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a.Unmap(), uint16(p)), ok
}

// leg is how packets leave the node.
type leg struct {
	iface         string
	local, remote netip.Addr
}

// legTo asks the kernel how the node reaches an address; false if it cannot,
// or if that is its own.
func legTo(to netip.Addr) (leg, bool) {
	routes, err := netlink.RouteGet(to.AsSlice())
	if err != nil || len(routes) == 0 {
		return leg{}, false
	}
	l, err := netlink.LinkByIndex(routes[0].LinkIndex)
	local, ok := netip.AddrFromSlice(routes[0].Src)
	if err != nil || !ok || l.Attrs().Flags&net.FlagLoopback != 0 {
		return leg{}, false
	}
	return leg{l.Attrs().Name, local.Unmap(), to}, true
}

func egress(protocol uint8, to netip.AddrPort) (way, bool) {
	r, ok := legTo(to.Addr())
	return way{direction: verdict.Egress, iface: r.iface,
		packet: verdict.Packet{Src: r.local, Dst: to.Addr(), Protocol: protocol, SrcPort: 40000, DstPort: to.Port()}}, ok
}

// uplinks are the legs by which the node is reached from other machines: those
// of its default routes, or, where it has none, all that have an address.
func uplinks() []leg {
	var all, byDefault []leg
	defaults := map[int]bool{}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := netlink.RouteList(nil, family)
		if err != nil {
			continue // a node without IPv6
		}
		for _, r := range routes {
			if ones := prefixOf(r.Dst); ones == 0 && r.LinkIndex != 0 {
				defaults[r.LinkIndex] = true
			}
		}
	}
	links, err := netlink.LinkList()
	if err != nil {
		return nil
	}
	for _, l := range links {
		if l.Attrs().Flags&net.FlagLoopback != 0 {
			continue
		}
		addrs, err := netlink.AddrList(l, netlink.FAMILY_ALL)
		if err != nil {
			continue
		}
		for _, a := range addrs {
			ip, ok := netip.AddrFromSlice(a.IP)
			if ip = ip.Unmap(); !ok || !ip.IsGlobalUnicast() {
				continue
			}
			// an address of the family that no rule is likely to name, since it
			// counts for its family only
			from := leg{l.Attrs().Name, ip, netip.AddrFrom4([4]byte{192, 0, 2, 1})}
			if ip.Is6() {
				from.remote = netip.MustParseAddr("2001:db8::1")
			}
			all = append(all, from)
			if defaults[l.Attrs().Index] {
				byDefault = append(byDefault, from)
			}
		}
	}
	if len(byDefault) > 0 {
		all = byDefault
	}
	slices.SortFunc(all, func(a, b leg) int { return cmp.Or(cmp.Compare(a.iface, b.iface), a.local.Compare(b.local)) })
	return all
}

// prefixOf is the length of a route's destination; 0 for a default route.
func prefixOf(dst *net.IPNet) int {
	if dst == nil {
		return 0
	}
	ones, _ := dst.Mask.Size()
	return ones
}
