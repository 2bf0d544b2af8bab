package analysis

import (
	"net/netip"
	"slices"

	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// Matches is what a selector or one side of a rule stands for.
type Matches struct {
	// Anything says that no address is excluded.
	Anything bool
	// Refs are the endpoints and network sets, in the words of PolicyTests:
	// blue/be-1, hep:node-1, networkset:blue/s, globalnetworkset:g.
	Refs []string
	// Nets are the networks that are written in the rule, Domains the domains.
	Nets    []netip.Prefix
	Domains []domain.Pattern
}

// AppliesTo returns the endpoints that a policy applies to, in order.
func AppliesTo(s *model.State, p *model.Policy) Matches {
	var m Matches
	for _, e := range s.SortedEndpoints() {
		if appliesTo(p, e, s.Labels(e)) {
			m.Refs = append(m.Refs, e.ID.String())
		}
	}
	return m
}

// PeerMatches returns what one side of a rule matches: what its selectors and
// its service select, without what they exclude, and nodes as node:NAME.
// Addresses that a network of the rule merely covers are not told.
func PeerMatches(s *model.State, p model.Peer) Matches {
	m := Matches{Nets: p.Nets, Domains: p.Domains}
	if len(p.Domains) > 0 {
		return m // they stand alone
	}
	if p.Selector == nil && p.Nodes == nil && p.Service == nil && len(p.Nets) == 0 {
		m.Anything = p.NotSelector == nil && len(p.NotNets) == 0
		if p.NotSelector == nil {
			return m
		}
	}
	is := func(l selector.Labels) bool {
		if p.NotSelector != nil && p.NotSelector.Matches(l) {
			return false
		}
		return p.Selector != nil && p.Selector.Matches(l) || p.Selector == nil && p.NotSelector != nil
	}
	if p.Selector != nil || p.NotSelector != nil {
		m.Refs = append(m.Refs, matchEndpoints(s, is)...)
		for _, n := range s.SortedNetworkSets() {
			if is(s.SetLabels(n)) {
				m.Refs = append(m.Refs, SetRef(n))
			}
		}
	}
	if p.Nodes != nil {
		m.Refs = append(m.Refs, matchNodes(s, p.Nodes)...)
	}
	if p.Service != nil {
		m.Refs = append(m.Refs, matchService(s, *p.Service)...)
	}
	return m
}

// SetRef names a network set.
func SetRef(n *model.NetworkSet) string {
	if n.Namespace == "" {
		return "globalnetworkset:" + n.Name
	}
	return "networkset:" + n.Namespace + "/" + n.Name
}

func matchEndpoints(s *model.State, is func(selector.Labels) bool) []string {
	var refs []string
	for _, e := range s.SortedEndpoints() {
		if is(s.Labels(e)) {
			refs = append(refs, e.ID.String())
		}
	}
	return refs
}

func matchNodes(s *model.State, sel *selector.Selector) []string {
	var refs []string
	for name, n := range s.Nodes {
		if sel.Matches(selector.Map(n.Labels)) {
			refs = append(refs, "node:"+name)
		}
	}
	slices.Sort(refs)
	return refs
}

// matchService returns the pods behind a service.
func matchService(s *model.State, ref model.ServiceRef) []string {
	behind := map[netip.Addr]bool{}
	for _, slice := range s.EndpointSlices {
		if slice.Namespace == ref.Namespace && slice.Service == ref.Name {
			for _, a := range slice.Addrs {
				behind[a] = true
			}
		}
	}
	var refs []string
	for _, e := range s.SortedEndpoints() {
		if e.ID.Kind == verdict.Pod && slices.ContainsFunc(e.Addrs, func(a netip.Addr) bool { return behind[a] }) {
			refs = append(refs, e.ID.String())
		}
	}
	return refs
}

// SetUse is a rule whose selector matches a network set.
type SetUse struct {
	Policy    verdict.PolicyID
	Direction verdict.Direction
	Rule      int
}

// SetUses finds the rules that match network sets; it is of one state.
type SetUses struct {
	state *model.State
	rules filing[SetUse]
}

// NewSetUses returns the uses in a state.
func NewSetUses(s *model.State) *SetUses {
	u := &SetUses{state: s}
	for id, p := range s.Policies {
		for d, rules := range p.Rules {
			for _, r := range rules {
				use := SetUse{id, verdict.Direction(d), r.Index}
				for _, peer := range []model.Peer{r.Source, r.Destination} {
					u.rules.add(peer.Selector, use)
					u.rules.add(peer.NotSelector, use)
				}
			}
		}
	}
	return u
}

// Of returns the rules that match a network set, in the order of the policies'
// names; both the source and the destination are looked at.
func (u *SetUses) Of(n *model.NetworkSet) []SetUse {
	var all []SetUse
	u.rules.matching(u.state.SetLabels(n), func(use SetUse) { all = append(all, use) })
	slices.SortFunc(all, cmpUse)
	return slices.Compact(all)
}
