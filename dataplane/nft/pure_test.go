package nft

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

func TestTexts(t *testing.T) {
	long := strings.Repeat("x", 250)
	step := func(policy string, rule int) verdict.Step {
		return verdict.Step{Tier: "t", Policy: verdict.PolicyID{Kind: "NetworkPolicy", Namespace: "n", Name: policy}, Rule: rule}
	}
	for _, test := range []struct{ name, got, want string }{
		{"prefix", logPrefix("", loggedBy(step("p", 3))), "tierwall: t/NetworkPolicy/n/p#3 "},
		{"long prefix", logPrefix("", loggedBy(step(long, 3))), "tierwall: t/NetworkPolicy/n/" + long[:93] + "...#3 "},
		{"profile", logPrefix("fw", loggedBy(verdict.Step{Profile: "kns.blue", Rule: 0})), "fw: profile kns.blue "},
		{"specified", logPrefix("%t %k %n %p %x %", loggedBy(step("p", 3))), "t np p n/p %x %: t/NetworkPolicy/n/p#3 "},
		{"specified, global", logPrefix("%k|%p", loggedBy(verdict.Step{Tier: "t", Policy: verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: "g"}})), "gnp|g: t/GlobalNetworkPolicy//g#0 "},
		{"specified, profile", logPrefix("%k %t%n", loggedBy(verdict.Step{Profile: "kns.blue", Rule: 0})), "profile kns.blue: profile kns.blue "},
		{"quote", place(step(`a"b`, 0)), `t/NetworkPolicy/n/a"b#0`},
		{"quote in a comment", because(&table.Decision{Reason: verdict.ByRule, Way: [][]verdict.Step{{step(`a"b`, 0)}}}), `t/NetworkPolicy/n/a?b#0`},
		{"no policy", because(&table.Decision{Reason: verdict.NoPolicyApplies}), "no policy applies"},
		{"invalid", because(&table.Decision{Reason: verdict.InvalidPolicy, Way: [][]verdict.Step{{step("p", verdict.NoRule)}}}), "invalid t/NetworkPolicy/n/p"},
		{"set", describe(&table.Set{Ends: applied([]verdict.PolicyID{{Kind: "K", Name: "a"}, {Kind: "K", Name: "b"}}...)}), "K//a, K//b"},
		{"set without", describe(&table.Set{}), "no policy applies"},
		{"one long", describe(&table.Set{Ends: applied(verdict.PolicyID{Kind: "K", Name: long})}), "K//" + long[:108] + "... (1 policies)"},
	} {
		if test.got != test.want || len(test.got) > maxText && test.name != "quote" {
			t.Errorf("%s: %q, want %q", test.name, test.got, test.want)
		}
	}
	var many []verdict.PolicyID
	for i := range 40 {
		many = append(many, verdict.PolicyID{Kind: "NetworkPolicy", Namespace: "blue", Name: fmt.Sprint(i)})
	}
	if got, want := describe(&table.Set{Ends: applied(many...)}), "NetworkPolicy/blue/0, NetworkPolicy/blue/1, NetworkPolicy/blue/2, NetworkPolicy/blue/3, NetworkPolicy/blue/4 and 35 more"; got != want {
		t.Errorf("many: %q, want %q", got, want)
	}
}

func TestRangesOf(t *testing.T) {
	var list []string
	for _, r := range rangesOf([]netip.Prefix{
		netip.MustParsePrefix("10.1.1.7/24"), netip.MustParsePrefix("10.1.0.0/24"), netip.MustParsePrefix("10.1.0.128/25"),
		netip.MustParsePrefix("10.1.3.0/24"), netip.MustParsePrefix("10.1.3.4/32"), netip.MustParsePrefix("255.255.255.0/24"), netip.MustParsePrefix("::/128"), netip.MustParsePrefix("fd00::/8"),
	}) {
		list = append(list, r.from.String()+"-"+r.to.String())
	}
	want := []string{"10.1.0.0-10.1.1.255", "10.1.3.0-10.1.3.255", "255.255.255.0-255.255.255.255", "::-::", "fd00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Error(diff)
	}
}

func TestEpochs(t *testing.T) {
	for name, want := range map[string]int{"forward": 0, "row-7": 0, "row-7.3": 3, names{12}.row(7, verdict.Normal): 12, "foreign.x": 0, "a.-3": 0} {
		if got := epochOf(name); got != want {
			t.Errorf("%s: epoch %d, want %d", name, got, want)
		}
	}
	if got := (inventory{[]string{"forward", "row-1.4"}, []string{"pods.5"}}).epoch(); got != 6 {
		t.Errorf("the next epoch is %d, want 6", got)
	}
}

// TestRectangles: every type with every code is in one rectangle if it is in
// the range, else in none.
func TestRectangles(t *testing.T) {
	for _, r := range [][2]uint16{{0, 65535}, {0x0800, 0x0800}, {0x0800, 0x08ff}, {0x0204, 0x0601}, {0x0204, 0x0301}, {0x0200, 0x0301}, {0x02fe, 0x03ff}, {0xff07, 0xffff}, {1, 0xfffe}} {
		for key := range 1 << 16 {
			n := 0
			for _, e := range rectangles(r[0], r[1], back) {
				in := func(v int, r [2]uint16) bool { return int(r[0]) <= v && v <= int(r[1]) }
				if in(key>>8, e.types) && in(key&255, e.codes) {
					n++
				}
			}
			if want := int(r[0]) <= key && key <= int(r[1]); n > 1 || (n == 1) != want {
				t.Fatalf("%#x to %#x: %#x is in %d rectangles", r[0], r[1], key, n)
			}
		}
	}
}

// TestConflict: two pods that claim one interface and address get nothing.
func TestConflict(t *testing.T) {
	h := newHand(0)
	yes := h.row(trace(verdict.Allow, 0))
	s := h.set(verdict.Ingress, verdict.Pod, yes, yes, nil)
	h.pod(&machine{name: "a", iface: "v", addrs: []netip.Addr{netip.MustParseAddr("10.1.0.1")}}, s, s)
	h.pod(&machine{name: "b", iface: "v", addrs: []netip.Addr{netip.MustParseAddr("10.1.0.1")}}, s, s)
	d, err := builder{}.dispatch(placed(t, h))
	if err != nil {
		t.Fatal(err)
	}
	for key, target := range d.maps["in4"] {
		if target.chain != closed || target.element(key, true).verdict != drop {
			t.Errorf("the target of both is %+v", target)
		}
	}
	e := h.Tables.Endpoints[verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: "b"}]
	e.Spans[0][0].To = netip.MustParseAddr("10.1.0.2")
	if _, err := newState(builder{}, h.Program); err == nil {
		t.Error("a pod with a range of addresses is accepted")
	}
}

func placed(t *testing.T, h *hand) *state {
	s, err := newState(builder{}, h.Program)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestHostTarget: a host endpoint with one set for all addresses goes right to
// it; any other needs a chain that looks at the local address.
func TestHostTarget(t *testing.T) {
	whole := bothFamilies(7)
	part := func(i int) []table.Span {
		spans := slices.Clone(whole)
		spans[i].To = spans[i].To.Prev()
		return spans
	}
	d := &dispatch{forks: map[string]chain{}}
	for name, test := range map[string]struct {
		spans []table.Span
		fork  bool
	}{"whole": {whole, false}, "v4 alone": {whole[:1], true}, "part of v4": {part(0), true}, "part of v6": {part(1), true},
		"two sets": {[]table.Span{whole[0], bothFamilies(8)[1]}, true}, "none": {nil, true}} {
		got := builder{}.hostTarget(d, &table.Endpoint{Spans: [2][]table.Span{test.spans, nil}}, post{verdict.Normal, verdict.Ingress})
		if _, fork := d.forks[got]; fork != test.fork || !fork && got != "in-7" {
			t.Errorf("%s: chain %s", name, got)
		}
	}
	if len(d.forks) != 5 {
		t.Errorf("%d chains for 5 different lists of spans", len(d.forks))
	}
}

// tables draws small tables: few addresses, so that classes meet.
func tables(t *rapid.T, sets []table.SetID) *table.Tables {
	tb := table.New()
	class := rapid.Custom(func(t *rapid.T) table.ClassID {
		return table.FirstClass + table.ClassID(rapid.IntRange(0, 3).Draw(t, "class"))
	})
	for _, a := range universe {
		if rapid.IntRange(0, 2).Draw(t, "host") == 0 {
			tb.Hosts[a] = class.Draw(t, "of host")
		}
	}
	for i := 0; i < len(universe); {
		j := min(i+rapid.IntRange(0, 3).Draw(t, "to"), len(universe)-1)
		if universe[i].Is4() == universe[j].Is4() && rapid.Bool().Draw(t, "net") {
			tb.Nets = append(tb.Nets, table.Net{From: universe[i], To: universe[j], Class: class.Draw(t, "of net")})
		}
		i = j + 1
	}
	for _, id := range sets {
		s := &table.Set{ID: id, Default: [2]table.RowID{table.RowID(rapid.IntRange(1, 9).Draw(t, "v4")), table.RowID(rapid.IntRange(1, 9).Draw(t, "v6"))}, Rows: map[table.ClassID]table.RowID{}}
		for c := range table.ClassID(4) {
			if rapid.Bool().Draw(t, "entry") {
				s.Rows[table.FirstClass+c] = table.RowID(rapid.IntRange(1, 9).Draw(t, "row"))
			}
		}
		tb.Sets[id] = s
	}
	id := verdict.EndpointID{Kind: verdict.Pod, Name: "x"}
	tb.Endpoints[id] = &table.Endpoint{ID: id, Spans: [2][]table.Span{{{Set: sets[0]}}}}
	return tb
}

var universe = []netip.Addr{
	netip.MustParseAddr("10.0.0.0"), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3"), netip.MustParseAddr("10.0.0.4"),
	netip.MustParseAddr("255.255.255.254"), netip.MustParseAddr("255.255.255.255"),
	netip.MustParseAddr("::"), netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2"),
	netip.MustParseAddr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"), netip.MustParseAddr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
}

// TestBridge: on the way over the bridge, a packet that looks up its set before
// a step and the peer's class after it meets a row that the old tables or the
// new have for it.
func TestBridge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := tables(t, []table.SetID{1}), tables(t, []table.SetID{2})
		d := table.Diff(from, to)
		b := bridgeOf(from, to, d)
		if b == nil {
			if len(d.Hosts)+len(d.OldNets)+len(d.NewNets) > 0 {
				t.Fatal("no bridge")
			}
			return
		}
		rows := map[table.SetID]*table.Set{1: withEntries(from.Sets[1], b.entries), 2: withEntries(to.Sets[2], b.entries)}
		on := from.Clone()
		change(on, b.hosts, d.OldNets, b.nets)
		over := on.Clone()
		change(over, b.landing, b.nets, d.NewNets)
		if !slices.Equal(over.Nets, to.Nets) {
			t.Fatalf("nets %v, want %v", over.Nets, to.Nets)
		}
		for _, a := range universe {
			old, now := row(from, from.Sets[1], a), row(to, to.Sets[2], a)
			if over.Class(a) != to.Class(a) {
				t.Fatalf("%s ends in class %d, want %d", a, over.Class(a), to.Class(a))
			}
			for step, got := range map[string]table.RowID{
				"old set, before": row(from, rows[1], a), "old set, on the bridge": row(on, rows[1], a),
			} {
				if got != old {
					t.Fatalf("%s: %s has row %d, want %d", step, a, got, old)
				}
			}
			for step, got := range map[string]table.RowID{
				"new set, on the bridge": row(on, rows[2], a), "new set, after": row(over, rows[2], a),
			} {
				if got != now {
					t.Fatalf("%s: %s has row %d, want %d", step, a, got, now)
				}
			}
		}
	})
}

func row(t *table.Tables, s *table.Set, a netip.Addr) table.RowID {
	if r, ok := s.Rows[t.Class(a)]; ok {
		return r
	}
	return s.Default[table.Family(a)]
}

func withEntries(s *table.Set, list []table.Entry) *table.Set {
	out := *s
	out.Rows = map[table.ClassID]table.RowID{}
	for c, r := range s.Rows {
		out.Rows[c] = r
	}
	for _, e := range list {
		if e.Set == s.ID {
			out.Rows[e.Class] = e.Row
		}
	}
	return &out
}

func change(t *table.Tables, hosts []table.HostChange, gone, come []table.Net) {
	for _, h := range hosts {
		if h.Class == 0 {
			delete(t.Hosts, h.Addr)
		} else {
			t.Hosts[h.Addr] = h.Class
		}
	}
	t.Nets = slices.DeleteFunc(t.Nets, func(n table.Net) bool { return slices.Contains(gone, n) })
	t.Nets = append(t.Nets, come...)
	sortNets(t.Nets)
}

// TestRest: the effect without keys is that of most ports.
func TestRest(t *testing.T) {
	yes, no := trace(verdict.Allow, 0), trace(verdict.Deny, 1)
	for _, test := range []struct {
		to   uint16
		want verdict.Verdict
	}{{60000, verdict.Allow}, {30000, verdict.Deny}} {
		p := ports(verdict.TCP, yes, no, [2]uint16{0, 10}, [2]uint16{20, test.to})
		s := shapeOf(&table.Row{Other: yes, Protocols: []table.Protocol{p}}, verdict.Normal)
		if got := s.protocols[0].rest().verdict; got != test.want {
			t.Errorf("allowed to %d: the rest is %s", test.to, got)
		}
	}
}

// TestShared: rows of one shape share a chain, which goes with the last; rows
// that are but a verdict have none.
func TestShared(t *testing.T) {
	yes, no := trace(verdict.Allow, 0), trace(verdict.Deny, 1)
	tcp := func(a, b *table.Decision, ranges ...[2]uint16) *table.Row {
		return &table.Row{Other: b, Protocols: []table.Protocol{ports(verdict.TCP, a, b, ranges...)}}
	}
	type shared struct {
		name   string
		row    *table.Row
		chains int
	}
	list := []shared{
		{"uniform", &table.Row{Other: yes}, 0},
		{"differs in the reason only", tcp(trace(verdict.Allow, 5), yes, [2]uint16{1, 1}), 0},
		{"logs", &table.Row{Other: trace(verdict.Allow, 0, 1)}, 3}, // the row, its way to the log, the rule
		{"port", tcp(yes, no, [2]uint16{1, 2}), 1},
		{"port, for another reason", tcp(trace(verdict.Allow, 7), no, [2]uint16{1, 2}), 0},
		{"port, in two cells", tcp(yes, trace(verdict.Deny, 9), [2]uint16{1, 1}, [2]uint16{2, 2}), 0},
		{"the opposite", tcp(no, yes, [2]uint16{1, 2}), 1},
		{"another port", tcp(yes, no, [2]uint16{1, 3}), 1},
		{"logs by another rule", &table.Row{Other: trace(verdict.Allow, 0, 2)}, 3},
		{"logs by both", &table.Row{Other: trace(verdict.Allow, 0, 1, 2)}, 2},
	}
	for _, cut := range []uint16{1000, 2000} {
		udp := table.Protocol{Number: verdict.UDP, Bands: []table.Band{{To: cut, Cells: cells(yes, no, [2]uint16{53, 53})}, {From: cut + 1, To: 65535, Cells: cells(no, no)}}}
		list = append(list, shared{fmt.Sprintf("source ports to %d", cut), &table.Row{Other: no, Protocols: []table.Protocol{udp}}, 1})
		udp.Bands = append(slices.Clone(udp.Bands[:1]), table.Band{From: cut + 1, To: cut + 5, Cells: cells(no, yes)}, table.Band{From: cut + 6, To: 65535, Cells: cells(no, no)})
		udp.Bands[1].Cells = cells(trace(verdict.Deny, 4), no)
		list = append(list, shared{"and in three bands", &table.Row{Other: no, Protocols: []table.Protocol{udp}}, 0})
	}
	b := builder{book: newRowBook()}
	for i, test := range list {
		test.row.ID = table.RowID(i + 1)
		if got := len(b.enter(test.row, verdict.Normal)); got != test.chains {
			t.Errorf("%s: %d new chains, want %d", test.name, got, test.chains)
		}
	}
	if got := b.leave(rowUse{row: 4}); got != nil {
		t.Errorf("chains %v go while two rows use them", got)
	}
	b.leave(rowUse{row: 5})
	if got := b.leave(rowUse{row: 6}); len(got) != 1 || got[0] != "row-4" {
		t.Errorf("with the last row go chains %v, want row-4", got)
	}
	if diff := cmp.Diff([]string{"row-3", "row-3-log-1"}, b.leave(rowUse{row: 3})); diff != "" {
		t.Error(diff) // the rule's chain is another's too
	}
	if diff := cmp.Diff([]string{"row-10", "row-10-log-1", "log-1"}, b.leave(rowUse{row: 10})); diff != "" {
		t.Error(diff)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	l := newLab(t)
	d := l.dataplane()
	if err := d.Apply(ctx, newHand(0).Program); err == nil {
		t.Error("a cancelled context is no error")
	}
	if got := l.nft("list", "ruleset"); got != "" {
		t.Errorf("a cancelled Apply left\n%s", got)
	}
	l.apply(d, dataplane.Program{Tables: table.New()})
}
