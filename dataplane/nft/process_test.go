package nft

import (
	"context"
	"errors"
	"flag"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

var update = flag.Bool("update", false, "write the golden files")

// TestListing: the nft program prints the table, as a person should see it,
// and reads what it prints.
func TestListing(t *testing.T) {
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("there is no nft program")
	}
	p := small(t)
	p.apply(p.dataplane(), p.Program)
	compareListing(t, p.lab, "testdata/listing.nft")
}

// TestListingOfStages is the same with all stages of host endpoints, and with
// denials that are answered.
func TestListingOfStages(t *testing.T) {
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("there is no nft program")
	}
	s := newStages(t)
	s.Reject = true
	s.stage("east", verdict.Untracked, verdict.Ingress, s.only(verdict.Allow, 22), nil)
	s.stage("east", verdict.Untracked, verdict.Egress, s.only(verdict.Deny, 22), nil)
	s.stage("east", verdict.PreDNAT, verdict.Ingress, s.only(verdict.Allow, 8080), map[table.ClassID]table.RowID{s.class(s.west.addrs...): s.no})
	s.stage("west", verdict.Forward, verdict.Ingress, s.only(verdict.Deny, 80), nil)
	s.stage("west", verdict.Forward, verdict.Egress, s.only(verdict.Deny, 80), nil)
	s.program()
	compareListing(t, s.lab, "testdata/stages.nft")
}

func compareListing(t *testing.T, l *lab, golden string) {
	t.Helper()
	got := l.nft("list", "table", "inet", "tierwall")
	if *update {
		l.must(os.WriteFile(golden, []byte(got), 0o644))
	}
	want, err := os.ReadFile(golden)
	l.must(err)
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the listing changed (-want +got):\n%s", diff)
	}
	l.readable(got)
}

// readable tries whether nft reads a listing of its own.
func (l *lab) readable(listing string) {
	l.t.Helper()
	l.in(l.router, func() {
		c := exec.Command("nft", "-c", "-f", "-")
		c.Stdin = strings.NewReader(listing)
		if out, err := c.CombinedOutput(); err != nil {
			l.t.Errorf("nft does not read its own listing: %v\n%s", err, out)
		}
	})
}

// small is a program with one of everything that the listing can show.
func small(t *testing.T) *pods {
	p := newPods(t)
	yes, no := trace(verdict.Allow, 0), trace(verdict.Deny, 1)
	row := p.row(table.Decided(verdict.Trace{Verdict: verdict.Deny, Reason: verdict.ByTierDefault, Steps: []verdict.Step{{Tier: "default", Rule: verdict.NoRule, Action: verdict.ActionDeny}}}),
		table.Protocol{Number: verdict.ICMP, Bands: []table.Band{{To: 65535, Cells: cells(yes, no, [2]uint16{0x0800, 0x0800})}}},
		ports(verdict.TCP, yes, no, [2]uint16{80, 80}, [2]uint16{443, 443}, [2]uint16{8000, 8999}),
		table.Protocol{Number: verdict.UDP, Bands: []table.Band{
			{From: 0, To: 1023, Cells: cells(yes, no, [2]uint16{53, 53})}, {From: 1024, To: 65535, Cells: cells(no, no)}}},
		table.Protocol{Number: verdict.ICMPv6, Bands: []table.Band{{To: 65535, Cells: cells(yes, no, [2]uint16{0x0104, 0x03ff}, [2]uint16{0x8000, 0x80ff})}}},
		plainly(99, yes),
		ports(verdict.SCTP, trace(verdict.Deny, 3, 2), yes, [2]uint16{9, 9}))
	c := p.class(p.a.addrs...)
	net := p.class()
	p.Tables.Nets = []table.Net{{From: p.a.addrs[0].Next(), To: p.b.addrs[0].Next(), Class: net}}
	in := p.set(verdict.Ingress, verdict.Pod, p.no, row, map[table.ClassID]table.RowID{c: row, net: p.yes})
	p.pod(p.b, in, p.open[verdict.Egress])
	p.host("node-1", "", p.set(verdict.Ingress, verdict.Host, p.no, p.yes, nil), p.set(verdict.Egress, verdict.Host, p.yes, p.yes, nil), "eth0")
	return p
}

func TestApplyTwice(t *testing.T) {
	p := small(t)
	d := p.dataplane()
	p.apply(d, p.Program)
	first := p.nft("-a", "list", "ruleset")
	p.apply(d, p.Program)
	if diff := cmp.Diff(first, p.nft("-a", "list", "ruleset")); diff != "" {
		t.Errorf("the same program again changed the kernel:\n%s", diff)
	}
}

// TestSequences: whatever way leads to a program, the kernel holds the same.
func TestSequences(t *testing.T) {
	w := newWorld(t, 7)
	h := newHand(0)
	d := w.dataplane()
	var last dataplane.Program
	for round := range 8 {
		last = w.next(h, round)
		w.apply(d, last)
	}
	got := w.nft("list", "table", "inet", "tierwall")
	w.must(d.Remove(context.Background()))
	w.apply(w.dataplane(), last)
	if diff := cmp.Diff(content(w.nft("list", "table", "inet", "tierwall")), content(got)); diff != "" {
		t.Errorf("the way mattered (-direct +by detours):\n%s", diff)
	}
}

// TestChange: deltas alone lead to what a whole program would, and are refused
// where it is not known what they change.
func TestChange(t *testing.T) {
	w := newWorld(t, 9)
	h := newHand(0)
	d := w.dataplane()
	ctx := context.Background()
	if err := d.Change(ctx, dataplane.Change{}); !errors.Is(err, dataplane.ErrOutOfStep) {
		t.Fatalf("before the first program: %v", err)
	}
	last := w.program(h)
	w.apply(d, last)
	a := verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: "a"}
	for round := range 8 {
		next := w.next(h, round+1)
		c := dataplane.Change{Delta: table.Diff(last.Tables, next.Tables), Settings: &next.Settings}
		next.Interfaces = maps.Clone(next.Interfaces)
		place := []string{"v-a"}
		if round%3 == 1 {
			place = []string{"elsewhere"}
		}
		next.Interfaces[a] = place
		h.Program = next
		c.Interfaces = map[verdict.EndpointID][]string{a: place}
		w.must(d.Change(ctx, c))
		last = next
	}
	d.Lock()
	w.must(d.settled())
	d.Unlock()
	got := w.nft("list", "table", "inet", "tierwall")
	w.must(d.Remove(ctx))
	if err := d.Change(ctx, dataplane.Change{}); !errors.Is(err, dataplane.ErrOutOfStep) {
		t.Fatalf("after Remove: %v", err)
	}
	w.apply(w.dataplane(), last)
	if diff := cmp.Diff(content(w.nft("list", "table", "inet", "tierwall")), content(got)); diff != "" {
		t.Errorf("the way mattered (-direct +by changes):\n%s", diff)
	}
}

// content is a listing without the numbers in names: a shape that several rows
// have is called after the first that came, and what a set takes over from
// another is called after that one.
func content(listing string) map[string]int {
	return lines(regexp.MustCompile(`\b(row|rows|in|out)-\d+`).ReplaceAllString(listing, "$1"))
}

// lines are the lines of a listing whatever the order of chains, maps and
// elements.
func lines(listing string) map[string]int {
	count := map[string]int{}
	for _, l := range strings.FieldsFunc(listing, func(r rune) bool { return strings.ContainsRune("\n,{}", r) }) {
		count[strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(l), "elements ="))]++
	}
	return count
}

func TestRemove(t *testing.T) {
	p := small(t)
	d := p.dataplane()
	p.must(d.Remove(context.Background()))
	p.apply(d, p.Program)
	p.must(d.Remove(context.Background()))
	if got := p.nft("list", "ruleset"); got != "" {
		t.Errorf("left over:\n%s", got)
	}
	p.must(d.Remove(context.Background()))
	p.apply(d, p.Program)
	if !strings.Contains(p.nft("list", "ruleset"), "chain forward") {
		t.Error("nothing is there after the second start")
	}
}

// TestTableVanishes: what somebody deletes is loaded again by the next Apply
// that changes anything, within it.
func TestTableVanishes(t *testing.T) {
	p := small(t)
	d := p.dataplane()
	p.apply(d, p.Program)
	want := p.nft("list", "table", "inet", "tierwall")
	after := *p.hand
	after.Tables = p.Tables.Clone()
	after.pod(p.b, p.open[verdict.Ingress], p.open[verdict.Egress])
	p.nft("delete", "table", "inet", "tierwall")
	p.apply(d, after.Program)
	p.nft("flush", "map", "inet", "tierwall", "in4") // half of it
	p.apply(d, p.Program)
	got := regexp.MustCompile(`([a-z][a-z0-9-]*)\.1\b`).ReplaceAllString(p.nft("list", "table", "inet", "tierwall"), "$1")
	if diff := cmp.Diff(lines(want), lines(got)); diff != "" {
		t.Errorf("not the same as before:\n%s", diff)
	}
}

// TestFailedApply: after an error the kernel holds a whole program, and the
// next Apply puts right what is left over.
func TestFailedApply(t *testing.T) {
	p := small(t)
	d := p.dataplane()
	p.apply(d, p.Program)
	after := *p.hand
	after.Tables = p.Tables.Clone()
	after.pod(p.b, p.open[verdict.Ingress], p.open[verdict.Egress])
	var in table.SetID
	for id, s := range p.Tables.Sets {
		if s.Kind == verdict.Pod && s.Direction == verdict.Ingress && id != p.open[verdict.Ingress] {
			in = id
		}
	}
	delete(after.Tables.Sets, in)
	p.nft("add", "chain", "inet", "tierwall", "foreign")
	p.nft("add", "rule", "inet", "tierwall", "foreign", "goto", names{}.set(in, verdict.Ingress))
	if err := d.Apply(context.Background(), after.Program); !errors.Is(err, unix.EBUSY) {
		t.Fatalf("deleting a chain that is in use: %v, want EBUSY", err)
	}
	p.apply(d, after.Program)
	if got := p.nft("list", "table", "inet", "tierwall"); strings.Contains(got, "foreign") || strings.Contains(got, names{}.set(in, verdict.Ingress)+" ") {
		t.Errorf("left over:\n%s", got)
	}
}

func TestNotPermitted(t *testing.T) {
	l := newLab(t)
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its rights
		const keep = ^uintptr(0)
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, 65534, 65534, keep); e != 0 {
			result <- e
			return
		}
		result <- New(Options{}).Apply(context.Background(), newHand(0).Program)
	}()
	if err := <-result; !errors.Is(err, dataplane.ErrNotPermitted) {
		l.t.Errorf("without rights: %v", err)
	}
}

// TestForeignBaseChain: what somebody put in the place of a base chain is
// replaced by a new process.
func TestForeignBaseChain(t *testing.T) {
	p := small(t)
	p.apply(p.dataplane(), p.Program)
	p.nft("flush", "chain", "inet", "tierwall", "forward")
	p.nft("delete", "chain", "inet", "tierwall", "forward")
	p.nft("add", "chain", "inet", "tierwall", "forward")
	p.nft("add", "set", "inet", "tierwall", "odd", "{ typeof ct mark . vlan id; flags timeout; }")
	p.nft("add", "chain", "inet", "tierwall", "input", "{ policy drop; }")
	p.apply(p.dataplane(), p.Program)
	got := p.nft("list", "table", "inet", "tierwall")
	if n := strings.Count(got, "priority filter; policy accept;"); n != 3 || strings.Contains(got, "odd") {
		t.Errorf("%d base chains, want 3, and no odd set:\n%s", n, got)
	}
}
