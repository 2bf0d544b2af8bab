package manager

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/manifest"
	"github.com/tierwall/tierwall/server"
)

// accessTo asks, in the user's own name, what he may do in the tiers.
func (m *Manager) accessTo(ctx context.Context, s *session, v *view, tiers []string) ([]TierAccess, error) {
	all, err := server.Access(ctx, selfReviewer{s.may(), tiers, v.askable()}, "", nil)
	if err != nil {
		return nil, err
	}
	out := []TierAccess{}
	for _, t := range all {
		out = append(out, tierAccess(t))
	}
	return out, nil
}

func tierAccess(t server.TierAccess) TierAccess {
	told := TierAccess{Tier: t.Tier, Get: t.Get, Rights: []Right{}}
	for _, r := range t.Rights {
		told.Rights = append(told.Rights, Right{Kind: r.Kind, Verb: RightVerb(r.Verb), Everywhere: r.Everywhere,
			Namespaces: append([]string{}, r.Namespaces...), Missing: text(r.Missing)})
	}
	return told
}

// askable are the namespaces in which the user sees anything.
func (v *view) askable() []string {
	seen := map[string]bool{}
	for name := range v.state.Namespaces {
		seen[name] = true
	}
	for kind, r := range v.rights {
		if kind != "Tier" {
			for _, n := range r.namespaces {
				seen[n] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// tierNames are the tiers that the view shows, in order of evaluation.
func (v *view) tierNames() []string {
	var all []string
	for _, t := range v.cards() {
		all = append(all, t.Name)
	}
	return all
}

// GetAccess implements ServerInterface.
func (m *Manager) GetAccess(w http.ResponseWriter, r *http.Request) {
	s, v := sessionIn(r), m.seen(w, r)
	if v == nil {
		return
	}
	tiers, err := m.accessTo(r.Context(), s, v, v.tierNames())
	if err != nil {
		m.fail(w, s, err)
		return
	}
	objects, err := m.objectAccess(r.Context(), s, v)
	if err != nil {
		m.fail(w, s, err)
		return
	}
	answer(w, Access{User: s.user, Tiers: tiers, Objects: objects, View: v.info()})
}

// inTiers reports whether a kind's rights are told by tier.
func inTiers(k manifest.Kind) bool {
	return strings.HasPrefix(k.APIVersion, v3.Group+"/") && strings.HasSuffix(k.Kind, "Policy")
}

// objectAccess asks about the kinds that are in no tier.
func (m *Manager) objectAccess(ctx context.Context, s *session, v *view) ([]Right, error) {
	var kinds []manifest.Kind
	var wide, narrow []question
	for _, k := range manifest.Kinds() {
		if !inTiers(k) {
			kinds = append(kinds, k)
		}
	}
	asked := func(k manifest.Kind, verb, namespace string) question {
		r := resourceOf(k)
		return question{verb: verb, group: r.Group, version: r.Version, resource: r.Resource, namespace: namespace}
	}
	for _, k := range kinds {
		for _, verb := range server.Verbs() {
			wide = append(wide, asked(k, verb, ""))
		}
	}
	answers, err := s.may().all(ctx, wide)
	if err != nil {
		return nil, err
	}
	for _, k := range kinds {
		for _, verb := range server.Verbs() {
			if k.Namespaced && !answers[asked(k, verb, "")] {
				for _, ns := range v.askable() {
					narrow = append(narrow, asked(k, verb, ns))
				}
			}
		}
	}
	more, err := s.may().all(ctx, narrow)
	if err != nil {
		return nil, err
	}
	out := []Right{}
	for _, k := range kinds {
		for _, verb := range server.Verbs() {
			right := Right{Kind: k.Name, Verb: RightVerb(verb), Everywhere: answers[asked(k, verb, "")], Namespaces: []string{}}
			for _, ns := range v.askable() {
				if more[asked(k, verb, ns)] {
					right.Namespaces = append(right.Namespaces, ns)
				}
			}
			if !right.Everywhere {
				right.Missing = text(fmt.Sprintf("%s on %s%s", verb, k.Plural, groupSuffix(k)))
			}
			out = append(out, right)
		}
	}
	return out, nil
}

// ListTiers implements ServerInterface.
func (m *Manager) ListTiers(w http.ResponseWriter, r *http.Request) {
	s, v := sessionIn(r), m.seen(w, r)
	if v == nil {
		return
	}
	access, err := m.accessTo(r.Context(), s, v, v.tierNames())
	if err != nil {
		m.fail(w, s, err)
		return
	}
	byName := map[string]TierAccess{}
	for _, a := range access {
		byName[a.Tier] = a
	}
	out := TierList{Items: []Tier{}, View: v.info()}
	for _, t := range v.cards() {
		out.Items = append(out.Items, Tier{Name: t.Name, Order: t.Order, End: TierEnd(t.End), Builtin: t.Builtin, Missing: t.Missing,
			Policies: t.Total, Access: byName[t.Name]})
	}
	answer(w, out)
}
