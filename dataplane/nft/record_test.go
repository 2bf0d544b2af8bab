package nft

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tierwall/tierwall/conntrack"
	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

const flowGroup = 65

// labels reads the labels of the router's connections to a port.
func (l *lab) labels(port uint16) (all []dataplane.Label) {
	l.t.Helper()
	l.must(conntrack.Dump(int(l.router), func(e *conntrack.Event) {
		if e.Origin.DstPort == port {
			all = append(all, e.Label)
		}
	}))
	return all
}

// recorder returns a dataplane that records, and what its group hears.
func (l *lab) recorder(rate uint64) (*Dataplane, <-chan string) {
	return New(Options{NetNS: int(l.router), FlowGroup: flowGroup, FlowRate: rate}), l.logged(flowGroup)
}

func (p *pods) expect(t *testing.T, what string, heard <-chan string, want ...string) {
	t.Helper()
	for _, w := range want {
		select {
		case got := <-heard:
			if got != w {
				t.Errorf("%s: heard %q, want %q", what, got, w)
			}
		case <-time.After(patience(true)):
			t.Errorf("%s: heard nothing, want %q", what, w)
		}
	}
	select {
	case got := <-heard:
		t.Errorf("%s: also heard %q", what, got)
	case <-time.After(20 * time.Millisecond):
	}
}

// TestRecordAllowed: what is allowed bears the sets and classes of both ends,
// and a later packet of a connection that nobody has answered adds nothing.
func TestRecordAllowed(t *testing.T) {
	p := newPods(t)
	from, to := p.class(p.a.addrs...), p.class(p.b.addrs...)
	in := p.set(verdict.Ingress, verdict.Pod, p.no, p.no, map[table.ClassID]table.RowID{from: p.yes})
	p.pod(p.b, in, p.open[verdict.Egress])
	d, _ := p.recorder(0)
	p.apply(d, p.Program)
	p.listen(p.b.ns, "tcp", 80)
	p.ask(t, "tcp", 0, 80, true)
	want := [2]dataplane.Mark{verdict.Ingress: {Set: in, Class: from}, verdict.Egress: {Set: p.open[verdict.Egress], Class: to}}
	check := func(port uint16, n int) {
		t.Helper()
		labels := p.labels(port)
		if len(labels) != n {
			t.Errorf("port %d: %d connections, want %d", port, len(labels), n)
		}
		for _, l := range labels {
			for _, dir := range verdict.Directions {
				if got, ok := l.Mark(d.Recording().Tag, dir); !ok || got != want[dir] {
					t.Errorf("port %d: %s: %+v %v, want %+v", port, dir, got, ok, want[dir])
				}
			}
			if _, ok := l.Mark(d.Recording().Tag+1, verdict.Egress); ok {
				t.Error("another process takes the label for its own")
			}
		}
	}
	check(80, 2)

	// one packet that nobody answers, then one more when the set has another id
	mute := p.add("mute", true, "10.1.0.3")
	p.Tables.Hosts[mute.addrs[0]] = to
	p.pod(mute, in, p.open[verdict.Egress])
	p.apply(d, p.Program)
	w := p.a.wire(t)
	w.send(packet(p.a.addrs[0], mute.addrs[0], verdict.UDP, 1000, 2000), 1)
	for len(p.labels(2000)) == 0 {
		time.Sleep(time.Millisecond)
	}
	check(2000, 1)
	p.Tables = p.Tables.Clone()
	p.pod(mute, p.set(verdict.Ingress, verdict.Pod, p.yes, p.yes, nil), p.open[verdict.Egress])
	p.apply(d, p.Program)
	wire := mute.wire(t)
	w.send(packet(p.a.addrs[0], mute.addrs[0], verdict.UDP, 1000, 2000), 2)
	if wire.settled(2, 1) != 1 {
		t.Fatal("the second packet did not arrive")
	}
	check(2000, 1)
	p.readable(p.nft("list", "table", "inet", "tierwall"))
}

// TestRecordDenied: each denied packet is told, or counted.
func TestRecordDenied(t *testing.T) {
	for _, reject := range []bool{false, true} {
		p := newPods(t)
		to := p.class(p.b.addrs...)
		row := p.row(trace(verdict.Deny, 1), ports(verdict.TCP, trace(verdict.Allow, 0), trace(verdict.Deny, 1), [2]uint16{80, 80}))
		p.pod(p.b, p.set(verdict.Ingress, verdict.Pod, row, p.no, nil), p.open[verdict.Egress])
		p.Reject = reject
		d, heard := p.recorder(10)
		p.apply(d, p.Program)
		ask := func(to netip.AddrPort) {
			c, err := p.dial(p.a.ns, "tcp", 0, to, false)
			if err == nil {
				c.Close()
				t.Errorf("%s was reached", to)
			}
		}
		ask(netip.AddrPortFrom(p.b.addrs[0], 81)) // by its row's chain
		p.expect(t, "ingress", heard, "tierwall denied normal")
		ask(netip.AddrPortFrom(p.b.addrs[1], 81)) // by the set
		p.expect(t, "ingress by IPv6", heard, "tierwall denied normal")
		p.pod(p.a, p.open[verdict.Ingress], p.set(verdict.Egress, verdict.Pod, p.no, p.no, map[table.ClassID]table.RowID{to: row}))
		p.apply(d, p.Program)
		ask(netip.AddrPortFrom(p.b.addrs[0], 81))
		p.expect(t, "egress", heard, "tierwall denied normal")
		if n, err := d.Unrecorded(); n != 0 || err != nil {
			t.Errorf("%d unrecorded, %v", n, err)
		}

		const sent = 500
		w := p.a.wire(t)
		for i := range sent {
			w.send(packet(p.a.addrs[0], p.b.addrs[0], verdict.UDP, uint16(i+1), 9), uint32(i))
		}
		recorded, counted := uint64(0), uint64(0)
		for deadline := time.Now().Add(patience(true)); recorded+counted < sent && time.Now().Before(deadline); {
			select {
			case <-heard:
				recorded++
			case <-time.After(10 * time.Millisecond):
				counted, _ = d.Unrecorded()
			}
		}
		if recorded+counted != sent || recorded == 0 || counted == 0 {
			t.Errorf("reject %v: of %d denied packets %d were told and %d counted", reject, sent, recorded, counted)
		}
	}
}

// TestRecordEpochs: a process that loads again goes on with its tag; the next
// has another, and the counter goes on.
func TestRecordEpochs(t *testing.T) {
	p := newPods(t)
	d := New(Options{NetNS: int(p.router), FlowGroup: flowGroup})
	p.apply(d, p.Program)
	first := d.Recording()
	p.Reject = true
	p.apply(d, p.Program) // other rules: a new epoch
	if got := d.Recording(); got != first || got.Tag == 0 || got.Group != flowGroup {
		t.Errorf("recording is %+v, then %+v", first, got)
	}
	next := New(Options{NetNS: int(p.router), FlowGroup: flowGroup})
	p.apply(next, p.Program)
	if got := next.Recording(); got.Tag == first.Tag {
		t.Errorf("the next process has the tag of the first, %d", got.Tag)
	}
	if n, err := next.Unrecorded(); n != 0 || err != nil {
		t.Errorf("%d unrecorded, %v", n, err)
	}
	off := p.dataplane()
	if got := off.Recording(); got != (dataplane.Recording{}) {
		t.Errorf("one that does not record says %+v", got)
	}
	p.apply(off, p.Program)
	if text := p.nft("list", "table", "inet", "tierwall"); strings.Contains(text, "denied chain") || strings.Contains(text, "ct label") {
		t.Errorf("one that does not record leaves\n%s", text)
	}
}
