package nft

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// TestHeirsUnderFlood edits policy under traffic so that sets take each other's
// place: rows change in maps that go on, while addresses come into the classes
// concerned and leave them. What each client may never changes.
func TestHeirsUnderFlood(t *testing.T) {
	f := newFlood(t)
	d := f.dataplane()
	random := rand.New(rand.NewPCG(1, 2))
	pool := []table.ClassID{f.class(), f.class(), f.class(), f.class()}
	where := []int{0, 1, 0, 1}
	var last *table.Tables
	heirs, steps := 0, 0
	step := func(n int) {
		f.fresh()
		// What both of a parity may is where each of them is; classes that nobody
		// is in say anything.
		for i := range where {
			if random.IntN(6) == 0 {
				where[i] = random.IntN(len(pool))
			}
		}
		for i := range where {
			for j := range where {
				if i%2 != j%2 && where[i] == where[j] {
					where = []int{0, 1, 0, 1}
				}
			}
		}
		rows := map[table.ClassID]table.RowID{}
		for k, c := range pool {
			part := random.IntN(2)
			for i := range where {
				if where[i] == k {
					part = i % 2
				}
			}
			if k >= 2 && random.IntN(3) == 0 && !contains(where, k) {
				continue
			}
			other := uint16(9000 + n%3) // another chain each time
			rows[c] = f.row(trace(verdict.Deny, 1), ports(verdict.UDP, trace(verdict.Allow, 0), trace(verdict.Deny, 1),
				[2]uint16{floodPorts[part], floodPorts[part]}, [2]uint16{other, other}))
		}
		for i, m := range f.clients {
			for _, a := range m.addrs {
				f.Tables.Hosts[a] = pool[where[i]]
			}
		}
		in := f.set(verdict.Ingress, verdict.Pod, f.no, f.no, rows)
		f.pod(f.server, in, f.egress)
		for _, m := range f.clients {
			f.pod(m, in, f.egress)
		}
		if last == nil {
			f.apply(d, f.Program)
		} else {
			f.must(d.Change(t.Context(), dataplane.Change{Delta: table.Diff(last, f.Tables)}))
			d.Lock()
			steps++
			if _, ok := d.now.book.base[in]; ok {
				heirs++
			}
			d.Unlock()
		}
		last = f.Tables.Clone()
	}
	step(0)
	start := time.Now()
	f.run(t, func() {
		for n := 1; time.Since(start) < 5*time.Second || n < 500; n++ {
			step(n)
		}
	})
	t.Logf("%d changes, %d of them in place, %s each", steps, heirs, time.Since(start)/time.Duration(steps))
	if heirs < 50 || steps-heirs < 50 {
		t.Errorf("%d changes in place and %d not: the test says little", heirs, steps-heirs)
	}
}

func contains(list []int, k int) bool {
	for _, x := range list {
		if x == k {
			return true
		}
	}
	return false
}

// TestHeirElements: of many classes one has another row; the chain and the map
// go on, and only that element is another one.
func TestHeirElements(t *testing.T) {
	l := newLab(t)
	h := newHand(0)
	a := l.add("a", true, "10.1.0.1")
	no, yes := h.row(trace(verdict.Deny, 1)), h.row(trace(verdict.Allow, 0))
	egress := h.set(verdict.Egress, verdict.Pod, yes, yes, nil)
	first := map[table.ClassID]table.RowID{}
	for range 200 {
		first[h.class()] = yes
	}
	odd := h.class()
	first[odd] = yes
	before := h.set(verdict.Ingress, verdict.Pod, no, no, first)
	h.pod(a, before, egress)
	d := l.dataplane()
	l.apply(d, h.Program)
	was := h.Tables.Clone()
	delete(h.Tables.Sets, before)
	second := map[table.ClassID]table.RowID{}
	for c, r := range first {
		second[c] = r
	}
	second[odd] = h.row(trace(verdict.Deny, 1), ports(verdict.TCP, trace(verdict.Allow, 0), trace(verdict.Deny, 1), [2]uint16{80, 80}))
	after := h.set(verdict.Ingress, verdict.Pod, no, no, second)
	h.pod(a, after, egress)
	old := l.nft("list", "table", "inet", "tierwall")
	delta := table.Diff(was, h.Tables)
	pure, err := newState(d.builder(0), dataplane.Program{Tables: was, Interfaces: h.Interfaces})
	l.must(err)
	var all, add, keys batch
	addAll(&all, pure)
	c, err := newChanges(pure, dataplane.Change{Delta: delta}, firstBridge, hot{})
	l.must(err)
	c.add(&add)
	c.flipKeys(&keys)
	if len(c.heirs) != 1 || c.heirs[0].now.ID != after || len(add.messages) > 6 || len(keys.messages) > 12 {
		t.Errorf("heirs %v, %d messages to add, %d to flip", len(c.heirs), len(add.messages), len(keys.messages))
	}
	for _, m := range append(add.messages, keys.messages...) {
		if len(m.body) > 1000 {
			t.Errorf("%s takes %d bytes", m.what, len(m.body))
		}
	}
	l.must(d.Change(t.Context(), dataplane.Change{Delta: delta}))
	d.Lock()
	l.must(d.settled())
	d.Unlock()
	now := l.nft("list", "table", "inet", "tierwall")
	missing := 0
	got := content(now)
	for line, n := range content(old) {
		if got[line] < n {
			missing++
		}
	}
	if missing > 4 {
		t.Errorf("%d lines of the listing changed:\n%s", missing, now)
	}
	if want := fmt.Sprintf("chain in-%d {", before); !strings.Contains(now, want) {
		t.Errorf("the chain %s is gone", want)
	}
}

// TestHeirsOnTheirWay: a packet that has looked up the peer's class before one or
// two changes, and looks the row up after them, in the map that goes on, does what
// policy said at one of those moments.
func TestHeirsOnTheirWay(t *testing.T) {
	heirs, both, refused := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		steps := []*table.Tables{tables(t, []table.SetID{1}), tables(t, []table.SetID{2}), tables(t, []table.SetID{3})}
		for i, x := range steps {
			id := table.SetID(i + 1)
			x.Sets[id].Default = steps[0].Sets[1].Default
			if rapid.Bool().Draw(t, "stay") { // nobody moves
				x.Hosts, x.Nets = steps[0].Hosts, steps[0].Nets
			}
			if i > 0 && rapid.IntRange(0, 3).Draw(t, "few") > 0 { // few rows change
				was, rows := steps[i-1].Sets[table.SetID(i)].Rows, x.Sets[id].Rows
				for c := range table.ClassID(4) {
					if row, ok := was[table.FirstClass+c]; rapid.IntRange(0, 2).Draw(t, "keep") == 0 {
						continue
					} else if ok {
						rows[table.FirstClass+c] = row
					} else {
						delete(rows, table.FirstClass+c)
					}
				}
			}
			for r := range table.RowID(10) {
				d := trace(verdict.Deny, int(r), int(r)%5) // five forms
				x.Rows[r] = &table.Row{ID: r, Other: d}
			}
			e := x.Endpoints[verdict.EndpointID{Kind: verdict.Pod, Name: "x"}]
			e.Spans[0][0].From, e.Spans[0][0].To = universe[0], universe[0]
		}
		b := builder{book: newRowBook()}
		now, err := newState(b, dataplane.Program{Tables: steps[0]})
		if err != nil {
			t.Fatal(err)
		}
		var all batch
		addAll(&all, now)
		kernel, said := map[table.ClassID]table.RowID{}, []*table.Tables{steps[0]}
		for c, r := range steps[0].Sets[1].Rows {
			kernel[c] = r
		}
		recent := hot{map[table.ClassID]bool{}, map[table.SetID]bool{}, map[table.ClassID]bool{}}
		for i, next := range steps[1:] {
			d := table.Diff(steps[i], next)
			if recent.revives(d) {
				return // it waits
			}
			c, err := newChanges(now, dataplane.Change{Delta: d}, firstBridge, recent)
			if err != nil {
				t.Fatal(err)
			}
			if len(c.heirs) == 0 {
				refused++
				return
			}
			if heirs++; i == 1 {
				both++
			}
			for _, e := range c.heirs[0].gone {
				delete(kernel, e.Class)
			}
			for _, e := range c.heirs[0].come {
				kernel[e.Class] = e.Row
			}
			now.forget(d) // the dead are still in the kernel
			said = append(said, next)
			away := c.ledAway()
			for class := range away.classes {
				recent.classes[class] = true
			}
			for class := range away.dying {
				recent.dying[class] = true
			}
			form := func(id table.RowID) int { return int(id) % 5 }
			for _, a := range universe {
				var may []int
				for j, x := range said {
					may = append(may, form(row(x, x.Sets[table.SetID(j+1)], a)))
				}
				for j, x := range said {
					met, ok := kernel[x.Class(a)]
					if !ok {
						met = next.Sets[table.SetID(i+2)].Default[table.Family(a)]
					}
					if allowed := may[j:]; !contains(allowed, form(met)) {
						t.Fatalf("%s, class looked up after change %d, row after change %d: form %d, want one of %v", a, j, i+1, form(met), allowed)
					}
				}
			}
		}
	})
	if heirs < 20 || both < 5 || refused < 20 {
		t.Errorf("%d heirs, %d times two after another, %d refused: the test says little", heirs, both, refused)
	}
}

// edits is a pod whose ingress set knows 200 classes, of which one is edited.
type edits struct {
	*lab
	*hand
	d       *Dataplane
	pod     *machine
	classes []table.ClassID
	rows    map[table.ClassID]table.RowID
	no      table.RowID
	egress  table.SetID
}

func newEdits(t *testing.T) *edits {
	e := &edits{lab: newLab(t), hand: newHand(0), rows: map[table.ClassID]table.RowID{}}
	e.pod = e.add("a", true, "10.1.0.1")
	e.no = e.row(trace(verdict.Deny, 1))
	yes := e.row(trace(verdict.Allow, 0))
	e.egress = e.set(verdict.Egress, verdict.Pod, yes, yes, nil)
	for i := range 200 {
		e.classes = append(e.classes, e.class(netip.AddrFrom4([4]byte{10, 2, 0, byte(i)})))
		e.rows[e.classes[i]] = yes
	}
	e.d = e.dataplane()
	e.edit(e.classes[0], trace(verdict.Allow, 0))
	e.apply(e.d, e.Program)
	return e
}

// edit gives a class another row, in a new set, and returns the delta.
func (e *edits) edit(c table.ClassID, other *table.Decision, protocols ...table.Protocol) *table.Delta {
	was := e.Tables.Clone()
	for id := range e.Tables.Sets {
		if id != e.egress {
			delete(e.Tables.Sets, id)
		}
	}
	e.rows[c] = e.row(other, protocols...)
	e.hand.pod(e.pod, e.set(verdict.Ingress, verdict.Pod, e.no, e.no, maps.Clone(e.rows)), e.egress)
	return table.Diff(was, e.Tables)
}

func (e *edits) change(d *table.Delta) {
	e.t.Helper()
	e.must(e.d.Change(e.t.Context(), dataplane.Change{Delta: d}))
}

// TestChangeDoesNotWait: while packets of the first change are still on their way,
// so that nothing it left can be tidied up, the next changes are made: of policy and
// of an address.
func TestChangeDoesNotWait(t *testing.T) {
	e := newEdits(t)
	gone := make(chan struct{})
	e.d.outlast = func() { <-gone }
	moves := func(i int) {
		was := e.Tables.Clone()
		e.Tables.Hosts[netip.AddrFrom4([4]byte{10, 2, 0, 9})] = e.classes[i]
		e.change(table.Diff(was, e.Tables))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		moves(1)
		for i := range 3 {
			e.change(e.edit(e.classes[20+i], trace(verdict.Deny, 1), ports(verdict.TCP, trace(verdict.Allow, 0), trace(verdict.Deny, 1), [2]uint16{80, uint16(80 + i)})))
			moves(2 + i)
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Error("a change waits for what the ones before it left")
	}
	e.d.Lock()
	if !e.d.running {
		t.Error("all was tidied up already: the test says nothing")
	}
	e.d.Unlock()
	close(gone)
	<-done
	e.d.Lock()
	e.must(e.d.settled())
	e.d.Unlock()
}

// TestCommentsFollow: an element for which the kernel does the same for another
// reason stays as it is, and says the new reason when all is quiet.
func TestCommentsFollow(t *testing.T) {
	e := newEdits(t)
	list := func() string {
		return e.nft("list", "map", "inet", "tierwall", "rows-"+id10(e.d.now.base(e.ingress())))
	}
	e.change(e.edit(e.classes[7], trace(verdict.Allow, 5)))
	const reason = "default/NetworkPolicy/blue/fe#5"
	e.d.Lock()
	if text := list(); strings.Contains(text, reason) {
		t.Error("the element was changed at once")
	}
	e.d.Unlock()
	deadline := time.Now().Add(10 * time.Second)
	for {
		e.d.Lock()
		left, text := len(e.d.now.outdated), list()
		e.d.Unlock()
		if left == 0 {
			if !strings.Contains(text, reason) || strings.Count(text, "goto")+strings.Count(text, "return") != 200 {
				t.Errorf("the comment did not follow:\n%s", text)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the comments do not follow")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (e *edits) ingress() table.SetID {
	for id := range e.Tables.Sets {
		if id != e.egress {
			return id
		}
	}
	return 0
}
