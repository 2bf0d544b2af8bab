package manager

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/manifest"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/model/modeltest"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// everything are the rights of somebody who sees all.
func everything() rights {
	r := rights{}
	for _, k := range manifest.Kinds() {
		r[k.Name] = readable{all: true}
	}
	return r
}

// only are rights to see what is in the namespaces.
func only(namespaces ...string) rights {
	r := rights{}
	for _, k := range manifest.Kinds() {
		if k.Namespaced || k.Kind == "Namespace" {
			r[k.Name] = readable{namespaces: namespaces}
		}
	}
	return r
}

// TestEngine: a compiler that is brought from state to state has the tables of
// one that begins anew: the same decisions about the same packets.
func TestEngine(t *testing.T) {
	asked := 0
	for seed := range uint64(60) {
		g := modeltest.New(seed)
		var e engine
		s := g.State()
		s.Settings = model.DefaultSettings()
		for range 4 {
			e.at(s, func(_ *compile.Compiler, got *table.Tables, of *model.State) {
				if of != s {
					t.Error("the tables are of another state")
				}
				want := compile.Compile(s, compile.Options{})
				for range 40 {
					for id, local := range s.Endpoints {
						for _, d := range verdict.Directions {
							if len(local.Addrs) == 0 {
								continue
							}
							p := g.Packet(d, local.Addrs[0])
							asked++
							a, b := got.Lookup(id, d, p), want.Lookup(id, d, p)
							if (a == nil) != (b == nil) || a != nil && (a.Verdict != b.Verdict || a.Reason != b.Reason) {
								t.Fatalf("seed %d: %s %s %v: %+v, want %+v", seed, id, d, p, a, b)
							}
						}
					}
				}
			})
			s = s.Clone()
			for range 1 + g.IntN(4) {
				s.Apply(g.Mutation())
			}
		}
	}
	if asked < 10_000 {
		t.Errorf("only %d questions", asked)
	}
}

// TestRestrict: of each kind only what may be read is left, but for what the
// meaning of policies depends on: tiers and configurations.
func TestRestrict(t *testing.T) {
	for seed := range uint64(60) {
		s := modeltest.New(seed).State()
		s.Services = map[model.Key]*model.Service{}
		for _, ns := range []string{"blue", "red"} {
			o := &model.Service{Namespace: ns, Name: "s"}
			s.Services[o.Key()] = o
		}
		whole := restrict(s, everything())
		if n := len(model.Changes(s, whole)); n > 0 {
			t.Errorf("seed %d: %d objects are lost for who sees all", seed, n)
		}
		for _, o := range restrict(s, rights{}).Objects() {
			k := o.Key()
			if k.Kind != model.KindTier && k.Kind != model.KindConfiguration && k != model.DefaultAllowProfile().Key() {
				t.Errorf("seed %d: who sees nothing sees %s", seed, k)
			}
		}
		blue := restrict(s, only("blue"))
		for _, o := range s.Objects() {
			k := o.Key()
			ns := k.Namespace
			if k.Kind == model.KindNamespace {
				ns = k.Name
			}
			left := slices.Contains(blue.Objects(), o)
			if ns == "blue" && !left {
				t.Errorf("seed %d: %s is in blue, and not seen", seed, k)
			}
			if ns != "" && ns != "blue" && left {
				t.Errorf("seed %d: %s is not in blue, and seen", seed, k)
			}
		}
	}
}

// TestProblemsOfOthers: problems of objects that may not be read are not told,
// and a profile that may not be read is not said to be missing.
func TestProblemsOfOthers(t *testing.T) {
	s := model.NewState()
	host := &model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Host, Name: "h"}, Profiles: []string{"p"}}
	s.Apply(model.Put(host), model.Put(&model.Profile{Name: "p"}))
	snap := &snapshot{state: s, problems: map[string][]model.Problem{"NetworkPolicy/red/a": {{Code: "x"}}, "NetworkPolicy/blue/a": {{Code: "y"}}}}
	r := only("blue")
	r["HostEndpoint"] = readable{all: true}
	v := newView(nil, snap, r, &engines{})
	if got := slices.Sorted(maps.Keys(v.problems())); !slices.Equal(got, []string{"NetworkPolicy/blue/a"}) {
		t.Errorf("problems of %v", got)
	}
	s = s.Clone()
	s.Apply(model.Delete((&model.Profile{Name: "p"}).Key()))
	v = newView(nil, &snapshot{state: s, problems: map[string][]model.Problem{}}, everything(), &engines{})
	if got := slices.Sorted(maps.Keys(v.problems())); !slices.Equal(got, []string{"HostEndpoint//h"}) {
		t.Errorf("problems of %v", got)
	}
}

// TestSelecting: which policies select on a namespace.
func TestSelecting(t *testing.T) {
	s := model.NewState()
	for name, text := range map[string]string{
		"by-name": "pcns.projectcalico.org/name == 'blue'", "by-label": "pcns.color in {'blue','green'}", "another": "pcns.color == 'red'",
		"not": "pcns.color != 'red'", "has": "has(pcns.color)", "other-label": "pcns.size == 'l'", "account": "pcsa.color == 'blue'", "own": "color == 'blue'",
	} {
		sel, err := selector.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		s.Apply(model.Put(&model.Policy{ID: verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: name}, Tier: "default", Selector: sel}))
	}
	x := newSelecting(s)
	for _, row := range []struct {
		prefix, name string
		labels       map[string]string
		want         []string
	}{
		{model.PrefixNamespace, "blue", map[string]string{"color": "blue"}, []string{"by-label", "by-name", "has", "not"}},
		{model.PrefixNamespace, "red", map[string]string{"color": "red"}, []string{"another", "has", "not"}},
		{model.PrefixNamespace, "plain", nil, nil},
		{model.PrefixServiceAcct, "a", map[string]string{"color": "blue"}, []string{"account"}},
	} {
		want := []string{}
		for _, name := range row.want {
			want = append(want, "GlobalNetworkPolicy//"+name)
		}
		if got := x.by(row.prefix, row.name, row.labels); !slices.Equal(got, want) {
			b, _ := json.Marshal(got)
			t.Errorf("%s%s %v: %s, want %v", row.prefix, row.name, row.labels, b, want)
		}
	}
}
