package flow

import (
	"encoding/json"
	"errors"

	"github.com/tierwall/tierwall/verdict"
)

// Decision is the verdict of one end's policy with its way. Its JSON has the
// keys of `tierwall explain -o json` for a side.
type Decision struct {
	// Endpoint is what was policed, as verdict.EndpointID prints it.
	Endpoint string
	// Stage is the stage of a host endpoint; Normal for pods.
	Stage verdict.Stage
	// Trace is what was decided, and why. A decision of which that is not known
	// any more has verdict.NoReason.
	Trace verdict.Trace
}

// Known reports whether it is known what decided. It is not for connections
// that were open when the agent came.
func (d *Decision) Known() bool { return d != nil && d.Trace.Reason != verdict.NoReason }

// Equal reports whether two decisions say the same; nil equals nil alone.
func (d *Decision) Equal(o *Decision) bool {
	if d == nil || o == nil {
		return d == o
	}
	return d.Endpoint == o.Endpoint && d.Stage == o.Stage && d.Trace.Equal(&o.Trace)
}

// side and step are the JSON form.
type side struct {
	Endpoint string   `json:"endpoint,omitempty"`
	Stage    string   `json:"stage,omitempty"`
	Verdict  string   `json:"verdict"`
	Reason   string   `json:"reason"`
	Tier     string   `json:"tier,omitempty"`
	Policy   string   `json:"policy,omitempty"`
	Rule     *int     `json:"rule,omitempty"`
	Policies []string `json:"policies,omitempty"`
	Profile  string   `json:"profile,omitempty"`
	Path     []step   `json:"path"`
}

type step struct {
	Tier     string   `json:"tier,omitempty"`
	Policy   string   `json:"policy,omitempty"`
	Profile  string   `json:"profile,omitempty"`
	Rule     *int     `json:"rule,omitempty"`
	Action   string   `json:"action"`
	Policies []string `json:"policies,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (d Decision) MarshalJSON() ([]byte, error) {
	s := side{Endpoint: d.Endpoint, Verdict: d.Trace.Verdict.String(), Reason: d.Trace.Reason.String(), Path: []step{}}
	if d.Stage != verdict.Normal {
		s.Stage = d.Stage.String()
	}
	for _, t := range d.Trace.Steps {
		s.Path = append(s.Path, stepOf(t))
	}
	if last := d.Trace.Deciding(); last != nil {
		t := stepOf(*last)
		s.Tier, s.Policy, s.Rule, s.Policies, s.Profile = t.Tier, t.Policy, t.Rule, t.Policies, t.Profile
	}
	return json.Marshal(s)
}

func stepOf(s verdict.Step) step {
	out := step{Tier: s.Tier, Profile: s.Profile, Action: s.Action.String()}
	if !s.Policy.IsZero() {
		out.Policy = s.Policy.String()
	}
	if s.Rule != verdict.NoRule {
		out.Rule = new(s.Rule)
	}
	for _, p := range s.Applied {
		out.Policies = append(out.Policies, p.String())
	}
	return out
}

// UnmarshalJSON implements json.Unmarshaler. What follows from the path (tier,
// policy, rule) is not read again.
func (d *Decision) UnmarshalJSON(data []byte) error {
	var s side
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	out := Decision{Endpoint: s.Endpoint}
	var ok bool
	if out.Trace.Verdict, ok = named(s.Verdict, verdict.Deny, verdict.Allow); !ok {
		return errors.New("a decision's verdict is neither allow nor deny: " + s.Verdict)
	}
	if out.Trace.Reason, ok = named(s.Reason, reasons...); !ok {
		return errors.New("a decision's reason is not known: " + s.Reason)
	}
	if s.Stage != "" {
		if out.Stage, ok = named(s.Stage, verdict.Stages[:]...); !ok {
			return errors.New("a decision's stage is not known: " + s.Stage)
		}
	}
	for _, p := range s.Path {
		t, err := p.step()
		if err != nil {
			return err
		}
		out.Trace.Steps = append(out.Trace.Steps, t)
	}
	*d = out
	return nil
}

func (p step) step() (verdict.Step, error) {
	out := verdict.Step{Tier: p.Tier, Profile: p.Profile, Rule: verdict.NoRule}
	var ok bool
	if out.Action, ok = named(p.Action, verdict.ActionAllow, verdict.ActionDeny, verdict.ActionPass, verdict.ActionLog); !ok {
		return out, errors.New("a step's action is not known: " + p.Action)
	}
	if p.Rule != nil {
		out.Rule = *p.Rule
	}
	if p.Policy != "" {
		if out.Policy, ok = verdict.ParsePolicyID(p.Policy); !ok {
			return out, errors.New("not a policy: " + p.Policy)
		}
	}
	for _, text := range p.Policies {
		id, ok := verdict.ParsePolicyID(text)
		if !ok {
			return out, errors.New("not a policy: " + text)
		}
		out.Applied = append(out.Applied, id)
	}
	return out, nil
}

var reasons = []verdict.Reason{
	verdict.NoReason, verdict.ByRule, verdict.ByTierDefault, verdict.NoPolicyApplies, verdict.ByProfile,
	verdict.ByFailsafe, verdict.ByHostDefault, verdict.NotAnEndpoint, verdict.InvalidPolicy,
}

// named finds a value by what it prints.
func named[T interface{ String() string }](text string, all ...T) (T, bool) {
	for _, v := range all {
		if v.String() == text {
			return v, true
		}
	}
	var none T
	return none, false
}

// Deciding returns the decision that made the record's verdict: the one that
// denied, or, of two that allowed, the destination's. nil if none was asked.
func (r *Record) Deciding() *Decision {
	denies := func(d *Decision) bool { return d != nil && d.Trace.Verdict == verdict.Deny }
	switch {
	case denies(r.Egress):
		return r.Egress
	case denies(r.Ingress), r.Egress == nil:
		return r.Ingress
	case r.Ingress != nil && r.Ingress.Trace.Deciding() != nil:
		return r.Ingress
	}
	return r.Egress
}

// HostDirection is the direction of Host: that of the pod's decision beside it.
func (r *Record) HostDirection() verdict.Direction {
	if r.Egress != nil {
		return verdict.Egress
	}
	return verdict.Ingress
}

// Newly says what would change if everything staged were enforced: "denied",
// "allowed", or empty.
func (r *Record) Newly() string {
	switch {
	case r.Pending == nil || r.Pending.Verdict == r.Verdict:
		return ""
	case r.Pending.Verdict == Verdict(verdict.Deny):
		return "denied"
	}
	return "allowed"
}
