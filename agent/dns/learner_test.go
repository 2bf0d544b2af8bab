package dns

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tierwall/tierwall/agent/dns/book"
	"github.com/tierwall/tierwall/agent/dns/packet/packettest"
	"github.com/tierwall/tierwall/domain"
)

var (
	client = netip.MustParseAddrPort("10.0.0.1:4000")
	server = netip.MustParseAddrPort("10.96.0.10:53")
)

// tcpSegment is a packet of the server's.
func tcpSegment(sequence uint32, flags byte, payload []byte) []byte {
	b := make([]byte, 40, 40+len(payload))
	b[0], b[9] = 0x45, 6
	binary.BigEndian.PutUint16(b[2:], uint16(40+len(payload)))
	copy(b[12:], server.Addr().AsSlice())
	copy(b[16:], client.Addr().AsSlice())
	binary.BigEndian.PutUint16(b[20:], server.Port())
	binary.BigEndian.PutUint16(b[22:], client.Port())
	binary.BigEndian.PutUint32(b[24:], sequence)
	b[32], b[33] = 5<<4, flags
	return append(b, payload...)
}

func question(t *testing.T, id uint16, name string) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), dns.TypeA)
	m.Id = id
	return m
}

func packed(t *testing.T, m *dns.Msg) []byte {
	t.Helper()
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// reply answers a question with records.
func reply(t *testing.T, id uint16, name string, records ...string) []byte {
	t.Helper()
	m := question(t, id, name)
	m.Response = true
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		m.Answer = append(m.Answer, rr)
	}
	return packed(t, m)
}

// fixture is a learner whose agent the test is.
type fixture struct {
	*Learner
	t *testing.T
	// pending are the calls that say that the kernel knows.
	pending []func()
	now     map[domain.Name][]netip.Addr
}

func newFixture(t *testing.T, change func(*Options)) *fixture {
	t.Helper()
	f := &fixture{t: t, now: map[domain.Name][]netip.Addr{}}
	o := Options{Metrics: prometheus.NewRegistry(), Settings: book.Settings{Floor: 10 * time.Second, Ceiling: time.Hour, MaxPerName: 4, Max: 6}}
	if change != nil {
		change(&o)
	}
	l, restored, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	f.Learner = l
	for _, n := range restored {
		f.now[n.Name] = n.Addrs
	}
	l.live = func(map[netip.Addr]bool) (map[netip.Addr]bool, error) { return nil, nil }
	l.Want([]domain.Pattern{domain.MustParsePattern("*.example.com"), domain.MustParsePattern("x.cdn.net")})
	go f.hear()
	go l.expireAll(t.Context())
	return f
}

// hear takes what there is to hear.
func (f *fixture) hear() {
	for {
		select {
		case <-f.t.Context().Done():
			return
		case <-f.News():
		}
		names, known := f.Next()
		for _, n := range names {
			if f.now[n.Name] = n.Addrs; len(n.Addrs) == 0 {
				delete(f.now, n.Name)
			}
		}
		f.pending = append(f.pending, known)
	}
}

// take hands a packet over and returns whether it was let go.
func (f *fixture) take(raw []byte) func() bool {
	gone := false
	f.Answered(raw, func() {
		if gone {
			f.t.Error("a packet was let go twice")
		}
		gone = true
	})
	return func() bool { synctest.Wait(); return gone }
}

func (f *fixture) ask(id uint16, name string) {
	f.Asked(packettest.UDP(client, server, packed(f.t, question(f.t, id, name))))
}

func (f *fixture) known() {
	synctest.Wait()
	for _, done := range f.pending {
		done()
	}
	f.pending = nil
	synctest.Wait()
}

func (f *fixture) has(want string) {
	f.t.Helper()
	synctest.Wait()
	var list []string
	for n, addrs := range f.now {
		list = append(list, fmt.Sprint(n, addrs))
	}
	slices.Sort(list)
	if got := strings.Join(list, " "); got != want {
		f.t.Errorf("known is %q, want %q", got, want)
	}
}

func (f *fixture) counted(outcome string, want float64) {
	f.t.Helper()
	if got := testutil.ToFloat64(f.metrics.answers.WithLabelValues(outcome)); got != want {
		f.t.Errorf("%v answers %s, want %v", got, outcome, want)
	}
}

// inTime runs a test with a clock of its own.
func inTime(t *testing.T, change func(*Options), test func(*fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(newFixture(t, change)) })
}

// TestHeldUntilKnown: an answer waits until the kernel knows; one that says
// nothing new does not; one that says the same meanwhile waits too.
func TestHeldUntilKnown(t *testing.T) {
	inTime(t, nil, func(f *fixture) {
		f.ask(1, "www.example.com")
		f.ask(2, "www.example.com")
		answer := func(id uint16) []byte {
			return packettest.UDP(server, client, reply(t, id, "www.example.com", "www.example.com. 60 CNAME x.cdn.net.", "x.cdn.net. 60 A 192.0.2.1"))
		}
		first, second := f.take(answer(1)), f.take(answer(2))
		if first() || second() {
			t.Error("an answer went on before the kernel knew")
		}
		f.has("www.example.com[192.0.2.1] x.cdn.net[192.0.2.1]")
		f.known()
		if !first() || !second() {
			t.Error("an answer was not let go")
		}
		if !f.take(answer(1))() {
			t.Error("an answer that says nothing new waits")
		}
		f.counted(learned, 1)
		f.counted(renewed, 2)
	})
}

// TestDeadline: what cannot be put into the kernel does not hold DNS up for ever.
func TestDeadline(t *testing.T) {
	inTime(t, nil, func(f *fixture) {
		f.ask(1, "a.example.com")
		gone := f.take(packettest.UDP(server, client, reply(t, 1, "a.example.com", "a.example.com. 60 A 192.0.2.1")))
		time.Sleep(999 * time.Millisecond)
		if gone() {
			t.Error("let go too early")
		}
		time.Sleep(time.Millisecond)
		if !gone() || testutil.ToFloat64(f.metrics.late) != 1 {
			t.Error("not let go after a second, or not counted")
		}
		f.known()
	})
}

// TestNotLearned: what nobody asked, what is forged, of other names, or broken goes
// on, and teaches nothing.
func TestNotLearned(t *testing.T) {
	good := func(id uint16, name string) []byte { return reply(t, id, name, name+". 60 A 192.0.2.1") }
	other := netip.MustParseAddrPort("10.96.0.10:54")
	loop := append([]byte{0, 1, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0}, 0xc0, 12, 0, 1, 0, 1)
	for what, c := range map[string]struct {
		packet  []byte
		outcome string
	}{
		"another number":            {packettest.UDP(server, client, good(2, "a.example.com")), unasked},
		"another question":          {packettest.UDP(server, client, good(1, "b.example.com")), unasked},
		"another client":            {packettest.UDP(server, other, good(1, "a.example.com")), unasked},
		"another server":            {packettest.UDP(other, client, good(1, "a.example.com")), unasked},
		"a name nobody speaks of":   {packettest.UDP(server, client, good(9, "a.example.org")), nothing},
		"a broken message":          {packettest.UDP(server, client, good(1, "a.example.com")[:30]), malformed},
		"a loop":                    {packettest.UDP(server, client, loop), malformed},
		"no packet":                 {[]byte{0x45, 0}, malformed},
		"an address of the machine": {packettest.UDP(server, client, reply(t, 1, "a.example.com", "a.example.com. 60 A 127.0.0.1")), nothing},
		"smuggled records":          {packettest.UDP(server, client, reply(t, 1, "a.example.com", "www.example.com. 60 A 192.0.2.1")), nothing},
	} {
		inTime(t, nil, func(f *fixture) {
			f.ask(1, "a.example.com")
			f.ask(9, "a.example.org")
			gone := f.take(c.packet)
			time.Sleep(lateQuery)
			if !gone() {
				t.Errorf("%s: held", what)
			}
			f.has("")
			f.counted(c.outcome, 1)
		})
	}
}

// TestLateQuery: the copy of a query may be read after its answer.
func TestLateQuery(t *testing.T) {
	inTime(t, nil, func(f *fixture) {
		gone := f.take(packettest.UDP(server, client, reply(t, 1, "a.example.com", "a.example.com. 60 A 192.0.2.1")))
		time.Sleep(2 * time.Millisecond)
		if gone() {
			t.Error("let go before its query was heard of")
		}
		f.ask(1, "A.Example.com")
		f.has("a.example.com[192.0.2.1]")
		f.known()
		if !gone() {
			t.Error("not let go")
		}
	})
}

// TestTCP: a message in several segments waits in the last of them, also where it
// is sent again.
func TestTCP(t *testing.T) {
	inTime(t, nil, func(f *fixture) {
		m := reply(t, 1, "a.example.com", "a.example.com. 60 A 192.0.2.1")
		data := append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...)
		for _, p := range [][]byte{tcpSegment(99, 0x12, nil), tcpSegment(100, 0x10, data[:20])} {
			if !f.take(p)() {
				t.Error("a segment that completes nothing was held")
			}
		}
		last := f.take(tcpSegment(120, 0x10, data[20:]))
		again := f.take(tcpSegment(120, 0x10, data[20:]))
		if last() || again() {
			t.Error("the last segment went on")
		}
		f.has("a.example.com[192.0.2.1]")
		f.known()
		if !last() || !again() {
			t.Error("not let go")
		}
		if !f.take(tcpSegment(500, 0x10, data))() {
			t.Error("a segment out of order was held")
		}
	})
}

// TestExpiry: a name that nobody asks for again is forgotten, but not while a
// connection uses its address, and the agent hears of it.
func TestExpiry(t *testing.T) {
	inTime(t, nil, func(f *fixture) {
		live := map[netip.Addr]bool{netip.MustParseAddr("192.0.2.1"): true}
		asked := 0
		f.live = func(addrs map[netip.Addr]bool) (map[netip.Addr]bool, error) { asked++; return live, nil }
		f.ask(1, "a.example.com")
		f.take(packettest.UDP(server, client, reply(t, 1, "a.example.com", "a.example.com. 20 A 192.0.2.1", "a.example.com. 20 A 192.0.2.2")))
		f.known()
		time.Sleep(19 * time.Second)
		f.has("a.example.com[192.0.2.1 192.0.2.2]")
		time.Sleep(2 * time.Second)
		f.has("a.example.com[192.0.2.1]")
		time.Sleep(time.Hour)
		f.has("a.example.com[192.0.2.1]")
		live = nil
		time.Sleep(lookAgain)
		f.has("")
		if asked < 100 || asked > 130 {
			t.Errorf("conntrack was asked %d times in an hour", asked)
		}
		f.live = func(map[netip.Addr]bool) (map[netip.Addr]bool, error) { return nil, fmt.Errorf("no conntrack") }
		f.take(packettest.UDP(server, client, reply(t, 1, "a.example.com", "a.example.com. 20 A 192.0.2.1")))
		f.known()
	})
}

// TestRestart: what was learned is there again after a process died; what ended
// meanwhile ends then.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "dns")
		options := func(o *Options) { o.File = file }
		f := newFixture(t, options)
		f.ask(1, "a.example.com")
		f.take(packettest.UDP(server, client, reply(t, 1, "a.example.com", "a.example.com. 30 A 192.0.2.1", "a.example.com. 90 A 192.0.2.2")))
		f.known()
		next := newFixture(t, options)
		next.has("a.example.com[192.0.2.1 192.0.2.2]")
		if !next.take(packettest.UDP(server, client, reply(t, 9, "a.example.com")))() {
			t.Error("an empty answer waits")
		}
		time.Sleep(40 * time.Second)
		next.has("a.example.com[192.0.2.2]")
		last := newFixture(t, options)
		last.has("a.example.com[192.0.2.2]")
		if gone := last.Set(last.Settings, 0, 1); len(gone) != 1 || gone[0].Name != "a.example.com" || len(gone[0].Addrs) > 0 {
			t.Errorf("another epoch forgets %v", gone)
		}
		last.ask(1, "b.example.com")
		last.take(packettest.UDP(server, client, reply(t, 1, "b.example.com", "b.example.com. 30 A 192.0.2.3")))
		again := newFixture(t, options)
		again.Set(last.Settings, 0, 1)
		again.has("b.example.com[192.0.2.3]")
	})
}

// TestFileOfNoUse: a file that cannot be used is an error, and the same registry
// takes the learner without one.
func TestFileOfNoUse(t *testing.T) {
	o := Options{Metrics: prometheus.NewRegistry(), File: "/proc/nowhere/names"}
	if _, _, err := New(o); err == nil {
		t.Error("no error")
	}
	o.File = ""
	if _, _, err := New(o); err != nil {
		t.Error(err)
	}
}

// TestBeforePolicy: an agent that does not know yet what policy speaks of learns
// all, and holds nothing up.
func TestBeforePolicy(t *testing.T) {
	inTime(t, nil, func(f *fixture) {
		f.wanted = nil
		f.ask(1, "a.example.org")
		if !f.take(packettest.UDP(server, client, reply(t, 1, "a.example.org", "a.example.org. 60 A 192.0.2.1")))() {
			t.Error("held")
		}
		f.has("a.example.org[192.0.2.1]")
	})
}

func TestBoundsAreSaid(t *testing.T) {
	inTime(t, nil, func(f *fixture) {
		var records []string
		for i := range 8 {
			f.ask(uint16(i), fmt.Sprintf("n%d.example.com", i))
			f.take(packettest.UDP(server, client, reply(t, uint16(i), fmt.Sprintf("n%d.example.com", i), fmt.Sprintf("n%d.example.com. 60 A 192.0.2.%d", i, i))))
			records = append(records, fmt.Sprintf("many.example.com. 60 A 192.0.3.%d", i))
		}
		f.known()
		if got := testutil.ToFloat64(f.metrics.refused.WithLabelValues(refusedAll)); got != 2 || f.Status() == "" || testutil.ToFloat64(f.metrics.full) != 1 {
			t.Errorf("%v refused, status %q", got, f.Status())
		}
		if f.Report(false); f.Unreported() {
			t.Error("there is something to report although all was")
		}
		time.Sleep(70 * time.Second)
		if !f.Unreported() {
			t.Error("that there is room again is not reported")
		}
		if f.Status() != "" {
			t.Errorf("there is room again, and the status is %q", f.Status())
		}
		f.ask(1, "many.example.com")
		f.take(packettest.UDP(server, client, reply(t, 1, "many.example.com", records...)))
		f.known()
		if got := testutil.ToFloat64(f.metrics.refused.WithLabelValues(refusedName)); got != 4 || len(f.now["many.example.com"]) != 4 {
			t.Errorf("%v made room, %v are left", got, f.now)
		}
	})
}

func TestReport(t *testing.T) {
	inTime(t, nil, func(f *fixture) {
		f.ask(1, "a.example.com")
		f.take(packettest.UDP(server, client, reply(t, 1, "a.example.com", "a.example.com. 20 A 192.0.2.1")))
		f.known()
		known, gone, left := f.Report(false)
		if len(known) != 1 || known[0].Name != "a.example.com" || known[0].Server != server.Addr() || len(gone)+left != 0 {
			t.Errorf("%+v, %v, %d", known, gone, left)
		}
		if known, _, _ := f.Report(false); len(known) != 0 {
			t.Errorf("told twice: %+v", known)
		}
		if known, _, _ := f.Report(true); len(known) != 1 {
			t.Errorf("all: %+v", known)
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if known, gone, _ := f.Report(false); len(known) != 0 || len(gone) != 1 || gone[0].Addr != netip.MustParseAddr("192.0.2.1") {
			t.Errorf("%+v, %v", known, gone)
		}
	})
}
