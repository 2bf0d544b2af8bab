package nft

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netns"

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

// TestRecordStages: what hosts' policy allows of traffic that is forwarded is
// noted in the half that pods leave free, as is what it allows before translation;
// neither is ever added to what another set has noted.
func TestRecordStages(t *testing.T) {
	s := newStages(t)
	s.d, _ = s.recorder(0)
	sets := map[string]table.SetID{}
	stage := func(name string, stage verdict.Stage, d verdict.Direction, row table.RowID) {
		s.stage(name, stage, d, row, nil)
		sets[name+" "+stage.String()+" "+d.String()] = s.Tables.Endpoints[verdict.EndpointID{Kind: verdict.Host, Name: name}].Stages[stage][d][0].Set
	}
	yes := s.row(trace(verdict.Allow, 9))
	stage("east", verdict.Forward, verdict.Ingress, yes)
	stage("west", verdict.Forward, verdict.Egress, yes)
	s.program()
	check := func(what string, from *machine, at netns.NsHandle, to netip.Addr, port uint16, egress, ingress table.SetID) {
		t.Helper()
		s.listen(at, "tcp", port)
		s.try(what, from, []netip.Addr{to}, port, true)
		labels := s.labels(port)
		if len(labels) != 1 {
			t.Errorf("%s: %d connections", what, len(labels))
			return
		}
		for half, want := range map[verdict.Direction]table.SetID{verdict.Egress: egress, verdict.Ingress: ingress} {
			got, ok := labels[0].Mark(s.d.Recording().Tag, half)
			if ok != (want != 0) || got.Set != want {
				t.Errorf("%s: in the half of %s is %+v, want %d of %v", what, half, got, want, sets)
			}
		}
	}
	in, out := sets["east forward ingress"], sets["west forward egress"]
	podOut, podIn := s.open[verdict.Egress], s.open[verdict.Ingress]
	check("past the node", s.east, s.west.ns, s.west.addrs[0], 1001, in, out)
	check("to a pod", s.east, s.b.ns, s.b.addrs[1], 1002, in, podIn)
	check("from a pod", s.a, s.west.ns, s.west.addrs[0], 1003, podOut, out)
	check("of pods", s.a, s.b.ns, s.b.addrs[0], 1004, podOut, podIn)
	check("the other way", s.west, s.east.ns, s.east.addrs[0], 1005, 0, 0)

	for range 8 { // so that the next number has other bits than those there are
		s.set(verdict.Ingress, verdict.Host, s.no, s.no, nil)
	}
	stage("east", verdict.PreDNAT, verdict.Ingress, s.only(verdict.Allow, 1006))
	s.host("star", "*", s.normal[0], s.normal[1])
	stage("star", verdict.PreDNAT, verdict.Ingress, yes)
	s.program()
	early := sets["east "+verdict.PreDNAT.String()+" ingress"]
	check("before translation, for the node", s.east, s.router, s.me[0], 1006, early, 0)
	check("before translation, to a pod", s.east, s.b.ns, s.b.addrs[0], 1006+1000, early, podIn) // no rule speaks of the port
	check("of pods, asked before translation", s.a, s.b.ns, s.b.addrs[0], 1007, podOut, podIn)
	s.readable(s.nft("list", "table", "inet", "tierwall"))
}
