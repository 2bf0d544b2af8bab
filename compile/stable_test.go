package compile_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/model/modeltest"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

var compareAddrs = cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.IgnoreUnexported(table.Tables{}), cmpopts.EquateEmpty()}

var (
	allow = model.Rule{Action: verdict.ActionAllow}
	deny  = model.Rule{Action: verdict.ActionDeny}
)

func addr(text string) netip.Addr { return netip.MustParseAddr(text) }

// pod is a pod with the label app, its name.
func pod(ns, name, at string) *model.Endpoint {
	return &model.Endpoint{
		ID: verdict.EndpointID{Kind: verdict.Pod, Namespace: ns, Name: name}, Addrs: []netip.Addr{addr(at)},
		Labels: map[string]string{"app": name, model.LabelNamespace: ns},
	}
}

// policy is a global policy of ingress in the default tier.
func policy(name, to string, rules ...model.Rule) *model.Policy {
	for i := range rules {
		rules[i].Index = i
	}
	return &model.Policy{
		ID: verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: name}, Tier: "default", Selector: selector.MustParse(to),
		Applies: [2]bool{true, false}, Rules: [2][]model.Rule{rules, nil},
	}
}

func allowFrom(text string) model.Rule {
	r := allow
	r.Source.Selector = selector.MustParse(text)
	return r
}

// TestUnrelatedChanges: what has nothing to do with a change keeps its ids,
// and is not in the delta.
func TestUnrelatedChanges(t *testing.T) {
	a, b := verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: "a"}, verdict.EndpointID{Kind: verdict.Pod, Namespace: "red", Name: "b"}
	for _, row := range []struct {
		name   string
		change model.Change
		// moved are the endpoints that may change their sets, classes the
		// addresses that may change their class.
		moved   []verdict.EndpointID
		classes []string
	}{
		{"another policy is edited, its peers are not", model.Put(policy("on-b", "app == 'b'", deny, allowFrom("app == 'd'"))), []verdict.EndpointID{b}, nil},
		{"another policy gets another peer", model.Put(policy("on-b", "app == 'b'", allowFrom("app == 'e'"))), []verdict.EndpointID{b}, []string{"10.0.0.4", "10.0.0.5"}},
		{"another policy goes", model.Delete(policy("on-b", "all()").Key()), []verdict.EndpointID{b}, []string{"10.0.0.4"}},
		{"a policy comes that selects nothing here", model.Put(policy("new", "app == 'none'", allowFrom("app == 'a'"))), nil, nil},
		{"a pod comes that nobody speaks of", model.Put(pod("red", "z", "10.0.0.9")), []verdict.EndpointID{{Kind: verdict.Pod, Namespace: "red", Name: "z"}}, nil},
		{"a namespace is labelled", model.Put(&model.Namespace{Name: "blue", Labels: map[string]string{"x": "y"}}), nil, nil},
		{"a tier comes without policies", model.Put(&model.Tier{Name: "sec"}), nil, nil},
		{"a set comes that nobody speaks of", model.Put(&model.NetworkSet{Name: "s", Nets: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}), nil, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := compile.New(compile.Options{})
			c.Apply(
				model.Put(pod("blue", "a", "10.0.0.1")), model.Put(pod("red", "b", "10.0.0.2")), model.Put(pod("blue", "c", "10.0.0.3")),
				model.Put(pod("red", "d", "10.0.0.4")), model.Put(pod("red", "e", "10.0.0.5")),
				model.Put(policy("on-a", "app == 'a'", allowFrom("app == 'c'"))), model.Put(policy("on-b", "app == 'b'", allowFrom("app == 'd'"))))
			before := c.Tables()
			d := c.Apply(row.change)
			after := c.Tables()
			for _, e := range d.Endpoints {
				var id verdict.EndpointID
				if e.New != nil {
					id = e.New.ID
				} else {
					id = e.Old.ID
				}
				if !slices.Contains(row.moved, id) {
					t.Errorf("%s changes its sets", id)
				}
			}
			if len(d.Endpoints) != len(row.moved) {
				t.Errorf("%d endpoints move, want %v", len(d.Endpoints), row.moved)
			}
			for _, text := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "8.8.8.8"} {
				if changed := before.Class(addr(text)) != after.Class(addr(text)); changed && !slices.Contains(row.classes, text) {
					t.Errorf("%s changes its class", text)
				}
			}
			if s := before.Endpoints[a].Spans[0][0].Set; after.Sets[s] == nil || !cmp.Equal(before.Sets[s], after.Sets[s]) {
				t.Errorf("set %d of %s changed: %+v", s, a, after.Sets[s])
			}
		})
	}
}

// TestSetsOfOthers: on random worlds, a change of a policy moves no endpoint
// that neither its old nor its new form applies to.
func TestSetsOfOthers(t *testing.T) {
	moved := 0
	rapid.Check(t, func(t *rapid.T) {
		g := modeltest.New(rapid.Uint64().Draw(t, "seed"))
		c, s := compile.New(compile.Options{}), model.NewState()
		world := g.World()
		c.Apply(world...)
		s.Apply(world...)
		for range 5 {
			p := g.Policy("pol1")
			old := s.Policies[p.ID]
			before := c.Tables()
			c.Apply(model.Put(p))
			s.Apply(model.Put(p))
			for _, e := range s.SortedEndpoints() {
				same := cmp.Equal(before.Endpoints[e.ID], c.Tables().Endpoints[e.ID], compareAddrs)
				if !same {
					moved++
				}
				if !same && !selects(s, old, e) && !selects(s, p, e) {
					t.Fatalf("%s moves, and %s does not apply to it", e.ID, p.ID)
				}
			}
		}
	})
	if moved == 0 {
		t.Error("no endpoint ever moved")
	}
}

func selects(s *model.State, p *model.Policy, e *model.Endpoint) bool {
	return p != nil && p.Selector != nil && p.Selector.Matches(s.Labels(e))
}

// TestReplicasShare: endpoints of equal labels have one set a direction and one
// class.
func TestReplicasShare(t *testing.T) {
	c := compile.New(compile.Options{})
	c.Apply(model.Put(policy("p", "app == 'a'", allowFrom("app == 'a'"))))
	for i, name := range []string{"a1", "a2", "a3"} {
		e := pod("blue", name, "10.0.0."+string(rune('1'+i)))
		e.Labels["app"] = "a"
		c.Apply(model.Put(e))
	}
	x := c.Tables()
	if len(x.Sets) != 2 || len(x.Hosts) != 3 || len(x.Endpoints) != 3 {
		t.Errorf("%d sets, %d hosts, %d endpoints", len(x.Sets), len(x.Hosts), len(x.Endpoints))
	}
	if x.Class(addr("10.0.0.1")) != x.Class(addr("10.0.0.3")) {
		t.Error("replicas are told apart")
	}
}

// TestTierOtherwise: a tier that ends otherwise makes other sets of those that
// its policies apply to.
func TestTierOtherwise(t *testing.T) {
	c := compile.New(compile.Options{})
	p := policy("p", "app == 'a'")
	p.Tier = "sec"
	c.Apply(model.Put(&model.Tier{Name: "sec"}), model.Put(pod("blue", "a", "10.0.0.1")), model.Put(p))
	d := c.Apply(model.Put(&model.Tier{Name: "sec", Pass: true}))
	if len(d.Endpoints) != 1 || len(d.NewSets) != 1 || len(d.OldSets) != 1 || len(d.Entries) != 0 {
		t.Errorf("%+v", d)
	}
}

// TestShape: what Tables, Endpoint, Set and Row promise of their form holds on
// random worlds.
func TestShape(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := modeltest.New(rapid.Uint64().Draw(t, "seed"))
		for range 5 {
			checkShape(t, compile.Compile(g.State(), compile.Options{}))
		}
	})
}

func checkShape(t *rapid.T, x *table.Tables) {
	for _, e := range x.Endpoints {
		for _, spans := range e.Spans {
			checkSpans(t, e.ID, spans)
		}
	}
	checkAddresses(t, x)
	for id, s := range x.Sets {
		for class, row := range s.Rows {
			if s.ID != id || x.Rows[row] == nil || slices.Contains(s.Default[:], row) && s.Default[0] == s.Default[1] {
				t.Fatalf("set %d: class %d has row %d, the defaults %v", id, class, row, s.Default)
			}
		}
	}
	for id, r := range x.Rows {
		checkRow(t, r)
		for other, o := range x.Rows {
			if r.ID != id || id != other && r.Equal(o) {
				t.Fatalf("rows %d and %d are equal", id, other)
			}
		}
	}
}

// checkSpans: sorted and disjoint; those of a host cover both families, as few
// as they can be.
func checkSpans(t *rapid.T, id verdict.EndpointID, spans []table.Span) {
	next := netip.IPv4Unspecified()
	for i, s := range spans {
		if s.To.Less(s.From) || s.From.Is4() != s.To.Is4() || i > 0 && s.From.Compare(spans[i-1].To) <= 0 {
			t.Fatalf("%s: spans %v", id, spans)
		}
		if id.Kind != verdict.Host {
			continue
		}
		if s.From != next || i > 0 && spans[i-1].Set == s.Set && spans[i-1].To.Next() == s.From {
			t.Fatalf("%s: span %d of %v", id, i, spans)
		}
		if next = s.To.Next(); !next.IsValid() && s.To.Is4() {
			next = netip.IPv6Unspecified()
		}
	}
	if id.Kind == verdict.Host && next.IsValid() {
		t.Fatalf("%s: the spans end before %s", id, next)
	}
}

func checkAddresses(t *rapid.T, x *table.Tables) {
	for i, n := range x.Nets {
		if n.To.Less(n.From) || n.From.Is4() != n.To.Is4() || i > 0 && n.From.Compare(x.Nets[i-1].To) <= 0 {
			t.Fatalf("nets %v", x.Nets)
		}
		if i > 0 && n.Class == x.Nets[i-1].Class && x.Nets[i-1].To.Next() == n.From {
			t.Fatalf("nets that are one: %v", x.Nets[i-1:i+1])
		}
	}
	for a, class := range x.Hosts {
		without := table.Tables{Nets: x.Nets}
		if without.Class(a) == class {
			t.Fatalf("the host %s has the class of its net", a)
		}
	}
}

func checkRow(t *rapid.T, r *table.Row) {
	if r.Other == nil {
		t.Fatalf("row %d decides nothing for other protocols", r.ID)
	}
	for i, p := range r.Protocols {
		if i > 0 && p.Number <= r.Protocols[i-1].Number {
			t.Fatalf("row %d: protocols %d and %d", r.ID, r.Protocols[i-1].Number, p.Number)
		}
		if len(p.Bands) == 1 && len(p.Bands[0].Cells) == 1 && p.Bands[0].Cells[0].Decision.Equal(r.Other) {
			t.Fatalf("row %d: protocol %d is as the others", r.ID, p.Number)
		}
		next := 0
		for j, b := range p.Bands {
			if int(b.From) != next || b.To < b.From {
				t.Fatalf("row %d: band %d begins at %d, want %d", r.ID, j, b.From, next)
			}
			next = int(b.To) + 1
			checkCells(t, r.ID, b.Cells)
			if j > 0 && slices.EqualFunc(b.Cells, p.Bands[j-1].Cells, func(x, y table.Cell) bool {
				return x.From == y.From && x.To == y.To && x.Decision.Equal(y.Decision)
			}) {
				t.Fatalf("row %d: bands %d and %d are one", r.ID, j-1, j)
			}
		}
		icmp := p.Number == verdict.ICMP || p.Number == verdict.ICMPv6 // cells by type and code
		if next != 65536 || !verdict.HasPorts(p.Number) && !verdict.IsICMP(p.Number) && (len(p.Bands) != 1 || !icmp && len(p.Bands[0].Cells) != 1) {
			t.Fatalf("row %d: protocol %d has the bands %v", r.ID, p.Number, p.Bands)
		}
	}
}

func checkCells(t *rapid.T, id table.RowID, cells []table.Cell) {
	next := 0
	for i, c := range cells {
		if int(c.From) != next || c.To < c.From || c.Decision == nil {
			t.Fatalf("row %d: cell %d is %v, want it to begin at %d", id, i, c, next)
		}
		if next = int(c.To) + 1; i > 0 && c.Decision.Equal(cells[i-1].Decision) {
			t.Fatalf("row %d: cells %d and %d are one", id, i-1, i)
		}
	}
	if next != 65536 {
		t.Fatalf("row %d: cells end at %d", id, next)
	}
}

// TestSettings: failsafe ports are in the tables, and a change of them is a
// delta.
func TestSettings(t *testing.T) {
	hep := &model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Host, Name: "h"}, Interface: "eth0", Addrs: []netip.Addr{addr("10.9.0.1")}}
	c := compile.New(compile.Options{})
	c.Apply(model.Put(hep))
	p := verdict.Packet{Src: addr("8.8.8.8"), Dst: addr("10.9.0.1"), Protocol: verdict.TCP, SrcPort: 1024, DstPort: 22}
	if got := c.Tables().Lookup(hep.ID, verdict.Ingress, p); got == nil || got.Reason != verdict.ByFailsafe {
		t.Errorf("%v", got)
	}
	if d := c.Settings(model.DefaultSettings()); !d.Empty() {
		t.Errorf("the same settings: %+v", d)
	}
	if d := c.Settings(model.Settings{}); len(d.Endpoints) != 1 {
		t.Errorf("no failsafe ports: %+v", d)
	}
	if got := c.Tables().Lookup(hep.ID, verdict.Ingress, p); got == nil || got.Reason != verdict.ByHostDefault {
		t.Errorf("%v", got)
	}
	limited := model.Settings{FailsafeIn: []model.Failsafe{{Protocol: verdict.TCP, Port: 22, Net: netip.MustParsePrefix("10.0.0.0/8")}}}
	c.Settings(limited)
	if got := c.Tables().Lookup(hep.ID, verdict.Ingress, p); got == nil || got.Verdict != verdict.Deny {
		t.Errorf("outside of the net: %v", got)
	}
	other := limited
	other.FailsafeIn = []model.Failsafe{{Protocol: verdict.TCP, Port: 23, Net: netip.MustParsePrefix("10.0.0.0/8")}}
	if d := c.Settings(other); len(d.Endpoints) != 1 {
		t.Errorf("another port: %+v", d)
	}
	c.Settings(limited)
	p.Src = addr("10.1.2.3")
	if got := c.Tables().Lookup(hep.ID, verdict.Ingress, p); got == nil || got.Reason != verdict.ByFailsafe {
		t.Errorf("in the net: %v", got)
	}
}

// TestConfigurations: a node's own configuration holds for its host endpoints
// alone, what is put twice is no change, and a tables-wide compiler keeps nodes
// apart.
func TestConfigurations(t *testing.T) {
	hep := func(node string) *model.Endpoint {
		return &model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Host, Name: "h-" + node}, Node: node, Interface: "eth0", Addrs: []netip.Addr{addr("10.9.0.1")}}
	}
	c := compile.New(compile.Options{})
	c.Apply(model.Put(hep("n1")), model.Put(hep("n2")))
	p := verdict.Packet{Src: addr("8.8.8.8"), Dst: addr("10.9.0.1"), Protocol: verdict.TCP, SrcPort: 1024, DstPort: 22}
	open := func(node string, want bool) {
		t.Helper()
		got := c.Tables().Lookup(hep(node).ID, verdict.Ingress, p)
		if got == nil || (got.Verdict == verdict.Allow) != want {
			t.Errorf("ssh to %s: %v, want open: %v", node, got, want)
		}
	}
	none := func(name string) model.Change {
		return model.Put(&model.Configuration{Name: name, FailsafeIn: &[]model.Failsafe{}})
	}
	if d := c.Apply(none("node.n1")); len(d.Endpoints) != 1 {
		t.Errorf("%d endpoints changed, want that of the node", len(d.Endpoints))
	}
	open("n1", false)
	open("n2", true)
	if d := c.Apply(none("node.n1")); !d.Empty() {
		t.Errorf("the same again: %+v", d)
	}
	c.Apply(none("default"), model.Delete(model.Key{Kind: model.KindConfiguration, Name: "node.n1"}))
	open("n1", false)
	open("n2", false)
	c.Apply(model.Delete(model.Key{Kind: model.KindConfiguration, Name: "default"}))
	open("n1", true)
	if got := c.SettingsOf("n1"); len(got.FailsafeIn) != len(model.DefaultSettings().FailsafeIn) {
		t.Errorf("%+v", got)
	}
	moved := hep("n2")
	moved.Node = "n3"
	c.Apply(none("node.n3"))
	c.Apply(model.Put(moved))
	if got := c.Tables().Lookup(moved.ID, verdict.Ingress, p); got == nil || got.Verdict != verdict.Deny {
		t.Errorf("moved to another node: %v", got)
	}
}
