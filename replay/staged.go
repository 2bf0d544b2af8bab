package replay

import (
	"slices"
	"strings"

	"github.com/tierwall/tierwall/analysis"
	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/model"
)

// Policy is a staged policy and what it stands for.
type Policy struct {
	Policy string `json:"policy"`
	// Action is "Set" or "Delete".
	Action string `json:"action"`
	// Replaces is the enforced policy of its name; empty if there is none.
	Replaces string `json:"replaces,omitempty"`
}

// Policies returns all that is staged in a state, by name; never nil.
func Policies(s *model.State) []Policy {
	all := []Policy{}
	for id, p := range s.Staged {
		one := Policy{Policy: id.String(), Action: "Set", Replaces: p.Replaces.String()}
		if p.Policy == nil {
			one.Action = "Delete"
		}
		if s.Policies[p.Replaces] == nil {
			one.Replaces = ""
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Policy) int { return strings.Compare(a.Policy, b.Policy) })
	return all
}

// Possible counts pairs of groups of endpoints with connections that would be
// newly denied and newly allowed, seen or not.
type Possible struct {
	Denied  int `json:"denied"`
	Allowed int `json:"allowed"`
}

// PossibleOf says what the tables say that enforcing all that is staged would
// change.
func PossibleOf(s *model.State) Possible {
	c := compile.New(compile.Options{})
	var all, changes []model.Change
	for _, o := range s.Objects() {
		all = append(all, model.Put(o))
	}
	c.Apply(all...)
	for _, p := range s.Staged {
		if old := s.Policies[p.Replaces]; old != nil {
			changes = append(changes, model.Delete(old.Key()))
		}
		if p.Policy != nil {
			changes = append(changes, model.Put(p.Policy))
		}
	}
	p := analysis.PreviewOf(s, c, c.Tables(), 0, changes...)
	return Possible{Denied: p.Denied, Allowed: p.Allowed}
}
