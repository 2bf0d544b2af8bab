package translate

import (
	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/model"
)

// tier translates a tier. Those that every cluster has keep their fixed values
// whatever is stored (semantics.md section 3).
func tier(t *v3.Tier, r *reporter) model.Object {
	out := &model.Tier{Name: t.Name, Order: t.Spec.Order, Pass: v3.TierDefaultAction(t.Spec.DefaultAction) == v3.Pass}
	for _, fixed := range model.BuiltinTiers() {
		if fixed.Name != t.Name {
			continue
		}
		if out.Order == nil || *out.Order != *fixed.Order {
			r.add(problemf("tier-builtin", "spec.order", "%s tier order must be %.0f", t.Name, *fixed.Order).
				hint("the built-in order holds; remove the field or write that number"))
		}
		if out.Pass != fixed.Pass {
			r.add(problemf("tier-builtin", "spec.defaultAction", "The '%s' tier must have default action '%s'", t.Name, v3Action(fixed.Pass)).
				hint("the built-in action holds"))
		}
		return fixed
	}
	return out
}

func v3Action(pass bool) v3.Action {
	if pass {
		return v3.Pass
	}
	return v3.Deny
}
