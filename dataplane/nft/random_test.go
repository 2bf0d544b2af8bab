package nft

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// world is a lab of mute machines with random policy between them.
type world struct {
	*lab
	r     *rand.Rand
	pods  []*machine // programmed
	blank *machine   // in the pods' network, but no endpoint
	ext   *machine
	wires map[*machine]*wire
	id    uint32
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{lab: newLab(t), r: rand.New(rand.NewPCG(seed, 1)), wires: map[*machine]*wire{}}
	for i, name := range []string{"a", "b", "c", "d"} {
		n := string(rune('1' + i))
		w.pods = append(w.pods, w.add(name, true, "10.1.0."+n, "fd01::"+n))
	}
	w.blank = w.add("blank", true, "10.1.0.9", "fd01::9")
	var outside []string
	for _, n := range []string{"1", "2", "3", "40", "41", "99", "200"} {
		outside = append(outside, "192.0.2."+n, "2001:db8::"+n)
	}
	w.ext = w.add("ext", true, outside...)
	for _, m := range w.machines() {
		w.wires[m] = m.wire(t)
	}
	return w
}

func (w *world) machines() []*machine { return append(slices.Clone(w.pods), w.blank, w.ext) }

// edges are ports at which something may change.
var edges = []uint16{0, 1, 22, 79, 80, 81, 443, 1023, 1024, 5000, 32767, 32768, 65534, 65535}

func (w *world) trace() *table.Decision {
	v := verdict.Verdict(w.r.IntN(2))
	if w.r.IntN(4) == 0 {
		return trace(v, w.r.IntN(3), w.r.IntN(2), 7)
	}
	return trace(v, w.r.IntN(3))
}

func (w *world) row(h *hand) table.RowID {
	var list []table.Protocol
	for _, number := range []uint8{verdict.ICMP, verdict.TCP, verdict.UDP, verdict.ICMPv6, 99, verdict.SCTP} {
		switch {
		case w.r.IntN(2) == 0:
		case verdict.HasPorts(number):
			list = append(list, table.Protocol{Number: number, Bands: w.bands()})
		case verdict.IsICMP(number):
			list = append(list, table.Protocol{Number: number, Bands: []table.Band{{To: 65535, Cells: w.cells(icmpEdges)}}})
		default:
			list = append(list, plainly(number, w.trace()))
		}
	}
	return h.row(w.trace(), list...)
}

// icmpEdges are the types with codes at which something may change: about those
// of messages that begin a connection for conntrack.
var icmpEdges = []uint16{0, 0x0800, 0x0801, 0x0802, 0x0900, 0x0d00, 0x0d07, 0x0e00, 0x7f05, 0x8000, 0x8001, 0x8003, 0x8100, 0xff00}

// cuts returns the first ports of parts of all ports, 0 first.
func (w *world) cuts(n int, edges []uint16) []uint16 {
	cuts := []uint16{0}
	for range w.r.IntN(n) {
		cuts = append(cuts, edges[w.r.IntN(len(edges))])
	}
	slices.Sort(cuts)
	return slices.Compact(cuts)
}

func end(cuts []uint16, i int) uint16 {
	if i+1 < len(cuts) {
		return cuts[i+1] - 1
	}
	return 65535
}

func (w *world) bands() (bands []table.Band) {
	cuts := w.cuts(1+2*w.r.IntN(2), edges)
	for i, from := range cuts {
		bands = append(bands, table.Band{From: from, To: end(cuts, i), Cells: w.cells(edges)})
	}
	return bands
}

func (w *world) cells(edges []uint16) (cells []table.Cell) {
	cuts := w.cuts(7, edges)
	for i, from := range cuts {
		cells = append(cells, table.Cell{From: from, To: end(cuts, i), Decision: w.trace()})
	}
	return cells
}

// program makes random tables with ids that h has not given yet.
func (w *world) program(h *hand) dataplane.Program {
	h.Program = newHand(0).Program
	h.PodNets = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/24"), netip.MustParsePrefix("fd01::/64")}
	var rows []table.RowID
	for range 1 + w.r.IntN(8) {
		rows = append(rows, w.row(h))
	}
	classes := w.classes(h)
	for _, m := range w.pods {
		h.pod(m, w.set(h, verdict.Ingress, rows, classes), w.set(h, verdict.Egress, rows, classes))
	}
	return h.Program
}

// edit changes something in tables that stay: rows of classes in sets, classes
// of addresses, sets of pods, and the closed networks.
func (w *world) edit(h *hand) dataplane.Program {
	tb := h.Tables.Clone()
	h.Tables = tb
	h.PodNets = nil
	for _, n := range []string{"10.1.0.0/24", "10.1.0.8/29", "fd01::/64", "fd01::9/128"} {
		if w.r.IntN(3) > 0 {
			h.PodNets = append(h.PodNets, netip.MustParsePrefix(n))
		}
	}
	rows, sets := slices.Sorted(maps.Keys(tb.Rows)), slices.Sorted(maps.Keys(tb.Sets))
	classes := []table.ClassID{h.class(), h.class(), table.OtherIPv4, table.OtherIPv6}
	for _, id := range sets {
		s := *tb.Sets[id]
		s.Rows = maps.Clone(s.Rows)
		for _, c := range append(slices.Sorted(maps.Keys(s.Rows)), classes...) {
			switch w.r.IntN(4) {
			case 0:
				delete(s.Rows, c)
			case 1:
				s.Rows[c] = rows[w.r.IntN(len(rows))]
			}
		}
		tb.Sets[id] = &s
	}
	for _, m := range w.machines() {
		for _, a := range m.addrs {
			switch w.r.IntN(4) {
			case 0:
				delete(tb.Hosts, a)
			case 1:
				tb.Hosts[a] = classes[w.r.IntN(2)]
			}
		}
	}
	m := w.pods[w.r.IntN(len(w.pods))]
	e := tb.Endpoints[verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: m.name}]
	h.pod(m, e.Spans[verdict.Ingress][0].Set, w.set(h, verdict.Egress, rows, classes))
	return h.Program
}

func (w *world) set(h *hand, d verdict.Direction, rows []table.RowID, classes []table.ClassID) table.SetID {
	one := func() table.RowID { return rows[w.r.IntN(len(rows))] }
	entries := map[table.ClassID]table.RowID{}
	for _, c := range classes {
		if w.r.IntN(3) > 0 {
			entries[c] = one()
		}
	}
	return h.set(d, verdict.Pod, one(), one(), entries)
}

// classes gives single addresses and ranges of the outside their classes.
func (w *world) classes(h *hand) (classes []table.ClassID) {
	classes = []table.ClassID{table.OtherIPv4, table.OtherIPv6}
	for _, m := range w.machines() {
		for _, a := range m.addrs {
			if w.r.IntN(2) == 0 {
				classes = append(classes, h.class(a))
			}
		}
	}
	for _, n := range [][2]string{
		{"0.0.0.0", "9.255.255.255"}, {"10.1.0.2", "10.1.0.3"}, {"192.0.2.2", "192.0.2.3"}, {"192.0.2.4", "192.0.2.40"}, {"192.0.2.41", "255.255.255.255"},
		{"fd01::2", "fd01::3"}, {"2001:db8::2", "2001:db8::2"}, {"2001:db8::3", "2001:db8::40"}, {"2001:db8::99", "2001:db8::ffff"}, {"ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	} {
		if w.r.IntN(3) > 0 {
			c := h.class()
			classes = append(classes, c)
			h.Tables.Nets = append(h.Tables.Nets, table.Net{From: netip.MustParseAddr(n[0]), To: netip.MustParseAddr(n[1]), Class: c})
		}
	}
	slices.SortFunc(h.Tables.Nets, func(a, b table.Net) int { return a.From.Compare(b.From) })
	return classes
}

// shot is a packet on its way from one machine to another.
type shot struct {
	from, to *machine
	packet   verdict.Packet
	id       uint32
}

func (w *world) shoot() shot {
	all := w.machines()
	s := shot{from: all[w.r.IntN(len(all))], to: all[w.r.IntN(len(all))]}
	v6 := w.r.IntN(2)
	pick := func(m *machine) netip.Addr { return m.addrs[w.r.IntN(len(m.addrs)/2)*2+v6] }
	src, dst := pick(s.from), pick(s.to)
	if w.r.IntN(20) == 0 {
		src = pick(all[w.r.IntN(len(all))]) // a lie
	}
	icmp := []uint8{verdict.ICMP, verdict.ICMPv6}[v6]
	number := []uint8{verdict.TCP, verdict.UDP, verdict.SCTP, icmp, 99}[w.r.IntN(5)]
	s.packet = packet(src, dst, number, 0, 0)
	if verdict.HasPorts(number) {
		s.packet.SrcPort, s.packet.DstPort = edges[w.r.IntN(len(edges)-1)+1], edges[w.r.IntN(len(edges)-1)+1]
	}
	if verdict.IsICMP(number) { // conntrack knows a request with any code
		s.packet.DstPort = verdict.ICMPKey([]uint8{8, 128}[v6], uint8(w.r.IntN(5)))
		if v6 == 0 && w.r.IntN(2) == 0 {
			s.packet.DstPort = verdict.ICMPKey(13, uint8(w.r.IntN(9))) // a timestamp
		}
	}
	w.id++
	s.id = w.id
	return s
}

// allowed is what the tables say of a shot.
func (w *world) allowed(p dataplane.Program, s shot) bool {
	inNets := func(a netip.Addr) bool {
		return slices.ContainsFunc(p.PodNets, func(n netip.Prefix) bool { return n.Contains(a) })
	}
	check := func(m *machine, d verdict.Direction) bool {
		if slices.Contains(w.pods, m) {
			t := p.Tables.Lookup(verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: m.name}, d, s.packet)
			return t != nil && t.Verdict == verdict.Allow
		}
		return !inNets(s.packet.Local(d))
	}
	return check(s.from, verdict.Egress) && check(s.to, verdict.Ingress)
}

// volley sends shots and returns those whose fate is not what the tables say.
func (w *world) volley(t *testing.T, p dataplane.Program, n int) (passed int) {
	t.Helper()
	w.must(w.link.ConntrackTableFlush(netlink.ConntrackTable))
	sent := map[verdict.Packet]bool{}
	var shots []shot
	for len(shots) < n {
		s := w.shoot()
		reply := packet(s.packet.Dst, s.packet.Src, s.packet.Protocol, s.packet.DstPort, s.packet.SrcPort)
		if s.from == s.to || s.packet.Src == s.packet.Dst || sent[reply] {
			continue // conntrack would take it for an answer
		}
		sent[s.packet] = true
		shots = append(shots, s)
		w.wires[s.from].send(s.packet, s.id)
	}
	for _, s := range shots {
		if w.allowed(p, s) {
			w.wires[s.to].settled(s.id, 1)
		}
	}
	time.Sleep(50 * time.Millisecond)
	for _, s := range shots {
		got := w.wires[s.to].count(s.id)
		want := 0
		if w.allowed(p, s) {
			want = 1
			passed++
		}
		if got != want {
			t.Errorf("%s (%s to %s): arrived %d times, want %d", s.packet, s.from.name, s.to.name, got, want)
		}
	}
	return passed
}

// next is the program of a round: now and then quite another, else an edit.
func (w *world) next(h *hand, round int) dataplane.Program {
	if round%4 == 0 {
		return w.program(h)
	}
	return w.edit(h)
}

func TestRandomTables(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	w := newWorld(t, seed)
	h := newHand(0)
	d := w.dataplane()
	passed, sent := 0, 0
	for round := range 16 {
		if round%8 == 4 {
			d = w.dataplane() // a restart: the former ids mean nothing
			h.next = 0
		}
		p := w.next(h, round)
		w.apply(d, p)
		passed += w.volley(t, p, 400)
		sent += 400
		if t.Failed() {
			t.Fatalf("round %d\n%s", round, w.nft("list", "table", "inet", "tierwall"))
		}
	}
	if passed < sent/20 || passed > sent*19/20 {
		t.Errorf("%d of %d packets passed: the test says little", passed, sent)
	}
	t.Logf("%d of %d packets passed", passed, sent)
}
