package nft

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// TestNames: a name that is learned opens its addresses in the kernel, and what is
// forgotten is closed again; of a combination of lists that is known, each address
// is one entry.
func TestNames(t *testing.T) {
	l := newLab(t)
	a := l.add("a", false, "10.1.0.1", "fd01::1")
	ext := l.add("ext", false, "192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8::2")
	pod := &model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: "a"}, Addrs: a.addrs}
	allow := model.Rule{Action: verdict.ActionAllow}
	allow.Destination.Domains = []domain.Pattern{domain.MustParsePattern("*.test"), domain.MustParsePattern("exact.example")}
	bySet := model.Rule{Index: 1, Action: verdict.ActionAllow, Destination: model.Peer{Selector: selector.Equal("set", "names")}}
	set := &model.NetworkSet{Name: "names", Labels: map[string]string{"set": "names"}, Domains: []domain.Pattern{domain.MustParsePattern("set.example")}}
	policy := &model.Policy{ID: verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: "names"}, Tier: "default", Selector: selector.All(),
		Applies: [2]bool{verdict.Egress: true}, Rules: [2][]model.Rule{verdict.Egress: {allow, bySet}}}
	c := compile.New(compile.Options{})
	c.Apply(model.Put(pod), model.Put(set), model.Put(policy))
	d := l.dataplane()
	l.apply(d, dataplane.Program{Tables: c.Tables(), Interfaces: map[verdict.EndpointID][]string{pod.ID: {a.iface}}})
	name := func(n string, which ...int) model.Change {
		o := &model.Learned{Name: domain.Name(n)}
		for _, i := range which {
			o.Addrs = append(o.Addrs, ext.addrs[i])
		}
		slices.SortFunc(o.Addrs, netip.Addr.Compare)
		if len(which) == 0 {
			return model.Delete(o.Key())
		}
		return model.Put(o)
	}
	for _, step := range []struct {
		what    string
		changes []model.Change
		open    [5]bool
		// entries are the addresses that change; alone says that nothing else does.
		entries int
		alone   bool
	}{
		{"nothing is learned", nil, [5]bool{}, 0, true},
		{"the first", []model.Change{name("a.test", 0)}, [5]bool{true}, 1, false},
		{"another of the list", []model.Change{name("exact.example", 1)}, [5]bool{true, true}, 1, true},
		{"IPv6", []model.Change{name("a.test", 0, 3)}, [5]bool{true, true, false, true}, 1, false},
		{"by the set", []model.Change{name("set.example", 2, 4)}, [5]bool{true, true, true, true, true}, 2, false},
		{"one that nobody allows", []model.Change{name("other.example", 2)}, [5]bool{true, true, true, true, true}, 0, true},
		{"some are forgotten", []model.Change{name("a.test"), name("set.example", 4)}, [5]bool{false, true, false, false, true}, 3, false},
		{"all are", []model.Change{name("exact.example"), name("set.example")}, [5]bool{}, 2, false},
	} {
		delta := c.Apply(step.changes...)
		alone := len(delta.NewRows)+len(delta.OldRows)+len(delta.NewSets)+len(delta.OldSets)+len(delta.NewEntries)+len(delta.OldEntries) == 0
		if len(delta.Hosts) != step.entries || alone != step.alone {
			t.Errorf("%s: %d addresses change, alone: %v", step.what, len(delta.Hosts), alone)
		}
		if !delta.Empty() {
			l.must(d.Change(t.Context(), dataplane.Change{Delta: delta}))
		}
		for i, want := range step.open {
			if got := l.reaches(a.ns, "tcp", 0, netip.AddrPortFrom(ext.addrs[i], 80), want); got != want {
				t.Errorf("%s: %s: %v, want %v", step.what, ext.addrs[i], got, want)
			}
		}
	}
}
