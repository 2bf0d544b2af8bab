package nft

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// stages is a lab with two machines outside, each behind a host endpoint, whose
// normal policy denies everything.
type stages struct {
	*pods
	t          *testing.T
	d          *Dataplane
	east, west *machine
	me         []netip.Addr
	normal     [2]table.SetID
}

func newStages(t *testing.T) *stages {
	s := &stages{pods: newPods(t), t: t}
	s.pod(s.b, s.open[verdict.Ingress], s.open[verdict.Egress])
	s.east, s.west = s.add("east", false, "192.0.2.1", "2001:db8::1"), s.add("west", false, "192.0.2.2", "2001:db8::2")
	s.me = routerAddrs(s.lab)
	s.normal = [2]table.SetID{s.set(verdict.Ingress, verdict.Host, s.no, s.no, nil), s.set(verdict.Egress, verdict.Host, s.no, s.no, nil)}
	s.d = s.dataplane()
	s.reset()
	return s
}

// reset makes east and west host endpoints without policy but in the normal
// stage.
func (s *stages) reset() {
	s.host("east", "", s.normal[0], s.normal[1], s.east.iface)
	s.host("west", "", s.normal[0], s.normal[1], s.west.iface)
}

// stage gives a host endpoint a row in a stage, for peers in a class or for all
// with class 0.
func (s *stages) stage(name string, stage verdict.Stage, d verdict.Direction, other table.RowID, rows map[table.ClassID]table.RowID) {
	id := s.set(d, verdict.Host, other, other, rows)
	s.Tables.Sets[id].Stage = stage
	e := s.Tables.Endpoints[verdict.EndpointID{Kind: verdict.Host, Name: name}]
	next := *e
	next.Stages = map[verdict.Stage][2][]table.Span{}
	for k, v := range e.Stages {
		next.Stages[k] = v
	}
	spans := next.Stages[stage]
	spans[d] = bothFamilies(id)
	next.Stages[stage] = spans
	s.Tables.Endpoints[e.ID] = &next
}

// only is a row that decides for one TCP port, and goes on for all else.
func (s *stages) only(v verdict.Verdict, port uint16) table.RowID {
	on := &table.Decision{Verdict: verdict.Allow, Reason: verdict.ByHostDefault}
	return s.row(on, ports(verdict.TCP, trace(v, 0), on, [2]uint16{port, port}))
}

// program applies what there is, without sets that no endpoint has any more, as
// a compiler would.
func (s *stages) program() {
	s.t.Helper()
	used := map[table.SetID]bool{s.normal[0]: true, s.normal[1]: true, s.open[0]: true, s.open[1]: true}
	for _, e := range s.Tables.Endpoints {
		for _, spans := range append(slices.Collect(maps.Values(e.Stages)), e.Spans) {
			for _, span := range slices.Concat(spans[0], spans[1]) {
				used[span.Set] = true
			}
		}
	}
	maps.DeleteFunc(s.Tables.Sets, func(id table.SetID, _ *table.Set) bool { return !used[id] })
	s.apply(s.d, s.Program)
}

// try opens connections in both families.
func (s *stages) try(what string, from *machine, to []netip.Addr, port uint16, want bool) {
	s.t.Helper()
	for _, a := range to {
		if got := s.reaches(from.ns, "tcp", 0, netip.AddrPortFrom(a, port), want); got != want {
			s.t.Errorf("%s: %s to %s port %d: %v, want %v", what, from.name, a, port, got, want)
		}
	}
}

// TestForward: what is routed through a host endpoint meets the policy of the
// stage alone, on the way in and on the way out; a local pod's is asked too.
func TestForward(t *testing.T) {
	s := newStages(t)
	s.program()
	s.try("without policy", s.east, s.west.addrs, 80, true)
	s.try("without policy", s.east, s.me, 80, false)
	s.try("without policy", s.east, s.b.addrs, 80, true)
	s.stage("east", verdict.Forward, verdict.Ingress, s.only(verdict.Deny, 80), nil)
	s.program()
	s.try("ingress of east", s.east, s.west.addrs, 80, false)
	s.try("ingress of east", s.east, s.west.addrs, 81, true)
	s.try("ingress of east", s.east, s.b.addrs, 80, false)
	s.try("ingress of east", s.west, s.east.addrs, 80, true)
	s.try("ingress of east", s.a, s.b.addrs, 80, true)
	s.reset()
	s.stage("west", verdict.Forward, verdict.Egress, s.only(verdict.Deny, 80), nil)
	s.program()
	s.try("egress of west", s.east, s.west.addrs, 80, false)
	s.try("egress of west", s.a, s.west.addrs, 80, false)
	s.try("egress of west", s.west, s.east.addrs, 80, true)
	s.reset()
	s.host("star", "*", s.normal[0], s.normal[1])
	s.stage("star", verdict.Forward, verdict.Ingress, s.only(verdict.Deny, 80), nil)
	s.program()
	s.try("of all interfaces: pods have no host endpoint", s.a, s.b.addrs, 80, true)
	s.try("of all interfaces: east has its own", s.east, s.b.addrs, 80, true)
}

// TestForwardOrder: the host endpoint by which a packet comes in is asked before
// the pod that it goes to, and that one before the host endpoint by which it would
// go out, as semantics.md and explain have it.
func TestForwardOrder(t *testing.T) {
	s := newStages(t)
	logs := func(rule int) table.RowID { return s.row(trace(verdict.Deny, rule, rule-1)) }
	s.stage("east", verdict.Forward, verdict.Ingress, logs(11), nil)
	s.stage("west", verdict.Forward, verdict.Egress, logs(21), nil)
	s.pod(s.b, s.set(verdict.Ingress, verdict.Pod, logs(31), logs(31), nil), s.open[verdict.Egress])
	s.pod(s.a, s.open[verdict.Ingress], s.set(verdict.Egress, verdict.Pod, logs(41), logs(41), nil))
	heard := s.logged(7)
	s.d = New(Options{NetNS: int(s.router), LogGroup: 7})
	s.program()
	for i := range s.b.addrs {
		for _, step := range []struct {
			what string
			from *machine
			to   netip.Addr
			rule int
		}{
			{"from outside to a pod", s.east, s.b.addrs[i], 10}, {"from a pod outside", s.a, s.west.addrs[i], 40},
			{"from a pod to a pod", s.a, s.b.addrs[i], 40}, {"through the node", s.east, s.west.addrs[i], 10},
			{"to a pod from elsewhere", s.west, s.b.addrs[i], 30},
		} {
			if s.reaches(step.from.ns, "tcp", 0, netip.AddrPortFrom(step.to, 80), false) {
				t.Errorf("%s: arrives", step.what)
			}
			want := fmt.Sprintf("tierwall: default/NetworkPolicy/blue/fe#%d ", step.rule)
			select {
			case got := <-heard:
				if got != want {
					t.Errorf("%s: decided by %q, want %q", step.what, got, want)
				}
			case <-time.After(patience(true)):
				t.Errorf("%s: nothing is logged, want %q", step.what, want)
			}
			for len(heard) > 0 {
				if got := <-heard; got != want {
					t.Errorf("%s: also logged by %q", step.what, got)
				}
			}
		}
	}
}

// translate sends port 8080 of the router to a pod's port 80.
func (s *stages) translate() {
	s.nft("add", "table", "inet", "probe")
	s.nft("add", "chain", "inet", "probe", "in", "{ type nat hook prerouting priority dstnat; }")
	s.nft("add", "rule", "inet", "probe", "in", "ip daddr", s.me[0].String(), "tcp dport 8080 dnat ip to", s.b.addrs[0].String()+":80")
	s.nft("add", "rule", "inet", "probe", "in", "ip6 daddr", s.me[1].String(), "tcp dport 8080 dnat ip6 to ["+s.b.addrs[1].String()+"]:80")
}

// TestPreDNAT: the policy sees the address and port before translation. Its
// Allow skips the host's own policy, not the pod's; what it does not decide goes
// on.
func TestPreDNAT(t *testing.T) {
	s := newStages(t)
	s.translate()
	s.program()
	s.try("without", s.east, s.me, 8080, true)
	s.stage("east", verdict.PreDNAT, verdict.Ingress, s.only(verdict.Deny, 8080), nil)
	s.program()
	s.try("deny", s.east, s.me, 8080, false)
	s.try("deny", s.west, s.me, 8080, true)
	s.try("deny", s.east, s.b.addrs, 80, true)
	s.try("deny: goes on to the normal stage", s.east, s.me, 81, false)
	s.reset()
	s.stage("east", verdict.PreDNAT, verdict.Ingress, s.only(verdict.Allow, 22), nil)
	s.program()
	s.try("allow skips normal policy", s.east, s.me, 22, true)
	s.try("allow of another port", s.east, s.me, 23, false)
	s.stage("east", verdict.Forward, verdict.Ingress, s.no, nil)
	s.program()
	s.try("forward policy", s.east, s.me, 8080, false)
	s.stage("east", verdict.PreDNAT, verdict.Ingress, s.only(verdict.Allow, 8080), nil)
	s.program()
	s.try("allow skips forward policy", s.east, s.me, 8080, true)
	s.pod(s.b, s.set(verdict.Ingress, verdict.Pod, s.no, s.no, nil), s.open[verdict.Egress])
	s.program()
	s.try("allow does not skip the pod's", s.east, s.me, 8080, false)
	s.reset()
	s.host("star", "*", s.normal[0], s.normal[1])
	s.stage("star", verdict.PreDNAT, verdict.Ingress, s.only(verdict.Deny, 80), nil)
	s.program()
	s.try("of all interfaces: pods too", s.a, s.me, 80, false)
	s.try("of all interfaces: pods too", s.a, s.me, 81, true)
	delete(s.Tables.Endpoints, verdict.EndpointID{Kind: verdict.Host, Name: "star"})
	s.program()
	if got := s.nft("list", "table", "inet", "tierwall"); strings.Contains(got, "mangle") || strings.Contains(got, "ct label") {
		t.Errorf("left over:\n%s", got)
	}
}

// TestUntracked: the policy comes before conntrack and its Allow is one for a
// packet, not for a connection.
func TestUntracked(t *testing.T) {
	s := newStages(t)
	s.stage("east", verdict.Untracked, verdict.Ingress, s.only(verdict.Allow, 22), nil)
	s.program()
	s.try("one direction", s.east, s.me, 22, false) // the answer meets normal egress
	on := s.no
	allow := s.row(trace(verdict.Allow, 0))
	s.stage("east", verdict.Untracked, verdict.Egress, allow, nil)
	s.program()
	s.try("both directions", s.east, s.me, 22, true)
	s.try("goes on to the normal stage", s.east, s.me, 23, false)
	s.try("elsewhere", s.west, s.me, 22, false)
	s.nft("add", "table", "inet", "probe")
	s.nft("add", "chain", "inet", "probe", "in", "{ type filter hook prerouting priority raw; }")
	s.nft("add", "rule", "inet", "probe", "in", "notrack")
	s.nft("add", "chain", "inet", "probe", "out", "{ type filter hook output priority raw; }")
	s.nft("add", "rule", "inet", "probe", "out", "notrack")
	s.try("somebody else's notrack is no Allow", s.east, s.me, 23, false)
	s.nft("delete", "table", "inet", "probe")
	s.stage("east", verdict.Untracked, verdict.Ingress, s.row(&table.Decision{Verdict: verdict.Allow, Reason: verdict.ByHostDefault}), map[table.ClassID]table.RowID{s.class(s.east.addrs...): on})
	s.program()
	s.try("deny of a class, forwarded", s.east, s.west.addrs, 80, false)
	s.try("the others", s.west, s.east.addrs, 80, false) // answers are denied packets too
	s.reset()
	s.program()
	s.try("gone", s.east, s.west.addrs, 80, true)
	if got := s.nft("list", "table", "inet", "tierwall"); strings.Contains(got, "priority raw") {
		t.Errorf("left over:\n%s", got)
	}
}

// TestSettings: pods to their own host, and denials that are answered.
func TestSettings(t *testing.T) {
	s := newStages(t)
	s.PodToHost = verdict.HostDrop
	s.program()
	s.try("drop", s.a, s.me, 80, false)
	settings := s.Settings
	settings.PodToHost = verdict.HostReturn
	s.must(s.d.Change(context.Background(), dataplane.Change{Settings: &settings}))
	s.try("return", s.a, s.me, 80, true)
	s.pod(s.b, s.set(verdict.Ingress, verdict.Pod, s.no, s.no, nil), s.open[verdict.Egress])
	s.program()
	s.Reject = true
	s.try("silence", s.a, s.b.addrs, 80, false)
	s.program()
	s.try("a refusal", s.a, s.b.addrs, 80, true)
}
