package compile

import (
	"testing"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/model/modeltest"
)

// TestNothingIsKept: when everything is gone, so is everything that was kept
// for it.
func TestNothingIsKept(t *testing.T) {
	for seed := range uint64(20) {
		g := modeltest.New(seed)
		c := New(Options{})
		world := g.World()
		c.Apply(world...)
		for range 10 {
			ch := g.Mutation()
			world = append(world, ch)
			c.Apply(ch)
		}
		if n := len(c.ids.sets.then); n == 0 {
			t.Fatalf("seed %d: no sets to begin with", seed)
		}
		for _, ch := range world {
			c.Apply(model.Delete(ch.Key))
		}
		x := c.Tables()
		if n := len(x.Hosts) + len(x.Nets) + len(x.Endpoints) + len(x.Sets) + len(x.Rows); n > 0 {
			t.Errorf("seed %d: the tables are not empty: %+v", seed, x)
		}
		kept := map[string]int{
			"atoms": len(c.ids.atoms.then) + len(c.ids.atoms.now), "classes": len(c.ids.classes.then) + len(c.ids.classes.now),
			"sets": len(c.ids.sets.then) + len(c.ids.sets.now), "rows": len(c.ids.rows.then) + len(c.ids.rows.now),
			"decisions": len(c.ids.decisions.then) + len(c.ids.decisions.now), "traces": len(c.ids.traces), "versions": len(c.versions),
		}
		for what, n := range kept {
			if n > 0 {
				t.Errorf("seed %d: %d %s are kept", seed, n, what)
			}
		}
	}
}

// TestIDsAreNotUsedAgain: what comes back after it was forgotten gets a new
// id, for something may still hold the old one.
func TestIDsAreNotUsedAgain(t *testing.T) {
	n := newIDs[uint32](16)
	next := func(keys ...string) (all []uint32) {
		for _, k := range keys {
			id, _ := n.id(k)
			all = append(all, id)
		}
		n.next()
		return all
	}
	a := next("x", "y", "x")
	if a[0] != 16 || a[1] != 17 || a[2] != a[0] {
		t.Errorf("%v", a)
	}
	if b := next("y"); b[0] != a[1] {
		t.Errorf("y was %d and is %d", a[1], b[0])
	}
	if c := next("x", "z"); c[0] == a[0] || c[0] == a[1] || c[1] == a[0] || c[1] == a[1] || c[0] == c[1] {
		t.Errorf("after %v there is %v", a, c)
	}
	if _, first := n.id("x"); !first {
		t.Error("the first time in a build is not told")
	}
	if _, first := n.id("x"); first {
		t.Error("the second time in a build is told as the first")
	}
}
