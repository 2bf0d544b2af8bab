package nft

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// pushed is a connection whose server sends without being asked.
type pushed struct {
	net.Conn
	server net.Conn
}

// push opens a TCP connection from a to b and hands out both ends.
func (p *pods) push(addr netip.Addr, port uint16) pushed {
	p.t.Helper()
	var l net.Listener
	var err error
	p.in(p.b.ns, func() { l, err = net.Listen("tcp", netip.AddrPortFrom(addr, port).String()) })
	p.must(err)
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			close(accepted)
			return
		}
		accepted <- c
	}()
	c, err := p.dial(p.a.ns, "tcp", 0, netip.AddrPortFrom(addr, port), true)
	p.must(err)
	server := <-accepted
	p.t.Cleanup(func() { _ = c.Close(); _ = server.Close() })
	return pushed{c, server}
}

// carries reports whether a byte comes through, from the client or the server.
func carries(from, to net.Conn, want bool) bool {
	_ = to.SetReadDeadline(time.Now().Add(patience(want)))
	if _, err := from.Write([]byte{'x'}); err != nil {
		return false
	}
	_, err := to.Read(make([]byte, 1))
	return err == nil
}

// TestCut: what is chosen ends, in both directions, though the other end speaks
// first and its own policy would let it; what is not chosen goes on; and when
// policy allows it again, the same connection does.
func TestCut(t *testing.T) {
	p := newPods(t)
	p.pod(p.b, p.open[verdict.Ingress], p.open[verdict.Egress])
	d := New(Options{NetNS: int(p.router), CutDenied: true, Grace: -1})
	p.apply(d, p.Program)
	ctx := context.Background()
	var kept, cut []pushed
	for _, a := range p.b.addrs {
		kept, cut = append(kept, p.push(a, 80)), append(cut, p.push(a, 81))
	}
	p.listen(p.b.ns, "udp", 53)
	udp, err := p.dial(p.a.ns, "udp", 0, netip.AddrPortFrom(p.b.addrs[0], 53), true)
	p.must(err)
	defer udp.Close()
	p.must(talk(udp, true))

	after := *p.hand
	after.Tables = p.Tables.Clone()
	row := after.row(trace(verdict.Deny, 1), ports(verdict.TCP, trace(verdict.Allow, 0), trace(verdict.Deny, 1), [2]uint16{80, 80}))
	after.pod(p.b, after.set(verdict.Ingress, verdict.Pod, row, row, nil), p.open[verdict.Egress])
	p.must(d.Change(ctx, dataplane.Change{Delta: table.Diff(p.Tables, after.Tables)}))
	denied := func(list []dataplane.Connection) []bool {
		out := make([]bool, len(list))
		for i, c := range list {
			out[i] = c.First.DstPort == 81 || c.First.DstPort == 53
		}
		return out
	}
	n, err := d.Cut(ctx, denied)
	p.must(err)
	if n != 3 {
		t.Errorf("%d cut, want 3", n)
	}
	for i := range cut {
		if carries(cut[i].server, cut[i], false) || carries(cut[i], cut[i].server, false) || carries(cut[i].server, cut[i], false) {
			t.Errorf("%s goes on", cut[i].RemoteAddr())
		}
		if !carries(kept[i].server, kept[i], true) || !carries(kept[i], kept[i].server, true) {
			t.Errorf("%s ended", kept[i].RemoteAddr())
		}
	}
	if talk(udp, false) == nil {
		t.Error("UDP goes on")
	}
	if n, err := d.Cut(ctx, denied); n != 0 || err != nil {
		t.Errorf("again: %d, %v", n, err)
	}
	p.apply(New(Options{NetNS: int(p.router), CutDenied: true}), after.Program) // another process takes over
	if carries(cut[0].server, cut[0], false) {
		t.Error("after a restart the connection goes on")
	}
	listing := p.nft("list", "table", "inet", "tierwall")
	if want := fmt.Sprintf("tcp . %s . 81", p.b.addrs[0]); !strings.Contains(listing, want) {
		t.Errorf("no %q in\n%s", want, listing)
	}
	d = New(Options{NetNS: int(p.router)})
	p.apply(d, p.Program)
	if err := talk(udp, true); err != nil {
		t.Errorf("UDP is allowed again: %v", err)
	}
	if strings.Contains(p.nft("list", "table", "inet", "tierwall"), "cut4") {
		t.Error("the sets are left over")
	}
	if !carries(cut[0], cut[0].server, true) {
		t.Error("TCP that is allowed again and has not given up does not go on")
	}
}

// TestCutTranslated: a connection to a service is cut by what its backend is.
func TestCutTranslated(t *testing.T) {
	s := newStages(t)
	s.translate()
	s.listen(s.b.ns, "tcp", 80)
	d := New(Options{NetNS: int(s.router), CutDenied: true, Grace: -1})
	s.apply(d, s.Program)
	c, err := s.dial(s.east.ns, "tcp", 0, netip.AddrPortFrom(s.me[0], 8080), true)
	s.must(err)
	defer c.Close()
	s.must(talk(c, true))
	var seen []dataplane.Connection
	n, err := d.Cut(context.Background(), func(list []dataplane.Connection) []bool {
		seen = list
		return make([]bool, len(list))
	})
	s.must(err)
	found := false
	for _, x := range seen {
		found = found || x.First.Dst == s.b.addrs[0] && x.First.DstPort == 80 && x.First.Src == s.east.addrs[0] && x.Asked == netip.AddrPortFrom(s.me[0], 8080)
	}
	if n != 0 || !found {
		t.Errorf("%d cut; seen %v", n, seen)
	}
	s.must(talk(c, true))
}
