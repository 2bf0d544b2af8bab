package translate

import (
	"fmt"
	"net/netip"

	"github.com/tierwall/tierwall/model"
)

// Check returns the problems that only show between objects.
func Check(s *model.State) []model.Problem {
	var all []model.Problem
	for _, t := range s.Ordered() {
		if !t.Missing {
			continue
		}
		for _, p := range t.Policies {
			all = append(all, tierMissing(p))
		}
	}
	for _, p := range s.Staged {
		if p.Policy != nil && s.Tiers[p.Policy.Tier] == nil {
			all = append(all, tierMissing(p.Policy))
		}
	}
	owner := map[netip.Addr]*model.Endpoint{}
	for _, e := range s.SortedEndpoints() {
		for _, name := range e.Profiles {
			if s.Profiles[name] == nil {
				all = append(all, model.Problem{
					Code: "profile-missing", Object: "HostEndpoint//" + e.ID.Name, Path: "spec.profiles",
					Message: fmt.Sprintf("profile %q does not exist", name), Hint: "create it or name one that exists; it counts for nothing",
				})
			}
		}
		for _, a := range e.Addrs {
			if other := owner[a]; other != nil && other != e {
				all = append(all, model.Problem{
					Code: "address-shared", Object: objectName(e),
					Message: fmt.Sprintf("%s is also the address of %s", a, other.ID),
					Hint:    "policy cannot tell endpoints with one address apart: each is matched by what selects either",
				})
			}
			owner[a] = e
		}
	}
	model.SortProblems(all)
	return all
}

func tierMissing(p *model.Policy) model.Problem {
	return model.Problem{
		Code: "tier-missing", Object: p.ID.String(), Path: "spec.tier",
		Message: fmt.Sprintf("Tier %q does not exist", p.Tier),
		Hint:    "create the tier or name one that exists; until then the policy applies after all tiers, and what it selects is denied at its end",
	}
}

func objectName(e *model.Endpoint) string {
	k := e.Key()
	if k.Kind == model.KindPod {
		return "Pod/" + k.Namespace + "/" + k.Name
	}
	return "HostEndpoint//" + k.Name
}
