package compile_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/model/modeltest"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// story draws changes that make a world and change it.
func story(t *rapid.T) []model.Change {
	g := modeltest.New(rapid.Uint64().Draw(t, "seed"))
	all := g.World()
	for range rapid.IntRange(0, 12).Draw(t, "changes") {
		all = append(all, g.Mutation())
	}
	return all
}

// TestSequences: the same changes in any order (of different objects), in any
// portions, repeated, with detours, end in the same tables up to ids, which are
// those of the state compiled at once.
func TestSequences(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		inAnyOrder(t, story(t))
	})
}

// inAnyOrder tells the changes in every way that should come to the same.
func inAnyOrder(t *rapid.T, changes []model.Change) {
	s := model.NewState()
	s.Apply(changes...)
	want := canonical(compile.Compile(s, compile.Options{}))
	for name, told := range map[string][]model.Change{
		"as it is":      changes,
		"reordered":     reordered(t, changes),
		"repeated":      repeated(t, changes),
		"with detours":  detours(t, changes),
		"only the last": lasting(changes),
	} {
		c := compile.New(compile.Options{})
		for _, portion := range portions(t, told) {
			c.Apply(portion...)
		}
		if diff := cmp.Diff(want, canonical(c.Tables())); diff != "" {
			t.Fatalf("%s: (-at once +told)\n%s", name, diff)
		}
	}
}

// reordered deals the changes out anew, those of one object in their order.
func reordered(t *rapid.T, changes []model.Change) []model.Change {
	queues := map[model.Key][]model.Change{}
	var keys []model.Key
	for _, c := range changes {
		if queues[c.Key] == nil {
			keys = append(keys, c.Key)
		}
		queues[c.Key] = append(queues[c.Key], c)
	}
	var all []model.Change
	for len(keys) > 0 {
		i := rapid.IntRange(0, len(keys)-1).Draw(t, "next")
		k := keys[i]
		all = append(all, queues[k][0])
		if queues[k] = queues[k][1:]; len(queues[k]) == 0 {
			keys = slices.Delete(keys, i, i+1)
		}
	}
	return all
}

// repeated says some changes twice at once, and the last of each object again
// at the end.
func repeated(t *rapid.T, changes []model.Change) []model.Change {
	var all []model.Change
	for _, c := range changes {
		all = append(all, c)
		if rapid.Bool().Draw(t, "again") {
			all = append(all, c)
		}
	}
	return append(all, lasting(changes)...)
}

// detours deletes objects before they are put.
func detours(t *rapid.T, changes []model.Change) []model.Change {
	var all []model.Change
	for _, c := range changes {
		all = append(all, c)
		if rapid.Bool().Draw(t, "delete") {
			all = append(all, model.Delete(c.Key), c)
		}
	}
	return all
}

// lasting are the last changes of each object.
func lasting(changes []model.Change) []model.Change {
	last := map[model.Key]model.Change{}
	for _, c := range changes {
		last[c.Key] = c
	}
	all := slices.Collect(maps.Values(last))
	slices.SortFunc(all, func(a, b model.Change) int {
		return strings.Compare(fmt.Sprint(a.Key), fmt.Sprint(b.Key))
	})
	return all
}

// portions cuts the changes, with empty portions in between.
func portions(t *rapid.T, changes []model.Change) [][]model.Change {
	var all [][]model.Change
	for len(changes) > 0 {
		n := min(rapid.IntRange(0, 8).Draw(t, "portion"), len(changes))
		all = append(all, changes[:n])
		changes = changes[n:]
	}
	return all
}

// TestTablesStay: tables that were handed out are not changed by what comes
// after.
func TestTablesStay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := compile.New(compile.Options{})
		var handed []*table.Tables
		var texts []string
		for _, ch := range story(t) {
			c.Apply(ch)
			handed = append(handed, c.Tables())
			texts = append(texts, canonical(c.Tables()))
		}
		for i, x := range handed {
			if diff := cmp.Diff(texts[i], canonical(x)); diff != "" {
				t.Fatalf("tables %d changed: (-then +now)\n%s", i, diff)
			}
		}
	})
}

// TestPutAgain: putting objects of the same content, in other places of memory,
// changes nothing; nor does deleting what is not there.
func TestPutAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		c := compile.New(compile.Options{})
		if d := c.Apply(modeltest.New(seed).World()...); d.Empty() {
			t.Fatal("the first time nothing changed")
		}
		before := c.Tables()
		for _, ch := range modeltest.New(seed).World() {
			if d := c.Apply(ch); !d.Empty() {
				t.Fatalf("%+v again: %+v", ch.Key, d)
			}
		}
		gone := model.Delete(model.PolicyKey(verdict.PolicyID{Kind: "NetworkPolicy", Namespace: "none", Name: "none"}))
		if d := c.Apply(gone); !d.Empty() {
			t.Fatalf("deleting nothing: %+v", d)
		}
		if d := c.Apply(); !d.Empty() {
			t.Fatalf("no changes: %+v", d)
		}
		if c.Tables() != before {
			t.Fatal("the tables were made anew")
		}
	})
}

// TestPutOtherwise: the same policy with other content is another one, though
// its name and place are the same: endpoints that it applies to change sets.
func TestPutOtherwise(t *testing.T) {
	c := compile.New(compile.Options{})
	c.Apply(model.Put(pod("blue", "a", "10.0.0.1")), model.Put(policy("p", "app == 'a'", allow)))
	d := c.Apply(model.Put(policy("p", "app == 'a'", deny)))
	if len(d.Endpoints) != 1 || len(d.NewSets) != 1 || len(d.OldSets) != 1 {
		t.Errorf("%+v", d)
	}
}

// TestDeltas: each Apply returns what it changed in the tables.
func TestDeltas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := compile.New(compile.Options{})
		for _, ch := range story(t) {
			before := c.Tables()
			got := c.Apply(ch)
			if diff := cmp.Diff(table.Diff(before, c.Tables()), got, compareAddrs); diff != "" {
				t.Fatalf("%+v: (-tables +delta)\n%s", ch.Key, diff)
			}
		}
	})
}

// TestNode: an agent's tables are those of its endpoints, with the decisions
// that they have in the whole.
func TestNode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := modeltest.New(rapid.Uint64().Draw(t, "seed"))
		s := g.State()
		whole := compile.Compile(s, compile.Options{})
		found := 0
		for _, node := range []string{"n0", "n1"} {
			mine := compile.Compile(s, compile.Options{Node: node})
			for _, e := range s.SortedEndpoints() {
				if _, ok := mine.Endpoints[e.ID]; ok != (e.Node == node) {
					t.Fatalf("%s of %s is in the tables of %s: %v", e.ID, e.Node, node, ok)
				}
				if e.Node != node {
					continue
				}
				found++
				for _, d := range verdict.Directions {
					for range 10 {
						p := g.Packet(d, local(g, e))
						want, got := whole.Lookup(e.ID, d, p), mine.Lookup(e.ID, d, p)
						if got == nil || !got.Equal(want) {
							t.Fatalf("%s %s %s: %v on the node, %v in the whole", e.ID, d, p, got, want)
						}
					}
				}
			}
		}
		if found != len(whole.Endpoints) {
			t.Fatalf("%d endpoints on the nodes, %d in the whole", found, len(whole.Endpoints))
		}
	})
}
