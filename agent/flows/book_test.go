package flows

import (
	"net/netip"
	"testing"
	"time"

	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/model/modeltest"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// met is a decision that was made, as the kernel notes it, and what the oracle
// said of it then.
type met struct {
	mark   dataplane.Mark
	packet verdict.Packet
	id     verdict.EndpointID
	stage  verdict.Stage
	dir    verdict.Direction
	want   verdict.Trace
	at     time.Time
}

// history is a world that changes, with a book of it.
type history struct {
	*modeltest.Gen
	state    *model.State
	compiler *compile.Compiler
	book     *Book
	clock    time.Time
}

func newHistory(seed uint64) *history {
	h := &history{Gen: modeltest.New(seed), state: model.NewState(), compiler: compile.New(compile.Options{}), book: NewBook(), clock: time.Unix(1e9, 0)}
	h.book.now = func() time.Time { return h.clock }
	h.take(h.World()...)
	return h
}

func (h *history) take(changes ...model.Change) {
	h.state.Apply(changes...)
	h.book.Take(h.compiler.Apply(changes...))
}

// meets lets a packet meet each endpoint that is policed.
func (h *history) meets() (all []met) {
	tables, oracle := h.compiler.Tables(), evaluate.New(h.state)
	for id, e := range tables.Endpoints {
		for _, stage := range verdict.Stages {
			spans := e.Spans
			if stage != verdict.Normal {
				spans = e.Stages[stage]
			}
			for _, dir := range verdict.Directions {
				for _, span := range spans[dir] {
					p := h.Packet(dir, span.From)
					set := (&table.Endpoint{Spans: spans}).SetFor(dir, p.Local(dir))
					if set == 0 || p.Src.Is4() != p.Dst.Is4() {
						continue
					}
					all = append(all, met{
						dataplane.Mark{Set: set, Class: tables.Class(p.Remote(dir))}, p, id, stage, dir,
						oracle.DecideStage(h.state.Endpoints[id], stage, dir, p), h.clock,
					})
				}
			}
		}
	}
	return all
}

// TestBookAgrees: whatever changes meanwhile, a mark says of a packet just what
// the oracle said when it was made, for as long as it is kept; a denial is
// explained by what denied, also a moment after it ceased to.
func TestBookAgrees(t *testing.T) {
	asked, older, denied, early := 0, 0, 0, 0
	for seed := range uint64(12) {
		h := newHistory(seed)
		var seen []met
		for range 40 {
			seen = append(seen, h.meets()...)
			for len(seen) > 0 && h.clock.Sub(seen[0].at) > keepFor {
				seen = seen[1:]
			}
			for _, m := range seen {
				noted := h.book.Noted(m.mark, m.dir, m.packet, m.packet)
				d, owner := noted.Decision, noted.Owner
				if d == nil {
					t.Fatalf("seed %d: %+v of %s ago is not known", seed, m.mark, h.clock.Sub(m.at))
				}
				if got := d.Trace(); !got.Equal(&m.want) {
					t.Fatalf("seed %d: %s at %s %s: %s, the oracle said %s", seed, m.packet, m.id, m.dir, &got, &m.want)
				}
				if noted.Stage != m.stage || noted.Direction != m.dir {
					t.Fatalf("seed %d: the mark of %s %s is taken for %s %s", seed, m.stage, m.dir, noted.Stage, noted.Direction)
				}
				if m.stage != verdict.Normal {
					early++
				}
				if (owner.Kind == verdict.Host) != (m.id.Kind == verdict.Host) {
					t.Fatalf("seed %d: set %d of %s is taken for that of %s", seed, m.mark.Set, m.id, owner)
				}
				asked++
				if h.clock.Sub(m.at) > 0 {
					older++
				}
				if m.want.Verdict == verdict.Deny && h.clock.Equal(m.at) {
					if d := h.book.Denied(m.id, m.stage, m.dir, m.packet); d == nil {
						t.Fatalf("seed %d: nothing denies %s at %s", seed, m.packet, m.id)
					} else if got := d.Trace(); !got.Equal(&m.want) {
						t.Fatalf("seed %d: %s at %s was denied by %s, the oracle said %s", seed, m.packet, m.id, &got, &m.want)
					}
					denied++
				}
			}
			now := seen
			h.clock = h.clock.Add(time.Second)
			h.take(h.Mutation())
			for _, m := range now { // the packet was denied before the change, the message comes after
				if m.want.Verdict == verdict.Deny && h.clock.Sub(m.at) == time.Second && h.state.Endpoints[m.id] != nil {
					if d := h.book.Denied(m.id, m.stage, m.dir, m.packet); d == nil || d.Verdict != verdict.Deny {
						t.Fatalf("seed %d: a second later nothing has denied %s at %s", seed, m.packet, m.id)
					}
				}
			}
		}
	}
	if asked < 10_000 || older < asked/2 || denied < 500 || early < 500 {
		t.Errorf("only %d questions, %d of them about the past, %d about stages of hosts, and %d denials", asked, older, early, denied)
	}
}

// TestBookForgets: what nothing leads to is gone after a while, and what is left
// is what the tables hold.
func TestBookForgets(t *testing.T) {
	h := newHistory(3)
	for range 60 {
		h.clock = h.clock.Add(time.Second)
		h.take(h.Mutation())
	}
	h.clock = h.clock.Add(2 * keepFor)
	h.take()
	tables := h.compiler.Tables()
	if d := table.Diff(h.book.tables(), tables); !d.Empty() {
		t.Errorf("the book differs from the tables: %+v", d)
	}
	pods := 0
	for id, e := range tables.Endpoints {
		if id.Kind == verdict.Pod {
			pods += len(e.Spans[verdict.Egress])
		}
	}
	if len(h.book.sets) != len(tables.Sets) || len(h.book.rows) != len(tables.Rows) || len(h.book.hosts) != len(tables.Hosts) ||
		len(h.book.ends) != len(tables.Endpoints) || len(h.book.pods) > pods || len(h.book.leaving) > 1 {
		t.Errorf("the book keeps %d sets of %d, %d rows of %d, %d addresses of %d, %d endpoints of %d, %d addresses of pods of %d",
			len(h.book.sets), len(tables.Sets), len(h.book.rows), len(tables.Rows), len(h.book.hosts), len(tables.Hosts), len(h.book.ends), len(tables.Endpoints), len(h.book.pods), pods)
	}
	fresh := NewBook()
	fresh.Load(tables)
	if d := table.Diff(fresh.tables(), tables); !d.Empty() {
		t.Errorf("loaded as a whole it differs: %+v", d)
	}
}

// TestBookOfHeirs: a connection that noted a set which denies it met the one that
// took its place; one that is denied by both is what it noted.
func TestBookOfHeirs(t *testing.T) {
	yes, no := &table.Decision{Verdict: verdict.Allow, Reason: verdict.ByRule}, &table.Decision{Reason: verdict.ByTierDefault}
	a := netip.MustParseAddr("10.0.0.1")
	id := verdict.EndpointID{Kind: verdict.Pod, Name: "x"}
	at := func(set table.SetID) *table.Endpoint {
		return &table.Endpoint{ID: id, Spans: [2][]table.Span{{{From: a, To: a, Set: set}}}}
	}
	b := NewBook()
	b.Take(&table.Delta{
		NewRows:   []*table.Row{{ID: 1, Other: no}, {ID: 2, Other: yes}},
		NewSets:   []*table.Set{{ID: 1, Default: [2]table.RowID{1, 1}, Rows: map[table.ClassID]table.RowID{16: 1, 17: 2}}},
		Endpoints: []table.EndpointChange{{New: at(1)}},
	})
	b.Take(&table.Delta{
		NewSets:   []*table.Set{{ID: 2, Default: [2]table.RowID{1, 1}, Rows: map[table.ClassID]table.RowID{16: 2}}},
		Endpoints: []table.EndpointChange{{Old: at(1), New: at(2)}}, OldSets: []table.SetID{1},
	})
	p := verdict.Packet{Src: netip.MustParseAddr("10.0.0.2"), Dst: a}
	for class, want := range map[table.ClassID]*table.Decision{16: yes, 17: yes, 18: no} {
		if got := b.Noted(dataplane.Mark{Set: 1, Class: class}, verdict.Ingress, p, p).allowed(); got != want {
			t.Errorf("class %d: %v, want %v", class, got, want)
		}
	}
}
