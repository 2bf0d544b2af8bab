package model

import (
	"maps"

	"github.com/tierwall/tierwall/verdict"
)

// StagedPolicy is a policy that is not enforced: it says what would be if it
// were (semantics.md section 13).
type StagedPolicy struct {
	// ID has the staged kind.
	ID verdict.PolicyID
	// Replaces is the policy that enforcing it would put or, if Policy is nil,
	// delete.
	Replaces verdict.PolicyID
	// Policy is what it would become, under ID. nil is a staged deletion.
	Policy *Policy
}

// Key implements Object.
func (p *StagedPolicy) Key() Key { return StagedKey(p.ID) }

// StagedKey returns the key of a staged policy.
func StagedKey(id verdict.PolicyID) Key {
	return Key{Kind: KindStagedPolicy, Namespace: id.Namespace, Name: id.Name, PolicyKind: id.Kind}
}

// Pending returns the state as if everything staged were enforced: a staged
// policy takes the place of the one that it replaces, a staged deletion removes
// it (section 0, decision 7). Staged policies keep the name of their kind, so
// that a trace shows them as what they are, and the place in the order of the
// kind that they would have. It returns s itself if nothing is staged; else the
// two share everything but the policies.
func (s *State) Pending() *State {
	if len(s.Staged) == 0 {
		return s
	}
	out := *s
	out.Policies = maps.Clone(s.Policies)
	out.Staged = map[verdict.PolicyID]*StagedPolicy{}
	for _, p := range s.Staged {
		delete(out.Policies, p.Replaces)
	}
	for id, p := range s.Staged {
		if p.Policy != nil {
			out.Policies[id] = p.Policy
		}
	}
	return &out
}
