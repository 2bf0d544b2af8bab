package server

import (
	"encoding/json"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v3 "github.com/tierwall/tierwall/api/v3"
)

// TierFinalizer keeps a tier that is being deleted until no policy is in it
// (semantics.md section 14). The built-in tiers go without: they cannot be
// deleted.
const TierFinalizer = "projectcalico.org/tier-controller"

// operation is one step of a JSON patch (RFC 6902).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// stamp returns the JSON patch that gives a policy the label of its tier and a
// tier its finalizer; nil if there is nothing to add.
func stamp(o metav1.Object) ([]byte, error) {
	var patch []operation
	if tier, ok := tierOf(o); ok {
		patch = stampLabel(o, tier)
	}
	if t, ok := o.(*v3.Tier); ok && needsFinalizer(t) {
		patch = []operation{{"add", "/metadata/finalizers/-", TierFinalizer}}
		if len(t.Finalizers) == 0 {
			patch = []operation{{"add", "/metadata/finalizers", []string{TierFinalizer}}}
		}
	}
	if patch == nil {
		return nil, nil
	}
	return json.Marshal(patch)
}

func stampLabel(o metav1.Object, tier string) []operation {
	switch labels := o.GetLabels(); {
	case labels[v3.TierLabel] == tier:
		return nil
	case len(labels) == 0:
		return []operation{{"add", "/metadata/labels", map[string]string{v3.TierLabel: tier}}}
	}
	return []operation{{"add", "/metadata/labels/projectcalico.org~1tier", tier}}
}

// needsFinalizer reports whether the finalizer is to be added. One that somebody
// takes off a tier that is being deleted stays off.
func needsFinalizer(t *v3.Tier) bool {
	return t.DeletionTimestamp == nil && !slices.Contains(t.Finalizers, TierFinalizer) && !isBuiltin(t.Name)
}

func isBuiltin(tier string) bool {
	return slices.ContainsFunc(v3.BuiltinTiers(), func(b v3.Tier) bool { return b.Name == tier })
}
