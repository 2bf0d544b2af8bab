package flow

import "github.com/tierwall/tierwall/verdict"

// Logged says that a record tells what a Log rule logged: packets that met the
// rule, and nothing else. Its Connections are 0, so that no sum counts what the
// connection's own record counts; its verdict and decisions are those of the
// tables when the packet was logged.
type Logged struct {
	// Prefix is that of the settings, "tierwall" where they say nothing.
	Prefix string `json:"prefix"`
	// Tier, Policy (Kind/namespace/name) and Rule name the rule; Profile instead
	// of the first two for a profile's.
	Tier    string `json:"tier,omitempty"`
	Policy  string `json:"policy,omitempty"`
	Profile string `json:"profile,omitempty"`
	Rule    int    `json:"rule"`
	// Direction is "ingress" or "egress"; empty if rules of both would have logged
	// it and it is not known which did.
	Direction string `json:"direction,omitempty"`
	// Packets is how many were logged: the first of each connection, and those
	// that were sent again.
	Packets uint64 `json:"packets"`
}

// step is the rule as a step of a decision.
func (l *Logged) step() verdict.Step {
	s := verdict.Step{Tier: l.Tier, Profile: l.Profile, Rule: l.Rule, Action: verdict.ActionLog}
	s.Policy, _ = verdict.ParsePolicyID(l.Policy)
	return s
}

// What is kept apart by Filter.Event.
const (
	Connections = "connection"
	LogEvents   = "log"
)
