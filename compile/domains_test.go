package compile_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/model/modeltest"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// learned is a name with addresses; none is a name that is not known.
func learned(name string, addrs ...string) model.Change {
	l := &model.Learned{Name: domain.Name(name)}
	for _, a := range addrs {
		l.Addrs = append(l.Addrs, addr(a))
	}
	slices.SortFunc(l.Addrs, netip.Addr.Compare)
	if len(addrs) == 0 {
		return model.Delete(l.Key())
	}
	return model.Put(l)
}

func patterns(texts ...string) (all []domain.Pattern) {
	for _, t := range texts {
		all = append(all, domain.MustParsePattern(t))
	}
	return all
}

// outward is a policy of egress with a rule for domains, and one for what a
// selector selects.
func outward(s string, domains ...string) *model.Policy {
	p := policy("out", "all()")
	p.Applies = [2]bool{false, true}
	byDomain, bySet := allow, allow
	byDomain.Destination.Domains = patterns(domains...)
	bySet.Index, bySet.Destination.Selector = 1, selector.MustParse(s)
	p.Rules[verdict.Egress] = []model.Rule{byDomain, bySet}
	return p
}

// size is what a delta holds: addresses, rows, entries of sets, and all else.
func size(d *table.Delta) [4]int {
	return [4]int{len(d.Hosts), len(d.NewRows) + len(d.OldRows), len(d.NewEntries) + len(d.OldEntries),
		len(d.NewSets) + len(d.OldSets) + len(d.NewNets) + len(d.OldNets) + len(d.Endpoints)}
}

// TestLearning says what each answer costs: an address of a combination of lists
// that is known is one entry; a new combination brings a row and its place.
func TestLearning(t *testing.T) {
	c := compile.New(compile.Options{})
	set := &model.NetworkSet{Name: "s", Labels: map[string]string{"app": "set"}, Domains: patterns("*.set.test", "both.test")}
	c.Apply(model.Put(pod("blue", "a", "10.0.0.1")), model.Put(pod("blue", "b", "10.0.0.2")), model.Put(set),
		model.Put(outward("app == 'set'", "a.test", "b.test", "both.test", "*.wild.test")))
	egress := func(to string) verdict.Verdict {
		d := c.Tables().Lookup(verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: "a"}, verdict.Egress,
			verdict.Packet{Src: addr("10.0.0.1"), Dst: addr(to), Protocol: verdict.TCP, SrcPort: 1, DstPort: 443})
		return d.Verdict
	}
	const at = "192.0.2.1"
	for _, step := range []struct {
		name   string
		change model.Change
		want   [4]int
		to     string
		open   bool
	}{
		{"a name that nobody speaks of", learned("else.test", at), [4]int{}, at, false},
		{"the first name of a list", learned("a.test", at), [4]int{1, 1, 1, 0}, at, true},
		{"a second address of it", learned("a.test", at, "192.0.2.2"), [4]int{1, 0, 0, 0}, "192.0.2.2", true},
		{"another name of the list", learned("b.test", "192.0.2.3"), [4]int{1, 0, 0, 0}, "192.0.2.3", true},
		{"one by the wildcard", learned("x.y.wild.test", "192.0.2.4"), [4]int{1, 0, 0, 0}, "192.0.2.4", true},
		{"an address that it has already, by another name", learned("c.wild.test", at), [4]int{}, at, true},
		{"a name that a set allows", learned("x.set.test", "192.0.2.5"), [4]int{1, 1, 1, 0}, "192.0.2.5", true},
		{"a name of both: the first rule decides as before", learned("both.test", "192.0.2.6"), [4]int{1, 0, 1, 0}, "192.0.2.6", true},
		{"a name told again", learned("x.set.test", "192.0.2.5"), [4]int{}, "192.0.2.5", true},
		{"a name loses its only address", learned("x.set.test"), [4]int{1, 1, 1, 0}, "192.0.2.5", false},
		{"a name loses an address that another one has", learned("a.test", "192.0.2.2"), [4]int{}, at, true},
		{"and the last that has it", learned("c.wild.test"), [4]int{1, 0, 0, 0}, at, false},
		{"IPv6 is a class of its own", learned("b.test", "192.0.2.3", "2001:db8::1"), [4]int{1, 0, 1, 0}, "192.0.2.3", true},
	} {
		d := c.Apply(step.change)
		if got := size(d); got != step.want {
			t.Errorf("%s: %v addresses, rows, entries, others; want %v", step.name, got, step.want)
		}
		if got := egress(step.to) == verdict.Allow; got != step.open {
			t.Errorf("%s: %s is open: %v", step.name, step.to, got)
		}
	}
}

// TestDomainsOnlyThere: what a set allows counts in the destination of an egress
// Allow rule, and nowhere else (semantics.md section 16).
func TestDomainsOnlyThere(t *testing.T) {
	const at = "192.0.2.1"
	set := &model.NetworkSet{Name: "s", Labels: map[string]string{"app": "set"}, Domains: patterns("a.test")}
	sel := selector.MustParse("app == 'set'")
	for _, row := range []struct {
		name string
		d    verdict.Direction
		rule model.Rule
		hits bool
	}{
		{"destination of egress Allow", verdict.Egress, model.Rule{Action: verdict.ActionAllow, Destination: model.Peer{Selector: sel}}, true},
		{"destination of egress Deny", verdict.Egress, model.Rule{Action: verdict.ActionDeny, Destination: model.Peer{Selector: sel}}, false},
		{"destination of egress Pass", verdict.Egress, model.Rule{Action: verdict.ActionPass, Destination: model.Peer{Selector: sel}}, false},
		{"destination of egress Log", verdict.Egress, model.Rule{Action: verdict.ActionLog, Destination: model.Peer{Selector: sel}}, false},
		{"source of ingress Allow", verdict.Ingress, model.Rule{Action: verdict.ActionAllow, Source: model.Peer{Selector: sel}}, false},
		{"excluded from egress Allow: it excludes nothing", verdict.Egress, model.Rule{Action: verdict.ActionAllow, Destination: model.Peer{NotSelector: sel}}, true},
	} {
		p := policy("p", "all()")
		p.Applies, p.Rules = [2]bool{true, true}, [2][]model.Rule{}
		// all of them at once, so that the selector's condition has both answers
		other := model.Rule{Index: 9, Action: verdict.ActionAllow, Destination: model.Peer{Selector: sel, Ports: []model.PortRange{{From: 9, To: 9}}}}
		p.Rules[row.d] = []model.Rule{row.rule}
		p.Rules[verdict.Egress] = append(p.Rules[verdict.Egress], other)
		s := model.NewState()
		s.Apply(model.Put(pod("blue", "a", "10.0.0.1")), model.Put(set), model.Put(p), learned("a.test", at))
		packet := verdict.Packet{Src: addr("10.0.0.1"), Dst: addr(at), Protocol: verdict.TCP, SrcPort: 1, DstPort: 443}
		if row.d == verdict.Ingress {
			packet.Src, packet.Dst = packet.Dst, packet.Src
		}
		d := compile.Compile(s, compile.Options{}).Lookup(verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: "a"}, row.d, packet)
		hits := slices.ContainsFunc(d.Trace().Steps, func(s verdict.Step) bool { return s.Rule == 0 && s.Policy.Name == "p" })
		if hits != row.hits {
			t.Errorf("%s: the rule matches: %v", row.name, hits)
		}
	}
}

// TestNames holds worlds of domains, after each change, against the oracle and
// against a fresh build.
func TestNames(t *testing.T) {
	seen := newTally()
	byName := 0
	for seed := range uint64(150) {
		g := modeltest.NewNames(seed)
		c, s := compile.New(compile.Options{}), model.NewState()
		changes := g.NamesWorld()
		for range 30 {
			changes = append(changes, g.NamesMutation())
		}
		for i, ch := range changes {
			before := c.Tables()
			s.Apply(ch)
			delta := c.Apply(ch)
			compare(t, g, s, c.Tables(), seen)
			if diff := cmp.Diff(table.Diff(before, c.Tables()), delta, compareAddrs); diff != "" {
				t.Errorf("(-tables +delta)\n%s", diff)
			}
			if diff := cmp.Diff(canonical(compile.Compile(s, compile.Options{})), canonical(c.Tables())); diff != "" {
				t.Errorf("(-at once +by steps)\n%s", diff)
			}
			if t.Failed() {
				t.Fatalf("seed %d after change %d: %+v", seed, i, ch)
			}
		}
		byName += differs(g, s)
	}
	if byName < 100 {
		t.Errorf("only %d packets were decided by a name", byName)
	}
	t.Logf("%d packets, %d allowed; %d decided by a name", seen.packets, seen.allowed, byName)
}

// differs counts packets that would go another way if no name were known.
func differs(g *modeltest.Gen, s *model.State) (n int) {
	without := *s
	without.Learned = nil
	knows, knowsNot := evaluate.New(s), evaluate.New(&without)
	for _, e := range s.SortedEndpoints() {
		for range 20 {
			p := g.Packet(verdict.Egress, local(g, e))
			a, b := knows.Decide(e, verdict.Egress, p), knowsNot.Decide(e, verdict.Egress, p)
			if !table.Decided(a).Equal(table.Decided(b)) {
				n++
			}
		}
	}
	return n
}

// TestNamesSequences is TestSequences in worlds of domains.
func TestNamesSequences(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := modeltest.NewNames(rapid.Uint64().Draw(t, "seed"))
		changes := g.NamesWorld()
		for range rapid.IntRange(0, 20).Draw(t, "changes") {
			changes = append(changes, g.NamesMutation())
		}
		inAnyOrder(t, changes)
	})
}
