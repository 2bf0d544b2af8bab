package compile_test

import (
	"flag"
	"fmt"
	"net/netip"
	"testing"

	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/model/modeltest"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

var (
	pairs = flag.Int("pairs", 400_000, "how many packets TestAgree asks both about; 10000000 for the night")
	from  = flag.Uint64("from", 0, "the seed of TestAgree's first world")
)

// TestAgree is the law that the project stands on: for random states and random
// packets the tables give the oracle's verdict and trace. Each way to a verdict
// must have been gone often enough, or the states are too tame to test much.
func TestAgree(t *testing.T) {
	seen := newTally()
	seed := *from
	for ; seen.packets < *pairs; seed++ {
		g := modeltest.New(seed)
		s := g.State()
		for _, s := range []*model.State{s, s.Pending()} {
			compare(t, g, s, compile.Compile(s, compile.Options{}), seen)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("seeds %d to %d: %d packets; by reason %v; steps by action %v; stages with policy %v; %d allowed",
		*from, seed-1, seen.packets, seen.reasons, seen.actions, seen.stages, seen.allowed)
	seen.check(t)
}

// tally counts what the oracle answered.
type tally struct {
	packets, allowed int
	reasons          map[verdict.Reason]int
	actions          map[verdict.Action]int
	stages           map[verdict.Stage]int
}

func newTally() *tally {
	return &tally{reasons: map[verdict.Reason]int{}, actions: map[verdict.Action]int{}, stages: map[verdict.Stage]int{}}
}

func (c *tally) add(trace verdict.Trace) {
	c.packets++
	c.reasons[trace.Reason]++
	if trace.Verdict == verdict.Allow {
		c.allowed++
	}
	for _, s := range trace.Steps {
		c.actions[s.Action]++
	}
}

// check fails for each way that less than one packet in 2,000 went.
func (c *tally) check(t *testing.T) {
	t.Helper()
	few := func(what fmt.Stringer, n int) {
		if n*2000 < c.packets {
			t.Errorf("only %d of %d packets: %s", n, c.packets, what)
		}
	}
	for r := verdict.ByRule; r <= verdict.InvalidPolicy; r++ {
		if r != verdict.NotAnEndpoint { // decided before anyone is asked
			few(r, c.reasons[r])
		}
	}
	for _, a := range []verdict.Action{verdict.ActionAllow, verdict.ActionDeny, verdict.ActionPass, verdict.ActionLog} {
		few(a, c.actions[a])
	}
	for _, s := range verdict.Stages {
		few(s, c.stages[s])
	}
	if c.reasons[verdict.ByRule]*12 < c.packets || c.allowed*10 < c.packets || c.allowed*10 > c.packets*9 {
		t.Errorf("%d packets decided by a rule and %d allowed of %d", c.reasons[verdict.ByRule], c.allowed, c.packets)
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
			compare(t, g, s, c.Tables(), nil)
			if t.Failed() {
				t.Fatalf("seed %d after %+v", seed, ch)
			}
		}
	}
}

// compare asks both about random packets at every endpoint. It counts the answers
// if there is a tally.
func compare(t *testing.T, g *modeltest.Gen, s *model.State, tables *table.Tables, seen *tally) {
	t.Helper()
	oracle := evaluate.New(s)
	for _, e := range s.SortedEndpoints() {
		for _, d := range verdict.Directions {
			for range 12 {
				p := g.Packet(d, local(g, e))
				if e.ID.Kind == verdict.Host {
					compareStages(t, oracle, tables, e, d, p, seen)
				}
				want := oracle.Decide(e, d, p)
				got := tables.Lookup(e.ID, d, p)
				if seen != nil {
					seen.add(want)
				}
				if got == nil {
					t.Errorf("%s %s %s: no decision, want %s", e.ID, d, p, &want)
				} else if !got.Equal(table.Decided(want)) {
					t.Errorf("%s %s %s:\n got %s\nwant %s", e.ID, d, p, got, &want)
				}
			}
		}
	}
}

// compareStages compares the stages of a host endpoint. The tables have nothing
// for a stage without policies.
func compareStages(t *testing.T, oracle *evaluate.Oracle, tables *table.Tables, e *model.Endpoint, d verdict.Direction, p verdict.Packet, seen *tally) {
	t.Helper()
	for _, stage := range verdict.Stages {
		want, got := oracle.DecideStage(e, stage, d, p), tables.LookupStage(e.ID, stage, d, p)
		if seen != nil && len(oracle.EffectiveStage(e, stage, d)) > 0 {
			seen.stages[stage]++
		}
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
