package agent

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/tierwall/tierwall/agent/dns"
	"github.com/tierwall/tierwall/dataplane/fake"
	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// byName is a policy of egress to a domain alone.
func byName(d string) model.Change {
	r := model.Rule{Action: verdict.ActionAllow, Destination: model.Peer{Domains: []domain.Pattern{domain.MustParsePattern(d)}}}
	return model.Put(&model.Policy{ID: verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: "names"}, Tier: "default", Selector: selector.All(),
		Applies: [2]bool{verdict.Egress: true}, Rules: [2][]model.Rule{verdict.Egress: {r}}})
}

func nameAt(n string, addrs ...string) *model.Learned {
	l := &model.Learned{Name: domain.Name(n)}
	for _, a := range addrs {
		l.Addrs = append(l.Addrs, netip.MustParseAddr(a))
	}
	return l
}

// egress is what happens to a packet of the pod at the interface to an address.
func (r *rig) egress(iface, from, to string) verdict.Verdict {
	v, _ := r.plane.Decide(iface, verdict.Egress, verdict.Packet{
		Src: netip.MustParseAddr(from), Dst: netip.MustParseAddr(to), Protocol: verdict.TCP, SrcPort: 40000, DstPort: 443})
	return v
}

// script is a teller that says what a test says.
type script struct {
	news chan struct{}
	next Learning
}

func (s *script) News() <-chan struct{}            { return s.news }
func (s *script) Next() ([]*model.Learned, func()) { return s.next.Names, s.next.Done }

// learned tells the agent of names and waits until it says that the kernel knows;
// false if it does not in time.
func (s *script) learned(within time.Duration, names ...*model.Learned) bool {
	done := make(chan struct{})
	s.next = Learning{Names: names, Done: func() { close(done) }}
	s.news <- struct{}{}
	select {
	case <-done:
		return true
	case <-time.After(within):
		return false
	}
}

// TestLearning: who learns is told once the kernel knows, and not before; also if
// there is nothing for it to know.
func TestLearning(t *testing.T) {
	const at, other = "192.0.2.1", "192.0.2.2"
	s := &script{news: make(chan struct{})}
	r := newRig(t, func(a *agent) {
		l, _, err := dns.New(dns.Options{})
		must(t, err)
		a.names = &namer{learner: l, from: s, servers: newDNSServers(nil)}
	})
	r.host <- routed("10.0.0.1")
	if s.learned(20*time.Millisecond, nameAt("early.test", other)) {
		t.Error("done before anything is enforced")
	}
	r.updates <- update{changes: []model.Change{byName("*.test")}}
	must(t, r.pods.Replace([]any{podOn("p", "n1", "10.0.0.1", "1")}, ""))
	r.sure()
	want := func(what, to string, v verdict.Verdict) {
		t.Helper()
		if got := r.egress("a", "10.0.0.1", to); got != v {
			t.Errorf("%s: %s is %s", what, to, got)
		}
	}
	want("learned before the first tables", other, verdict.Allow)
	want("not learned", at, verdict.Deny)
	if !s.learned(10*time.Second, nameAt("a.test", at), nameAt("else", "192.0.2.3")) {
		t.Fatal("nobody is told")
	}
	want("at once", at, verdict.Allow)
	want("a name that no policy speaks of", "192.0.2.3", verdict.Deny)
	if !s.learned(10*time.Second, nameAt("else", "192.0.2.4")) {
		t.Fatal("nobody is told that there was nothing to do")
	}
	r.plane.FailAt(fake.Flip, errors.New("refused"))
	r.plane.FailAt(fake.Add, errors.New("refused"))
	if !s.learned(10*time.Second, nameAt("a.test", "192.0.2.9"), nameAt("early.test")) {
		t.Fatal("nobody is told after the kernel refused once")
	}
	want("after it was tried again", "192.0.2.9", verdict.Allow)
	want("an address that the name lost", at, verdict.Deny)
	want("a name that was forgotten", other, verdict.Deny)
}
