package compile_test

import (
	"net/netip"
	"testing"

	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/model/modeltest"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// TestLookup: a compiler that changes says of a packet what the tables say that
// it would put together, and of any peer what is best for one of them.
func TestLookup(t *testing.T) {
	asked, allowed := 0, 0
	for seed := range uint64(60) {
		g := modeltest.New(seed)
		c := compile.New(compile.Options{})
		s := model.NewState()
		for _, ch := range g.World() {
			s.Apply(ch)
			c.Apply(ch)
		}
		for range 15 {
			ch := g.Mutation()
			s.Apply(ch)
			c.Apply(ch)
			tables := c.Tables()
			for _, e := range s.SortedEndpoints() {
				for _, d := range verdict.Directions {
					p := g.Packet(d, local(g, e))
					for _, stage := range verdict.Stages {
						if e.ID.Kind == verdict.Pod && stage != verdict.Normal {
							continue
						}
						got, want := c.Lookup(e.ID, stage, d, p), tables.LookupStage(e.ID, stage, d, p)
						if (got == nil) != (want == nil) || got != nil && !got.Equal(want) {
							t.Fatalf("seed %d: %s %s %s %s: %v, the tables say %v", seed, e.ID, stage, d, p, got, want)
						}
						if want == nil {
							continue
						}
						open := best(tables, tables.Endpoints[e.ID], stage, d, p)
						if got := c.LookupAny(e.ID, stage, d, p); got.Verdict != open {
							t.Fatalf("seed %d: %s %s %s %s from anyone: %s, the tables say %s", seed, e.ID, stage, d, p, got, open)
						}
						if asked++; open == verdict.Allow {
							allowed++
						}
					}
				}
			}
		}
	}
	if asked < 10_000 || allowed < asked/10 || allowed > asked*9/10 {
		t.Errorf("%d asked, %d allowed: the worlds are too tame", asked, allowed)
	}
}

// best is Allow if any row of the set that a peer of the packet's family can
// have allows it.
func best(tables *table.Tables, e *table.Endpoint, stage verdict.Stage, d verdict.Direction, p verdict.Packet) verdict.Verdict {
	spans := e.Spans[d]
	if stage != verdict.Normal {
		spans = e.Stages[stage][d]
	}
	var set *table.Set
	for _, s := range spans {
		if s.From.Compare(p.Local(d)) <= 0 && p.Local(d).Compare(s.To) <= 0 {
			set = tables.Sets[s.Set]
		}
	}
	family := table.Family(p.Remote(d))
	classes := map[table.ClassID]bool{}
	note := func(a netip.Addr, c table.ClassID) {
		if table.Family(a) == family {
			classes[c] = true
		}
	}
	for a, c := range tables.Hosts {
		note(a, c)
	}
	for _, n := range tables.Nets {
		note(n.From, n.Class)
	}
	if tables.Rows[set.Default[family]].Decide(p.Protocol, p.SrcPort, p.DstPort).Verdict == verdict.Allow {
		return verdict.Allow
	}
	for c, row := range set.Rows {
		if classes[c] && tables.Rows[row].Decide(p.Protocol, p.SrcPort, p.DstPort).Verdict == verdict.Allow {
			return verdict.Allow
		}
	}
	return verdict.Deny
}
