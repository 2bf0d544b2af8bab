package analysis_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/tierwall/tierwall/analysis"
	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// TestExplainDomain: a name that is known is answered for by its addresses, one
// that is not as if it had just been looked up; who allows it is said in either
// case.
func TestExplainDomain(t *testing.T) {
	pattern := domain.MustParsePattern
	allow := func(i int, d ...domain.Pattern) model.Rule {
		return model.Rule{Index: i, Action: verdict.ActionAllow, Destination: model.Peer{Domains: d}}
	}
	bySet := model.Rule{Index: 3, Action: verdict.ActionAllow, Destination: model.Peer{Selector: selector.MustParse("set == 'a'")}}
	p := &model.Policy{
		ID: verdict.PolicyID{Kind: "NetworkPolicy", Namespace: "blue", Name: "p"}, Tier: "default", Selector: selector.All(), Applies: [2]bool{false, true},
		Rules: [2][]model.Rule{nil, {
			{Index: 0, Action: verdict.ActionDeny, Destination: model.Peer{Nets: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}}},
			allow(1, pattern("www.example.com")), allow(2, pattern("*.example.com")), bySet,
		}},
	}
	s := model.NewState()
	s.Apply(
		model.Put(&model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: "a"}, Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}}),
		model.Put(p), model.Put(&model.NetworkSet{Name: "g", Labels: map[string]string{"set": "a"}, Domains: []domain.Pattern{pattern("*.org"), pattern("x.example.com")}}),
		model.Put(&model.Learned{Name: "www.example.com", Addrs: []netip.Addr{netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("2001:db8::7")}}),
		// the first address for an unknown name is taken, by name and by pod
		model.Put(&model.Learned{Name: "taken.org", Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}),
	)
	tables := compile.Compile(s, compile.Options{})
	for _, row := range []struct{ to, want string }{
		{"www.example.com", "allow known 198.51.100.7 allow, 203.0.113.7 deny; 1 www.example.com, 2 *.example.com"},
		{"WWW.Example.com.", "allow known 198.51.100.7 allow, 203.0.113.7 deny; 1 www.example.com, 2 *.example.com"},
		{"y.example.com", "allow unknown 198.51.100.1 allow; 2 *.example.com"},
		{"x.example.com", "allow unknown 198.51.100.1 allow; 2 *.example.com, 3 x.example.com globalnetworkset:g"},
		{"a.b.org", "allow unknown 198.51.100.1 allow; 3 *.org globalnetworkset:g"},
		{"example.com", "deny unknown 198.51.100.1 deny; "},
		{"domain:org", "deny unknown 198.51.100.1 deny; "},
	} {
		x, err := analysis.Explain(s, tables, analysis.Query{From: "blue/a", To: row.to, Port: analysis.DefaultPort()})
		if err != nil {
			t.Errorf("%s: %v", row.to, err)
			continue
		}
		known := map[bool]string{true: "known", false: "unknown"}[x.Domain.Known]
		var addrs, uses []string
		for _, a := range x.Domain.Addresses {
			addrs = append(addrs, a.Address+" "+a.Verdict)
		}
		for _, u := range x.Domain.AllowedBy {
			uses = append(uses, strings.TrimSpace(fmt.Sprintf("%d %s %s", u.Rule, u.Domain, u.Set)))
		}
		if got := fmt.Sprintf("%s %s %s; %s", x.Verdict, known, strings.Join(addrs, ", "), strings.Join(uses, ", ")); got != row.want {
			t.Errorf("%s:\n got %s\nwant %s", row.to, got, row.want)
		}
	}
	if _, ok := s.Learned["y.example.com"]; ok {
		t.Error("the question changed the state")
	}
	if x, err := analysis.Explain(s, tables, analysis.Query{From: "blue/a", To: "198.51.100.7", Port: analysis.DefaultPort()}); err != nil || x.Domain != nil {
		t.Errorf("an address has an answer about a domain: %v, %v", x.Domain, err)
	}
}

// TestDomainWords: the sentence of a rule, and what its peer matches, have the
// domains.
func TestDomainWords(t *testing.T) {
	r := model.Rule{Action: verdict.ActionAllow, Destination: model.Peer{Domains: []domain.Pattern{domain.MustParsePattern("*.a"), domain.MustParsePattern("b.c")}}}
	if got := analysis.RuleSentence(r); got != "Allow any traffic to what is known as *.a, b.c." {
		t.Error(got)
	}
	if m := analysis.PeerMatches(model.NewState(), r.Destination); m.Anything || len(m.Domains) != 2 {
		t.Errorf("%+v", m)
	}
}

// TestDomainsElsewhere: a rule that matches nothing because the sets that it
// selects have only domains is found; where they count, or something else is
// selected, it is not.
func TestDomainsElsewhere(t *testing.T) {
	s := model.NewState()
	domains := []domain.Pattern{domain.MustParsePattern("*.example.com")}
	s.Apply(
		model.Put(&model.NetworkSet{Name: "names", Labels: map[string]string{"set": "names"}, Domains: domains}),
		model.Put(&model.NetworkSet{Name: "both", Labels: map[string]string{"set": "both"}, Domains: domains, Nets: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}),
		model.Put(&model.NetworkSet{Name: "empty", Labels: map[string]string{"set": "empty"}}),
		model.Put(&model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: "a"}, Labels: map[string]string{"app": "a"}}),
	)
	for _, row := range []struct {
		name   string
		d      verdict.Direction
		action verdict.Action
		source bool
		sel    string
		want   bool
	}{
		{"a source", verdict.Ingress, verdict.ActionAllow, true, "set == 'names'", true},
		{"a destination that is denied", verdict.Egress, verdict.ActionDeny, false, "set == 'names'", true},
		{"one that is allowed", verdict.Egress, verdict.ActionAllow, false, "set == 'names'", false},
		{"with nets", verdict.Ingress, verdict.ActionAllow, true, "set == 'both'", false},
		{"beside one with nets", verdict.Ingress, verdict.ActionAllow, true, "has(set)", false},
		{"beside a pod", verdict.Ingress, verdict.ActionAllow, true, "set == 'names' || app == 'a'", false},
		{"a set of nothing", verdict.Ingress, verdict.ActionAllow, true, "set == 'empty'", false},
	} {
		r := model.Rule{Index: 2, Action: row.action}
		if row.source {
			r.Source.Selector = selector.MustParse(row.sel)
		} else {
			r.Destination.Selector = selector.MustParse(row.sel)
		}
		p := &model.Policy{ID: verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: "p"}, Tier: "default", Selector: selector.MustParse("app == 'b'")}
		p.Applies[row.d], p.Rules[row.d] = true, []model.Rule{r}
		s.Apply(model.Put(p))
		found := false
		for _, f := range analysis.Findings(s) {
			found = found || f.Code == "domains-elsewhere"
		}
		if found != row.want {
			t.Errorf("%s: found is %v", row.name, found)
		}
	}
}
