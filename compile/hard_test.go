package compile_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// ground is twelve pods with a policy each, which the hard cases are added to.
func ground() []model.Change {
	var all []model.Change
	for i := range 12 {
		e := pod("blue", fmt.Sprintf("p%d", i), fmt.Sprintf("10.0.%d.%d", i%3, i))
		e.Labels["half"] = fmt.Sprint(i % 2)
		all = append(all, model.Put(e))
	}
	for i := range 4 {
		p := policy(fmt.Sprintf("base%d", i), fmt.Sprintf("app == 'p%d'", i), allowFrom(fmt.Sprintf("app == 'p%d'", i+1)), allowFrom("half == '1'"))
		all = append(all, model.Put(p))
	}
	return all
}

func fromNets(action verdict.Action, nets ...string) model.Rule {
	r := model.Rule{Action: action}
	for _, n := range nets {
		r.Source.Nets = append(r.Source.Nets, netip.MustParsePrefix(n))
	}
	return r
}

// hardCases are worlds that are hard on a partition of addresses.
func hardCases() map[string][]model.Change {
	cases := map[string][]model.Change{}
	put := func(name string, o model.Object) { cases[name] = append(cases[name], model.Put(o)) }
	for i := range 20 {
		put("a /0 and a /1 in many policies at once", policy(fmt.Sprintf("wide%d", i), fmt.Sprintf("app == 'p%d'", i%12),
			fromNets(verdict.ActionPass, "0.0.0.0/1", fmt.Sprintf("9.0.%d.0/24", i)), fromNets(verdict.ActionAllow, "0.0.0.0/0", fmt.Sprintf("9.1.%d.0/24", i))))
	}
	put("a network that covers every pod", policy("cover", "all()", fromNets(verdict.ActionDeny, "10.0.0.0/8")))
	many := policy("many", "app == 'p0'")
	for i := range 1000 {
		many.Rules[0] = append(many.Rules[0], fromNets(verdict.ActionAllow, netip.PrefixFrom(addr("10.0.0.0"), 8+i%24).Masked().String(), fmt.Sprintf("11.%d.%d.0/24", i/256, i%256)))
		many.Rules[0][i].Index = i
	}
	put("1,000 networks that overlap", many)
	for i := range 12 {
		e := pod("blue", fmt.Sprintf("p%d", i), fmt.Sprintf("10.0.%d.%d", i%3, i))
		e.Labels["only"] = fmt.Sprint(i)
		put("every pod with labels of its own", e)
		put("every pod with a policy of its own", policy(fmt.Sprintf("own%d", i), fmt.Sprintf("app == 'p%d'", i), allowFrom(fmt.Sprintf("app == 'p%d'", (i+5)%12))))
	}
	put("a selector that matches everything", policy("all", "all()", allowFrom("all()")))
	not := policy("not", "half != '0'", allowFrom("!has(app)"), allowFrom("app not in {'p1', 'p2'}"))
	not.Rules[0][1].Source.NotSelector = selector.MustParse("half == '0'")
	not.Rules[0][1].Source.NotNets = []netip.Prefix{netip.MustParsePrefix("10.0.1.0/24")}
	put("negations", not)
	two := pod("blue", "p0", "10.0.0.0")
	two.Addrs = append(two.Addrs, addr("10.0.9.9"), addr("fd00::9"))
	put("an endpoint with three addresses", two)
	put("two endpoints that claim one address", pod("red", "thief", "10.0.0.0"))
	put("two endpoints that claim one address", policy("thief", "app == 'p1'", allowFrom("app == 'thief'")))
	web := func(e *model.Endpoint, port uint16) *model.Endpoint {
		e.Ports = []model.NamedPort{{Name: "web", Protocol: verdict.TCP, Port: port}}
		return e
	}
	own := "names of ports of an address that two claim"
	named := policy("named", "app == 'p3'", model.Rule{Action: verdict.ActionAllow})
	named.Rules[0][0].Destination = model.Peer{NamedPorts: []string{"web"}, Selector: selector.MustParse("pcns.env == 'x' || app == 'p3'")}
	put(own, named)
	put(own, web(pod("blue", "p3", "10.0.0.3"), 81))
	put(own, web(pod("red", "thief", "10.0.0.3"), 80))
	put(own, &model.Namespace{Name: "red", Labels: map[string]string{"env": "x"}})
	put(own, web(pod("red", "thief", "10.0.0.3"), 8080))
	put(own, web(pod("red", "thief", "10.0.0.3"), 80))
	put(own, &model.Namespace{Name: "red", Labels: map[string]string{"env": "y"}})
	put(own, &model.Namespace{Name: "red", Labels: map[string]string{"env": "x"}})
	bare := policy("bare", "app == 'p4'", model.Rule{Action: verdict.ActionAllow})
	bare.Rules[0][0].Destination = model.Peer{NamedPorts: []string{"web"}}
	put(own, bare)
	put(own, web(pod("red", "other", "10.0.1.4"), 80))
	put(own, web(pod("red", "other", "10.0.1.4"), 81))
	put(own, web(pod("red", "other", "10.0.1.5"), 80))
	put(own, web(pod("red", "other", "10.0.1.4"), 80))
	return cases
}

// TestHardCases: each comes to a world and goes again, in one step and one by
// one, and the tables are right at every step: the oracle's, and those of a
// fresh build.
func TestHardCases(t *testing.T) {
	for name, changes := range hardCases() {
		t.Run(name, func(t *testing.T) {
			c, s := compile.New(compile.Options{}), model.NewState()
			c.Apply(ground()...)
			s.Apply(ground()...)
			start := canonical(c.Tables())
			for _, ch := range changes {
				c.Apply(ch)
				s.Apply(ch)
				holds(t, s, c)
			}
			at := canonical(c.Tables())
			var back []model.Change
			for _, ch := range changes {
				back = append(back, model.Delete(ch.Key))
			}
			back = append(back, ground()...) // what was replaced
			c.Apply(back...)
			if diff := cmp.Diff(start, canonical(c.Tables())); diff != "" {
				t.Errorf("after it went: (-before +after)\n%s", diff)
			}
			c.Apply(changes...)
			if diff := cmp.Diff(at, canonical(c.Tables())); diff != "" {
				t.Errorf("all at once: (-one by one +at once)\n%s", diff)
			}
		})
	}
}

// holds compares the tables with the oracle, at and around every address that
// the state speaks of, and with a fresh build.
func holds(t *testing.T, s *model.State, c *compile.Compiler) {
	t.Helper()
	tables, oracle := c.Tables(), evaluate.New(s)
	if diff := cmp.Diff(canonical(compile.Compile(s, compile.Options{})), canonical(tables)); diff != "" {
		t.Errorf("(-fresh +changed)\n%s", diff)
	}
	peers := []netip.Addr{addr("0.0.0.0"), addr("127.255.255.255"), addr("128.0.0.0"), addr("255.255.255.255"), addr("9.0.3.1"), addr("9.1.3.1"), addr("11.0.7.1"), addr("11.0.7.255"), addr("10.255.0.0"), addr("fd00::9"), addr("fd00::a")}
	for _, e := range s.Endpoints {
		peers = append(peers, e.Addrs...)
	}
	for _, e := range s.SortedEndpoints() {
		for _, a := range peers {
			p := verdict.Packet{Src: a, Dst: e.Addrs[0], Protocol: verdict.TCP, SrcPort: 40000, DstPort: 80}
			if a.Is4() != p.Dst.Is4() {
				continue
			}
			want, got := oracle.Decide(e, verdict.Ingress, p), tables.Lookup(e.ID, verdict.Ingress, p)
			if got == nil || !got.Equal(table.Decided(want)) {
				t.Fatalf("%s from %s:\n got %v\nwant %s", e.ID, a, got, &want)
			}
		}
	}
}

// TestHours: a class that splits and merges over and over takes no more room
// than at the beginning, and its numbers do not run out: they come again, but
// none while it was used lately.
func TestHours(t *testing.T) {
	rounds := 20_000
	if testing.Short() {
		rounds = 2000
	}
	c := compile.New(compile.Options{})
	c.Apply(ground()...)
	before := canonical(c.Tables())
	g := rand.New(rand.NewPCG(1, 1))
	for range rounds {
		p := policy("split", "app == 'p0'", allowFrom(fmt.Sprintf("app == 'p%d'", g.IntN(12))), fromNets(verdict.ActionDeny, fmt.Sprintf("10.0.%d.0/%d", g.IntN(3), 8+g.IntN(20))))
		c.Apply(model.Put(p))
		c.Apply(model.Delete(p.Key()))
	}
	if diff := cmp.Diff(before, canonical(c.Tables())); diff != "" {
		t.Errorf("(-before +after)\n%s", diff)
	}
}
