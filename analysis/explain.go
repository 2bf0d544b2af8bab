package analysis

import (
	"fmt"
	"slices"

	"github.com/tierwall/tierwall/evaluate"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// Query asks about one new connection, by references of commands.md.
type Query struct {
	From, To string
	Port     Port
	// NoWarnings leaves Explanation.Warnings empty, which take most of the time
	// in a large state.
	NoWarnings bool
}

// Explanation is the verdict for one connection and the way to it. Its JSON is
// that of commands.md, with some keys more.
type Explanation struct {
	Verdict  string `json:"verdict"`
	From     string `json:"from"`
	To       string `json:"to"`
	Protocol string `json:"protocol"`
	// Port is 0 for protocols without ports.
	Port uint16 `json:"port"`
	// ICMP has the type and code of ICMP and ICMPv6, "8/0"; else it is empty.
	ICMP string `json:"icmp,omitempty"`
	// Source and Destination are the addresses that the references stand for.
	Source      string `json:"source"`
	Destination string `json:"destination"`
	// Egress is the source's side, Ingress the destination's; Ingress is nil if
	// egress denied: the packet never gets there.
	Egress  *Side `json:"egress"`
	Ingress *Side `json:"ingress"`
	// Domain is there if To is a domain name.
	Domain *DomainAnswer `json:"domain,omitempty"`
	// Pending is what would happen if everything staged were enforced; nil if
	// nothing is staged.
	Pending *Pending `json:"pending,omitempty"`
	// Warnings are the findings about the policies that apply on either side.
	Warnings []model.Problem `json:"warnings,omitempty"`
}

// Pending is a verdict as if everything staged were enforced (semantics.md
// section 13); its fields are as those of Explanation.
type Pending struct {
	Verdict string `json:"verdict"`
	Egress  *Side  `json:"egress"`
	Ingress *Side  `json:"ingress"`
}

// Side is one direction of an explanation. Which of Tier, Policy, Rule,
// Policies and Profile are there depends on Reason.
type Side struct {
	// Endpoint is what is policed; empty if nothing is.
	Endpoint string `json:"endpoint,omitempty"`
	// Stage is the stage of a host endpoint that decided; empty for the normal
	// one.
	Stage string `json:"stage,omitempty"`
	// Direction is that of the policy, in an element of Stages; else empty: it
	// is the side's own.
	Direction string `json:"direction,omitempty"`
	Verdict   string `json:"verdict"`
	Reason    string `json:"reason"`
	Tier      string `json:"tier,omitempty"`
	Policy    string `json:"policy,omitempty"`
	Rule      *int   `json:"rule,omitempty"`
	// Policies are those that applied in the tier whose end decided.
	Policies []string `json:"policies,omitempty"`
	Profile  string   `json:"profile,omitempty"`
	// Path holds every rule that matched and every tier that was passed or
	// defaulted, in order; never nil.
	Path []Step `json:"path"`

	// Stages are all that the packet met on this side and that policy concerns,
	// the one that decided too, as the packet met them; nil if the normal one was
	// all.
	Stages []*Side `json:"stages,omitempty"`

	// Visits is all that was looked at, also what did not match; nil if
	// nothing is policed here.
	Visits []evaluate.Visit `json:"-"`
	// Trace is the same in the words of the code.
	Trace verdict.Trace `json:"-"`
}

// Step is one step of a path: a rule that matched, or the end of a tier, which
// has Policies and no Rule.
type Step struct {
	Tier     string   `json:"tier,omitempty"`
	Policy   string   `json:"policy,omitempty"`
	Profile  string   `json:"profile,omitempty"`
	Rule     *int     `json:"rule,omitempty"`
	Action   string   `json:"action"`
	Matched  bool     `json:"matched,omitempty"`
	Policies []string `json:"policies,omitempty"`
}

// Explain finds out what happens to a connection, and why. The tables must be
// those of the state. A destination that is a domain name without a known address
// is answered for as if it had been looked up. An error names the reference that
// is wrong, or says that tables and oracle differ.
func Explain(s *model.State, t *table.Tables, q Query) (*Explanation, error) {
	if n, ok := model.DomainRef(q.To); ok {
		return explainDomain(s, t, q, n)
	}
	return explain(s, t, q)
}

func explain(s *model.State, t *table.Tables, q Query) (*Explanation, error) {
	c, err := s.Connect(q.From, q.To)
	if err != nil {
		return nil, err
	}
	p := q.Port.Packet(c)
	x := &Explanation{
		From: q.From, To: q.To, Protocol: verdict.ProtocolName(p.Protocol),
		Source: c.Egress.Addr.String(), Destination: c.Ingress.Addr.String(),
	}
	if verdict.HasPorts(p.Protocol) {
		x.Port = p.DstPort
	} else if verdict.IsICMP(p.Protocol) {
		x.ICMP = fmt.Sprintf("%d/%d", p.DstPort>>8, p.DstPort&255)
	}
	o, err := decide(c, agreed(p, evaluate.New(s), t))
	if err != nil {
		return nil, err
	}
	x.Verdict, x.Egress, x.Ingress = o.Verdict.String(), sideOf(o.Egress), sideOf(o.Ingress)
	if !q.NoWarnings {
		x.Warnings = warnings(s, c)
	}
	return x, nil
}

// warnings are the findings about the policies that apply on either side.
func warnings(s *model.State, c model.Connection) []model.Problem {
	var all []model.Problem
	for _, side := range []struct {
		at *model.Endpoint
		d  verdict.Direction
	}{{c.Egress.Endpoint, verdict.Egress}, {c.Ingress.Endpoint, verdict.Ingress}} {
		if side.at != nil {
			all = append(all, FindingsAt(s, side.at, side.d)...)
		}
	}
	return slices.Compact(all)
}

// sideOf returns a passage in the form of an explanation; nil for nil.
func sideOf(p *Passage) *Side {
	if p == nil {
		return nil
	}
	out := NewSide("", p.Trace)
	for i := range p.Met {
		m := &p.Met[i]
		side := NewSide(m.At.Endpoint.ID.String(), m.Trace)
		side.Visits, side.Direction = m.visits, m.At.Direction.String()
		if m.At.Stage != verdict.Normal {
			side.Stage = m.At.Stage.String()
		}
		out.Stages = append(out.Stages, side)
		if m.At == p.At {
			out.Endpoint, out.Stage, out.Visits = side.Endpoint, side.Stage, side.Visits
		}
	}
	if len(out.Stages) == 1 && out.Stages[0].Stage == "" { // it says nothing more
		out.Stages = nil
	}
	return out
}

// NewSide returns a trace at an endpoint in the form of an explanation, without
// Visits.
func NewSide(endpoint string, t verdict.Trace) *Side {
	out := &Side{Endpoint: endpoint, Verdict: t.Verdict.String(), Reason: t.Reason.String(), Path: []Step{}, Trace: t}
	for _, s := range t.Steps {
		out.Path = append(out.Path, newStep(s))
	}
	if s := t.Deciding(); s != nil {
		last := newStep(*s)
		out.Tier, out.Policy, out.Rule = last.Tier, last.Policy, last.Rule
		out.Policies, out.Profile = last.Policies, last.Profile
	}
	return out
}

func newStep(s verdict.Step) Step {
	out := Step{Tier: s.Tier, Profile: s.Profile, Action: s.Action.String(), Matched: !s.EndOfTier(), Policies: names(s.Applied)}
	if !s.Policy.IsZero() {
		out.Policy = s.Policy.String()
	}
	if s.Rule != verdict.NoRule {
		rule := s.Rule
		out.Rule = &rule
	}
	return out
}

func names(ids []verdict.PolicyID) []string {
	var all []string
	for _, id := range ids {
		all = append(all, id.String())
	}
	return all
}

// Because says in words what decided, for instance "rule 2 of
// GlobalNetworkPolicy//block-red in tier security".
func (s *Side) Because() string {
	if s.Stage != "" {
		return s.decided() + ", in the " + s.Stage + " stage"
	}
	return s.decided()
}

func (s *Side) decided() string {
	switch s.Trace.Reason {
	case verdict.ByRule:
		return fmt.Sprintf("rule %d of %s in tier %s", *s.Rule, s.Policy, s.Tier)
	case verdict.ByTierDefault:
		return fmt.Sprintf("the end of tier %s: policies apply there, and none decided", s.Tier)
	case verdict.NoPolicyApplies:
		return "no policy applies"
	case verdict.ByProfile:
		return "profile " + s.Profile + ", after the tiers"
	case verdict.ByFailsafe:
		return "a failsafe port, which no policy can close"
	case verdict.ByHostDefault:
		if s.Endpoint == "" && s.Trace.Verdict == verdict.Deny {
			return "the setting defaultEndpointToHostAction, which keeps pods from their own node"
		}
		if s.Endpoint == "" {
			return "no host endpoint polices this"
		}
		if s.Stage != "" {
			return "no rule decides, and the packet goes on"
		}
		return "no policy and no profile of the host endpoint decides"
	case verdict.NotAnEndpoint:
		return "not an endpoint: nothing is enforced there"
	case verdict.InvalidPolicy:
		if s.Policy == "" {
			return "profile " + s.Profile + " cannot be read, and denies all"
		}
		return s.Policy + " in tier " + s.Tier + " cannot be read, and denies all"
	}
	return s.Reason
}
