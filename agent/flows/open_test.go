package flows

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/tierwall/tierwall/conntrack"
	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// carried is an event that tells of so many packets, each way.
func carried(e *conntrack.Event, packets uint64) *conntrack.Event {
	c := *e
	c.Out, c.In = conntrack.Count{Packets: packets, Bytes: 100 * packets}, conntrack.Count{Packets: packets, Bytes: 1000 * packets}
	return &c
}

// TestUpdates: what passes in a connection that goes on is told of while it does,
// and all that is told adds up to what the kernel says at the end.
func TestUpdates(t *testing.T) {
	r := newRig(t)
	one := connection(1, "10.0.0.1:1000", "10.0.1.1:443", verdict.Egress, table.SetID(10))
	two := connection(2, "10.0.0.1:1001", "10.0.1.1:443", verdict.Egress, table.SetID(10))
	r.Connection(one)
	r.Update(carried(one, 2)) // in the window in which it began
	total := r.records(1)[0]
	if total.Out.Bytes != 200 || total.Ended || total.Connections != 1 {
		t.Errorf("at first: %+v", total)
	}
	sum := func(what string, n int, ended bool) flow.Record {
		t.Helper()
		got := r.records(1)[0]
		if got.Connections != uint64(n) || got.Ended != ended {
			t.Errorf("%s: %d connections, ended %v", what, got.Connections, got.Ended)
		}
		total.Out.Add(got.Out)
		total.In.Add(got.In)
		return got
	}
	if !r.Update(carried(one, 2)) {
		t.Error("nothing passed, and it is to be told again")
	}
	r.records(0)
	r.Update(carried(one, 10))
	r.Update(carried(one, 12))
	if got := sum("goes on", 0, false); got.SourcePort != 1000 {
		t.Errorf("whose traffic it was: port %d", got.SourcePort)
	}
	r.Connection(two)
	r.Update(carried(one, 20))
	r.Update(carried(two, 3))
	if got := sum("two go on", 1, false); got.SourcePort != 0 {
		t.Errorf("two connections have source port %d", got.SourcePort)
	}
	r.Update(carried(one, 21))
	end := carried(one, 25)
	end.Gone = true
	r.Connection(end) // told of and ended in one window
	sum("one ends", 0, true)
	end = carried(two, 8)
	end.Gone = true
	r.Connection(end)
	sum("the other ends", 0, true)
	if total.Out != (flow.Volume{Packets: 33, Bytes: 3300}) || total.In != (flow.Volume{Packets: 33, Bytes: 33_000}) || r.Open() != 0 {
		t.Errorf("in all %+v and %+v, %d open", total.Out, total.In, r.Open())
	}
	r.Update(carried(one, 99))
	if r.records(0); !r.Update(carried(one, 99)) {
		t.Error("what is not open is to be told again")
	}
}

// TestUpdatesAreBounded: a window tells of so many connections that go on, and the
// next of the others; no traffic is lost.
func TestUpdatesAreBounded(t *testing.T) {
	r := newRig(t)
	var all []*conntrack.Event
	for i := range 2*maxUpdates + 7 {
		e := connection(uint32(i), "10.0.0.1:1000", fmt.Sprintf("198.18.%d.%d:443", i>>8, i&255), verdict.Egress, table.SetID(10))
		r.Connection(e)
		all = append(all, e)
	}
	r.Take()
	var windows []int
	packets := uint64(0)
	take := func() {
		list, lost := r.Take()
		windows = append(windows, len(list))
		for _, f := range list {
			packets += f.Out.Packets
		}
		if lost.Any() {
			t.Errorf("lost %+v", lost)
		}
	}
	for _, e := range all {
		for !r.Update(carried(e, 3)) {
			take()
		}
	}
	take()
	if fmt.Sprint(windows) != fmt.Sprint([]int{maxUpdates, maxUpdates, 7}) || packets != 3*uint64(len(all)) {
		t.Errorf("%v records, %d packets", windows, packets)
	}
}

// TestEndedUnheard: a connection whose end the kernel dropped is forgotten when it
// is missing in the table twice; not in one dump, nor one that began meanwhile.
func TestEndedUnheard(t *testing.T) {
	r := newRig(t)
	gone, stays := connection(1, "10.0.0.1:1000", "10.0.1.1:443", verdict.Egress, table.SetID(10)), connection(2, "10.0.0.1:1001", "10.0.1.1:443", verdict.Egress, table.SetID(10))
	r.Connection(gone)
	r.Connection(stays)
	for i, want := range []uint64{0, 0, 1, 0} { // the first cannot tell: they began before its end
		r.Update(carried(stays, uint64(i)))
		if i == 2 {
			r.Connection(connection(3, "10.0.0.1:1002", "10.0.1.1:443", verdict.Egress, table.SetID(10)))
		}
		if got := r.Dumped(); got != want {
			t.Errorf("dump %d: %d forgotten, want %d", i, got, want)
		}
	}
	if r.Open() != 2 || r.LostSoFar() != (flow.Loss{Connections: 1}) {
		t.Errorf("%d open, lost %+v", r.Open(), r.LostSoFar())
	}
}

// TestGoneEnd: a connection ends when its pod is gone, and when another pod has
// its address: it is told of as what it was. What begins within the second is the
// other's.
func TestGoneEnd(t *testing.T) {
	r := newRig(t)
	one := connection(1, "10.0.0.1:1000", "10.0.0.2:80", verdict.Egress, table.SetID(10), verdict.Ingress, table.SetID(11))
	r.Connection(one)
	r.records(1)
	r.ends.See(model.Delete(podKey("a")))
	r.Update(carried(one, 2))
	if got := r.records(1)[0]; got.Source.String() != "blue/a" || got.Source.Labels != "app=a" {
		t.Errorf("while it goes on: %+v", got.Source)
	}
	r.ends.See(model.Put(pod("c", "n1", "10.0.0.1")))
	two := connection(2, "10.0.0.1:1000", "10.0.0.2:80", verdict.Egress, table.SetID(10), verdict.Ingress, table.SetID(11))
	r.Connection(two)
	r.Connection(gone(one))
	list := r.records(2)
	for _, want := range []struct {
		source      string
		connections uint64
		ended       bool
	}{{"blue/c", 1, false}, {"blue/a", 0, true}} {
		got := list[0]
		list = list[1:]
		if got.Source.String() != want.source || got.Connections != want.connections || got.Ended != want.ended {
			t.Errorf("%s, %d connections, ended %v; want %+v", got.Source, got.Connections, got.Ended, want)
		}
	}
	r.Denied(Denial{Packet: verdict.Packet{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2"), Protocol: verdict.TCP, DstPort: 81}})
	if got := r.records(1)[0]; got.Source.String() != "blue/c" {
		t.Errorf("denied to %s", got.Source)
	}
}

// TestClockSteps: whatever the clock does, no record ends before it begins, and
// windows go on.
func TestClockSteps(t *testing.T) {
	r := newRig(t)
	one := connection(1, "10.0.0.1:1000", "10.0.1.1:443", verdict.Egress, table.SetID(10))
	r.Connection(one)
	began := r.records(1)[0].Start
	r.clock = r.clock.Add(-time.Hour)
	r.Update(carried(one, 2))
	back := r.records(1)[0]
	r.clock = r.clock.Add(100 * 24 * time.Hour)
	r.Connection(gone(one))
	on := r.records(1)[0]
	for _, f := range []flow.Record{back, on} {
		if f.Last.Before(f.Start) {
			t.Errorf("begins at %s and ends at %s", f.Start, f.Last)
		}
	}
	if !on.Start.Equal(began) || back.Last.After(began) || on.Last.Sub(began) < 99*24*time.Hour {
		t.Errorf("began at %s; told at %s, then at %s of %s", began, back.Last, on.Last, on.Start)
	}
}
