package table_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/model/modeltest"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// history draws the tables of one compiler after each of a few changes.
func history(t *rapid.T) []*table.Tables {
	g := modeltest.New(rapid.Uint64().Draw(t, "seed"))
	c := compile.New(compile.Options{})
	c.Apply(g.World()...)
	all := []*table.Tables{table.New(), c.Tables()}
	for range rapid.IntRange(1, 6).Draw(t, "changes") {
		c.Apply(g.Mutation())
		all = append(all, c.Tables())
	}
	return all
}

// pairOf draws two tables of a history, the older first: neighbours or not.
func pairOf(t *rapid.T) (from, to *table.Tables) {
	all := history(t)
	i := rapid.IntRange(0, len(all)-1).Draw(t, "from")
	j := rapid.IntRange(i, len(all)-1).Draw(t, "to")
	return all[i], all[j]
}

// TestDeltaLeads: taking a delta's steps leads from the old tables to the new,
// and after each of them nothing points at what is not there.
func TestDeltaLeads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := pairOf(t)
		before := from.Clone()
		d := table.Diff(from, to)
		p := player{from.Clone()}
		whole := func(step string) {
			if all := p.dangles(); len(all) > 0 {
				t.Fatalf("after %s there dangle %v", step, all)
			}
		}
		p.add(d)
		whole("add")
		for _, flip := range p.flips(d) {
			flip()
			whole("a flip")
		}
		p.drop(d)
		whole("drop")
		if diff := cmp.Diff(to, p.Tables, compareAddrs, cmp.Comparer((*table.Row).Equal)); diff != "" {
			t.Fatalf("(-to +reached)\n%s", diff)
		}
		if diff := cmp.Diff(before, from, compareAddrs, cmp.Comparer((*table.Row).Equal)); diff != "" {
			t.Fatalf("the old tables changed:\n%s", diff)
		}
	})
}

// TestDiffOfEqual: nothing differs from itself or from its copy, and the same
// question has the same answer.
func TestDiffOfEqual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := pairOf(t)
		if d := table.Diff(to, to); !d.Empty() {
			t.Fatalf("from itself: %+v", d)
		}
		if d := table.Diff(to, to.Clone()); !d.Empty() {
			t.Fatalf("from its copy: %+v", d)
		}
		a, b := table.Diff(from, to), table.Diff(from, to)
		if diff := cmp.Diff(a, b, compareAddrs); diff != "" {
			t.Fatalf("asked twice:\n%s", diff)
		}
		if a.Empty() != cmp.Equal(from, to, compareAddrs, cmp.Comparer((*table.Row).Equal)) {
			t.Fatalf("Empty is %v for %+v", a.Empty(), a)
		}
	})
}

// TestOldOrNew: between any two single flips each packet meets the old decision
// or the new one, and one that had a decision and will have one is never
// without. A delta that needs a bridge is left out: an endpoint that stays
// changes its set while an address changes its class, and the old set need not
// know the new class.
func TestOldOrNew(t *testing.T) {
	tried, bridged := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		from, to := pairOf(t)
		d := table.Diff(from, to)
		if needsBridge(d) {
			bridged++
			return
		}
		tried++
		questions := ask(from, to)
		p := player{from.Clone()}
		check := func(step string) {
			for _, q := range questions {
				was, will, is := q.row(from), q.row(to), q.row(p.Tables)
				if !same(is, was) && !same(is, will) {
					t.Fatalf("%s: %s of %s, local %s, peer %s: neither the old row nor the new", step, q.d, q.id, q.local, q.peer)
				}
			}
		}
		p.add(d)
		check("after add")
		for _, flip := range p.flips(d) {
			flip()
			check("between flips")
		}
		p.drop(d)
		check("after drop")
	})
	if tried < 5 {
		t.Errorf("only %d deltas were tried, %d need a bridge", tried, bridged)
	}
}

// needsBridge reports whether sets and classes change together.
func needsBridge(d *table.Delta) bool {
	moves := slices.ContainsFunc(d.Endpoints, func(c table.EndpointChange) bool { return c.Old != nil && c.New != nil })
	return moves && len(d.Hosts)+len(d.OldNets)+len(d.NewNets) > 0
}

// question is a packet as far as it chooses a row.
type question struct {
	id          verdict.EndpointID
	d           verdict.Direction
	local, peer netip.Addr
}

// row returns the row that decides, nil if there is none.
func (q question) row(t *table.Tables) *table.Row {
	e := t.Endpoints[q.id]
	if e == nil {
		return nil
	}
	s := t.Sets[e.SetFor(q.d, q.local)]
	if s == nil {
		return nil
	}
	return t.Row(s, q.peer)
}

func same(a, b *table.Row) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(b)
}

// ask returns questions about every edge of spans, hosts and nets of both.
func ask(both ...*table.Tables) []question {
	peers := map[netip.Addr]bool{addr("8.8.8.8"): true, addr("2001:db8::8"): true}
	locals := map[verdict.EndpointID]map[netip.Addr]bool{}
	for _, t := range both {
		for a := range t.Hosts {
			peers[a] = true
		}
		for _, n := range t.Nets {
			peers[n.From], peers[n.To] = true, true
		}
		for id, e := range t.Endpoints {
			if locals[id] == nil {
				locals[id] = map[netip.Addr]bool{}
			}
			for _, s := range slices.Concat(e.Spans[0], e.Spans[1]) {
				locals[id][s.From], locals[id][s.To] = true, true
			}
		}
	}
	var all []question
	for id, addrs := range locals {
		for _, d := range verdict.Directions {
			for local := range addrs {
				for peer := range peers {
					if peer.Is4() == local.Is4() {
						all = append(all, question{id, d, local, peer})
					}
				}
			}
		}
	}
	return all
}

// TestIDsKeepTheirMeaning: in one compiler's tables an id stands for one thing
// as long as it is in use, which is what lets keys flip one by one. So the row
// of a class in a set never changes: a delta has no Entries.
func TestIDsKeepTheirMeaning(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := pairOf(t)
		if d := table.Diff(from, to); len(d.Entries) > 0 {
			t.Fatalf("entries of sets and classes in use change: %v", d.Entries)
		}
		for id, r := range from.Rows {
			if now := to.Rows[id]; now != nil && !now.Equal(r) {
				t.Fatalf("row %d changed its content", id)
			}
		}
		for id, s := range from.Sets {
			now := to.Sets[id]
			if now == nil {
				continue
			}
			if now.Direction != s.Direction || now.Kind != s.Kind || now.Default != s.Default || !now.Ends.Equal(s.Ends) {
				t.Fatalf("set %d changed its meaning: %+v, %+v", id, s, now)
			}
		}
	})
}

// TestKnownPodIsOneKey: a pod with labels that another has already is one host
// and one endpoint in the delta, nothing else.
func TestKnownPodIsOneKey(t *testing.T) {
	pod := func(name, at string) *model.Endpoint {
		return &model.Endpoint{
			ID: verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: name}, Addrs: []netip.Addr{addr(at)},
			Labels: map[string]string{"app": "web"},
		}
	}
	web := selector.Equal("app", "web")
	c := compile.New(compile.Options{})
	c.Apply(model.Put(pod("a", "10.0.0.1")), model.Put(&model.Policy{
		ID: verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: "p"}, Tier: "default", Selector: web, Applies: [2]bool{true, false},
		Rules: [2][]model.Rule{{{Action: verdict.ActionAllow, Source: model.Peer{Selector: web}}}},
	}))
	class := c.Tables().Class(addr("10.0.0.1"))
	d := c.Apply(model.Put(pod("b", "10.0.0.2")))
	want := &table.Delta{
		Hosts:     []table.HostChange{{Addr: addr("10.0.0.2"), Class: class}},
		Endpoints: []table.EndpointChange{{New: c.Tables().Endpoints[verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: "b"}]}},
	}
	if diff := cmp.Diff(want, d, compareAddrs); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
