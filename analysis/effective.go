package analysis

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// EffectivePolicies is what applies to one endpoint.
type EffectivePolicies struct {
	Endpoint  string             `json:"endpoint"`
	Node      string             `json:"node,omitempty"`
	Addresses []string           `json:"addresses"`
	Ingress   EffectiveDirection `json:"ingress"`
	Egress    EffectiveDirection `json:"egress"`
	// Stages are the stages of a host endpoint other than the normal one in which
	// a policy applies, as a packet meets them; nil for none, and for pods.
	Stages []EffectiveStage `json:"stages,omitempty"`
	// Warnings are the findings about the policies that apply.
	Warnings []model.Problem `json:"warnings,omitempty"`
}

// EffectiveDirection is what applies in one direction, in the order of
// evaluation.
type EffectiveDirection struct {
	// Tiers are those in which a policy applies; never nil.
	Tiers []EffectiveTier `json:"tiers"`
	// Staged are the policies that would apply if everything staged were
	// enforced, tier by tier; nil if that is what applies already.
	Staged []EffectiveTier `json:"staged,omitempty"`
	// Then says what happens to a connection that no tier decides: allow or
	// deny, or the profiles that are asked.
	Then string `json:"then"`
}

// EffectiveStage is what applies in one stage of a host endpoint and one
// direction (semantics.md section 11).
type EffectiveStage struct {
	Stage     string          `json:"stage"`
	Direction string          `json:"direction"`
	Tiers     []EffectiveTier `json:"tiers"`
}

// EffectiveTier is a tier in which at least one policy applies.
type EffectiveTier struct {
	Tier string `json:"tier"`
	// Order is nil for last.
	Order *float64 `json:"order"`
	// End is Deny or Pass: what happens if no rule decides.
	End string `json:"end"`
	// Missing says that the policies name a tier that does not exist.
	Missing  bool              `json:"missing,omitempty"`
	Policies []EffectivePolicy `json:"policies"`
}

// EffectivePolicy is a policy that applies.
type EffectivePolicy struct {
	Policy string `json:"policy"`
	// Order is nil for last.
	Order *float64 `json:"order"`
	// Rules is how many rules it has in the direction, as they are written.
	Rules int `json:"rules"`
	// Actions are their actions, in order.
	Actions []string `json:"actions"`
	// Domains are those that its egress rules allow, their own and those of the
	// network sets that their destinations select; nil for none, and for ingress.
	Domains []string `json:"domains,omitempty"`
	// Invalid says that they cannot be read, so that all is denied.
	Invalid bool `json:"invalid,omitempty"`
	// Staged says that it is not enforced.
	Staged bool `json:"staged,omitempty"`
}

// Effective returns the policies that apply to an endpoint, given by a
// reference of commands.md. What is not policed is an error.
func Effective(s *model.State, ref string) (*EffectivePolicies, error) {
	e, err := endpoint(s, ref)
	if err != nil {
		return nil, err
	}
	out := &EffectivePolicies{Endpoint: e.ID.String(), Node: e.Node, Addresses: []string{}}
	for _, a := range e.Addrs {
		out.Addresses = append(out.Addresses, a.String())
	}
	oracle := evaluate.New(s)
	out.Ingress = EffectiveDirection{Tiers: effective(s, oracle, e, verdict.Normal, verdict.Ingress), Then: then(e)}
	out.Egress = EffectiveDirection{Tiers: effective(s, oracle, e, verdict.Normal, verdict.Egress), Then: then(e)}
	if pending := s.Pending(); pending != s {
		would := evaluate.New(pending)
		out.Ingress.stage(effective(pending, would, e, verdict.Normal, verdict.Ingress))
		out.Egress.stage(effective(pending, would, e, verdict.Normal, verdict.Egress))
	}
	if e.ID.Kind == verdict.Host {
		out.Stages = stages(s, oracle, e)
	}
	out.Warnings = FindingsAt(s, e, verdict.Directions[:]...)
	return out, nil
}

// stage notes what would apply, if that is something else.
func (d *EffectiveDirection) stage(would []EffectiveTier) {
	if !reflect.DeepEqual(d.Tiers, would) {
		d.Staged = would
	}
}

// stages returns the stages other than the normal one that have policy.
func stages(s *model.State, oracle *evaluate.Oracle, e *model.Endpoint) (all []EffectiveStage) {
	for _, stage := range verdict.Stages {
		for _, d := range verdict.Directions {
			if tiers := effective(s, oracle, e, stage, d); stage != verdict.Normal && len(tiers) > 0 {
				all = append(all, EffectiveStage{stage.String(), d.String(), tiers})
			}
		}
	}
	return all
}

func effective(s *model.State, oracle *evaluate.Oracle, e *model.Endpoint, stage verdict.Stage, d verdict.Direction) []EffectiveTier {
	out := []EffectiveTier{}
	for _, t := range oracle.EffectiveStage(e, stage, d) {
		tier := EffectiveTier{Tier: t.Name, Order: t.Order, End: verdict.ActionDeny.String(), Missing: t.Missing}
		if t.Pass || stage.FallsThrough() {
			tier.End = verdict.ActionPass.String()
		}
		for _, p := range t.Policies {
			ep := EffectivePolicy{Policy: p.ID.String(), Order: p.Order, Actions: []string{}, Invalid: p.Invalid[d],
				Staged: strings.HasPrefix(p.ID.Kind, "Staged")}
			last := -1
			for _, r := range p.Rules[d] {
				if r.Index != last { // one written rule can be several
					ep.Rules++
					ep.Actions = append(ep.Actions, r.Action.String())
				}
				last = r.Index
			}
			if d == verdict.Egress && !p.Invalid[d] {
				ep.Domains = domainsOf(s, p)
			}
			tier.Policies = append(tier.Policies, ep)
		}
		out = append(out, tier)
	}
	return out
}

// then says what a connection meets after the tiers (semantics.md section 9).
func then(e *model.Endpoint) string {
	switch {
	case e.ID.Kind == verdict.Pod:
		return "allow"
	case len(e.Profiles) == 0:
		return "deny"
	}
	return "profiles " + strings.Join(e.Profiles, ", ") + ", then deny"
}

// endpoint finds the endpoint of a reference: what polices the egress of a
// connection from there to somewhere outside.
func endpoint(s *model.State, ref string) (*model.Endpoint, error) {
	if name, ok := strings.CutPrefix(ref, "hep:"); ok { // needs no address for this
		if e := s.Endpoints[verdict.EndpointID{Kind: verdict.Host, Name: name}]; e != nil {
			return e, nil
		}
	}
	var err error
	for _, outside := range []string{"192.0.2.1", "2001:db8::1", "198.51.100.1", "2001:db8:1::1"} {
		c, e := s.Connect(ref, outside)
		switch {
		case e != nil:
			err = e
		case c.Ingress.Endpoint != nil || c.Ingress.Fixed.Reason != verdict.NotAnEndpoint:
			// Somebody uses an address that is for documentation: try another.
		case c.Egress.Endpoint == nil && c.Egress.Fixed.Reason == verdict.ByHostDefault:
			return nil, fmt.Errorf("%s is a node without a host endpoint: no policy applies to it; create a HostEndpoint for it", ref)
		case c.Egress.Endpoint == nil:
			return nil, fmt.Errorf("%s is outside the cluster: no policy applies there; name a pod, hep:NAME or node:NAME", ref)
		default:
			return c.Egress.Endpoint, nil
		}
	}
	return nil, err
}

// FormatOrder returns an order as text; none is "last".
func FormatOrder(order *float64) string {
	if order == nil {
		return "last"
	}
	return strconv.FormatFloat(*order, 'f', -1, 64)
}
