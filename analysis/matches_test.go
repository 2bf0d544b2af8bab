package analysis_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/tierwall/tierwall/analysis"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/model/modeltest"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// TestPeerMatches: what one side of a rule stands for.
func TestPeerMatches(t *testing.T) {
	pod := func(name, addr, app string) *model.Endpoint {
		return &model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: name}, Labels: map[string]string{"app": app}, Addrs: []netip.Addr{netip.MustParseAddr(addr)}}
	}
	s := model.NewState()
	slice := &model.EndpointSlice{Namespace: "blue", Name: "s-1", Service: "s", Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.2")}}
	s.Apply(model.Put(pod("a", "10.0.0.1", "fe")), model.Put(pod("b", "10.0.0.2", "be")),
		model.Put(&model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Host, Name: "h"}, Labels: map[string]string{"app": "fe"}}),
		model.Put(&model.NetworkSet{Name: "g", Labels: map[string]string{"app": "fe"}}), model.Put(&model.NetworkSet{Namespace: "blue", Name: "n", Labels: map[string]string{"app": "be"}}),
		model.Put(&model.Node{Name: "n1", Labels: map[string]string{"zone": "z"}}), model.Put(&model.Node{Name: "n2"}), model.Put(slice))
	is := selector.MustParse
	net := []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	for name, row := range map[string]struct {
		peer     model.Peer
		anything bool
		refs     []string
	}{
		"nothing said":            {model.Peer{}, true, nil},
		"ports alone":             {model.Peer{Ports: []model.PortRange{{From: 80, To: 80}}}, true, nil},
		"all but a network":       {model.Peer{NotNets: net}, false, nil},
		"a network":               {model.Peer{Nets: net}, false, nil},
		"a selector":              {model.Peer{Selector: is("app == 'fe'")}, false, []string{"blue/a", "hep:h", "globalnetworkset:g"}},
		"a selector in a network": {model.Peer{Selector: is("app == 'be'"), Nets: net}, false, []string{"blue/b", "networkset:blue/n"}},
		"all but some":            {model.Peer{NotSelector: is("app == 'fe'")}, false, []string{"blue/b", "networkset:blue/n"}},
		"some but some":           {model.Peer{Selector: is("has(app)"), NotSelector: is("app == 'be'")}, false, []string{"blue/a", "hep:h", "globalnetworkset:g"}},
		"nodes":                   {model.Peer{Nodes: is("zone == 'z'")}, false, []string{"node:n1"}},
		"a service":               {model.Peer{Service: &model.ServiceRef{Namespace: "blue", Name: "s"}}, false, []string{"blue/b"}},
		"another service":         {model.Peer{Service: &model.ServiceRef{Namespace: "red", Name: "s"}}, false, nil},
	} {
		got := analysis.PeerMatches(s, row.peer)
		if got.Anything != row.anything || !slices.Equal(got.Refs, row.refs) || !slices.Equal(got.Nets, row.peer.Nets) {
			t.Errorf("%s: %+v, want %v and %v", name, got, row.anything, row.refs)
		}
	}
}

// TestAppliesTo: what a draft would select is what it selects once it is there.
func TestAppliesTo(t *testing.T) {
	some := 0
	for seed := range uint64(100) {
		s := modeltest.New(seed).State()
		x := analysis.NewIndex(s)
		for id, p := range s.Policies {
			var want []string
			for _, e := range s.SortedEndpoints() {
				if x.Applies(id, e.ID) {
					want = append(want, e.ID.String())
				}
			}
			some += len(want)
			if got := analysis.AppliesTo(s, p).Refs; !slices.Equal(got, want) {
				t.Fatalf("seed %d: %s applies to %v, want %v", seed, id, got, want)
			}
		}
	}
	if some < 300 {
		t.Errorf("only %d", some)
	}
}
