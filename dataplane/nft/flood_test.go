package nft

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// flood sends first packets of connections without end: from each of some
// clients to one server, on a port that is always allowed and on one that is
// always denied, whatever else changes.
type flood struct {
	*lab
	*hand
	clients []*machine
	server  *machine
	rows    [2]table.RowID // by parity of the client: what it may
	no      table.RowID
	egress  table.SetID
	wires   []*wire
	in      *wire
	stop    atomic.Bool
	sent    [2]atomic.Int64 // denied, allowed
}

// Client 2n may reach the even port, client 2n+1 the odd one.
var floodPorts = [2]uint16{1000, 2001}

func newFlood(t *testing.T) *flood {
	f := &flood{lab: newLab(t), hand: newHand(0)}
	f.server = f.add("server", true, "10.1.0.1", "fd01::1")
	f.in = f.server.wire(t)
	for i := range 4 {
		n := string(rune('2' + i))
		m := f.add("client"+n, true, "10.1.0."+n, "fd01::"+n)
		f.clients = append(f.clients, m)
		f.wires = append(f.wires, m.wire(t))
	}
	f.no = f.row(trace(verdict.Deny, 1))
	yes := f.row(trace(verdict.Allow, 0))
	f.egress = f.set(verdict.Egress, verdict.Pod, yes, yes, nil)
	return f
}

// policy gives the server new rows and a new set, with the default that is
// asked for; the same packets are allowed as ever. The classes say where each
// client is: all addresses that classOf does not move stay where they are.
func (f *flood) policy(open bool, classes [2]table.ClassID) {
	for i := range f.rows {
		f.rows[i] = f.row(trace(verdict.Deny, 1), ports(verdict.UDP, trace(verdict.Allow, 0), trace(verdict.Deny, 1), [2]uint16{floodPorts[i], floodPorts[i]}))
	}
	other := f.no
	if open {
		other = f.row(trace(verdict.Allow, 2))
	}
	in := f.set(verdict.Ingress, verdict.Pod, other, other, map[table.ClassID]table.RowID{classes[0]: f.rows[0], classes[1]: f.rows[1]})
	f.pod(f.server, in, f.egress)
	for _, m := range f.clients {
		f.pod(m, in, f.egress)
	}
}

// fresh begins the next program without what the last one no longer needs.
func (f *flood) fresh() {
	old := f.Tables
	f.Tables = table.New()
	for id, s := range old.Sets {
		if id == f.egress {
			f.Tables.Sets[id] = s
			for _, r := range s.Default {
				f.Tables.Rows[r] = old.Rows[r]
			}
		}
	}
	f.Tables.Rows[f.no] = old.Rows[f.no]
}

// run sends until the flood stops, and returns when the last packets are in.
func (f *flood) run(t *testing.T, change func()) {
	done := make(chan struct{})
	for part := range 2 {
		go func() {
			defer func() { done <- struct{}{} }()
			f.shower(part)
		}()
	}
	change()
	f.stop.Store(true)
	<-done
	<-done
	allowed := f.in.settled(1, int(f.sent[1].Load()))
	denied := f.in.settled(0, 0)
	if denied > 0 {
		t.Errorf("%d of %d forbidden packets arrived", denied, f.sent[0].Load())
	}
	if lost := int(f.sent[1].Load()) - allowed; lost != 0 {
		t.Errorf("%d of %d permitted packets were lost", lost, f.sent[1].Load())
	}
	if f.sent[0].Load() < 10_000 || f.sent[1].Load() < 10_000 {
		t.Errorf("only %d and %d packets were sent: the test says little", f.sent[0].Load(), f.sent[1].Load())
	}
	t.Logf("%d forbidden and %d permitted packets sent", f.sent[0].Load(), f.sent[1].Load())
}

// shower sends from every second client, in small bursts, so that no queue on
// the way overflows. Packets carry 1 as number if they are permitted, else 0.
func (f *flood) shower(part int) {
	type drop struct {
		wire  *wire
		frame []byte
		ok    int
	}
	var drops []drop
	for i, m := range f.clients {
		if i/2 != part {
			continue
		}
		for v, src := range m.addrs {
			for p, port := range floodPorts {
				ok := 0
				if i%2 == p {
					ok = 1
				}
				for from := range uint16(50) {
					drops = append(drops, drop{f.wires[i], f.wires[i].frame(packet(src, f.server.addrs[v], verdict.UDP, 5000+from, port), uint32(ok)), ok})
				}
			}
		}
	}
	for !f.stop.Load() {
		for i, d := range drops {
			if n, _ := unix.Write(d.wire.fd, d.frame); n > 0 {
				f.sent[d.ok].Add(1)
			}
			if i%20 == 19 {
				time.Sleep(50 * time.Microsecond)
				if f.stop.Load() {
					return
				}
			}
		}
	}
}

// TestSwapsUnderFlood replaces the policy set under traffic, over and over:
// with new rows, with addresses in new classes and in other old ones, with
// ranges that are cut anew, and with defaults that would show any packet that
// met half a change.
func TestSwapsUnderFlood(t *testing.T) {
	f := newFlood(t)
	d := f.dataplane()
	f.swaps(t, func() { f.apply(d, f.Program) })
}

// TestChangesUnderFlood is the same by deltas, each of which begins before what
// the one before it left is taken away.
func TestChangesUnderFlood(t *testing.T) {
	f := newFlood(t)
	d := f.dataplane()
	var last *table.Tables
	f.swaps(t, func() {
		if last == nil {
			f.apply(d, f.Program)
		} else {
			f.must(d.Change(t.Context(), dataplane.Change{Delta: table.Diff(last, f.Tables)}))
		}
		last = f.Tables.Clone()
	})
}

func (f *flood) swaps(t *testing.T, apply func()) {
	var classes [2]table.ClassID
	step := func(n int) {
		f.fresh()
		if n%4 < 3 || classes[0] == 0 {
			classes = [2]table.ClassID{f.class(), f.class()}
		} else {
			classes[0], classes[1] = classes[1], classes[0] // ids that are in use mean the other
		}
		f.place(n, classes)
		f.policy(n%2 == 0, classes)
		apply()
	}
	step(0)
	start, swaps := time.Now(), 0
	f.run(t, func() {
		for ; time.Since(start) < 5*time.Second || swaps < 500; swaps++ {
			step(swaps)
		}
	})
	t.Logf("%d swaps, %s each", swaps, time.Since(start)/time.Duration(swaps))
}

// place puts the clients into classes: one by one, or by ranges of ever other
// shape.
func (f *flood) place(n int, classes [2]table.ClassID) {
	for i, m := range f.clients {
		for _, a := range m.addrs {
			switch n % 3 {
			case 0:
				f.Tables.Hosts[a] = classes[i%2]
			case 1:
				f.Tables.Nets = append(f.Tables.Nets, table.Net{From: a, To: a, Class: classes[i%2]})
			case 2:
				f.Tables.Hosts[a] = classes[i%2]
				f.Tables.Nets = append(f.Tables.Nets, table.Net{From: a, To: a, Class: classes[1-i%2]})
			}
		}
	}
	sortNets(f.Tables.Nets)
}

// TestRestartUnderFlood lets one process after the other take over, each with
// ids of its own.
func TestRestartUnderFlood(t *testing.T) {
	f := newFlood(t)
	start, n := time.Now(), 0
	step := func() {
		f.fresh()
		classes := [2]table.ClassID{f.class(), f.class()}
		if n%2 == 1 {
			classes[0], classes[1] = classes[1], classes[0]
		}
		f.place(n, classes)
		f.policy(n%2 == 0, classes)
		f.apply(f.dataplane(), f.Program)
	}
	step()
	f.run(t, func() {
		for ; time.Since(start) < 3*time.Second; n++ {
			step()
		}
	})
	t.Logf("%d restarts", n)
}

func sortNets(nets []table.Net) {
	slices.SortFunc(nets, func(a, b table.Net) int { return a.From.Compare(b.From) })
}
