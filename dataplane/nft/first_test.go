package nft

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// first is a lab where nothing tracks connections, with two that are open, and
// policy that lets only their clients begin.
func first(t *testing.T) (*pods, [2]pushed) {
	p := newPods(t)
	open := [2]pushed{p.push(p.b.addrs[0], 80), p.push(p.b.addrs[1], 80)}
	for i, c := range open {
		if !carries(c, c.server, true) || !carries(c.server, c, true) {
			t.Fatalf("connection %d does not work without policy", i)
		}
	}
	none := p.set(verdict.Egress, verdict.Pod, p.no, p.no, nil)
	shut := p.set(verdict.Ingress, verdict.Pod, p.no, p.no, nil)
	row := p.row(trace(verdict.Deny, 1), ports(verdict.TCP, trace(verdict.Allow, 0), trace(verdict.Deny, 1), [2]uint16{80, 80}))
	p.pod(p.a, shut, p.open[verdict.Egress])
	p.pod(p.b, p.set(verdict.Ingress, verdict.Pod, row, row, nil), none)
	return p, open
}

// TestFirstTable: the first table on a node that tracks no connections leaves
// those alone that are open, whichever end speaks first, lets nothing new begin
// that is denied, and after the grace nobody gets in by its rules.
func TestFirstTable(t *testing.T) {
	p, open := first(t)
	d := New(Options{NetNS: int(p.router), Grace: time.Second, CutDenied: true})
	p.apply(d, p.Program)
	if p.reaches(p.a.ns, "tcp", 0, netip.AddrPortFrom(p.b.addrs[0], 81), false) || p.reaches(p.b.ns, "tcp", 0, netip.AddrPortFrom(p.a.addrs[0], 80), false) {
		t.Error("what is denied comes about during the grace")
	}
	settings := dataplane.Settings{LogPrefix: "x"} // another epoch, within the grace
	p.must(d.Change(t.Context(), dataplane.Change{Settings: &settings}))
	for i, c := range open {
		if !carries(c.server, c, true) || !carries(c, c.server, true) {
			t.Errorf("connection %d was cut", i)
		}
	}
	for limit := time.Now().Add(10 * time.Second); strings.Contains(p.nft("list", "table", "inet", "tierwall"), "for the first minute"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("the grace does not end")
		}
	}
	p.must(d.Change(t.Context(), dataplane.Change{Delta: &table.Delta{}})) // what it holds is known
	for i, c := range open {
		if !carries(c.server, c, true) || !carries(c, c.server, true) {
			t.Errorf("connection %d was cut after the grace", i)
		}
	}
	seen := 0
	_, err := d.Cut(t.Context(), func(list []dataplane.Connection) []bool {
		for _, c := range list {
			if c.First.Protocol == verdict.TCP && (c.First.DstPort == 80 || c.First.SrcPort == 80) && c.Either {
				seen++
			}
		}
		return make([]bool, len(list))
	})
	p.must(err)
	if seen != 2 {
		t.Errorf("%d connections of which either end may have opened them, want 2", seen)
	}
	p.apply(New(Options{NetNS: int(p.router), Grace: time.Hour}), p.Program)
	if strings.Contains(p.nft("list", "table", "inet", "tierwall"), "for the first minute") {
		t.Error("a second process begins with a grace")
	}
}

// TestNoGrace: without it the connections are cut, so that the test above says
// something; and where connections are tracked there is none.
func TestNoGrace(t *testing.T) {
	p, open := first(t)
	p.apply(p.dataplane(), p.Program)
	if carries(open[0].server, open[0], false) {
		t.Error("the server's packets arrive without grace")
	}
	q, open := first(t)
	q.nft("add", "table", "inet", "probe")
	q.nft("add", "chain", "inet", "probe", "x", "{ type filter hook forward priority 10; }")
	q.nft("add", "rule", "inet", "probe", "x", "ct state established accept")
	if !carries(open[0], open[0].server, true) {
		t.Fatal("the connection does not work")
	}
	q.apply(New(Options{NetNS: int(q.router)}), q.Program)
	if strings.Contains(q.nft("list", "table", "inet", "tierwall"), "for the first minute") {
		t.Error("a grace where connections are tracked")
	}
	if !carries(open[0].server, open[0], true) {
		t.Error("a tracked connection was cut")
	}
}
