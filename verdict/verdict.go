package verdict

// Verdict is what happens to a new connection at one endpoint in one
// direction. The zero value is Deny, so that a forgotten verdict is closed.
type Verdict uint8

// The verdicts.
const (
	Deny Verdict = iota
	Allow
)

// String returns "allow" or "deny".
func (v Verdict) String() string {
	if v == Allow {
		return "allow"
	}
	return "deny"
}

// Direction is a direction of traffic as seen from the endpoint that is
// policed. The zero value is Ingress.
type Direction uint8

// The directions.
const (
	Ingress Direction = iota
	Egress
)

// Directions lists both, in the order in which they are shown.
var Directions = [2]Direction{Ingress, Egress}

// String returns "ingress" or "egress".
func (d Direction) String() string {
	if d == Egress {
		return "egress"
	}
	return "ingress"
}

// Action is what a rule, or the end of a tier, does. The zero value is no
// action and is not legal in a rule.
type Action uint8

// The actions of a rule (semantics.md section 1).
const (
	NoAction Action = iota
	ActionAllow
	ActionDeny
	ActionPass
	ActionLog
)

// String returns the word that is written in a policy: Allow, Deny, Pass, Log.
func (a Action) String() string {
	switch a {
	case ActionAllow:
		return "Allow"
	case ActionDeny:
		return "Deny"
	case ActionPass:
		return "Pass"
	case ActionLog:
		return "Log"
	}
	return "None"
}

// Reason is the class of what decided. The zero value is no reason and never
// stands in a finished Trace.
type Reason uint8

// The reasons, with the words of commands.md.
const (
	NoReason Reason = iota
	ByRule
	ByTierDefault
	NoPolicyApplies
	ByProfile
	ByFailsafe
	ByHostDefault
	NotAnEndpoint
	InvalidPolicy
)

// String returns the reason as `explain` prints it.
func (r Reason) String() string {
	switch r {
	case ByRule:
		return "rule"
	case ByTierDefault:
		return "tier default"
	case NoPolicyApplies:
		return "no policy applies"
	case ByProfile:
		return "profile"
	case ByFailsafe:
		return "failsafe"
	case ByHostDefault:
		return "host default"
	case NotAnEndpoint:
		return "not an endpoint"
	case InvalidPolicy:
		return "invalid policy"
	}
	return "no reason"
}
