package analysis_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/tierwall/tierwall/analysis"
	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/model/modeltest"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// TestDecideByOracleAndTables holds that a connection through all the stages
// that it meets fares alike by the oracle and by the tables, in random worlds.
func TestDecideByOracleAndTables(t *testing.T) {
	decided := map[verdict.Stage]int{}
	skipped, asked := 0, 0
	for seed := range uint64(400) {
		g := modeltest.New(seed)
		s := g.State()
		s.Apply(stagePolicies(g)...)
		oracle, tables := analysis.Decider(evaluate.New(s)), analysis.OfTables(compile.Compile(s, compile.Options{}))
		refs := references(s)
		for range 20 {
			from, to := refs[g.IntN(len(refs))], refs[g.IntN(len(refs))]
			c, err := s.Connect(from, to)
			if err != nil {
				continue
			}
			asked++
			q := g.Packet(verdict.Ingress, c.Ingress.Addr)
			p := c.Packet(q.Protocol, q.DstPort)
			want, got := analysis.Decide(oracle, c, p), analysis.Decide(tables, c, p)
			if got.Verdict != want.Verdict || !same(got.Egress, want.Egress) || !same(got.Ingress, want.Ingress) {
				t.Fatalf("seed %d: %s -> %s, %s:\n got %+v %+v\nwant %+v %+v", seed, from, to, p, got.Egress, got.Ingress, want.Egress, want.Ingress)
			}
			for _, side := range []*analysis.Passage{want.Egress, want.Ingress} {
				if side != nil && side.At.Endpoint != nil {
					decided[side.At.Stage]++
					if side.At.Stage.FallsThrough() && side.Accepts() {
						skipped++
					}
				}
			}
		}
	}
	t.Logf("%d connections, decided in %v, %d by an early Allow", asked, decided, skipped)
	for _, stage := range verdict.Stages {
		if decided[stage] < 20 {
			t.Errorf("only %d sides were decided in the %s stage", decided[stage], stage)
		}
	}
	if skipped < 5 {
		t.Errorf("only %d sides were decided by an early Allow", skipped)
	}
}

// stagePolicies are one policy for each stage but normal, of all host endpoints:
// a random world has few.
func stagePolicies(g *modeltest.Gen) (all []model.Change) {
	for _, stage := range []verdict.Stage{verdict.Untracked, verdict.PreDNAT, verdict.Forward} {
		p := g.Policy(stage.String())
		p.ID.Kind, p.ID.Namespace = "GlobalNetworkPolicy", ""
		p.Selector, p.Applies = selector.MustParse("all()"), [2]bool{true, stage != verdict.PreDNAT}
		p.DoNotTrack, p.PreDNAT, p.ApplyOnForward = stage == verdict.Untracked, stage == verdict.PreDNAT, true
		all = append(all, model.Put(p))
	}
	return all
}

// references are all that a state has, and some of the outside.
func references(s *model.State) []string {
	refs := []string{"10.0.1.200", "172.16.0.9", "fd00::1:99"}
	for _, e := range s.SortedEndpoints() {
		refs = append(refs, e.ID.String())
	}
	for _, name := range slices.Sorted(maps.Keys(s.Nodes)) { // the same at each run
		if len(s.Nodes[name].Addrs) > 0 {
			refs = append(refs, "node:"+name)
		}
	}
	return refs
}

func same(a, b *analysis.Passage) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.At != b.At || !a.Equal(&b.Trace) || len(a.Met) != len(b.Met) {
		return false
	}
	for i := range a.Met {
		if a.Met[i].At != b.Met[i].At || !a.Met[i].Equal(&b.Met[i].Trace) {
			return false
		}
	}
	return true
}
