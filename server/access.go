package server

import (
	"context"
	"fmt"
	"slices"
	"sync"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	v3 "github.com/tierwall/tierwall/api/v3"
)

// Verbs are those that Access answers for, in its order. deletecollection is
// not among them: admission sees it as the deletion of each policy.
func Verbs() []string {
	return []string{"get", "list", "watch", "create", "update", "patch", "delete"}
}

// writes are the verbs that the admission policies of package deploy hold to
// tiers. Reads are not: whoever may list policies sees those of every tier.
func writes(verb string) bool { return verb != "get" && verb != "list" && verb != "watch" }

// Reviewer is what Access needs to know of the cluster.
type Reviewer interface {
	// Tiers and Namespaces return all names.
	Tiers(ctx context.Context) ([]string, error)
	Namespaces(ctx context.Context) ([]string, error)
	// Review reports whether the API server's authorizers allow it.
	Review(ctx context.Context, spec authorizationv1.SubjectAccessReviewSpec) (bool, error)
}

// TierAccess is what a user may do with the policies of one tier.
type TierAccess struct {
	// Tier is the tier's name.
	Tier string `json:"tier"`
	// Get says that the user has get on the tier itself, without which nothing
	// can be written in it.
	Get bool `json:"get"`
	// Rights has one element for each policy kind and verb, by kind in the order
	// of the kinds in api/v3, then in the order of Verbs.
	Rights []Right `json:"rights"`
}

// Right is what a user may do with one verb on one kind.
type Right struct {
	// Kind is the policy kind, for instance GlobalNetworkPolicy.
	Kind string `json:"kind"`
	Verb string `json:"verb"`
	// Everywhere says that the right holds for every namespace, those to come
	// included, or that the kind has no namespace.
	Everywhere bool `json:"everywhere,omitempty"`
	// Namespaces are those in which it holds, sorted, if not everywhere; empty
	// means nowhere.
	Namespaces []string `json:"namespaces,omitempty"`
	// Missing is what would give the right where it is not held, in words; empty
	// if it is held everywhere.
	Missing string `json:"missing,omitempty"`
}

// In reports whether the right holds in a namespace; the empty one is that of
// cluster-scoped kinds.
func (r Right) In(namespace string) bool {
	return r.Everywhere || slices.Contains(r.Namespaces, namespace)
}

// Access answers what a user may do in which tier (semantics.md section 14), in
// the order of the tiers' names. A right on the policies of a tier is the plain
// verb on the kind and, for writes, get on the tier and the verb on tier.KIND
// under the name "TIER.*". Rights to single policies by their names are not
// told: they would need a question for each policy there is.
func Access(ctx context.Context, reviewer Reviewer, user string, groups []string) ([]TierAccess, error) {
	tiers, err := reviewer.Tiers(ctx)
	if err != nil {
		return nil, fmt.Errorf("tiers: %w", err)
	}
	namespaces, err := reviewer.Namespaces(ctx)
	if err != nil {
		return nil, fmt.Errorf("namespaces: %w", err)
	}
	slices.Sort(tiers)
	slices.Sort(namespaces)
	a := &asker{reviewer: reviewer, user: user, groups: groups, namespaces: namespaces}
	if err := a.ask(ctx, a.questions(tiers)); err != nil {
		return nil, err
	}
	all := make([]TierAccess, 0, len(tiers))
	for _, tier := range tiers {
		all = append(all, a.tier(tier))
	}
	return all, nil
}

// question is one thing to ask the API server; an empty namespace asks for all
// of them, or for a kind without.
type question struct{ verb, resource, namespace, name string }

// asker puts questions for one user and knows the answers.
type asker struct {
	reviewer   Reviewer
	user       string
	groups     []string
	namespaces []string
	answers    map[question]bool
}

// policyKinds returns the kinds that are in tiers.
func policyKinds() []kind {
	return slices.DeleteFunc(kinds(), func(k kind) bool { return !k.policy })
}

// questions are those whose answers concern all namespaces; the others follow
// from what is denied there.
func (a *asker) questions(tiers []string) []question {
	var all []question
	for _, tier := range tiers {
		all = append(all, question{"get", tiersResource, "", tier})
	}
	for _, k := range policyKinds() {
		for _, verb := range Verbs() {
			all = append(all, question{verb, k.resource, "", ""})
			for _, tier := range tiers {
				if writes(verb) {
					all = append(all, question{verb, "tier." + k.resource, "", tier + ".*"})
				}
			}
		}
	}
	return all
}

// reviewers is how many questions are asked at once.
const reviewers = 16

// ask gets the answers to the questions and, for those about namespaced kinds
// that are not allowed everywhere, for each namespace.
func (a *asker) ask(ctx context.Context, all []question) error {
	a.answers = map[question]bool{}
	if err := a.askAll(ctx, all); err != nil {
		return err
	}
	var narrow []question
	for _, q := range all {
		if a.answers[q] || !namespacedQuestion(q) {
			continue
		}
		for _, ns := range a.namespaces {
			narrow = append(narrow, question{q.verb, q.resource, ns, q.name})
		}
	}
	// the plain rights first: where they are missing, those by tier do not matter
	plain := slices.DeleteFunc(slices.Clone(narrow), func(q question) bool { return q.name != "" })
	if err := a.askAll(ctx, plain); err != nil {
		return err
	}
	byTier := slices.DeleteFunc(narrow, func(q question) bool { return q.name == "" || !a.plain(q) })
	return a.askAll(ctx, byTier)
}

// plain reports whether the user has the plain right that goes with one by
// tier.
func (a *asker) plain(q question) bool {
	resource := q.resource[len("tier."):]
	return a.answers[question{q.verb, resource, "", ""}] || a.answers[question{q.verb, resource, q.namespace, ""}]
}

func namespacedQuestion(q question) bool {
	return slices.ContainsFunc(policyKinds(), func(k kind) bool {
		return k.namespaced && (q.resource == k.resource || q.resource == "tier."+k.resource)
	})
}

func (a *asker) askAll(ctx context.Context, all []question) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	var first error
	var wait sync.WaitGroup
	next := make(chan question)
	for range min(reviewers, len(all)) {
		wait.Go(func() {
			for q := range next {
				yes, err := a.reviewer.Review(ctx, a.review(q))
				mu.Lock()
				if err != nil && first == nil {
					first = fmt.Errorf("review of %s on %s: %w", q.verb, q.resource, err)
					cancel()
				}
				a.answers[q] = yes
				mu.Unlock()
			}
		})
	}
	for _, q := range all {
		next <- q
	}
	close(next)
	wait.Wait()
	return first
}

func (a *asker) review(q question) authorizationv1.SubjectAccessReviewSpec {
	return authorizationv1.SubjectAccessReviewSpec{User: a.user, Groups: a.groups, ResourceAttributes: &authorizationv1.ResourceAttributes{
		Group: v3.Group, Version: v3.Version, Resource: q.resource, Verb: q.verb, Namespace: q.namespace, Name: q.name,
	}}
}

// tier puts the answers about one tier together.
func (a *asker) tier(tier string) TierAccess {
	t := TierAccess{Tier: tier, Get: a.answers[question{"get", tiersResource, "", tier}]}
	for _, k := range policyKinds() {
		for _, verb := range Verbs() {
			t.Rights = append(t.Rights, a.right(t, k, verb))
		}
	}
	return t
}

func (a *asker) right(t TierAccess, k kind, verb string) Right {
	r := Right{Kind: k.name, Verb: verb}
	if k.name == v3.KindStagedKubernetesNetworkPolicy && t.Tier != v3.DefaultTier {
		r.Missing = "policies of this kind are always in the tier default"
		return r
	}
	may := func(namespace string) bool { return a.missing(t, k, verb, namespace) == "" }
	if r.Everywhere = may(""); r.Everywhere {
		return r
	}
	if k.namespaced {
		for _, ns := range a.namespaces {
			if may(ns) {
				r.Namespaces = append(r.Namespaces, ns)
			}
		}
	}
	r.Missing = a.missing(t, k, verb, "")
	return r
}

// missing returns the first right that is not held; empty if all are. A right in
// all namespaces holds in each.
func (a *asker) missing(t TierAccess, k kind, verb, namespace string) string {
	has := func(resource, name string) bool {
		return a.answers[question{verb, resource, "", name}] || a.answers[question{verb, resource, namespace, name}]
	}
	switch {
	case !has(k.resource, ""):
		return fmt.Sprintf("%s on %s", verb, k.resource)
	case !writes(verb):
		return ""
	case !t.Get:
		return fmt.Sprintf("get on tiers, name %q", t.Tier)
	case !has("tier."+k.resource, t.Tier+".*"):
		return fmt.Sprintf("%s on tier.%s, name %q", verb, k.resource, t.Tier+".*")
	}
	return ""
}

// clusterReviewer asks an API server.
type clusterReviewer struct {
	core     kubernetes.Interface
	policies rest.Interface
}

// NewReviewer returns the Reviewer of a cluster. Config has to have the right to
// list tiers and namespaces, and to create subjectaccessreviews.
func NewReviewer(config *rest.Config) (Reviewer, error) {
	core, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("client for the API server: %w", err)
	}
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	policies, err := typedClient(config, v3.GroupVersion, scheme)
	if err != nil {
		return nil, err
	}
	return clusterReviewer{core, policies}, nil
}

// Tiers implements Reviewer.
func (c clusterReviewer) Tiers(ctx context.Context) ([]string, error) {
	list := &v3.TierList{}
	if err := c.policies.Get().Resource(tiersResource).Do(ctx).Into(list); err != nil {
		return nil, err
	}
	var names []string
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return names, nil
}

// Namespaces implements Reviewer.
func (c clusterReviewer) Namespaces(ctx context.Context) ([]string, error) {
	list, err := c.core.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var names []string
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return names, nil
}

// Review implements Reviewer.
func (c clusterReviewer) Review(ctx context.Context, spec authorizationv1.SubjectAccessReviewSpec) (bool, error) {
	r, err := c.core.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{Spec: spec}, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return r.Status.Allowed, nil
}
