package flow

import "github.com/tierwall/tierwall/verdict"

// Deed is what a rule, the end of a tier or another reason did in a decision. It
// is comparable.
type Deed struct {
	// Tier, Policy and Profile are as in verdict.Step. A policy that applied at the
	// end of a tier is named here, with NoRule and ByTierDefault as its reason;
	// the tier itself has a deed without a policy.
	Tier    string
	Policy  verdict.PolicyID
	Profile string
	Rule    int
	// Direction is that in which policy was asked.
	Direction verdict.Direction
	// Reason is that of a decision; ByRule of rules that passed or logged.
	Reason verdict.Reason
	Action verdict.Action
	// Decides says that it made the verdict, and so answers for the traffic. Of
	// those at the end of a tier it is the tier alone.
	Decides bool
}

// Name is what the deed is counted under beside the tier: Kind/namespace/name,
// Profile//NAME, or empty.
func (d Deed) Name() string {
	switch {
	case d.Profile != "":
		return "Profile//" + d.Profile
	case d.Policy.IsZero():
		return ""
	}
	return d.Policy.String()
}

// Deeds calls f with each thing that was done on the way of a decision: each rule
// that matched, the end of each tier for itself and for each policy that applied
// there, and the reason if it was none of these.
func Deeds(t *verdict.Trace, dir verdict.Direction, f func(Deed)) {
	last := t.Deciding()
	for i := range t.Steps {
		step := &t.Steps[i]
		d := Deed{Tier: step.Tier, Policy: step.Policy, Profile: step.Profile, Rule: step.Rule, Direction: dir, Reason: verdict.ByRule, Action: step.Action, Decides: step == last}
		switch {
		case step.Profile != "":
			d.Reason = verdict.ByProfile
		case step.EndOfTier():
			d.Reason = verdict.ByTierDefault
			for _, p := range step.Applied {
				own := d
				own.Policy, own.Decides = p, false
				f(own)
			}
		case step.Rule == verdict.NoRule:
			d.Reason = verdict.InvalidPolicy
		}
		f(d)
	}
	if last == nil {
		d := Deed{Rule: verdict.NoRule, Direction: dir, Reason: t.Reason, Action: verdict.ActionAllow, Decides: true}
		if t.Verdict == verdict.Deny {
			d.Action = verdict.ActionDeny
		}
		f(d)
	}
}
