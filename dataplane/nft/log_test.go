package nft

import (
	"maps"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// logged listens to a log group of the router and returns a channel of the
// prefixes of what it hears.
func (l *lab) logged(group uint16) <-chan string {
	const prefix = 10 // linux/netfilter/nfnetlink_log.h
	out := make(chan string, 1000)
	l.heard(group, func(d *netlink.AttributeDecoder) {
		for d.Next() {
			if d.Type() == prefix {
				out <- d.String()
			}
		}
	})
	return out
}

// heard calls take with each message that a log group of the router gets.
func (l *lab) heard(group uint16, take func(*netlink.AttributeDecoder)) {
	l.t.Helper()
	const ( // linux/netfilter/nfnetlink_log.h
		subsystem = 4 << 8
		config    = 1
		cfgCmd    = 1
		cfgBind   = 1
		cfgQueue  = 5 // how many packets it gathers before it sends
	)
	c, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: int(l.router)})
	l.must(err)
	l.t.Cleanup(func() { c.Close() })
	var a attrs
	a.bytes(cfgCmd, cfgBind)
	a.number(cfgQueue, 1)
	_, err = c.Execute(netlink.Message{
		Header: netlink.Header{Type: subsystem | config, Flags: netlink.Request | netlink.Acknowledge},
		Data:   append([]byte{0, 0, byte(group >> 8), byte(group)}, a...),
	})
	l.must(err)
	go func() {
		for {
			messages, err := c.Receive()
			if err != nil {
				return
			}
			for _, m := range messages {
				if d, err := netlink.NewAttributeDecoder(m.Data[4:]); err == nil {
					take(d)
				}
			}
		}
	}()
}

// TestLog: each Log rule that a packet met sends it to the log group, before
// it is allowed or denied.
func TestLog(t *testing.T) {
	p := newPods(t)
	row := p.row(trace(verdict.Deny, 1), ports(verdict.TCP, trace(verdict.Allow, 2, 0, 1), trace(verdict.Deny, 3, 0), [2]uint16{80, 80}))
	p.pod(p.b, p.set(verdict.Ingress, verdict.Pod, row, row, nil), p.open[verdict.Egress])
	heard := p.logged(7)
	d := New(Options{NetNS: int(p.router), LogGroup: 7, LogBurst: 3, LogRate: 1})
	p.apply(d, p.Program)
	to := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(p.b.addrs[0], port) }
	expect := func(what string, want ...string) {
		t.Helper()
		p.expect(t, what, heard, want...)
	}
	if !p.reaches(p.a.ns, "tcp", 0, to(80), true) {
		t.Error("what is logged and allowed does not arrive")
	}
	const of = "tierwall: default/NetworkPolicy/blue/fe#"
	expect("allowed", of+"0 ", of+"1 ")
	if p.reaches(p.a.ns, "tcp", 0, to(81), false) {
		t.Error("what is logged and denied arrives")
	}
	expect("denied", of+"0 ")
	if p.reaches(p.a.ns, "udp", 0, to(80), false) {
		t.Error("UDP arrives")
	}
	expect("not logged")

	wire := p.a.wire(t)
	for range 50 {
		wire.send(packet(p.a.addrs[0], p.b.addrs[0], verdict.TCP, 1, 81), 0)
	}
	time.Sleep(50 * time.Millisecond)
	logged := len(heard)
	if logged == 0 || logged > 4 {
		t.Errorf("%d of 50 packets logged, want no more than the limit lets through", logged)
	}
	counts, err := d.Unlogged()
	p.must(err)
	if got := counts["default/NetworkPolicy/blue/fe#0"]; got != uint64(50-logged) || len(counts) != 1 {
		t.Errorf("%d of 50 packets logged, and counted as not logged: %v", logged, counts)
	}
}

// TestLogOfSettings: the prefix and the limit of the settings hold, the limit for
// a rule whatever the rows that it is in, and rules that are gone leave nothing.
func TestLogOfSettings(t *testing.T) {
	p := newPods(t)
	decisions := []*table.Decision{trace(verdict.Deny, 3, 0), trace(verdict.Deny, 3, 0, 1)}
	rows := []table.RowID{p.row(decisions[0]), p.row(decisions[1])}
	p.pod(p.b, p.set(verdict.Ingress, verdict.Pod, rows[0], rows[0], map[table.ClassID]table.RowID{p.class(p.a.addrs[1]): rows[1]}), p.open[verdict.Egress])
	p.Settings = dataplane.Settings{LogPrefix: "fw A", LogRate: 1, LogPer: 3600, LogBurst: 10}
	heard := p.logged(7)
	d := New(Options{NetNS: int(p.router), LogGroup: 7})
	p.apply(d, p.Program)
	wire := p.a.wire(t)
	for i := range p.b.addrs {
		for range 20 {
			wire.send(packet(p.a.addrs[i], p.b.addrs[i], verdict.UDP, 1, 81), 0)
		}
	}
	count := map[string]int{}
	for range 20 {
		select {
		case text := <-heard:
			count[text]++
		case <-time.After(patience(true)):
			t.Fatalf("heard only %v", count)
		}
	}
	want := map[string]int{"fw A: default/NetworkPolicy/blue/fe#0 ": 10, "fw A: default/NetworkPolicy/blue/fe#1 ": 10}
	if !maps.Equal(count, want) || len(heard) > 0 {
		t.Errorf("logged %v, want %v and no more", count, want)
	}
	counts, err := d.Unlogged()
	p.must(err)
	if want := map[string]uint64{"default/NetworkPolicy/blue/fe#0": 30, "default/NetworkPolicy/blue/fe#1": 10}; !maps.Equal(counts, want) {
		t.Errorf("not logged: %v, want %v", counts, want)
	}
	last := p.Tables
	p.Tables = last.Clone()
	for id, s := range last.Sets {
		if s.Default[0] == rows[0] {
			delete(p.Tables.Sets, id)
		}
	}
	for _, id := range rows {
		delete(p.Tables.Rows, id)
	}
	p.pod(p.b, p.open[verdict.Ingress], p.open[verdict.Egress])
	p.apply(d, p.Program)
	if got := p.nft("list", "table", "inet", "tierwall"); strings.Contains(got, "log") {
		t.Errorf("left over:\n%s", got)
	}
}
