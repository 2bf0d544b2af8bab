package compile

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// TestMembers: what a selector stands for, and that objects of equal labels
// are asked once.
func TestMembers(t *testing.T) {
	s := model.NewState()
	pod := func(ns, name, app, at string) {
		e := &model.Endpoint{
			ID: verdict.EndpointID{Kind: verdict.Pod, Namespace: ns, Name: name}, Labels: map[string]string{"app": app},
		}
		if at != "" {
			e.Addrs = []netip.Addr{netip.MustParseAddr(at)}
		}
		s.Apply(model.Put(e))
	}
	s.Apply(model.Put(&model.Namespace{Name: "red", Labels: map[string]string{"env": "prod"}}))
	pod("blue", "a1", "a", "10.0.0.1")
	pod("blue", "a2", "a", "10.0.0.2")
	pod("blue", "a3", "a", "")
	pod("blue", "b1", "b", "10.0.0.3")
	pod("red", "a1", "a", "10.0.1.1")
	s.Apply(
		model.Put(&model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Host, Name: "h"}, Labels: map[string]string{"app": "a"}, Addrs: []netip.Addr{netip.MustParseAddr("10.9.0.1")}}),
		model.Put(&model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Host, Name: "none"}, Labels: map[string]string{"app": "a"}}),
		model.Put(&model.NetworkSet{Namespace: "red", Name: "s", Labels: map[string]string{"app": "a"}, Nets: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}),
		model.Put(&model.NetworkSet{Name: "g", Nets: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}))
	d := newDirectory(s)
	if len(d.groups) != 6 { // a and b in blue, a in red, h, and the two sets
		t.Errorf("%d groups: %v", len(d.groups), d.groups)
	}
	for text, want := range map[string]string{
		"app == 'a'":         "[10.0.0.1/32 10.0.0.2/32 10.0.1.1/32 10.9.0.1/32 192.0.2.0/24]",
		"app == 'b'":         "[10.0.0.3/32]",
		"!has(app)":          "[198.51.100.0/24]",
		"pcns.env == 'prod'": "[10.0.1.1/32 192.0.2.0/24]",
		"app == 'none'":      "[]",
	} {
		for range 2 { // the second answer is remembered
			got := slices.Clone(d.members(selector.MustParse(text)))
			slices.SortFunc(got, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
			if fmt.Sprint(got) != want {
				t.Errorf("%s: %v, want %s", text, got, want)
			}
		}
	}
}
