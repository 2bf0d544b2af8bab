package agent

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	mdns "github.com/miekg/dns"

	"github.com/tierwall/tierwall/agent/dns"
	"github.com/tierwall/tierwall/agent/dns/packet/packettest"
	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/dataplane/fake"
	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// capturing is a kernel of which it is known what DNS it hands over.
type capturing struct {
	*fake.Dataplane
	mu  sync.Mutex
	dns *dataplane.DNS
}

func (w *capturing) note(s *dataplane.Settings) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s != nil {
		w.dns = s.DNS
	}
}

func (w *capturing) Apply(ctx context.Context, p dataplane.Program) error {
	w.note(&p.Settings)
	return w.Dataplane.Apply(ctx, p)
}

func (w *capturing) Change(ctx context.Context, c dataplane.Change) error {
	w.note(c.Settings)
	return w.Dataplane.Change(ctx, c)
}

func (w *capturing) servers() []netip.AddrPort {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dns == nil {
		return nil
	}
	return w.dns.Servers
}

// namedPolicy allows all pods what has the name.
func namedPolicy(name string) model.Object {
	return &model.Policy{
		ID: verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: "names"}, Tier: "default", Applies: [2]bool{verdict.Egress: true}, Selector: selector.MustParse("all()"),
		Rules: [2][]model.Rule{verdict.Egress: {{Action: verdict.ActionAllow, Destination: model.Peer{Domains: []domain.Pattern{domain.MustParsePattern(name)}}}}},
	}
}

// lookUp is the packet of a pod's query, or of the server's answer with an address.
func lookUp(t *testing.T, name string, server netip.AddrPort, addrs ...string) []byte {
	t.Helper()
	m := new(mdns.Msg).SetQuestion(name+".", mdns.TypeA)
	m.Id, m.Response = 7, server.IsValid()
	for _, a := range addrs {
		m.Answer = append(m.Answer, &mdns.A{Hdr: mdns.RR_Header{Name: name + ".", Rrtype: mdns.TypeA, Class: mdns.ClassINET, Ttl: 60}, A: netip.MustParseAddr(a).AsSlice()})
	}
	payload, err := m.Pack()
	must(t, err)
	from, to := netip.MustParseAddrPort("10.0.0.1:4000"), netip.MustParseAddrPort("192.0.2.53:53")
	if server.IsValid() {
		from, to = to, from
	}
	return packettest.UDP(from, to, payload)
}

// TestNames: what an earlier process knew is in the first tables; the kernel hands
// DNS over while policy of the node speaks of names, from the servers that the
// settings name; what an answer says is in the kernel before it goes on; another
// epoch closes all at once.
func TestNames(t *testing.T) {
	server := netip.MustParseAddrPort("192.0.2.53:53")
	var plane *capturing
	r := newRig(t, func(a *agent) {
		plane = &capturing{Dataplane: a.Dataplane.(*fake.Dataplane)}
		a.Dataplane = plane
		l, _, err := dns.New(dns.Options{})
		must(t, err)
		a.names = &namer{learner: l, from: l, servers: newDNSServers(nil), stale: true}
		a.held = append(a.held, model.Put(&model.Learned{Name: "old.example", Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}))
		a.compiler.Settings(model.Settings{DNS: model.DNSSettings{Servers: []model.DNSServer{{Addr: server.Addr()}}}})
	})
	open := func(to string) bool {
		v, _ := r.plane.Decide("a", verdict.Egress, verdict.Packet{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr(to), Protocol: verdict.TCP, SrcPort: 40000, DstPort: 80})
		return v == verdict.Allow
	}
	handsOver := func(when string, want ...netip.AddrPort) {
		t.Helper()
		for range 200 {
			if r.sure(); slices.Equal(plane.servers(), want) {
				return
			}
			time.Sleep(10 * time.Millisecond) // the servers are found beside the loop
		}
		t.Errorf("%s: DNS of %v is handed over, want %v", when, plane.servers(), want)
	}
	r.host <- routed("10.0.0.1")
	must(t, r.pods.Replace([]any{podOn("p", "n1", "10.0.0.1", "1")}, ""))
	handsOver("nobody speaks of names")
	r.updates <- update{changes: []model.Change{model.Put(namedPolicy("*.example"))}}
	handsOver("a policy speaks of names", server)
	if !open("192.0.2.1") || open("192.0.2.2") {
		t.Error("what an earlier process knew is not open, or more is")
	}
	learner := r.agent.names.learner
	learner.Asked(lookUp(t, "new.example", netip.AddrPort{}))
	known := make(chan bool, 1)
	learner.Answered(lookUp(t, "new.example", server, "192.0.2.2"), func() { known <- open("192.0.2.2") })
	select {
	case yes := <-known:
		if !yes {
			t.Error("an answer went on before the kernel knew")
		}
	case <-time.After(5 * time.Second):
		t.Fatal("an answer did not go on")
	}
	epoch := 1
	r.updates <- update{changes: []model.Change{model.Put(&model.Configuration{Name: model.DefaultConfiguration, DNSEpoch: &epoch})}}
	if r.sure(); open("192.0.2.2") {
		t.Error("a name that is forgotten is open")
	}
	r.updates <- update{changes: []model.Change{model.Delete(namedPolicy("*.example").Key())}}
	handsOver("the policy is gone")
}
