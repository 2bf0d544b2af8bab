package compile_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// crowd is one pod under so many policies, each of which lets two pods of one
// application in.
func crowd(policies int) *compile.Compiler {
	c := compile.New(compile.Options{})
	all := []model.Change{model.Put(pod("blue", "a", "10.0.0.1"))}
	for i := range policies {
		for j := range 2 {
			p := pod("red", fmt.Sprintf("p%d-%d", i, j), fmt.Sprintf("10.%d.%d.%d", 1+j, i/250, i%250))
			p.Labels["app"] = fmt.Sprintf("app%d", i)
			all = append(all, model.Put(p))
		}
		r := allowFrom(fmt.Sprintf("app == 'app%d'", i))
		tcp := verdict.TCP
		r.Protocol = &tcp
		r.Destination.Ports = []model.PortRange{{From: uint16(1000 + i), To: uint16(1000 + i)}}
		all = append(all, model.Put(policy(fmt.Sprintf("p%d", i), "app == 'a'", r)))
	}
	c.Apply(all...)
	return c
}

// TestRowsStay: of hundreds of policies one comes, changes and goes; the rows of
// those that it says nothing of are what they were, though the policies that
// applied, which every denial names, are others.
func TestRowsStay(t *testing.T) {
	c := crowd(300)
	before := c.Tables()
	rules := []model.Rule{allowFrom("app == 'app3'"), allowFrom("app in {'app4', 'app5'}")}
	for step, change := range []model.Change{
		model.Put(policy("new", "app == 'a'", rules...)), model.Put(policy("new", "app == 'a'", rules[0])), model.Delete(policy("new", "app == 'a'").Key()),
	} {
		if d := c.Apply(change); len(d.NewRows) > 4 || len(d.OldRows) > 4 {
			t.Errorf("step %d: %d rows come and %d go", step, len(d.NewRows), len(d.OldRows))
		}
		denied := c.Tables().Lookup(pod("blue", "a", "10.0.0.1").ID, verdict.Ingress, verdict.Packet{Src: addr("10.1.0.9"), Dst: addr("10.0.0.1"), Protocol: verdict.UDP}).Trace()
		if n := len(denied.Deciding().Applied); n != 300+[]int{1, 1, 0}[step] {
			t.Errorf("step %d: the denial names %d policies", step, n)
		}
	}
	if d := table.Diff(before, c.Tables()); len(d.NewRows)+len(d.OldRows) > 8 {
		t.Errorf("there and back again: %d rows come and %d go", len(d.NewRows), len(d.OldRows))
	}
}

// TestEditIsSmall: what a policy of many takes when it comes and goes does not grow
// with their number, but for lists that are copied.
func TestEditIsSmall(t *testing.T) {
	allocations := func(policies int) float64 {
		c := crowd(policies)
		p := policy("new", "app == 'a'", allowFrom("app == 'app3'"), allowFrom("app in {'app4', 'app5'}"))
		return testing.AllocsPerRun(10, func() {
			c.Apply(model.Put(p))
			c.Apply(model.Delete(p.Key()))
		})
	}
	few, many := allocations(100), allocations(1000)
	t.Logf("%v allocations among 100 policies, %v among 1,000", few, many)
	if many > 2*few {
		t.Errorf("%v allocations among 1,000 policies, %v among 100", many, few)
	}
}

// TestWholeClassesStay: a rule that takes in or leaves out whole classes tells no
// address apart that was not told apart before: none changes its class, neither
// when it comes nor when it goes.
func TestWholeClassesStay(t *testing.T) {
	nets := func(text string) model.Rule {
		r := deny
		r.Source.Nets = []netip.Prefix{netip.MustParsePrefix(text)}
		return r
	}
	for name, row := range map[string]struct {
		rule  model.Rule
		split int
	}{
		"all pods that others name":         {allowFrom("has(app)"), 1}, // and the pod itself, which no rule knew
		"some applications":                 {allowFrom("app in {'app3', 'app4', 'app7'}"), 0},
		"a network of all":                  {nets("10.0.0.0/8"), 0},
		"a network of one of each two pods": {nets("10.1.0.0/16"), 100},
		"one pod of two":                    {nets("10.1.0.5/32"), 1},
	} {
		c := crowd(100)
		p := policy("new", "app == 'a'", row.rule)
		for step, change := range []model.Change{model.Put(p), model.Delete(p.Key())} {
			if d := c.Apply(change); len(d.Hosts) != row.split {
				t.Errorf("%s, step %d: %d addresses change their class, want %d", name, step, len(d.Hosts), row.split)
			}
		}
	}
}
