package flows

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/verdict"
)

var (
	begin = time.Date(2026, 11, 25, 14, 0, 0, 123, time.UTC)
	block = verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: "block"}
	be    = verdict.PolicyID{Kind: "NetworkPolicy", Namespace: "blue", Name: "be"}
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sample is a record with every field set.
func sample() flow.Record {
	return flow.Record{
		Node: "n1", Reporter: flow.BySource, Start: begin, Last: begin.Add(time.Second), Ended: true,
		Source:      flow.End{Kind: flow.Pod, Namespace: "blue", Name: "fe-1", Labels: "app=fe", Node: "n1", Address: netip.MustParseAddr("10.0.0.1")},
		Destination: flow.End{Kind: flow.NetSet, Name: "banks", Address: netip.MustParseAddr("2001:db8::1")},
		Protocol:    "TCP", SourcePort: 40000, Port: 443, ICMP: "8/0", Service: "10.96.0.1:80", Verdict: flow.Verdict(verdict.Allow),
		Connections: 3, Out: flow.Volume{Packets: 2, Bytes: 120}, In: flow.Volume{Packets: 1, Bytes: 60},
		Egress: &flow.Decision{Endpoint: "blue/fe-1", Trace: verdict.Trace{Verdict: verdict.Allow, Reason: verdict.ByRule, Steps: []verdict.Step{
			{Tier: "sec", Policy: block, Rule: 0, Action: verdict.ActionLog}, {Tier: "sec", Policy: block, Rule: 1, Action: verdict.ActionPass},
			{Tier: "mid", Rule: verdict.NoRule, Action: verdict.ActionPass, Applied: []verdict.PolicyID{be}},
			{Tier: "default", Policy: be, Rule: 2, Action: verdict.ActionAllow},
		}}},
		Ingress: &flow.Decision{Trace: verdict.Trace{Verdict: verdict.Allow, Reason: verdict.NoPolicyApplies}},
		Host:    &flow.Decision{Endpoint: "hep:eth0", Stage: verdict.Forward, Trace: verdict.Trace{Verdict: verdict.Allow, Reason: verdict.ByHostDefault}},
		Pending: &flow.Pending{Egress: &flow.Decision{Trace: verdict.Trace{Reason: verdict.ByTierDefault, Steps: []verdict.Step{
			{Tier: "default", Rule: verdict.NoRule, Action: verdict.ActionDeny, Applied: []verdict.PolicyID{be}}}}}},
	}
}

// logged is what a Log rule logged of it.
func logged() flow.Record {
	r := sample()
	r.Connections, r.Out, r.In, r.Pending = 0, flow.Volume{}, flow.Volume{}, nil
	r.Logged = &flow.Logged{Prefix: "fw", Tier: "sec", Policy: block.String(), Rule: 0, Direction: "egress", Packets: 4}
	return r
}

// numbered is a record that tells itself from others by its port.
func numbered(i int) flow.Record {
	r := flow.Record{Node: "n1", Reporter: flow.BySource, Start: begin.Add(time.Duration(i) * time.Second), Last: begin.Add(time.Duration(i) * time.Second), Protocol: "TCP", Port: uint16(i),
		Source: flow.End{Kind: flow.Pod, Namespace: "blue", Name: fmt.Sprintf("p%d", i%50), Address: netip.MustParseAddr("10.0.0.1")}, Connections: 1}
	if i%2 == 1 {
		r.Source.Namespace = "red"
	}
	return r
}

type fixture struct {
	*Store
	t   *testing.T
	log bytes.Buffer
	seq uint64
}

func open(t *testing.T, dir string, change ...func(*Options)) *fixture {
	t.Helper()
	f := &fixture{t: t}
	o := Options{Dir: dir, Log: slog.New(slog.NewTextHandler(&f.log, nil))}
	for _, c := range change {
		c(&o)
	}
	var err error
	f.Store, err = Open(o)
	must(t, err)
	f.now = func() time.Time { return begin.Add(time.Hour) }
	t.Cleanup(func() { must(t, f.Close()) })
	return f
}

func (f *fixture) put(records ...flow.Record) {
	f.t.Helper()
	f.seq++
	must(f.t, f.Put(flow.Batch{Node: "n1", Instance: "i", Sequence: f.seq, Records: records}))
}

func (f *fixture) page(filter flow.Filter) flow.Page {
	f.t.Helper()
	p, err := f.Page(f.t.Context(), flow.Access{All: true}, filter)
	must(f.t, err)
	return p
}

func ports(list []flow.Record) (out []int) {
	for _, r := range list {
		out = append(out, int(r.Port))
	}
	return out
}

// TestKeeps: what is put is read as it was, now and after a restart.
func TestKeeps(t *testing.T) {
	dir := t.TempDir()
	want := sample()
	f := open(t, dir)
	f.put(want)
	want.ID = 1
	event := logged()
	f.put(event)
	event.ID = 2
	same := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if d := cmp.Diff([]flow.Record{event, want}, f.page(flow.Filter{}).Records, same); d != "" {
		t.Error(d)
	}
	must(t, f.Close())
	again := open(t, dir)
	if d := cmp.Diff([]flow.Record{event, want}, again.page(flow.Filter{}).Records, same); d != "" {
		t.Error("after a restart:", d)
	}
	again.seq = 2
	if err := again.Put(flow.Batch{Node: "n1", Instance: "i", Sequence: 1, Records: []flow.Record{want}}); !errors.Is(err, ErrAgain) {
		t.Errorf("a batch that was sent twice: %v", err)
	}
	again.put(want)
	if p := again.page(flow.Filter{}); len(p.Records) != 3 || p.Records[0].ID != 3 {
		t.Errorf("%d records, the newest is %d", len(p.Records), p.Records[0].ID)
	}
	must(t, again.Put(flow.Batch{Node: "n1", Instance: "j", Sequence: 1, Records: []flow.Record{want}}))
}

// TestPages: pages follow on each other over segments, newest first, with
// nothing missing and nothing twice; who sees a part sees pages of that.
func TestPages(t *testing.T) {
	f := open(t, t.TempDir(), func(o *Options) { o.MaxBytes = 8 << 20 })
	f.segmentSize = 2000
	const all = 1000
	for i := range all {
		f.put(numbered(i))
	}
	if s := f.Stats(); s.Segments < 5 || s.Records != all {
		t.Fatalf("%+v", s)
	}
	for name, row := range map[string]struct {
		access flow.Access
		filter flow.Filter
		want   func(i int) bool
	}{
		"all":   {flow.Access{All: true}, flow.Filter{}, func(int) bool { return true }},
		"red":   {flow.Access{Namespaces: []string{"red"}}, flow.Filter{}, func(i int) bool { return i%2 == 1 }},
		"asked": {flow.Access{All: true}, flow.Filter{Namespaces: []string{"blue"}}, func(i int) bool { return i%2 == 0 }},
		"none":  {flow.Access{}, flow.Filter{}, func(int) bool { return false }},
		"time":  {flow.Access{All: true}, flow.Filter{Since: begin.Add(100 * time.Second), Until: begin.Add(200 * time.Second)}, func(i int) bool { return i >= 100 && i < 200 }},
	} {
		var want, got []int
		for i := all - 1; i >= 0; i-- {
			if row.want(i) {
				want = append(want, i)
			}
		}
		filter := row.filter
		filter.Limit = 7
		for n := 0; n < all; n++ {
			p, err := f.Page(t.Context(), row.access, filter)
			must(t, err)
			if len(p.Records) > 7 {
				t.Fatalf("%s: a page of %d", name, len(p.Records))
			}
			got = append(got, ports(p.Records)...)
			if filter.Before = p.Next; p.Next == 0 {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: pages give %d records, want %d", name, len(got), len(want))
		}
		var each []int
		for r, err := range f.All(t.Context(), row.access, row.filter) {
			must(t, err)
			each = append(each, int(r.Port))
		}
		slices.Reverse(each)
		if !slices.Equal(each, want) {
			t.Errorf("%s: all are %d, want %d", name, len(each), len(want))
		}
	}
}

// TestRetention: the oldest go by size and by age, and the newest stay.
func TestRetention(t *testing.T) {
	f := open(t, t.TempDir(), func(o *Options) { o.MaxBytes = 512 << 10 })
	for i := range 20000 {
		f.put(numbered(i % 60000))
	}
	s := f.Stats()
	if s.Bytes > 512<<10 || s.Segments < 2 || s.Records != 20000 {
		t.Errorf("by size: %+v", s)
	}
	p := f.page(flow.Filter{Limit: 1})
	if len(p.Records) != 1 || p.Records[0].Port != 19999 {
		t.Errorf("the newest is %v", ports(p.Records))
	}
	if !p.Oldest.After(begin) {
		t.Errorf("the oldest is of %s", p.Oldest)
	}
	f.now = func() time.Time { return begin.Add(100 * time.Hour) }
	f.mu.Lock()
	f.retain()
	f.mu.Unlock()
	if s := f.Stats(); s.Segments != 1 {
		t.Errorf("by age: %+v", s)
	}
}

// TestDamage: a cut end is cut off, anything else is moved aside, and either is
// said; what is good stays, and new flows are taken.
func TestDamage(t *testing.T) {
	for name, row := range map[string]struct {
		harm  func(data []byte) []byte
		left  int
		aside bool
		said  string
	}{
		"cut":        {func(b []byte) []byte { return b[:len(b)-3] }, 1, false, "are missing"},
		"cut header": {func(b []byte) []byte { return append(b, 1, 2, 3) }, 2, false, "are missing"},
		"bit":        {func(b []byte) []byte { b[len(b)-3] ^= 1; return b }, 0, true, "moved aside"},
		"other file": {func([]byte) []byte { return []byte("hello, world: not flows") }, 0, true, "moved aside"},
		"empty":      {func([]byte) []byte { return nil }, 0, true, "moved aside"},
	} {
		dir := t.TempDir()
		f := open(t, dir)
		f.put(numbered(1))
		f.put(numbered(2))
		must(t, f.Close())
		path := segmentPath(dir, 1)
		data, err := os.ReadFile(path)
		must(t, err)
		must(t, os.WriteFile(path, row.harm(data), 0o600))
		again := open(t, dir)
		again.seq = 10
		if got := len(again.page(flow.Filter{}).Records); got != row.left {
			t.Errorf("%s: %d records are left, want %d", name, got, row.left)
		}
		aside, _ := filepath.Glob(filepath.Join(dir, "*"+asideSuffix))
		if (len(aside) == 1) != row.aside || !strings.Contains(again.log.String(), row.said) {
			t.Errorf("%s: aside: %v; said:\n%s", name, aside, again.log.String())
		}
		again.put(numbered(3))
		if got := again.page(flow.Filter{Limit: 1}).Records; len(got) != 1 || got[0].Port != 3 {
			t.Errorf("%s: afterwards nothing is taken", name)
		}
	}
}

// TestFull: where nothing can be written, that is said and the batch is not
// taken; when there is room again, it is.
func TestFull(t *testing.T) {
	f := open(t, t.TempDir())
	f.put(numbered(1))
	must(t, f.file.Close()) // every write fails
	real := f.options.Dir
	f.options.Dir = filepath.Join(real, "gone")
	b := flow.Batch{Node: "n1", Instance: "i", Sequence: 2, Records: []flow.Record{numbered(2)}}
	if err := f.Put(b); err == nil || errors.Is(err, ErrAgain) {
		t.Fatalf("a full disk: %v", err)
	}
	if !strings.Contains(f.log.String(), "cannot be stored") {
		t.Errorf("said:\n%s", f.log.String())
	}
	f.options.Dir = real
	must(t, f.Put(b))
	if got := ports(f.page(flow.Filter{}).Records); !slices.Equal(got, []int{2, 1}) {
		t.Errorf("%v", got)
	}
}

// TestFollow: a follower gets what matches and what it may see, and is told what
// it was too slow for.
func TestFollow(t *testing.T) {
	f := open(t, t.TempDir())
	ctx, stop := context.WithCancel(t.Context())
	red := f.Follow(ctx, flow.Access{Namespaces: []string{"red"}}, flow.Filter{})
	f.put(numbered(1), numbered(2), numbered(3))
	for _, want := range []uint16{1, 3} {
		if e := <-red; e.Record == nil || e.Record.Port != want || e.Record.ID == 0 {
			t.Errorf("%+v, want port %d", e, want)
		}
	}
	many := make([]flow.Record, waiting+10)
	for i := range many {
		many[i] = numbered(1)
	}
	f.put(many...)
	for range waiting {
		<-red
	}
	f.put(numbered(5))
	if e := <-red; e.Record != nil || e.Lost.Records != 10 {
		t.Errorf("%+v, want 10 lost", e)
	}
	if e := <-red; e.Record == nil || e.Record.Port != 5 {
		t.Errorf("%+v", e)
	}
	stop()
	if _, ok := <-red; ok {
		t.Error("it goes on after its end")
	}
}

// TestTogether: equal records are one, with what was last and the sums of all.
func TestTogether(t *testing.T) {
	f := open(t, t.TempDir())
	late, denied := sample(), sample()
	late.Start, late.Last, late.SourcePort = begin.Add(time.Hour), begin.Add(2*time.Hour), 7
	denied.Verdict, denied.Pending = flow.Verdict(verdict.Deny), nil
	f.put(sample(), late, denied, logged())
	list, err := f.Together(t.Context(), flow.Access{All: true}, flow.Filter{})
	must(t, err)
	if len(list) != 2 || list[0].Logged != nil || list[0].Connections != 6 || list[0].SourcePort != 0 || !list[0].Start.Equal(begin) || !list[0].Last.Equal(late.Last) || list[0].Out.Bytes != 240 || list[1].Connections != 3 {
		t.Errorf("%+v", list)
	}
	list, err = f.Together(t.Context(), flow.Access{}, flow.Filter{})
	must(t, err)
	if len(list) != 0 {
		t.Error("who may see nothing sees something")
	}
}

// TestAsks: what comes is kept with what would have been.
func TestAsks(t *testing.T) {
	f := open(t, t.TempDir())
	f.Ask(func(r *flow.Record) *flow.Pending {
		if r.Port == 2 {
			return &flow.Pending{Verdict: flow.Verdict(verdict.Allow)}
		}
		return nil
	})
	f.put(numbered(1), numbered(2))
	if got := ports(f.page(flow.Filter{Newly: "allowed"}).Records); !slices.Equal(got, []int{2}) {
		t.Errorf("%v would be newly allowed", got)
	}
}

// TestCounts: each step on the way counts for its rule, the end of a tier for
// itself and for each policy that applied there.
func TestCounts(t *testing.T) {
	f := open(t, t.TempDir())
	event := logged()
	event.Egress, event.Ingress = event.Ingress, event.Egress // else it would make no line of its own
	f.put(sample(), sample(), event)
	counts, err := f.Counts(t.Context(), flow.Access{All: true}, flow.Filter{})
	must(t, err)
	var got []string
	for _, c := range counts {
		rule := "-"
		if c.Rule != nil {
			rule = fmt.Sprint(*c.Rule)
		}
		got = append(got, fmt.Sprintf("%s %s %s %s/%s a%d d%d p%d l%d b%d %v %v", c.Tier, c.Policy, rule, c.Direction, c.Reason, c.Allowed, c.Denied, c.Passed, c.Logged, c.Bytes/60*10+c.Packets, c.Pending, c.Last.Equal(begin.Add(time.Second))))
	}
	want := []string{
		"  - egress/host default a6 d0 p0 l0 b66 false true",
		"  - ingress/no policy applies a6 d0 p0 l0 b66 false true",
		"default  - egress/tier default a0 d6 p0 l0 b0 true true",
		"default NetworkPolicy/blue/be 2 egress/rule a6 d0 p0 l0 b66 false true",
		"default NetworkPolicy/blue/be - egress/tier default a0 d6 p0 l0 b0 true true",
		"mid  - egress/tier default a0 d0 p6 l0 b0 false true",
		"mid NetworkPolicy/blue/be - egress/tier default a0 d0 p6 l0 b0 false true",
		"sec GlobalNetworkPolicy//block 0 egress/rule a0 d0 p0 l6 b0 false true",
		"sec GlobalNetworkPolicy//block 1 egress/rule a0 d0 p6 l0 b0 false true",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// FuzzFrame: no bytes make a reader fail in another way than by an error.
func FuzzFrame(f *testing.F) {
	w := newWriter()
	r := sample()
	must(f, w.record(&r))
	f.Add(w.b)
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = newReader().frame(b, sink{record: func(*flow.Record) bool { return true }})
	})
}
