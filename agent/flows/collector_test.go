package flows

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tierwall/tierwall/conntrack"
	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

const tag = 7

var (
	allowed = &table.Decision{Verdict: verdict.Allow, Reason: verdict.ByRule, Way: [][]verdict.Step{{{Tier: "default", Policy: verdict.PolicyID{Kind: "NetworkPolicy", Namespace: "blue", Name: "p"}, Rule: 1, Action: verdict.ActionAllow}}}}
	denied  = &table.Decision{Verdict: verdict.Deny, Reason: verdict.ByTierDefault, Way: [][]verdict.Step{{{Tier: "default", Rule: verdict.NoRule, Action: verdict.ActionDeny}}}}
)

// rig is a collector of node n1 with two pods there; TCP port 80 of b is open.
type rig struct {
	*Collector
	t     testing.TB
	clock time.Time
}

func newRig(t testing.TB) *rig {
	b, d := NewBook(), NewDirectory()
	spans := func(addr string, set table.SetID) []table.Span {
		a := netip.MustParseAddr(addr)
		return []table.Span{{From: a, To: a, Set: set}}
	}
	port80 := []table.Protocol{{Number: verdict.TCP, Bands: []table.Band{{To: 65535, Cells: []table.Cell{
		{To: 79, Decision: denied}, {From: 80, To: 80, Decision: allowed}, {From: 81, To: 65535, Decision: denied}}}}}}
	delta := &table.Delta{
		NewRows: []*table.Row{{ID: 1, Other: allowed}, {ID: 2, Other: denied, Protocols: port80}},
		NewSets: []*table.Set{
			{ID: 10, Direction: verdict.Egress, Kind: verdict.Pod, Default: [2]table.RowID{1, 1}},
			{ID: 11, Direction: verdict.Ingress, Kind: verdict.Pod, Default: [2]table.RowID{2, 2}},
		},
	}
	for _, p := range []struct{ name, addr string }{{"a", "10.0.0.1"}, {"b", "10.0.0.2"}} {
		e := pod(p.name, "n1", p.addr)
		d.See(model.Put(e))
		delta.Endpoints = append(delta.Endpoints, table.EndpointChange{New: &table.Endpoint{ID: e.ID, Spans: [2][]table.Span{verdict.Egress: spans(p.addr, 10), verdict.Ingress: spans(p.addr, 11)}}})
	}
	d.See(model.Put(pod("far", "n2", "10.0.1.1")))
	b.Take(delta)
	r := &rig{Collector: NewCollector("n1", func() uint8 { return tag }, b, d, nil), t: t, clock: time.Unix(1e9, 0)}
	r.now = func() time.Time { r.clock = r.clock.Add(time.Millisecond); return r.clock }
	return r
}

// connection is an event as the kernel makes it of a connection that the sets
// allowed.
func connection(id uint32, from, to string, label ...any) *conntrack.Event {
	src, dst := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
	e := &conntrack.Event{
		ID: id, HasLabel: true,
		Origin: conntrack.Tuple{Src: src.Addr(), Dst: dst.Addr(), Protocol: verdict.TCP, SrcPort: src.Port(), DstPort: dst.Port()},
		Reply:  conntrack.Tuple{Src: dst.Addr(), Dst: src.Addr(), Protocol: verdict.TCP, SrcPort: dst.Port(), DstPort: src.Port()},
	}
	for i := 0; i < len(label); i += 2 {
		part, at, _ := dataplane.SetLabel(tag, label[i].(verdict.Direction), label[i+1].(table.SetID))
		binary.NativeEndian.PutUint32(part[at:], uint32(table.OtherIPv4))
		for j := range part {
			e.Label[j] |= part[j]
		}
	}
	return e
}

func gone(e *conntrack.Event) *conntrack.Event {
	g := *e
	g.Gone, g.HasLabel, g.Label = true, false, [16]byte{}
	g.Out, g.In = conntrack.Count{Packets: 5, Bytes: 500}, conntrack.Count{Packets: 4, Bytes: 4000}
	return &g
}

func (r *rig) records(n int) []flow.Record {
	r.t.Helper()
	list, lost := r.Take()
	if len(list) != n || lost.Any() {
		r.t.Fatalf("%d records, want %d; lost: %+v", len(list), n, lost)
	}
	return list
}

// TestCollects: a connection of two pods of the node has both ends' decisions; one
// that begins and ends in a window is one record, with its bytes; equal ones are
// counted together.
func TestCollects(t *testing.T) {
	r := newRig(t)
	one := connection(1, "10.0.0.1:1000", "10.0.0.2:80", verdict.Egress, table.SetID(10), verdict.Ingress, table.SetID(11))
	r.Connection(one)
	r.Connection(gone(one))
	got := r.records(1)[0]
	if got.Source.String() != "blue/a" || got.Destination.String() != "blue/b" || got.Reporter != flow.BySource || got.Node != "n1" ||
		got.Port != 80 || got.SourcePort != 1000 || got.Connections != 1 || !got.Ended || got.Out.Bytes != 500 || got.In.Packets != 4 || got.Verdict.String() != "allow" {
		t.Errorf("%+v", got)
	}
	if want := allowed.Trace(); got.Egress == nil || got.Ingress == nil || !got.Egress.Trace.Equal(&want) || !got.Ingress.Trace.Equal(&want) || got.Egress.Endpoint != "blue/a" || got.Ingress.Endpoint != "blue/b" {
		t.Errorf("egress %+v, ingress %+v", got.Egress, got.Ingress)
	}

	for i, from := range []string{"10.0.0.1:1001", "10.0.0.1:1002"} {
		r.Connection(connection(uint32(2+i), from, "10.0.1.1:443", verdict.Egress, table.SetID(10)))
	}
	got = r.records(1)[0]
	if got.Connections != 2 || got.SourcePort != 0 || got.Ended || got.Ingress != nil || got.Destination.String() != "blue/far" {
		t.Errorf("two at once: %+v", got)
	}
	r.Connection(gone(connection(3, "10.0.0.1:1002", "10.0.1.1:443")))
	got = r.records(1)[0]
	if got.Connections != 0 || !got.Ended || got.Out.Bytes != 500 || got.SourcePort != 1002 || got.Egress == nil {
		t.Errorf("one ends later: %+v", got)
	}
	if r.Open() != 1 || r.Disagreed() != 0 {
		t.Errorf("%d open, %d disagreements", r.Open(), r.Disagreed())
	}
	r.records(0)
}

// TestFrom: connections from elsewhere are the destination's to tell; a service's
// address is told beside the one that policy saw; what bears no label, or that of
// another process, is not ours.
func TestFrom(t *testing.T) {
	r := newRig(t)
	in := connection(1, "10.0.1.1:5", "10.96.0.1:8080", verdict.Ingress, table.SetID(11))
	in.Reply.Src, in.Reply.SrcPort = netip.MustParseAddr("10.0.0.2"), 80
	r.Connection(in)
	got := r.records(1)[0]
	if got.Reporter != flow.ByDestination || got.Service != "10.96.0.1:8080" || got.Destination.String() != "blue/b" || got.Port != 80 || got.Egress != nil || got.Ingress.Trace.Verdict != verdict.Allow {
		t.Errorf("%+v", got)
	}
	bare := connection(2, "10.0.0.1:1", "10.0.0.2:80")
	r.Connection(bare)
	bare.HasLabel = false
	r.Connection(bare)
	other := connection(3, "10.0.0.1:1", "10.0.0.2:80", verdict.Egress, table.SetID(10))
	other.Label[3]++ // little-endian: the tag
	other.Label[0]++ // big-endian
	r.Connection(other)
	r.records(0)
	lost := connection(4, "10.0.0.1:1", "10.0.0.2:80", verdict.Egress, table.SetID(99))
	r.Connection(lost)
	if got := r.records(1)[0]; got.Egress == nil || got.Egress.Known() || got.Egress.Trace.Verdict != verdict.Allow {
		t.Errorf("a set that is not known: %+v", got.Egress)
	}
	wrong := connection(5, "10.0.0.1:1", "10.0.0.2:81", verdict.Ingress, table.SetID(11))
	r.Connection(wrong)
	if r.records(1); r.Disagreed() != 1 {
		t.Error("an allowed connection that the tables deny is not noticed")
	}
}

// TestHostStages: what hosts' policy allowed of traffic that is forwarded has the
// place of its direction, or one beside the pod's; what was not decided before
// translation has none.
func TestHostStages(t *testing.T) {
	r := newRig(t)
	on := &table.Decision{Verdict: verdict.Allow, Reason: verdict.ByHostDefault}
	only443 := []table.Protocol{{Number: verdict.TCP, Bands: []table.Band{{To: 65535, Cells: []table.Cell{{To: 442, Decision: on}, {From: 443, To: 443, Decision: allowed}, {From: 444, To: 65535, Decision: on}}}}}}
	host := &table.Endpoint{ID: verdict.EndpointID{Kind: verdict.Host, Name: "eth0"}, Stages: map[verdict.Stage][2][]table.Span{}}
	delta := &table.Delta{NewRows: []*table.Row{{ID: 21, Other: on, Protocols: only443}}, Endpoints: []table.EndpointChange{{New: host}}}
	for id, s := range map[table.SetID]struct {
		stage verdict.Stage
		dir   verdict.Direction
	}{20: {verdict.Forward, verdict.Ingress}, 21: {verdict.Forward, verdict.Egress}, 22: {verdict.PreDNAT, verdict.Ingress}} {
		delta.NewSets = append(delta.NewSets, &table.Set{ID: id, Direction: s.dir, Stage: s.stage, Kind: verdict.Host, Default: [2]table.RowID{21, 21}})
		spans := host.Stages[s.stage]
		spans[s.dir] = []table.Span{{From: netip.MustParseAddr("0.0.0.0"), To: netip.MustParseAddr("255.255.255.255"), Set: id}}
		host.Stages[s.stage] = spans
	}
	r.book.Take(delta)
	show := func(d *flow.Decision) string {
		if d == nil {
			return "-"
		}
		return fmt.Sprintf("%s %s %s", d.Endpoint, d.Stage, d.Trace.Reason)
	}
	for i, row := range []struct {
		from, to string
		halves   [2]table.SetID // egress, ingress
		want     string
	}{
		{"198.51.100.1:9", "203.0.113.1:443", [2]table.SetID{20, 21}, "hep:eth0 forward rule | hep:eth0 forward rule | -"},
		{"198.51.100.1:9", "10.0.0.2:80", [2]table.SetID{20, 11}, "- | blue/b normal rule | hep:eth0 forward host default"},
		{"10.0.0.1:9", "203.0.113.1:443", [2]table.SetID{10, 21}, "blue/a normal rule | - | hep:eth0 forward rule"},
		{"198.51.100.1:9", "10.0.0.2:80", [2]table.SetID{22, 11}, "- | blue/b normal rule | -"},
		{"198.51.100.1:9", "192.0.2.1:443", [2]table.SetID{22, 0}, "- | hep:eth0 preDNAT rule | -"},
	} {
		var label []any
		for half, id := range map[verdict.Direction]table.SetID{verdict.Egress: row.halves[0], verdict.Ingress: row.halves[1]} {
			if id != 0 {
				label = append(label, half, id)
			}
		}
		r.Connection(connection(uint32(i), row.from, row.to, label...))
		got := r.records(1)[0]
		if text := show(got.Egress) + " | " + show(got.Ingress) + " | " + show(got.Host); text != row.want {
			t.Errorf("%s to %s: %s, want %s", row.from, row.to, text, row.want)
		}
	}
	sent := connection(90, "198.51.100.1:9", "192.0.2.1:443", verdict.Egress, table.SetID(22), verdict.Ingress, table.SetID(11))
	sent.Reply.Src, sent.Reply.SrcPort = netip.MustParseAddr("10.0.0.2"), 80 // the policy before translation was asked of port 443
	r.Connection(sent)
	if got := r.records(1)[0]; show(got.Host) != "hep:eth0 preDNAT rule" || got.Ingress.Endpoint != "blue/b" {
		t.Errorf("translated: %s, %s", show(got.Host), show(got.Ingress))
	}
	r.Connection(connection(91, "198.51.100.1:9", "192.0.2.1:80", verdict.Egress, table.SetID(22)))
	r.records(0) // nothing was decided
}

// TestDenied: a denial is told with the decision that made it and what allowed it
// before; one that no policy makes is counted.
func TestDenied(t *testing.T) {
	r := newRig(t)
	packet := func(from, to string) verdict.Packet {
		src, dst := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
		return verdict.Packet{Src: src.Addr(), Dst: dst.Addr(), Protocol: verdict.TCP, SrcPort: src.Port(), DstPort: dst.Port()}
	}
	for range 3 {
		r.Denied(Denial{Packet: packet("10.0.0.1:7", "10.0.0.2:81"), Bytes: 60})
	}
	got := r.records(1)[0]
	want := denied.Trace()
	if got.Verdict.String() != "deny" || got.Connections != 3 || got.Out != (flow.Volume{Packets: 3, Bytes: 180}) || !got.Ended || got.SourcePort != 7 ||
		got.Egress == nil || got.Egress.Trace.Verdict != verdict.Allow || got.Ingress == nil || !got.Ingress.Trace.Equal(&want) || got.Deciding() != got.Ingress {
		t.Errorf("%+v egress %+v ingress %+v", got, got.Egress, got.Ingress)
	}
	if r.Disagreed() != 0 {
		t.Error("it is taken for wrong")
	}
	r.Denied(Denial{Packet: packet("10.0.0.1:7", "10.0.0.2:80")})
	if got := r.records(1)[0]; got.Deciding().Known() || r.Disagreed() != 1 {
		t.Errorf("a denial of what is allowed: %+v, %d disagreements", got.Deciding(), r.Disagreed())
	}
}

// TestDeniedForwarded: where a pod and a host endpoint have decided in one
// direction, who denied has its place, and the other the one beside it.
func TestDeniedForwarded(t *testing.T) {
	r := newRig(t)
	eth0 := verdict.EndpointID{Kind: verdict.Host, Name: "eth0"}
	host := &table.Endpoint{ID: eth0, Stages: map[verdict.Stage][2][]table.Span{}}
	all := func(id table.SetID) []table.Span {
		return []table.Span{{From: netip.MustParseAddr("0.0.0.0"), To: netip.MustParseAddr("255.255.255.255"), Set: id}}
	}
	host.Stages[verdict.Forward] = [2][]table.Span{verdict.Ingress: all(20), verdict.Egress: all(21)}
	r.book.Take(&table.Delta{
		NewRows: []*table.Row{{ID: 21, Other: allowed}, {ID: 22, Other: denied}},
		NewSets: []*table.Set{
			{ID: 20, Direction: verdict.Ingress, Stage: verdict.Forward, Kind: verdict.Host, Default: [2]table.RowID{21, 21}},
			{ID: 21, Direction: verdict.Egress, Stage: verdict.Forward, Kind: verdict.Host, Default: [2]table.RowID{22, 22}}},
		Endpoints: []table.EndpointChange{{New: host}},
	})
	show := func(d *flow.Decision) string {
		if d == nil {
			return "-"
		}
		return fmt.Sprintf("%s %s %s", d.Endpoint, d.Stage, d.Trace.Verdict)
	}
	for _, row := range []struct {
		denial Denial
		want   string
	}{
		{Denial{Packet: verdict.Packet{Src: netip.MustParseAddr("198.51.100.1"), Dst: netip.MustParseAddr("10.0.0.2"), Protocol: verdict.TCP, DstPort: 81}, In: eth0}, "- | blue/b normal deny | hep:eth0 forward allow"},
		{Denial{Packet: verdict.Packet{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("198.51.100.1"), Protocol: verdict.TCP, DstPort: 81}, Out: eth0}, "hep:eth0 forward deny | - | blue/a normal allow"},
	} {
		r.Denied(row.denial)
		got := r.records(1)[0]
		if text := show(got.Egress) + " | " + show(got.Ingress) + " | " + show(got.Host); text != row.want || got.Deciding().Trace.Verdict != verdict.Deny {
			t.Errorf("%s: %s, want %s", row.denial.Packet, text, row.want)
		}
	}
}

// TestDeniedAfterChange: what denies now explains a denial before what denied a
// moment ago.
func TestDeniedAfterChange(t *testing.T) {
	r := newRig(t)
	r.book.now = func() time.Time { return r.clock }
	p := verdict.Packet{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2"), Protocol: verdict.TCP, DstPort: 81}
	e := r.book.ends[verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: "a"}].now
	closed := *e
	closed.Spans[verdict.Egress] = []table.Span{{From: p.Src, To: p.Src, Set: 12}}
	r.book.Take(&table.Delta{
		NewRows:   []*table.Row{{ID: 3, Other: denied}},
		NewSets:   []*table.Set{{ID: 12, Direction: verdict.Egress, Kind: verdict.Pod, Default: [2]table.RowID{3, 3}}},
		Endpoints: []table.EndpointChange{{Old: e, New: &closed}},
	})
	r.Denied(Denial{Packet: p})
	if got := r.records(1)[0]; got.Deciding() != got.Egress || got.Ingress != nil {
		t.Errorf("while egress denies: %+v %+v", got.Egress, got.Ingress)
	}
	r.book.Take(&table.Delta{Endpoints: []table.EndpointChange{{Old: &closed, New: e}}})
	r.Denied(Denial{Packet: p}) // ingress denies it, egress did a moment ago
	if got := r.records(1)[0]; got.Deciding() != got.Ingress || got.Egress == nil || got.Egress.Trace.Verdict != verdict.Allow {
		t.Errorf("when egress allows again: %+v %+v", got.Egress, got.Ingress)
	}
	p.DstPort = 80
	r.Denied(Denial{Packet: p}) // nothing denies it any more: egress did
	if got := r.records(1)[0]; got.Deciding() != got.Egress || !got.Deciding().Known() {
		t.Errorf("what denied a moment ago: %+v %+v", got.Egress, got.Ingress)
	}
	r.clock = r.clock.Add(2 * lately)
	r.Denied(Denial{Packet: p})
	if got := r.records(1)[0]; got.Deciding().Known() || r.Disagreed() != 1 {
		t.Errorf("long after: %+v", got.Deciding())
	}
}

// TestFullWindow: what does not fit is counted.
func TestFullWindow(t *testing.T) {
	r := newRig(t)
	for i := range maxKeys + 5 {
		r.Denied(Denial{Packet: verdict.Packet{Src: netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}), Dst: netip.MustParseAddr("10.0.0.2"), Protocol: 6, DstPort: 9}})
	}
	list, lost := r.Take()
	if len(list) != maxKeys || lost.Denied != 5 || r.LostSoFar() != lost {
		t.Errorf("%d records, lost %+v", len(list), lost)
	}
}

// TestMemory: with every bound reached, what records takes 64 MB at most: open
// connections, a window, denials of as many strangers, 10,000 pods, and what waits
// for a server that is away.
func TestMemory(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	r := newRig(t)
	for i := range 10_000 {
		r.ends.See(model.Put(pod(fmt.Sprintf("pod-%d", i), "n2", netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)}).String())))
	}
	sender := NewSender("n1", (&server{fails: errors.New("away")}).post, slog.New(slog.DiscardHandler))
	for i := range maxOpen + 10 {
		from := netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), uint16(i%50_000+1000))
		to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), 443)
		r.Connection(connection(uint32(i), from.String(), to.String(), verdict.Egress, table.SetID(10)))
		if i%10_000 == 0 {
			sender.Put(r.Take())
		}
	}
	for range 4 {
		for i := range maxKeys {
			r.Denied(Denial{Packet: verdict.Packet{Src: netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}), Dst: netip.MustParseAddr("10.0.0.2"), Protocol: verdict.TCP, DstPort: 9}})
		}
		sender.Put(r.Take())
	}
	for i := range maxKeys { // and a window that is full
		r.Denied(Denial{Packet: verdict.Packet{Src: netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}), Dst: netip.MustParseAddr("10.0.0.2"), Protocol: verdict.TCP, DstPort: 9}})
	}
	took := int64(heap()) - int64(before)
	_, dropped, waiting := sender.Counts()
	if r.Open() != maxOpen || dropped == 0 || waiting < maxQueue*3/4 {
		t.Fatalf("the bounds are not reached: %d open, %d dropped, %d bytes wait", r.Open(), dropped, waiting)
	}
	t.Logf("%d MB", took>>20)
	if took > 64<<20 {
		t.Errorf("%d MB", took>>20)
	}
	runtime.KeepAlive(sender)
	runtime.KeepAlive(r)
}

// server is one that records are sent to.
type server struct {
	mu      sync.Mutex
	fails   error
	status  int
	batches []flow.Batch
}

func (s *server) post(_ context.Context, path string, body []byte) ([]byte, int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails != nil {
		return nil, 0, s.fails
	}
	var b flow.Batch
	if err := json.Unmarshal(body, &b); err != nil || path != flow.Path {
		return nil, http.StatusBadRequest, err
	}
	if s.status == 0 || s.status == http.StatusConflict {
		s.batches = append(s.batches, b)
	}
	if s.status != 0 {
		return []byte("no"), s.status, nil
	}
	return nil, http.StatusNoContent, nil
}

// TestSender: batches come in order, once; while the server is away they wait,
// the oldest go, and what is lost is told with what comes through.
func TestSender(t *testing.T) {
	var log strings.Builder
	s := &server{fails: errors.New("away")}
	sender := NewSender("n1", s.post, slog.New(slog.NewTextHandler(&log, nil)))
	big := flow.Record{Node: strings.Repeat("x", 1<<20)}
	for i := range 20 {
		big.Port = uint16(i)
		sender.Put([]flow.Record{big}, flow.Loss{Denied: 1})
	}
	_, dropped, waiting := sender.Counts()
	if dropped < 4 || waiting > maxQueue {
		t.Errorf("%d dropped, %d bytes wait", dropped, waiting)
	}
	s.fails = nil
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { sender.Run(ctx); close(done) }()
	sender.Put([]flow.Record{{Port: 100}}, flow.Loss{})
	for sent := uint64(0); sent < 21-dropped; sent, _, _ = sender.Counts() {
		time.Sleep(time.Millisecond)
	}
	stop()
	<-done
	var lost flow.Loss
	last := uint64(0)
	for _, b := range s.batches {
		lost.Add(b.Lost)
		if b.Sequence <= last || b.Node != "n1" || b.Instance == "" {
			t.Errorf("batch %d of %s after %d", b.Sequence, b.Node, last)
		}
		last = b.Sequence
	}
	if lost.Denied != 20 || lost.Records != dropped {
		t.Errorf("told that %+v is lost, %d were dropped", lost, dropped)
	}
}

// TestSenderAnswers: one that is there already is done, one that is not
// understood is dropped and counted, for any other it tries again.
func TestSenderAnswers(t *testing.T) {
	for status, want := range map[int]struct {
		done bool
		lost uint64
	}{http.StatusConflict: {true, 0}, http.StatusBadRequest: {true, 2}, http.StatusServiceUnavailable: {false, 0}, http.StatusForbidden: {false, 0}} {
		s := &server{status: status}
		sender := NewSender("n1", s.post, slog.New(slog.DiscardHandler))
		sender.Put(make([]flow.Record, 2), flow.Loss{})
		b, _ := sender.first()
		if err := sender.send(t.Context(), b); (err == nil) != want.done || sender.lost.Records != want.lost {
			t.Errorf("%d: %v, lost %+v", status, err, sender.lost)
		}
	}
}
