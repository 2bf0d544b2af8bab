package manager

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tierwall/tierwall/analysis"
	"github.com/tierwall/tierwall/verdict"
)

// Reorder implements ServerInterface. It is refused to those who do not see all
// policies: what stands between could be what they do not see.
func (m *Manager) Reorder(w http.ResponseWriter, r *http.Request, _ ReorderParams) {
	in, v, ok := asked[Move](m, w, r)
	if !ok {
		return
	}
	s := sessionIn(r)
	move, ok := parseMove(in)
	if !ok {
		fail(w, problem(http.StatusBadRequest, "invalid", "write policies as Kind/namespace/name, and at most one of before and after"))
		return
	}
	if kind := v.hidesPolicies(); kind != "" && (!move.Before.IsZero() || !move.After.IsZero()) {
		p := problem(http.StatusForbidden, "forbidden", "you do not see every "+kind+", and one of them could stand between")
		p.Missing = text("list on all " + kind)
		fail(w, p)
		return
	}
	placed, err := analysis.Reorder(v.state, move)
	if err != nil {
		fail(w, problem(http.StatusUnprocessableEntity, "refused", err.Error()))
		return
	}
	out := Moved{Writes: []OrderWrite{}, Renumbered: len(placed) > 1, DryRun: some(in.DryRun), Message: movedInWords(move, placed)}
	for _, p := range placed {
		out.Writes = append(out.Writes, OrderWrite{Policy: p.Policy.String(), Tier: p.Tier, Order: p.Order, Was: p.Was})
	}
	// first as a rehearsal: either all of it can be written, or none is
	rounds := []bool{true, false}
	if out.DryRun {
		rounds = rounds[:1]
	}
	for _, rehearsal := range rounds {
		for i, p := range placed {
			if err := m.writeOrder(r.Context(), s, p, rehearsal); err != nil {
				failed := m.problemOf(err)
				if !rehearsal && i > 0 {
					failed.Detail = fmt.Sprintf("%d of %d orders were written, then: %s", i, len(placed), failed.Detail)
				}
				m.failWith(w, r, failed)
				return
			}
		}
	}
	answer(w, out)
}

func parseMove(in Move) (analysis.Move, bool) {
	out := analysis.Move{Tier: in.Tier}
	good := true
	parse := func(name string, into *verdict.PolicyID) {
		if name != "" {
			id, ok := verdict.ParsePolicyID(name)
			*into, good = id, good && ok
		}
	}
	parse(in.Policy, &out.Policy)
	parse(some(in.Before), &out.Before)
	parse(some(in.After), &out.After)
	return out, good && !out.Policy.IsZero() && (out.Before.IsZero() || out.After.IsZero())
}

// hidesPolicies returns a policy kind of which not all is seen, or nothing.
func (v *view) hidesPolicies() string {
	for _, kind := range []string{"NetworkPolicy", "GlobalNetworkPolicy", "KubernetesNetworkPolicy", "ClusterNetworkPolicy"} {
		if !v.rights[kind].all {
			return kind
		}
	}
	return ""
}

func movedInWords(m analysis.Move, placed []analysis.Placed) string {
	switch len(placed) {
	case 0:
		return m.Policy.String() + " stands there already."
	case 1:
		return fmt.Sprintf("%s gets the order %s in tier %s.", m.Policy, analysis.FormatOrder(&placed[0].Order), m.Tier)
	}
	return fmt.Sprintf("There is no room between the neighbours: %d policies of tier %s get a new order.", len(placed), m.Tier)
}

func (m *Manager) writeOrder(ctx context.Context, s *session, p analysis.Placed, dryRun bool) error {
	k, ok := kindNamed(p.Policy.Kind)
	if !ok {
		return fmt.Errorf("%s is of an unknown kind", p.Policy)
	}
	body, err := json.Marshal(map[string]any{"spec": map[string]any{"order": p.Order, "tier": p.Tier}})
	if err != nil {
		return err
	}
	o := metav1.PatchOptions{FieldManager: writer}
	if dryRun {
		o.DryRun = []string{metav1.DryRunAll}
	}
	r := s.objects.Resource(resourceOf(k))
	if k.Namespaced {
		_, err = r.Namespace(p.Policy.Namespace).Patch(ctx, p.Policy.Name, types.MergePatchType, body, o)
	} else {
		_, err = r.Patch(ctx, p.Policy.Name, types.MergePatchType, body, o)
	}
	return err
}
