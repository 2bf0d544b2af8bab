package manager

import (
	"net/netip"
	"testing"
	"time"

	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// TestPending: a flow that comes after something was staged bears what that would
// have made of it, and none when it is taken away.
func TestPending(t *testing.T) {
	s := &store{state: model.NewState()}
	m := &Manager{store: s}
	pod := &model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: "be"}, Labels: map[string]string{"app": "be"}, Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.2")}}
	deny := &model.Policy{ID: verdict.PolicyID{Kind: "StagedNetworkPolicy", Namespace: "blue", Name: "p"}, Tier: "default", Applies: [2]bool{verdict.Ingress: true}, Selector: selector.MustParse("app == 'be'")}
	staged := &model.StagedPolicy{ID: deny.ID, Replaces: verdict.PolicyID{Kind: "NetworkPolicy", Namespace: "blue", Name: "p"}, Policy: deny}
	change := func(c ...model.Change) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.state.Apply(c...)
		s.version++
		s.current = nil
	}
	f := flow.Record{Source: flow.End{Kind: flow.Address, Address: netip.MustParseAddr("192.0.2.1")}, Protocol: "TCP", Port: 80, Verdict: flow.Verdict(verdict.Allow), Ingress: &flow.Decision{},
		Destination: flow.End{Kind: flow.Pod, Namespace: "blue", Name: "be", Labels: "app=be", Address: pod.Addrs[0]}}
	ends := func(what string, ok func(*flow.Pending) bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !ok(m.Pending(&f)); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %+v", what, m.Pending(&f))
			}
		}
	}
	none := func(p *flow.Pending) bool { return p == nil }
	change(model.Put(pod))
	ends("nothing staged", none)
	change(model.Put(staged))
	ends("a staged denial", func(p *flow.Pending) bool {
		return p != nil && p.Verdict == flow.Verdict(verdict.Deny) && p.Ingress.Trace.Reason == verdict.ByTierDefault && p.Egress == nil
	})
	change(model.Delete(staged.Key()))
	ends("it was taken away", none)
}
