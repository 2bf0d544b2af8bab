package verdict

import (
	"slices"
	"strconv"
	"strings"
)

// NoRule is the Rule of a Step that is not a rule.
const NoRule = -1

// Step is one thing that happened on the way to a verdict: a rule that
// matched (Log and Pass included), the end of a tier that applied, or a
// profile's rule.
type Step struct {
	// Tier is empty for a profile's step.
	Tier string
	// Policy is zero at the end of a tier and for profiles.
	Policy PolicyID
	// Profile is set for a profile's step only.
	Profile string
	// Rule counts from 0 within the direction; NoRule at the end of a tier,
	// and for a policy that is denied whole because it is invalid.
	Rule int
	// Action is what was done.
	Action Action
	// Applied lists, at the end of a tier, the policies that applied and
	// decided nothing, in order (semantics.md section 0, decision 6).
	Applied []PolicyID
}

// Equal reports whether two steps say the same.
func (s Step) Equal(o Step) bool {
	return s.Tier == o.Tier && s.Policy == o.Policy && s.Profile == o.Profile &&
		s.Rule == o.Rule && s.Action == o.Action && slices.Equal(s.Applied, o.Applied)
}

// EndOfTier reports whether the step is the default action of a tier.
func (s Step) EndOfTier() bool { return s.Tier != "" && s.Policy.IsZero() }

// Trace is a verdict with its reason and the way to it, for one endpoint and
// one direction. Steps holds, in order, every rule that matched and every tier
// that was passed or defaulted; the last is the one that decided, if the
// reason is one that a step can give. The zero value is a denial without a
// reason and is never returned.
type Trace struct {
	Verdict Verdict
	Reason  Reason
	Steps   []Step
}

// Equal reports whether two traces give the same verdict for the same reason
// by the same way.
func (t *Trace) Equal(o *Trace) bool {
	return t.Verdict == o.Verdict && t.Reason == o.Reason && slices.EqualFunc(t.Steps, o.Steps, Step.Equal)
}

// Deciding returns the step that decided, or nil if the reason is one that no
// step gives (no policy applies, failsafe, host default, not an endpoint).
func (t *Trace) Deciding() *Step {
	switch t.Reason {
	case ByRule, ByTierDefault, ByProfile, InvalidPolicy:
		if len(t.Steps) > 0 {
			return &t.Steps[len(t.Steps)-1]
		}
	}
	return nil
}

// String returns a line for people and for messages of tests, for instance
// "deny: rule 2 of GlobalNetworkPolicy//block in tier security".
func (t *Trace) String() string {
	var b strings.Builder
	b.WriteString(t.Verdict.String() + ": " + t.Reason.String())
	for i, s := range t.Steps {
		if i == 0 {
			b.WriteString(" (")
		} else {
			b.WriteString("; ")
		}
		b.WriteString(s.String())
	}
	if len(t.Steps) > 0 {
		b.WriteString(")")
	}
	return b.String()
}

// String returns the step as "Pass by security/GlobalNetworkPolicy//ns#0" or
// "Deny at the end of tier security".
func (s Step) String() string {
	switch {
	case s.Profile != "":
		return s.Action.String() + " by profile " + s.Profile
	case s.EndOfTier():
		return s.Action.String() + " at the end of tier " + s.Tier
	case s.Rule == NoRule:
		return s.Action.String() + " by invalid policy " + s.Tier + "/" + s.Policy.String()
	}
	return s.Action.String() + " by " + s.Tier + "/" + s.Policy.String() + "#" + strconv.Itoa(s.Rule)
}
