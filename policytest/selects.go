package policytest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// Anything is the word for a peer that is not restricted.
const Anything = "anything"

// domainPrefix is what stands before the domains that a rule names.
const domainPrefix = "domain:"

func (s *Select) run(state *model.State) Outcome {
	out := Outcome{Title: s.Title(), Line: s.Line}
	policy := state.Policies[s.Policy]
	if policy == nil {
		out.Why = []string{"there is no policy " + s.Policy.String()}
		return out
	}
	var want, got []string
	if s.Peers != nil {
		want = *s.Peers
		rules := rulesAt(policy.Rules[s.Direction], s.Index)
		if len(rules) == 0 {
			out.Why = []string{fmt.Sprintf("%s has no rule %s/%d", s.Policy, s.Direction, s.Index)}
			return out
		}
		got = peers(state, s.Direction, rules)
	} else {
		want = *s.Endpoints
		got = endpoints(state, policy)
	}
	out.Expected, out.Found = sorted(want), sorted(got)
	out.Why = compare(state, out.Expected, out.Found)
	out.Pass = len(out.Why) == 0
	return out
}

func sorted(all []string) []string {
	out := slices.Clone(all)
	slices.Sort(out)
	return slices.Compact(out)
}

// compare returns what is missing and what is too much.
func compare(state *model.State, want, got []string) []string {
	var why, missing, extra []string
	for _, name := range want {
		switch {
		case !slices.Contains(got, name) && !exists(state, name):
			why = append(why, fmt.Sprintf("there is no %s: write NAMESPACE/POD, hep:NAME, networkset:NAMESPACE/NAME, globalnetworkset:NAME, domain:DOMAIN or %s", name, Anything))
		case !slices.Contains(got, name):
			missing = append(missing, name)
		}
	}
	for _, name := range got {
		if !slices.Contains(want, name) {
			extra = append(extra, name)
		}
	}
	if len(missing) > 0 {
		why = append(why, "not matched, though expected: "+strings.Join(missing, ", "))
	}
	if len(extra) > 0 {
		why = append(why, "matched, though not expected: "+strings.Join(extra, ", "))
	}
	return why
}

func exists(state *model.State, name string) bool {
	if name == Anything || strings.HasPrefix(name, domainPrefix) {
		return true
	}
	for _, e := range state.Endpoints {
		if e.ID.String() == name {
			return true
		}
	}
	for _, n := range state.NetworkSets {
		if setName(n) == name {
			return true
		}
	}
	return false
}

func setName(n *model.NetworkSet) string {
	if n.Namespace == "" {
		return "globalnetworkset:" + n.Name
	}
	return "networkset:" + n.Namespace + "/" + n.Name
}

func rulesAt(rules []model.Rule, index int) []model.Rule {
	var at []model.Rule
	for _, r := range rules {
		if r.Index == index {
			at = append(at, r)
		}
	}
	return at
}

// endpoints returns what the policy applies to.
func endpoints(state *model.State, p *model.Policy) []string {
	var names []string
	for _, e := range state.SortedEndpoints() {
		if p.Selector != nil && p.Selector.Matches(state.Labels(e)) {
			names = append(names, e.ID.String())
		}
	}
	return names
}

// peers returns what the remote side of the rules matches: the objects whose
// labels match its selectors, narrowed by its nets. A rule that is written once
// and means several matches what any of them does.
func peers(state *model.State, d verdict.Direction, rules []model.Rule) []string {
	var names []string
	for i := range rules {
		p := &rules[i].Source
		if d == verdict.Egress {
			p = &rules[i].Destination
		}
		for _, d := range p.Domains {
			names = append(names, domainPrefix+d.String())
		}
		if len(p.Domains) > 0 {
			continue
		}
		if len(p.Nets) == 0 && len(p.NotNets) == 0 && p.Selector == nil && p.NotSelector == nil {
			return []string{Anything}
		}
		names = append(names, matching(state, p)...)
	}
	return names
}

func matching(state *model.State, p *model.Peer) []string {
	var names []string
	for _, e := range state.SortedEndpoints() {
		var nets []netip.Prefix
		for _, a := range e.Addrs {
			nets = append(nets, netip.PrefixFrom(a, a.BitLen()))
		}
		if matchesLabels(p, state.Labels(e)) && matchesNets(p, nets) {
			names = append(names, e.ID.String())
		}
	}
	for _, n := range state.SortedNetworkSets() {
		if matchesLabels(p, state.SetLabels(n)) && matchesNets(p, n.Nets) {
			names = append(names, setName(n))
		}
	}
	return names
}

func matchesLabels(p *model.Peer, l model.Labels) bool {
	return (p.Selector == nil || p.Selector.Matches(l)) && (p.NotSelector == nil || !p.NotSelector.Matches(l))
}

// matchesNets reports whether one of the networks lies whole in the peer's
// nets and outside its notNets. Without either it is true, also of nothing.
func matchesNets(p *model.Peer, nets []netip.Prefix) bool {
	if len(p.Nets) == 0 && len(p.NotNets) == 0 {
		return true
	}
	return slices.ContainsFunc(nets, func(n netip.Prefix) bool {
		inside := func(m netip.Prefix) bool { return m.Bits() <= n.Bits() && m.Contains(n.Addr()) }
		overlaps := func(m netip.Prefix) bool { return m.Overlaps(n) }
		family := func(m netip.Prefix) bool { return m.Addr().Is4() == n.Addr().Is4() }
		return (len(p.Nets) == 0 || slices.ContainsFunc(p.Nets, inside)) &&
			(len(p.NotNets) == 0 || slices.ContainsFunc(p.NotNets, family) && !slices.ContainsFunc(p.NotNets, overlaps))
	})
}
