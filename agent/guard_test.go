package agent

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/report"
	"github.com/tierwall/tierwall/verdict"
)

// TestNeeds: what a node needs is found from its sockets, its resolv.conf and
// the agent's own way to the API server, in a network namespace.
func TestNeeds(t *testing.T) {
	dir := t.TempDir()
	resolv := filepath.Join(dir, "resolv.conf")
	must(t, os.WriteFile(resolv, []byte("search x\nnameserver 192.0.2.53\nnameserver 127.0.0.53\n"), 0o600))
	looks := make(chan func(*needsWatch) []need)
	results := make(chan []need)
	h := inNetNS(t, func() {
		for f := range looks {
			w := newNeedsWatch(Options{Log: slog.New(slog.DiscardHandler), Config: &rest.Config{Host: "https://192.0.2.9:6443"}})
			w.resolvConf, w.proc = resolv, "/proc/thread-self/net"
			results <- f(w)
		}
	})
	t.Cleanup(func() { close(looks) })
	in := func(f func()) { // in the namespace, whose thread is that of looks
		looks <- func(*needsWatch) []need { f(); return nil }
		<-results
	}
	there := peerOf(t, h, "192.0.2.2/24", "192.0.2.9/24", "192.0.2.77/24")
	there.listen(t, "192.0.2.77:2379")
	var conns []net.Conn
	in(func() {
		for _, at := range []string{"0.0.0.0:22", "192.0.2.2:10250", "127.0.0.1:2380"} {
			l, err := net.Listen("tcp", at)
			must(t, err)
			t.Cleanup(func() { _ = l.Close() })
		}
		c, err := net.Dial("tcp", "192.0.2.77:2379")
		must(t, err)
		conns = append(conns, c)
	})
	conns = append(conns, there.dial(t, "192.0.2.2:22"))
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	looks <- func(w *needsWatch) []need { return w.look(t.Context()) }
	var got []string
	for _, n := range <-results {
		for _, w := range n.ways {
			got = append(got, fmt.Sprintf("%s: %s %s %s -> %s anyone %v", n.what, w.direction, w.iface, w.packet.Src, netip.AddrPortFrom(w.packet.Dst, w.packet.DstPort), w.anyone))
		}
	}
	slices.Sort(got)
	want := []string{
		"DNS at 192.0.2.53:53: egress up 192.0.2.2 -> 192.0.2.53:53 anyone false",
		"etcd at 192.0.2.77:2379: egress up 192.0.2.2 -> 192.0.2.77:2379 anyone false",
		"ssh from 192.0.2.77: ingress up 192.0.2.77 -> 192.0.2.2:22 anyone false",
		"ssh: ingress up 192.0.2.1 -> 192.0.2.2:22 anyone true",
		"the API server at 192.0.2.9:6443: egress up 192.0.2.2 -> 192.0.2.9:6443 anyone false",
		"the kubelet from 192.0.2.9: ingress up 192.0.2.9 -> 192.0.2.2:10250 anyone false",
		"the kubelet: ingress up 192.0.2.1 -> 192.0.2.2:10250 anyone true",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// peer is another machine: a namespace at the end of a veth pair.
type peer struct{ ns netns.NsHandle }

// peerOf connects a namespace, by its interface up, with another one that has
// all the other addresses. The last is the one that it calls from.
func peerOf(t *testing.T, h *netlink.Handle, here string, there ...string) peer {
	t.Helper()
	var p peer
	ready := make(chan netns.NsHandle)
	other := inNetNS(t, func() {
		ns, err := netns.Get()
		must(t, err)
		ready <- ns
	})
	p.ns = <-ready
	t.Cleanup(func() { _ = p.ns.Close() })
	must(t, h.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "up"}, PeerName: "up", PeerNamespace: netlink.NsFd(p.ns)}))
	for _, end := range []struct {
		*netlink.Handle
		addrs []string
	}{{h, []string{here}}, {other, there}} {
		for _, name := range []string{"lo", "up"} {
			l, err := end.LinkByName(name)
			must(t, err)
			must(t, end.LinkSetUp(l))
			for _, text := range end.addrs {
				if a, err := netlink.ParseAddr(text); name == "up" {
					must(t, err)
					must(t, end.AddrAdd(l, a))
				}
			}
		}
	}
	return p
}

func (p peer) in(t *testing.T, f func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	must(t, err)
	defer home.Close()
	must(t, netns.Set(p.ns))
	defer func() { must(t, netns.Set(home)) }()
	f()
}

func (p peer) listen(t *testing.T, at string) {
	t.Helper()
	p.in(t, func() {
		l, err := net.Listen("tcp", at)
		must(t, err)
		t.Cleanup(func() { _ = l.Close() })
	})
}

func (p peer) dial(t *testing.T, to string) (c net.Conn) {
	t.Helper()
	p.in(t, func() {
		var err error
		c, err = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("192.0.2.77")}}).Dial("tcp", to)
		must(t, err)
	})
	return c
}

// reports is a server that takes reports.
type reports struct {
	*httptest.Server
	mu   sync.Mutex
	last report.Report
}

func newReports(t *testing.T) *reports {
	s := &reports{}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var got report.Report
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		s.mu.Lock()
		s.last = got
		s.mu.Unlock()
		_, _ = w.Write([]byte("{}"))
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *reports) cuts() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last.Cuts
}

// options are those by which an agent reports to it.
func (s *reports) options(t *testing.T) Server {
	dir := t.TempDir()
	ca, token := filepath.Join(dir, "ca"), filepath.Join(dir, "token")
	must(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
	must(t, os.WriteFile(token, []byte("t"), 0o600))
	return Server{URL: s.URL, CAFile: ca, TokenFile: token}
}

// watched is a dataplane that says what the server knew of cuts when it was
// changed.
type watched struct {
	dataplane.Dataplane
	before func()
}

func (w watched) Change(ctx context.Context, c dataplane.Change) error {
	w.before()
	return w.Dataplane.Change(ctx, c)
}

func hostPolicy(name string, generation int64, spec v3.GlobalNetworkPolicySpec) *v3.GlobalNetworkPolicy {
	return &v3.GlobalNetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: name, Generation: generation, ResourceVersion: fmt.Sprint(generation)}, Spec: spec}
}

// TestGuard: policy of a host endpoint that cuts what the node needs is told to
// the server and the log before it is in the kernel, and it is enforced; with
// failsafe ports, or another rule, it is not spoken of.
func TestGuard(t *testing.T) {
	r := newRig(t)
	server := newReports(t)
	var err error
	r.agent.Server = server.options(t)
	r.agent.reporter, err = newReporter(r.agent.Options, r.agent.metrics)
	must(t, err)
	go r.agent.reporter.run(t.Context())
	var known []map[string]string
	r.agent.Dataplane = watched{r.plane, func() { known = append(known, server.cuts()) }}

	h := newHost()
	h.links[1] = link{name: "eth0"}
	h.addrs[1] = []netip.Addr{netip.MustParseAddr("192.0.2.2")}
	r.host <- hostEvent{all: h}
	to := func(protocol uint8, port uint16) way {
		return way{direction: verdict.Egress, iface: "eth0", packet: verdict.Packet{Src: netip.MustParseAddr("192.0.2.2"), Dst: netip.MustParseAddr("192.0.2.9"), Protocol: protocol, SrcPort: 40000, DstPort: port}}
	}
	kubelet := way{direction: verdict.Ingress, iface: "eth0", anyone: true, packet: verdict.Packet{Src: netip.MustParseAddr("192.0.2.1"), Dst: netip.MustParseAddr("192.0.2.2"), Protocol: verdict.TCP, SrcPort: 40000, DstPort: 10250}}
	r.agent.needs.found <- []need{
		{"the API server at 192.0.2.9:443", []way{to(verdict.TCP, 443)}},
		{"DNS at 192.0.2.9:53", []way{to(verdict.UDP, 53)}}, // failsafe
		{"the kubelet", []way{kubelet}},
	}
	open := v3.GlobalNetworkPolicySpec{Selector: "has(host)", Types: []v3.PolicyType{"Ingress", "Egress"},
		Ingress: []v3.Rule{{Action: "Allow"}}, Egress: []v3.Rule{{Action: "Allow"}}}
	must(t, r.pods.Replace([]any{
		&v3.HostEndpoint{ObjectMeta: metav1.ObjectMeta{Name: "n1", Labels: map[string]string{"host": ""}}, Spec: v3.HostEndpointSpec{Node: "n1", InterfaceName: "eth0"}},
		hostPolicy("p", 1, open),
	}, "1"))
	r.sure()
	if got := r.agent.guard.said; len(got) != 0 {
		t.Fatalf("open policy cuts %v", got)
	}
	closing := open
	closing.Egress = []v3.Rule{{Action: "Deny"}}
	from := []string{"198.51.100.0/24"}
	closing.Ingress = []v3.Rule{{Action: "Allow", Source: v3.EntityRule{Nets: from}}}
	must(t, r.pods.Update(hostPolicy("p", 2, closing)))
	r.sure()
	want := map[string]string{"GlobalNetworkPolicy//p": "the API server at 192.0.2.9:443 (egress rule 0)"}
	if diff := cmp.Diff(want, known[len(known)-1]); diff != "" {
		t.Errorf("what the server knew when the kernel was changed (-want +got)\n%s", diff)
	}
	if log := r.log.String(); !strings.Contains(log, "policy cuts what this node itself needs") {
		t.Errorf("the log: %s", log)
	}
	if v, _ := r.plane.DecideHost("eth0", verdict.Egress, to(verdict.TCP, 443).packet); v != verdict.Deny {
		t.Errorf("the policy is not enforced: %s", v)
	}
	closing.Ingress[0].Protocol = nil
	closing.Ingress[0].Source.Nets = []string{"2001:db8::/32"} // another family
	must(t, r.pods.Update(hostPolicy("p", 3, closing)))
	r.sure()
	want["GlobalNetworkPolicy//p"] += ", the kubelet (no rule of tier default allows it)"
	if diff := cmp.Diff(want, server.cuts()); diff != "" {
		t.Errorf("two at once (-want +got)\n%s", diff)
	}
	must(t, r.pods.Update(hostPolicy("p", 4, open)))
	r.sure()
	for limit := time.Now().Add(5 * time.Second); len(server.cuts()) > 0 && time.Now().Before(limit); time.Sleep(time.Millisecond) {
	}
	if got := server.cuts(); len(got) != 0 || !strings.Contains(r.log.String(), "no longer cuts") {
		t.Errorf("after it is open: %v", got)
	}
}
