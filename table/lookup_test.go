package table_test

import (
	"net/netip"
	"testing"

	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/model/modeltest"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

func addr(text string) netip.Addr { return netip.MustParseAddr(text) }

// decision is one that can be told from others by its one step.
func decision(v verdict.Verdict, rule int) *table.Decision {
	p := verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: "p"}
	return table.Decided(verdict.Trace{Verdict: v, Reason: verdict.ByRule, Steps: []verdict.Step{{Tier: "t", Policy: p, Rule: rule}}})
}

// TestClass asks at the edges of networks, and one address before and after.
func TestClass(t *testing.T) {
	tables := table.New()
	tables.Nets = []table.Net{
		{From: addr("0.0.0.0"), To: addr("0.255.255.255"), Class: 20},
		{From: addr("10.0.0.0"), To: addr("10.0.0.255"), Class: 21},
		{From: addr("10.0.1.0"), To: addr("10.0.1.255"), Class: 22}, // next to the one before
		{From: addr("10.0.3.7"), To: addr("10.0.3.7"), Class: 23},   // of one address
		{From: addr("255.0.0.0"), To: addr("255.255.255.255"), Class: 24},
		{From: addr("::"), To: addr("::ff"), Class: 25},
		{From: addr("fd00::"), To: addr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), Class: 26},
	}
	tables.Hosts = map[netip.Addr]table.ClassID{addr("10.0.0.128"): 30, addr("172.16.0.1"): 31, addr("fd00::1"): 32}
	for text, want := range map[string]table.ClassID{
		"0.0.0.0": 20, "0.255.255.255": 20, "1.0.0.0": table.OtherIPv4,
		"9.255.255.255": table.OtherIPv4, "10.0.0.0": 21, "10.0.0.127": 21, "10.0.0.128": 30, "10.0.0.129": 21, "10.0.0.255": 21,
		"10.0.1.0": 22, "10.0.1.255": 22, "10.0.2.0": table.OtherIPv4,
		"10.0.3.6": table.OtherIPv4, "10.0.3.7": 23, "10.0.3.8": table.OtherIPv4,
		"172.16.0.0": table.OtherIPv4, "172.16.0.1": 31,
		"254.255.255.255": table.OtherIPv4, "255.0.0.0": 24, "255.255.255.255": 24,
		"::": 25, "::ff": 25, "::100": table.OtherIPv6, "fcff:ffff:ffff:ffff:ffff:ffff:ffff:ffff": table.OtherIPv6,
		"fd00::": 26, "fd00::1": 32, "fd00::2": 26, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff": 26,
	} {
		if got := tables.Class(addr(text)); got != want {
			t.Errorf("%s has class %d, want %d", text, got, want)
		}
	}
	empty := table.New()
	if a, b := empty.Class(addr("10.0.0.1")), empty.Class(addr("fd00::1")); a != table.OtherIPv4 || b != table.OtherIPv6 {
		t.Errorf("with nothing in the tables the classes are %d and %d", a, b)
	}
}

func TestFamily(t *testing.T) {
	if table.Family(addr("10.0.0.1")) != 0 || table.Family(addr("fd00::1")) != 1 {
		t.Error("IPv4 is 0, IPv6 is 1")
	}
}

// TestSetFor asks for the local address at the edges of spans.
func TestSetFor(t *testing.T) {
	e := &table.Endpoint{Spans: [2][]table.Span{
		{
			{From: addr("10.0.0.1"), To: addr("10.0.0.1"), Set: 1}, {From: addr("10.0.0.2"), To: addr("10.0.0.9"), Set: 2},
			{From: addr("fd00::"), To: addr("fd00::ff"), Set: 3},
		},
		{{From: addr("10.0.0.1"), To: addr("10.0.0.1"), Set: 4}},
	}}
	for _, row := range []struct {
		d    verdict.Direction
		at   string
		want table.SetID
	}{
		{verdict.Ingress, "10.0.0.0", 0}, {verdict.Ingress, "10.0.0.1", 1}, {verdict.Ingress, "10.0.0.2", 2},
		{verdict.Ingress, "10.0.0.9", 2}, {verdict.Ingress, "10.0.0.10", 0}, {verdict.Ingress, "fcff::", 0},
		{verdict.Ingress, "fd00::", 3}, {verdict.Ingress, "fd00::ff", 3}, {verdict.Ingress, "fd00::100", 0},
		{verdict.Egress, "10.0.0.1", 4}, {verdict.Egress, "10.0.0.2", 0},
	} {
		if got := e.SetFor(row.d, addr(row.at)); got != row.want {
			t.Errorf("%s %s: set %d, want %d", row.d, row.at, got, row.want)
		}
	}
}

// TestRowOfSet: the entry of the class, or the default of the family.
func TestRowOfSet(t *testing.T) {
	tables := table.New()
	for id := range table.RowID(5) {
		tables.Rows[id] = &table.Row{ID: id, Other: decision(verdict.Deny, int(id))}
	}
	tables.Hosts[addr("10.0.0.1")] = 20
	tables.Hosts[addr("10.0.0.2")] = 21
	tables.Hosts[addr("fd00::1")] = 22
	s := &table.Set{Default: [2]table.RowID{1, 2}, Rows: map[table.ClassID]table.RowID{20: 3, 22: 4}}
	for at, want := range map[string]table.RowID{
		"10.0.0.1": 3, "10.0.0.2": 1, "10.0.0.3": 1, "fd00::1": 4, "fd00::2": 2,
	} {
		if got := tables.Row(s, addr(at)); got.ID != want {
			t.Errorf("%s: row %d, want %d", at, got.ID, want)
		}
	}
}

// cellOf asks a row and returns the number of the decision.
func cellOf(r *table.Row, protocol uint8, src, dst uint16) int {
	return r.Decide(protocol, src, dst).Trace().Steps[0].Rule
}

// TestDecide asks a row at every edge of its bands and cells.
func TestDecide(t *testing.T) {
	cell := func(from, to uint16, n int) table.Cell {
		return table.Cell{From: from, To: to, Decision: decision(verdict.Allow, n)}
	}
	r := &table.Row{Other: decision(verdict.Deny, 0), Protocols: []table.Protocol{
		{Number: verdict.ICMP, Bands: []table.Band{{From: 0, To: 65535, Cells: []table.Cell{cell(0, 65535, 1)}}}},
		{Number: verdict.TCP, Bands: []table.Band{
			{From: 0, To: 1023, Cells: []table.Cell{cell(0, 79, 2), cell(80, 80, 3), cell(81, 65535, 4)}},
			{From: 1024, To: 1024, Cells: []table.Cell{cell(0, 65535, 5)}},
			{From: 1025, To: 65535, Cells: []table.Cell{cell(0, 0, 6), cell(1, 65534, 7), cell(65535, 65535, 8)}},
		}},
	}}
	for _, row := range []struct {
		protocol uint8
		src, dst uint16
		want     int
	}{
		{verdict.UDP, 0, 80, 0}, {0, 0, 0, 0}, {255, 0, 0, 0}, {verdict.ICMP, 0, 0, 1},
		{verdict.TCP, 0, 0, 2}, {verdict.TCP, 0, 79, 2}, {verdict.TCP, 0, 80, 3}, {verdict.TCP, 0, 81, 4}, {verdict.TCP, 0, 65535, 4},
		{verdict.TCP, 1023, 79, 2}, {verdict.TCP, 1023, 80, 3}, {verdict.TCP, 1023, 65535, 4},
		{verdict.TCP, 1024, 0, 5}, {verdict.TCP, 1024, 80, 5}, {verdict.TCP, 1024, 65535, 5},
		{verdict.TCP, 1025, 0, 6}, {verdict.TCP, 1025, 1, 7}, {verdict.TCP, 1025, 65534, 7}, {verdict.TCP, 1025, 65535, 8},
		{verdict.TCP, 65535, 0, 6}, {verdict.TCP, 65535, 1, 7}, {verdict.TCP, 65535, 65534, 7}, {verdict.TCP, 65535, 65535, 8},
	} {
		if got := cellOf(r, row.protocol, row.src, row.dst); got != row.want {
			t.Errorf("protocol %d, ports %d and %d: decision %d, want %d", row.protocol, row.src, row.dst, got, row.want)
		}
	}
	uniform := &table.Row{Other: r.Other}
	if cellOf(uniform, verdict.TCP, 1, 2) != 0 {
		t.Error("a row without protocols has one decision")
	}
}

// TestLookupNone: what is not in the tables gets no decision, and is dropped.
func TestLookupNone(t *testing.T) {
	pod := verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: "a"}
	tables := table.New()
	tables.Rows[1] = &table.Row{ID: 1, Other: decision(verdict.Allow, 0)}
	tables.Sets[1] = &table.Set{ID: 1, Default: [2]table.RowID{1, 1}}
	tables.Endpoints[pod] = &table.Endpoint{ID: pod, Spans: [2][]table.Span{{{From: addr("10.0.0.1"), To: addr("10.0.0.1"), Set: 1}}}}
	in := func(dst string) verdict.Packet {
		return verdict.Packet{Src: addr("8.8.8.8"), Dst: addr(dst), Protocol: verdict.TCP}
	}
	if tables.Lookup(pod, verdict.Ingress, in("10.0.0.1")) == nil {
		t.Error("its own address has no decision")
	}
	if got := tables.Lookup(pod, verdict.Ingress, in("10.0.0.2")); got != nil {
		t.Errorf("another address: %s", got)
	}
	if got := tables.Lookup(pod, verdict.Egress, verdict.Packet{Src: addr("10.0.0.1"), Dst: addr("8.8.8.8")}); got != nil {
		t.Errorf("a direction without spans: %s", got)
	}
	if got := tables.Lookup(verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: "b"}, verdict.Ingress, in("10.0.0.1")); got != nil {
		t.Errorf("another endpoint: %s", got)
	}
}

// TestLookupDoesNotAllocate, whatever it finds.
func TestLookupDoesNotAllocate(t *testing.T) {
	g := modeltest.New(43)
	s := g.State()
	tables := compile.Compile(s, compile.Options{})
	for _, e := range s.SortedEndpoints() {
		for _, d := range verdict.Directions {
			p := g.Packet(d, e.Addrs[0])
			if n := testing.AllocsPerRun(100, func() { tables.Lookup(e.ID, d, p) }); n != 0 {
				t.Errorf("%s %s %s: %v allocations", e.ID, d, p, n)
			}
		}
	}
}

// TestEqualRows: rows are equal by content, whatever their ids.
func TestEqualRows(t *testing.T) {
	row := func() *table.Row {
		return &table.Row{Other: decision(verdict.Deny, 0), Protocols: []table.Protocol{{Number: 6, Bands: []table.Band{
			{From: 0, To: 9, Cells: []table.Cell{{From: 0, To: 9, Decision: decision(verdict.Allow, 1)}, {From: 10, To: 65535, Decision: decision(verdict.Deny, 2)}}},
			{From: 10, To: 65535, Cells: []table.Cell{{From: 0, To: 65535, Decision: decision(verdict.Deny, 3)}}},
		}}}}
	}
	a, same := row(), row()
	a.ID, same.ID = 1, 2
	if !a.Equal(same) {
		t.Error("rows of the same content are not equal")
	}
	for name, change := range map[string]func(*table.Row){
		"other":     func(r *table.Row) { r.Other = decision(verdict.Allow, 0) },
		"protocols": func(r *table.Row) { r.Protocols = nil },
		"number":    func(r *table.Row) { r.Protocols[0].Number = 17 },
		"bands":     func(r *table.Row) { r.Protocols[0].Bands = r.Protocols[0].Bands[:1] },
		"band from": func(r *table.Row) { r.Protocols[0].Bands[1].From = 11 },
		"band to":   func(r *table.Row) { r.Protocols[0].Bands[0].To = 10 },
		"cells":     func(r *table.Row) { r.Protocols[0].Bands[0].Cells = r.Protocols[0].Bands[0].Cells[:1] },
		"cell from": func(r *table.Row) { r.Protocols[0].Bands[0].Cells[1].From = 11 },
		"cell to":   func(r *table.Row) { r.Protocols[0].Bands[0].Cells[0].To = 10 },
		"decision":  func(r *table.Row) { r.Protocols[0].Bands[0].Cells[0].Decision = decision(verdict.Allow, 9) },
	} {
		b := row()
		change(b)
		if a.Equal(b) || b.Equal(a) {
			t.Errorf("%s: rows that differ are equal", name)
		}
	}
}

// TestClone: the copy's maps are its own.
func TestClone(t *testing.T) {
	large := 0
	for seed := range uint64(10) {
		tables := compile.Compile(modeltest.New(seed).State(), compile.Options{})
		testClone(t, tables)
		if len(tables.Hosts)+len(tables.Nets) > 0 && len(tables.Rows) > 0 {
			large++
		}
	}
	if large < 5 {
		t.Errorf("%d of 10 tables are too small to test anything", 10-large)
	}
}

func testClone(t *testing.T, tables *table.Tables) {
	t.Helper()
	want := tables.Clone()
	want.Nets = append([]table.Net{}, tables.Nets...)
	c := tables.Clone()
	clear(c.Hosts)
	clear(c.Endpoints)
	clear(c.Sets)
	clear(c.Rows)
	for i := range c.Nets {
		c.Nets[i] = table.Net{}
	}
	if d := table.Diff(want, tables); !d.Empty() {
		t.Errorf("the original changed: %+v", d)
	}
}
