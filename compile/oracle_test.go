package compile_test

import (
	"net/netip"
	"testing"

	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/model/modeltest"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// TestOracleAgrees is the law that the project stands on: for random states
// and random packets the tables give the oracle's verdict and trace.
func TestOracleAgrees(t *testing.T) {
	seeds := uint64(2000)
	if testing.Short() {
		seeds = 200
	}
	var packets, rules int
	for seed := range seeds {
		g := modeltest.New(seed)
		s := g.State()
		for _, s := range []*model.State{s, s.Pending()} {
			n, byRule := compare(t, g, s, compile.Compile(s, compile.Options{}))
			packets += n
			rules += byRule
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if rules*12 < packets {
		t.Errorf("only %d of %d packets were decided by a rule: the states are too tame to test much", rules, packets)
	}
}

// TestHistory changes a random world one object at a time and holds the tables
// against the oracle and against a fresh build after each step.
func TestHistory(t *testing.T) {
	for seed := range uint64(60) {
		g := modeltest.New(seed)
		c := compile.New(compile.Options{})
		s := model.NewState()
		for _, ch := range g.World() {
			s.Apply(ch)
			c.Apply(ch)
		}
		for range 30 {
			ch := g.Mutation()
			s.Apply(ch)
			c.Apply(ch)
			compare(t, g, s, c.Tables())
			if t.Failed() {
				t.Fatalf("seed %d after %+v", seed, ch)
			}
		}
	}
}

// compare asks both about random packets at every endpoint.
func compare(t *testing.T, g *modeltest.Gen, s *model.State, tables *table.Tables) (packets, byRule int) {
	t.Helper()
	oracle := evaluate.New(s)
	for _, e := range s.SortedEndpoints() {
		for _, d := range verdict.Directions {
			for range 12 {
				p := g.Packet(d, local(g, e))
				if e.ID.Kind == verdict.Host {
					compareStages(t, oracle, tables, e, d, p)
				}
				want := oracle.Decide(e, d, p)
				got := tables.Lookup(e.ID, d, p)
				packets++
				if want.Reason == verdict.ByRule {
					byRule++
				}
				if got == nil {
					t.Errorf("%s %s %s: no decision, want %s", e.ID, d, p, &want)
				} else if !got.Equal(table.Decided(want)) {
					t.Errorf("%s %s %s:\n got %s\nwant %s", e.ID, d, p, got, &want)
				}
			}
		}
	}
	return packets, byRule
}

// compareStages compares the stages of a host endpoint. The tables have nothing
// for a stage without policies.
func compareStages(t *testing.T, oracle *evaluate.Oracle, tables *table.Tables, e *model.Endpoint, d verdict.Direction, p verdict.Packet) {
	t.Helper()
	for _, stage := range verdict.Stages {
		want, got := oracle.DecideStage(e, stage, d, p), tables.LookupStage(e.ID, stage, d, p)
		switch {
		case got == nil && stage != verdict.Normal && len(oracle.EffectiveStage(e, stage, d)) == 0:
			if want.Verdict == verdict.Deny {
				t.Errorf("%s %s %s: the tables let it go on, want %s", e.ID, stage, d, &want)
			}
		case got == nil || !got.Equal(table.Decided(want)):
			t.Errorf("%s %s %s %s:\n got %v\nwant %s", e.ID, stage, d, p, got, &want)
		}
	}
}

// local returns an address of the endpoint; a host has others than those that
// are known of it.
func local(g *modeltest.Gen, e *model.Endpoint) netip.Addr {
	if e.ID.Kind == verdict.Host && g.IntN(2) == 0 {
		return netip.AddrFrom4([4]byte{10, 0, 1, byte(g.IntN(128))})
	}
	return e.Addrs[g.IntN(len(e.Addrs))]
}
