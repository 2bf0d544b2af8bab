package evaluate

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// Oracle answers questions about one State, which must not change while the
// oracle is in use.
type Oracle struct {
	state *model.State
	tiers []model.OrderedTier
	hosts map[netip.Addr][]*model.Endpoint
	nets  []labelledNets
	// names are the domain names that addresses were learned to have.
	names map[netip.Addr][]domain.Name
}

type labelledNets struct {
	nets    []netip.Prefix
	domains []domain.Pattern
	labels  model.Labels
}

// New returns an oracle for the state.
func New(s *model.State) *Oracle {
	o := &Oracle{state: s, tiers: s.Ordered(), hosts: map[netip.Addr][]*model.Endpoint{}, names: map[netip.Addr][]domain.Name{}}
	for _, e := range s.Endpoints {
		for _, a := range e.Addrs {
			o.hosts[a] = append(o.hosts[a], e)
		}
	}
	for _, n := range s.NetworkSets {
		o.nets = append(o.nets, labelledNets{n.Nets, n.Domains, s.SetLabels(n)})
	}
	for name, l := range s.Learned {
		for _, a := range l.Addrs {
			o.names[a] = append(o.names[a], name)
		}
	}
	return o
}

// Visit is one rule that was looked at, or one end of a tier, in order.
type Visit struct {
	verdict.Step
	// Matched says whether the rule matched; Miss says why it did not.
	Matched bool
	Miss    string
	// Annotations are the rule's own, for those who read.
	Annotations map[string]string
}

// Decide returns the decision for a packet at an endpoint in a direction, with
// its trace.
func (o *Oracle) Decide(e *model.Endpoint, d verdict.Direction, p verdict.Packet) verdict.Trace {
	t, _ := o.walk(e, verdict.Normal, d, p, false)
	return t
}

// DecideStage is Decide for one stage of a host endpoint (semantics.md section
// 11). What no policy concerns is allowed in all stages but Normal.
func (o *Oracle) DecideStage(e *model.Endpoint, s verdict.Stage, d verdict.Direction, p verdict.Packet) verdict.Trace {
	t, _ := o.walk(e, s, d, p, false)
	return t
}

// ExplainStage is Explain for one stage of a host endpoint.
func (o *Oracle) ExplainStage(e *model.Endpoint, s verdict.Stage, d verdict.Direction, p verdict.Packet) (verdict.Trace, []Visit) {
	return o.walk(e, s, d, p, true)
}

// Explain is Decide with everything that was looked at on the way, also what
// did not match, and why not.
func (o *Oracle) Explain(e *model.Endpoint, d verdict.Direction, p verdict.Packet) (verdict.Trace, []Visit) {
	return o.walk(e, verdict.Normal, d, p, true)
}

// Effective returns the tiers that apply to the endpoint in the direction, in
// order, each with the policies that apply, in order; for a host endpoint those
// of the normal stage.
func (o *Oracle) Effective(e *model.Endpoint, d verdict.Direction) []model.OrderedTier {
	return o.EffectiveStage(e, verdict.Normal, d)
}

// EffectiveStage is Effective for one stage of a host endpoint.
func (o *Oracle) EffectiveStage(e *model.Endpoint, stage verdict.Stage, d verdict.Direction) []model.OrderedTier {
	if stage == verdict.PreDNAT && d == verdict.Egress || stage == verdict.Untracked && e.Interface == "*" {
		return nil // there is no such thing, semantics.md section 11
	}
	var tiers []model.OrderedTier
	labels := o.state.Labels(e)
	for _, t := range o.tiers {
		var applied []*model.Policy
		for _, p := range t.Policies {
			if p.Applies[d] && p.In(stage) && p.Selector != nil && p.Selector.Matches(labels) {
				applied = append(applied, p)
			}
		}
		if len(applied) > 0 {
			t.Policies = applied
			tiers = append(tiers, t)
		}
	}
	return tiers
}

// maxNamed is how many of those that have an address are named.
const maxNamed = 4

// who is an address with the endpoints and domain names that have it, for those who
// read.
func (o *Oracle) who(a netip.Addr) string {
	var names []string
	for _, e := range o.hosts[a] {
		names = append(names, e.ID.String())
	}
	for _, n := range o.names[a] {
		names = append(names, string(n))
	}
	if len(names) == 0 {
		return a.String()
	}
	slices.Sort(names)
	if n := len(names) - maxNamed; n > 0 { // of those that serve many sites
		names = append(names[:maxNamed], fmt.Sprintf("%d more", n))
	}
	return strings.Join(names, ", ") + " (" + a.String() + ")"
}

// selected reports whether the address is one of those that the selector
// stands for (semantics.md section 6.3): matching is by address. names says that
// the domains of network sets count.
func (o *Oracle) selected(s *selector.Selector, a netip.Addr, names bool) bool {
	for _, e := range o.hosts[a] {
		if s.Matches(o.state.Labels(e)) {
			return true
		}
	}
	for _, n := range o.nets {
		if s.Matches(n.labels) && (contains(n.nets, a) || names && o.hasName(n.domains, a)) {
			return true
		}
	}
	return false
}

// hasName reports whether a name that one of the patterns stands for was learned
// to have the address.
func (o *Oracle) hasName(patterns []domain.Pattern, a netip.Addr) bool {
	for _, p := range patterns {
		if slices.ContainsFunc(o.names[a], p.Matches) {
			return true
		}
	}
	return false
}

// isNode reports whether a node that the selector selects has the address.
func (o *Oracle) isNode(s *selector.Selector, a netip.Addr) bool {
	for _, n := range o.state.Nodes {
		if slices.Contains(n.Addrs, a) && s.Matches(selector.Map(n.Labels)) {
			return true
		}
	}
	return false
}

// named reports whether one of the names stands for the port at the address:
// an endpoint with the address, selected by the peer's selector if there is
// one, has a port of that name, protocol and number (semantics.md section 7).
func (o *Oracle) named(peer *model.Peer, names []string, a netip.Addr, protocol uint8, port uint16) bool {
	if len(names) == 0 {
		return false
	}
	for _, e := range o.state.Endpoints {
		if !slices.Contains(e.Addrs, a) || peer.Selector != nil && !peer.Selector.Matches(o.state.Labels(e)) {
			continue
		}
		for _, p := range e.Ports {
			if p.Protocol == protocol && p.Port == port && slices.Contains(names, p.Name) {
				return true
			}
		}
	}
	return false
}

// inService reports whether the address, with the port unless it is nil, is
// one of a service's endpoints.
func (o *Oracle) inService(s model.ServiceRef, a netip.Addr, port *model.ServicePort) bool {
	for _, slice := range o.state.EndpointSlices {
		if slice.Namespace == s.Namespace && slice.Service == s.Name && slices.Contains(slice.Addrs, a) &&
			(port == nil || slices.Contains(slice.Ports, *port)) {
			return true
		}
	}
	return false
}

func contains(nets []netip.Prefix, a netip.Addr) bool {
	for _, n := range nets {
		if n.Contains(a) {
			return true
		}
	}
	return false
}
