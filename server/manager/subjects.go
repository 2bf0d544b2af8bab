package manager

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/server"
)

// ListTierSubjects implements ServerInterface.
func (m *Manager) ListTierSubjects(w http.ResponseWriter, r *http.Request, params ListTierSubjectsParams) {
	s, v := sessionIn(r), m.seen(w, r)
	if v == nil {
		return
	}
	if v.state.Tiers[params.Tier] == nil || !v.showsTier(params.Tier) {
		fail(w, problem(http.StatusNotFound, "not-found", fmt.Sprintf("there is no tier %q, or you may not see it", params.Tier)))
		return
	}
	out := TierSubjects{Tier: params.Tier, Subjects: []TierSubject{}, View: v.info()}
	book, err := readRoles(r.Context(), s.core)
	switch {
	case apierrors.IsForbidden(err):
		out.Reason = text("who may do what stands in the roles of the cluster, which you may not read: it needs list on clusterroles and clusterrolebindings of rbac.authorization.k8s.io")
		answer(w, out)
		return
	case err != nil:
		m.fail(w, s, err)
		return
	}
	out.Available, out.Reason = true, book.unreadInWords()
	if out.Subjects, err = book.inTier(r.Context(), params.Tier, v.askable()); err != nil {
		m.fail(w, s, err)
		return
	}
	answer(w, out)
}

// inTier returns the subjects that may write something in a tier.
func (b *roleBook) inTier(ctx context.Context, tier string, namespaces []string) ([]TierSubject, error) {
	all := []TierSubject{}
	for subject, g := range b.subjects {
		// without this nothing can be written there: no need to ask for the rest
		get := &authorizationv1.ResourceAttributes{Group: v3.Group, Version: v3.Version, Resource: "tiers", Verb: "get", Name: tier}
		through := g.allowing(get)
		if len(through) == 0 {
			continue
		}
		access, err := server.Access(ctx, grantReviewer{g, tier, namespaces}, subject.Name, nil)
		if err != nil {
			return nil, err
		}
		told := tierAccess(access[0])
		for _, x := range g {
			if slices.ContainsFunc(x.rules, writesPolicies) {
				through = append(through, x.through)
			}
		}
		slices.Sort(through)
		all = append(all, TierSubject{Kind: TierSubjectKind(subject.Kind), Namespace: text(subject.Namespace), Name: subject.Name, Access: told, Through: slices.Compact(through)})
	}
	slices.SortFunc(all, func(a, b TierSubject) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(some(a.Namespace), some(b.Namespace)), cmp.Compare(a.Name, b.Name))
	})
	return all, nil
}

// writesPolicies reports whether a rule is about policies.
func writesPolicies(r rbacv1.PolicyRule) bool {
	is := func(list []string, value string) bool {
		return slices.Contains(list, "*") || slices.Contains(list, value)
	}
	if !is(r.APIGroups, v3.Group) {
		return false
	}
	return slices.ContainsFunc([]string{"networkpolicies", "globalnetworkpolicies", "stagednetworkpolicies", "stagedglobalnetworkpolicies", "stagedkubernetesnetworkpolicies"},
		func(resource string) bool { return is(r.Resources, resource) || is(r.Resources, "tier."+resource) })
}
