package analysis

import (
	"maps"
	"slices"
	"strings"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// Index answers which policies apply to which endpoints, for all of them at
// once: selectors are evaluated once for endpoints that no selector can tell
// apart. It is of one state, which must not change; an Index may be read by
// anyone.
type Index struct {
	// Endpoints are all endpoints in the order of their ids.
	Endpoints []*model.Endpoint
	// Tiers are the tiers with enforced policies, in the order of evaluation.
	Tiers []model.OrderedTier

	groups  []indexGroup
	groupOf map[verdict.EndpointID]int
	count   map[verdict.PolicyID]int // of endpoints that it applies to
}

// indexGroup is endpoints that no policy's selector tells apart.
type indexGroup struct {
	members []*model.Endpoint
	applies map[verdict.PolicyID]bool
	count   [2]int // of policies in any stage, by direction
}

// NewIndex returns the index of a state.
func NewIndex(s *model.State) *Index {
	x := &Index{Endpoints: s.SortedEndpoints(), Tiers: s.Ordered(), groupOf: make(map[verdict.EndpointID]int, len(s.Endpoints)), count: map[verdict.PolicyID]int{}}
	x.group(s)
	var policies filing[*model.Policy]
	for _, p := range s.Policies {
		policies.add(p.Selector, p)
	}
	for _, staged := range s.Staged {
		if staged.Policy != nil {
			policies.add(staged.Policy.Selector, staged.Policy)
		}
	}
	for i := range x.groups {
		x.apply(s, &x.groups[i], &policies)
	}
	return x
}

func (x *Index) group(s *model.State) {
	keys := selectorKeys(s)
	bySignature := map[string]int{}
	for _, e := range x.Endpoints {
		signature := signature(s, e, keys)
		i, ok := bySignature[signature]
		if !ok {
			i = len(x.groups)
			bySignature[signature] = i
			x.groups = append(x.groups, indexGroup{applies: map[verdict.PolicyID]bool{}})
		}
		x.groups[i].members = append(x.groups[i].members, e)
		x.groupOf[e.ID] = i
	}
}

// selectorKeys are the labels that applies-to selectors speak of, sorted.
func selectorKeys(s *model.State) []string {
	seen := map[string]bool{}
	add := func(p *model.Policy) {
		if p != nil && p.Selector != nil {
			for _, k := range p.Selector.Keys() {
				seen[k] = true
			}
		}
	}
	for _, p := range s.Policies {
		add(p)
	}
	for _, p := range s.Staged {
		add(p.Policy)
	}
	return slices.Sorted(maps.Keys(seen))
}

// signature is equal for endpoints that no selector over the keys tells apart.
func signature(s *model.State, e *model.Endpoint, keys []string) string {
	labels := s.Labels(e)
	var b strings.Builder
	if e.ID.Kind == verdict.Host {
		b.WriteByte('h')
	}
	for _, k := range keys {
		if v, ok := labels.Label(k); ok {
			b.WriteByte('=')
			b.WriteString(v)
		}
		b.WriteByte(0)
	}
	return b.String()
}

func (x *Index) apply(s *model.State, g *indexGroup, policies *filing[*model.Policy]) {
	policies.matching(s.Labels(g.members[0]), func(p *model.Policy) {
		if !concerns(p, g.members[0]) {
			return
		}
		g.applies[p.ID] = true
		x.count[p.ID] += len(g.members)
		if s.Policies[p.ID] != p { // staged
			return
		}
		for d := range g.count {
			if p.Applies[d] {
				g.count[d]++
			}
		}
	})
}

// appliesTo reports whether a policy holds for an endpoint in any stage.
func appliesTo(p *model.Policy, e *model.Endpoint, labels selector.Labels) bool {
	return p.Selector != nil && concerns(p, e) && p.Selector.Matches(labels)
}

// concerns reports whether a policy is for such endpoints at all: those that
// hold in no normal stage are for host endpoints only.
func concerns(p *model.Policy, e *model.Endpoint) bool {
	return e.ID.Kind == verdict.Host || p.In(verdict.Normal)
}

// Count returns how many endpoints a policy applies to.
func (x *Index) Count(p verdict.PolicyID) int { return x.count[p] }

// Policies returns how many enforced policies apply to an endpoint in each
// direction.
func (x *Index) Policies(e verdict.EndpointID) [2]int {
	if i, ok := x.groupOf[e]; ok {
		return x.groups[i].count
	}
	return [2]int{}
}

// Applies reports whether a policy, enforced or staged, applies to an endpoint.
func (x *Index) Applies(p verdict.PolicyID, e verdict.EndpointID) bool {
	i, ok := x.groupOf[e]
	return ok && x.groups[i].applies[p]
}
