package replay

import (
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/model/modeltest"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

func pod(ns, name, addr string) *model.Endpoint {
	return &model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Pod, Namespace: ns, Name: name}, Node: "n1", Labels: map[string]string{"app": name[:2]}, Addrs: []netip.Addr{netip.MustParseAddr(addr)}}
}

func end(ns, name, addr string) flow.End {
	return flow.End{Kind: flow.Pod, Namespace: ns, Name: name, Labels: "app=" + name[:2], Node: "n1", Address: netip.MustParseAddr(addr)}
}

func policy(kind, name string, ports ...uint16) *model.Policy {
	tcp := verdict.TCP
	p := &model.Policy{ID: verdict.PolicyID{Kind: kind, Namespace: "blue", Name: name}, Tier: "default", Applies: [2]bool{verdict.Ingress: true}, Selector: selector.MustParse("app == 'be'")}
	for i, port := range ports {
		p.Rules[verdict.Ingress] = append(p.Rules[verdict.Ingress], model.Rule{Index: i, Action: verdict.ActionAllow, Protocol: &tcp, Destination: model.Peer{Ports: []model.PortRange{{From: port, To: port}}}})
	}
	return p
}

func seq(list ...flow.Record) iter.Seq2[*flow.Record, error] {
	return func(yield func(*flow.Record, error) bool) {
		for i := range list {
			if !yield(&list[i], nil) {
				return
			}
		}
	}
}

// world has a policy that allows port 80 and a staged edit of it that allows 443.
func world() *model.State {
	s := model.NewState()
	staged := policy("StagedNetworkPolicy", "be", 443)
	s.Apply(model.Put(pod("blue", "fe-1", "10.0.0.1")), model.Put(pod("blue", "be-1", "10.0.0.2")), model.Put(pod("blue", "be-2", "10.0.0.3")),
		model.Put(policy("NetworkPolicy", "be", 80)),
		model.Put(&model.StagedPolicy{ID: staged.ID, Replaces: verdict.PolicyID{Kind: "NetworkPolicy", Namespace: "blue", Name: "be"}, Policy: staged}))
	return s
}

// TestStaged: what would be cut and what would be let through, by group, with the
// flows; both ends' records of the same connections count once; an end that is
// gone stands for its like, one without is not known.
func TestStaged(t *testing.T) {
	at := time.Date(2026, 11, 25, 14, 0, 0, 0, time.UTC)
	record := func(to flow.End, port uint16, n uint64, by flow.Reporter) flow.Record {
		return flow.Record{Source: end("blue", "fe-1", "10.0.0.1"), Destination: to, Protocol: "TCP", Port: port, Connections: n, Reporter: by, Last: at}
	}
	got, err := Staged(world()).Run(seq(
		record(end("blue", "be-1", "10.0.0.2"), 80, 3, flow.BySource), record(end("blue", "be-1", "10.0.0.2"), 80, 3, flow.ByDestination),
		record(end("blue", "be-9", "10.0.0.9"), 80, 2, flow.BySource), // gone
		record(end("blue", "be-1", "10.0.0.2"), 443, 5, flow.ByDestination),
		record(end("blue", "be-1", "10.0.0.2"), 22, 7, flow.ByDestination),
		record(end("blue", "xx-1", "10.0.0.8"), 80, 11, flow.ByDestination), // gone, and nothing is like it
		record(end("blue", "be-1", "10.0.0.2"), 80, 0, flow.BySource),       // the end of one that began before
	))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, c := range append(slices.Clone(got.Denied), got.Allowed...) {
		lines = append(lines, fmt.Sprintf("%s: %d, %d flows; %s; then %s", c, c.Connections, len(c.Flows), &c.Before.Trace, &c.After.Trace))
	}
	want := []string{
		"blue {app=fe} to blue {app=be} on TCP/80: 5, 3 flows; allow: rule (Allow by default/NetworkPolicy/blue/be#0); then deny: tier default (Deny at the end of tier default)",
		"blue {app=fe} to blue {app=be} on TCP/443: 5, 1 flows; deny: tier default (Deny at the end of tier default); then allow: rule (Allow by default/StagedNetworkPolicy/blue/be#0)",
	}
	if d := cmp.Diff(want, lines); d != "" {
		t.Error(d)
	}
	if got.Unchanged != 7 || got.Unknown != 11 {
		t.Errorf("%d unchanged, %d unknown", got.Unchanged, got.Unknown)
	}
}

// TestEnforcingCutsThose: what is told of random worlds is what the oracle finds
// when everything staged is enforced.
func TestEnforcingCutsThose(t *testing.T) {
	asked, changed := 0, 0
	for seed := range uint64(60) {
		g := modeltest.New(seed)
		s := model.NewState()
		s.Apply(g.World()...)
		for range 10 {
			s.Apply(g.Mutation())
		}
		now, then := evaluate.New(s), evaluate.New(s.Pending())
		r := Staged(s)
		for _, e := range s.SortedEndpoints() {
			if e.ID.Kind != verdict.Pod || len(e.Addrs) == 0 {
				continue
			}
			p := g.Packet(verdict.Ingress, e.Addrs[0])
			if p.Src.Is4() != p.Dst.Is4() {
				continue
			}
			f := flow.Record{Source: flow.End{Kind: flow.Address, Address: p.Src}, Protocol: verdict.ProtocolName(p.Protocol), SourcePort: p.SrcPort, Port: p.DstPort, Connections: 1, Ingress: &flow.Decision{},
				Destination: flow.End{Kind: flow.Pod, Namespace: e.ID.Namespace, Name: e.ID.Name, Labels: flow.Labels(e.Labels), Address: p.Dst}}
			if verdict.IsICMP(p.Protocol) {
				f.Port, f.ICMP = 0, fmt.Sprintf("%d/%d", p.DstPort>>8, p.DstPort&255)
			}
			before, after := now.Decide(e, verdict.Ingress, p), then.Decide(e, verdict.Ingress, p)
			got, err := r.Run(seq(f))
			if err != nil {
				t.Fatal(err)
			}
			asked++
			switch {
			case before.Verdict == after.Verdict && got.Unchanged != 1,
				before.Verdict != after.Verdict && after.Verdict == verdict.Deny && (len(got.Denied) != 1 || !got.Denied[0].After.Trace.Equal(&after)),
				before.Verdict != after.Verdict && after.Verdict == verdict.Allow && (len(got.Allowed) != 1 || !got.Allowed[0].Before.Trace.Equal(&before)):
				t.Fatalf("seed %d: %s: %s, then %s; told %+v", seed, p, &before, &after, got)
			}
			if before.Verdict != after.Verdict {
				changed++
			}
			pending := r.Pending(&f)
			if (pending == nil) != before.Equal(&after) || pending != nil && !pending.Ingress.Trace.Equal(&after) {
				t.Fatalf("seed %d: %s: pending is %+v, the oracle says %s", seed, p, pending, &after)
			}
		}
	}
	if asked < 300 || changed < 10 {
		t.Errorf("only %d flows, of which %d change", asked, changed)
	}
}

// TestKinds: what is remembered of one flow answers for another only if nothing
// tells them apart: not the source's port where policy asks for it, and not the
// node of a host, which may reach its own pods.
func TestKinds(t *testing.T) {
	s := model.NewState()
	s.Apply(model.Put(pod("blue", "fe-1", "10.0.0.1")), model.Put(pod("blue", "fe-2", "10.0.0.4")), model.Put(pod("blue", "be-1", "10.0.0.2")))
	staged := policy("StagedNetworkPolicy", "be", 80)
	staged.Rules[verdict.Ingress][0].Source.Ports = []model.PortRange{{From: 1000, To: 1999}}
	s.Apply(model.Put(&model.StagedPolicy{ID: staged.ID, Replaces: verdict.PolicyID{Kind: "NetworkPolicy", Namespace: "blue", Name: "be"}, Policy: staged}))
	node := func(name string) flow.End {
		return flow.End{Kind: flow.Node, Name: name, Node: name, Address: netip.MustParseAddr("192.0.2.1")}
	}
	fe1, fe2 := end("blue", "fe-1", "10.0.0.1"), end("blue", "fe-2", "10.0.0.4")
	r := Staged(s)
	for _, row := range []struct {
		from  flow.End
		sport uint16
		cut   bool
	}{
		{fe1, 1500, false}, {fe2, 1500, false}, {fe1, 2000, true}, {fe2, 2000, true}, {fe1, 0, true}, {fe2, 1999, false},
		{node("n2"), 2000, true}, {node("n1"), 2000, false}, {node("n2"), 2000, true},
	} {
		f := flow.Record{Source: row.from, Destination: end("blue", "be-1", "10.0.0.2"), Protocol: "TCP", SourcePort: row.sport, Port: 80, Connections: 1, Ingress: &flow.Decision{}}
		got, err := r.Run(seq(f))
		if err != nil {
			t.Fatal(err)
		}
		if cut := len(got.Denied) == 1; cut != row.cut || (r.Pending(&f) != nil) != (row.cut || row.from.Name != "n1") {
			t.Errorf("%s, port %d: cut %t, want %t", row.from, row.sport, cut, row.cut)
		}
	}
}
