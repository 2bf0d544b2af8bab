package fake

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

var (
	pod   = verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: "fe"}
	node  = verdict.EndpointID{Kind: verdict.Host, Name: "node"}
	star  = verdict.EndpointID{Kind: verdict.Host, Name: "all"}
	own   = netip.MustParseAddr("10.1.0.1")
	peer  = netip.MustParseAddr("192.0.2.1")
	other = netip.MustParseAddr("192.0.2.2")
	ctx   = context.Background()
)

// program allows peer, as class 16, into the pod and nothing else; on eth0 the
// host takes nothing in, elsewhere it lets nothing out.
func program() dataplane.Program {
	t := table.New()
	yes, no := &table.Decision{Verdict: verdict.Allow, Reason: verdict.ByRule}, &table.Decision{Reason: verdict.ByTierDefault}
	t.Rows[1], t.Rows[2] = &table.Row{ID: 1, Other: yes}, &table.Row{ID: 2, Other: no}
	t.Hosts[peer] = 16
	set := func(id table.SetID, d verdict.Direction, kind verdict.EndpointKind, row table.RowID, rows map[table.ClassID]table.RowID) {
		t.Sets[id] = &table.Set{ID: id, Direction: d, Kind: kind, Default: [2]table.RowID{row, row}, Rows: rows}
	}
	set(1, verdict.Ingress, verdict.Pod, 2, map[table.ClassID]table.RowID{16: 1})
	set(2, verdict.Egress, verdict.Pod, 1, nil)
	set(3, verdict.Ingress, verdict.Host, 1, nil)
	set(4, verdict.Egress, verdict.Host, 1, nil)
	set(5, verdict.Ingress, verdict.Host, 2, nil)
	set(6, verdict.Egress, verdict.Host, 2, nil)
	endpoint := func(id verdict.EndpointID, iface string, from, to netip.Addr, in, out table.SetID) {
		t.Endpoints[id] = &table.Endpoint{ID: id, Interface: iface, Spans: [2][]table.Span{{{From: from, To: to, Set: in}}, {{From: from, To: to, Set: out}}}}
	}
	first, last := netip.MustParseAddr("0.0.0.0"), netip.MustParseAddr("255.255.255.255")
	endpoint(pod, "", own, own, 1, 2)
	endpoint(node, "eth0", first, last, 5, 4)
	endpoint(star, "*", first, last, 3, 6)
	return dataplane.Program{Tables: t, Settings: dataplane.Settings{PodNets: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/24")}},
		Interfaces: map[verdict.EndpointID][]string{pod: {"veth1"}, node: {"eth0"}}}
}

func TestDecide(t *testing.T) {
	d := New()
	p := program()
	p.Interfaces[verdict.EndpointID{Kind: verdict.Pod, Name: "gone"}] = []string{"veth8"}
	if err := d.Apply(ctx, p); err != nil {
		t.Fatal(err)
	}
	stranger := netip.MustParseAddr("10.1.0.9")
	for _, test := range []struct {
		name   string
		iface  string
		dir    verdict.Direction
		src    netip.Addr
		dst    netip.Addr
		want   verdict.Verdict
		traced bool
	}{
		{"into the pod", "veth1", verdict.Ingress, peer, own, verdict.Allow, true},
		{"into the pod from elsewhere", "veth1", verdict.Ingress, other, own, verdict.Deny, true},
		{"out of the pod", "veth1", verdict.Egress, own, peer, verdict.Allow, true},
		{"a lie", "veth1", verdict.Egress, stranger, peer, verdict.Deny, false},
		{"out of a pod that is gone", "veth8", verdict.Egress, other, peer, verdict.Deny, false},
		{"to a pod that is gone", "veth8", verdict.Ingress, peer, other, verdict.Deny, false},
		{"a pod without a program", "veth2", verdict.Egress, stranger, peer, verdict.Deny, false},
		{"past the host", "eth0", verdict.Ingress, peer, other, verdict.Allow, false},
	} {
		got, trace := d.Decide(test.iface, test.dir, verdict.Packet{Src: test.src, Dst: test.dst, Protocol: verdict.TCP})
		if got != test.want || (trace != nil) != test.traced {
			t.Errorf("%s: %s (%v), want %s", test.name, got, trace, test.want)
		}
	}
	for _, test := range []struct {
		iface string
		want  [2]verdict.Verdict
	}{
		{"eth0", [2]verdict.Verdict{verdict.Deny, verdict.Allow}},
		{"eth1", [2]verdict.Verdict{verdict.Allow, verdict.Deny}},
		{"lo", [2]verdict.Verdict{verdict.Allow, verdict.Allow}},
		{"veth1", [2]verdict.Verdict{verdict.Allow, verdict.Allow}},
	} {
		for _, dir := range verdict.Directions {
			if got, _ := d.DecideHost(test.iface, dir, verdict.Packet{Src: peer, Dst: peer}); got != test.want[dir] {
				t.Errorf("host, %s, %s: %s, want %s", test.iface, dir, got, test.want[dir])
			}
		}
	}
}

func TestBreaches(t *testing.T) {
	for _, test := range []struct {
		want  string
		spoil func(*table.Tables)
	}{
		{"row 9, which is not there", func(t *table.Tables) { t.Sets[7] = &table.Set{ID: 7, Default: [2]table.RowID{9, 1}} }},
		{"class 17 has row 9, which is not there", func(t *table.Tables) {
			t.Sets[7] = &table.Set{ID: 7, Default: [2]table.RowID{1, 1}, Rows: map[table.ClassID]table.RowID{17: 9}}
		}},
		{"set 1 is not there", func(t *table.Tables) { delete(t.Sets, 1) }},
		{"row 1 stands for something else", func(t *table.Tables) { t.Rows[1] = &table.Row{ID: 1, Other: t.Rows[2].Other} }},
		{"set 1 stands for something else", func(t *table.Tables) {
			s := *t.Sets[1]
			s.Default[0] = 1
			t.Sets[1] = &s
		}},
		{"another direction", func(t *table.Tables) {
			e := *t.Endpoints[pod]
			e.Spans[0], e.Spans[1] = e.Spans[1], e.Spans[0]
			t.Endpoints[pod] = &e
		}},
		{"out of order", func(t *table.Tables) { t.Nets = []table.Net{{From: other, To: peer, Class: 16}} }},
		{"class 0", func(t *table.Tables) { t.Hosts[other] = 0 }},
	} {
		d := New()
		if err := d.Apply(ctx, program()); err != nil {
			t.Fatal(err)
		}
		p := program()
		test.spoil(p.Tables)
		if err := d.Apply(ctx, p); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v, want one with %q", err, test.want)
		}
	}
}

func TestFailAt(t *testing.T) {
	broken := errors.New("broken")
	for _, step := range []Step{Add, Flip, Drop} {
		d := New()
		if err := d.Apply(ctx, program()); err != nil {
			t.Fatal(err)
		}
		d.FailAt(step, broken)
		next := program()
		next.Tables.Hosts = map[netip.Addr]table.ClassID{other: 16}
		if err := d.Apply(ctx, next); !errors.Is(err, broken) {
			t.Fatalf("%s: %v", step, err)
		}
		packet := verdict.Packet{Src: other, Dst: own, Protocol: verdict.TCP}
		if got, want := d.Lookup(pod, verdict.Ingress, packet).Verdict, step == Drop; (got == verdict.Allow) != want {
			t.Errorf("failed before %s: %s", step, got)
		}
		if err := d.Apply(ctx, next); err != nil {
			t.Fatalf("after %s: %v", step, err)
		}
		if got := d.Lookup(pod, verdict.Ingress, packet); got.Verdict != verdict.Allow {
			t.Errorf("after %s: %v", step, got)
		}
	}
}

func TestDeltas(t *testing.T) {
	d := New()
	for range 2 {
		if err := d.Apply(ctx, program()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(d.Deltas()); n != 1 {
		t.Errorf("%d deltas after the same program twice, want 1", n)
	}
	next := program()
	next.Tables.Hosts[other] = 16
	if err := d.Apply(ctx, next); err != nil {
		t.Fatal(err)
	}
	last := d.Deltas()[len(d.Deltas())-1]
	if len(last.Hosts) != 1 || len(last.NewSets)+len(last.OldSets)+len(last.Entries) != 0 {
		t.Errorf("one address more is %+v", last)
	}
	if err := d.Remove(ctx); err != nil {
		t.Fatal(err)
	}
	if got, _ := d.Decide("veth1", verdict.Ingress, verdict.Packet{Src: other, Dst: own}); got != verdict.Allow {
		t.Error("something is enforced after Remove")
	}
}

// TestReplace: an edited policy has new sets and rows, and the old ones go.
func TestReplace(t *testing.T) {
	d := New()
	if err := d.Apply(ctx, program()); err != nil {
		t.Fatal(err)
	}
	next := program()
	rows, sets := next.Tables.Rows, next.Tables.Sets
	rows[3] = &table.Row{ID: 3, Other: rows[1].Other, Protocols: []table.Protocol{{Number: verdict.TCP}}}
	delete(sets, 1)
	sets[7] = &table.Set{ID: 7, Kind: verdict.Pod, Default: [2]table.RowID{2, 2}, Rows: map[table.ClassID]table.RowID{17: 3}}
	sets[2] = &table.Set{ID: 2, Direction: verdict.Egress, Kind: verdict.Pod, Default: [2]table.RowID{1, 1}, Rows: map[table.ClassID]table.RowID{17: 2}}
	next.Tables.Hosts = map[netip.Addr]table.ClassID{other: 17}
	e := *next.Tables.Endpoints[pod]
	e.Spans[verdict.Ingress] = []table.Span{{From: own, To: own, Set: 7}}
	next.Tables.Endpoints[pod] = &e
	if err := d.Apply(ctx, next); err != nil {
		t.Fatal(err)
	}
	delta := d.Deltas()[1]
	if len(delta.NewSets) != 1 || len(delta.NewEntries) != 1 || len(delta.OldSets) != 1 {
		t.Errorf("the edit is %+v", delta)
	}
	if got, _ := d.Decide("veth1", verdict.Egress, verdict.Packet{Src: own, Dst: other}); got != verdict.Deny {
		t.Errorf("by the new entry: %s, want deny", got)
	}
	if rest := table.Diff(d.tables, next.Tables); !rest.Empty() {
		t.Errorf("left over: %+v", rest)
	}
}

// TestChange: a change leads to what Apply of the whole would, and is refused
// where it is not known what it changes.
func TestChange(t *testing.T) {
	d := New()
	next := program()
	next.Tables.Hosts[other] = 16
	c := dataplane.Change{Delta: table.Diff(program().Tables, next.Tables), Interfaces: map[verdict.EndpointID][]string{pod: {"veth7"}, node: nil}, Settings: &dataplane.Settings{}}
	refused := func(when string) {
		t.Helper()
		if err := d.Change(ctx, c); !errors.Is(err, dataplane.ErrOutOfStep) {
			t.Errorf("%s: %v", when, err)
		}
	}
	refused("before the first program")
	broken := errors.New("broken")
	d.FailAt(Flip, broken)
	if err := d.Apply(ctx, program()); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	refused("after an error")
	if err := d.Apply(ctx, program()); err != nil {
		t.Fatal(err)
	}
	if err := d.Change(ctx, c); err != nil {
		t.Fatal(err)
	}
	if rest := table.Diff(d.Program().Tables, next.Tables); !rest.Empty() {
		t.Errorf("left: %+v", rest)
	}
	if got, _ := d.Decide("veth7", verdict.Ingress, verdict.Packet{Src: other, Dst: own, Protocol: verdict.TCP}); got != verdict.Allow {
		t.Errorf("at the new interface: %s", got)
	}
	if p := d.Program(); p.Interfaces[node] != nil || p.PodNets != nil {
		t.Errorf("the program is %+v", p)
	}
}
