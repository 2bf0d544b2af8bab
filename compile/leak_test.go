package compile

import (
	"testing"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/model/modeltest"
)

// TestNothingIsKept: when everything is gone, so is everything that was kept
// for it.
func TestNothingIsKept(t *testing.T) {
	for seed := range uint64(100) {
		g := modeltest.New(seed)
		start, next := g.World, g.Mutation
		if seed >= 50 {
			g = modeltest.NewNames(seed)
			start, next = g.NamesWorld, g.NamesMutation
		}
		c := New(Options{})
		empty := c.sizes()
		world := start()
		c.Apply(world...)
		for range 10 {
			ch := next()
			world = append(world, ch)
			c.Apply(ch)
		}
		if c.sizes()["programs"] == 0 {
			t.Fatalf("seed %d: no sets to begin with", seed)
		}
		g.Shuffle(len(world), func(i, j int) { world[i], world[j] = world[j], world[i] })
		for _, ch := range world {
			c.Apply(model.Delete(ch.Key))
		}
		x := c.Tables()
		if n := len(x.Hosts) + len(x.Nets) + len(x.Endpoints) + len(x.Sets) + len(x.Rows); n > 0 {
			t.Errorf("seed %d: the tables are not empty: %+v", seed, x)
		}
		for what, n := range c.sizes() {
			if n != empty[what] {
				t.Errorf("seed %d: %d %s are kept, of %d that are always there", seed, n, what, empty[what])
			}
		}
	}
}

// sizes counts everything that a compiler keeps.
func (c *Compiler) sizes() map[string]int {
	indexed := func(x int, y int, z int) int { return x + y + z }
	return map[string]int{
		"labels": len(c.pairs.ids), "label numbers": len(c.pairs.list) - len(c.pairs.free), "parents": len(c.parents), "groups": len(c.groups),
		"endpoints": len(c.byID), "endpoint places": len(c.endpoints) - len(c.freeEndpoints), "addresses": c.byAddr.len(), "shared addresses": len(c.shared),
		"lists": len(c.lists), "slices": len(c.slices), "services": len(c.services), "tiers": len(c.tiers), "policies": len(c.policies),
		"profiles": len(c.profiles), "conditions": len(c.conditions), "local groups": len(c.localGroups), "locals": len(c.locals),
		"indexed conditions": indexed(len(c.byLabels.byPair), len(c.byLabels.byKey), len(c.byLabels.rest)),
		"indexed policies":   indexed(len(c.bySelector.byPair), len(c.bySelector.byKey), len(c.bySelector.rest)),
		"watching":           len(c.watching), "named": c.namedLocals, "programs": len(c.programs), "rows": len(c.rows), "decisions": len(c.decisions),
		"atom numbers": c.atomIDs.given(), "class numbers": c.classIDs.given(), "set numbers": c.setIDs.given(),
		"row numbers": c.rowIDs.given(), "decision numbers": c.decisionIDs.given(),
		"published": len(c.published), "hosts": c.space.hosts.Len(), "cidrs": c.space.cidrs.Len(), "prefixes": len(c.space.byPrefix),
		"names": c.names.known.Len(), "patterns": c.names.patterns.Len(), "groups with domains": len(c.names.allowing),
		"classes": len(c.space.classes), "classes by id": len(c.space.byID), "nets": len(c.space.nets),
	}
}

// given counts the numbers that are out.
func (p *idPool) given() int { return int(p.next) - len(p.returned) }

// TestIDsAreNotUsedAgain: what was given back is given out only when much else
// was given back since.
func TestIDsAreNotUsedAgain(t *testing.T) {
	p := newIDs(16)
	p.patience = 3
	var given []uint64
	for range 5 {
		given = append(given, p.take())
	}
	for i, want := range []uint64{21, 22, 23, 16, 17} {
		p.give(given[i])
		if got := p.take(); got != want {
			t.Fatalf("after %d were given back: %d, want %d", i+1, got, want)
		}
	}
}
