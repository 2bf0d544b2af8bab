package manager

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// nowhere is a name that no namespace can have: the rules that hold there are
// those that hold everywhere. A name that somebody could create would let him
// bind rights there which then were taken to hold everywhere.
const nowhere = "-"

// own answers what a user may do, out of the rules that the API server lists in
// his own name: one list for each namespace that is asked about and one for what
// holds everywhere, where single reviews would be one for each kind, verb and
// namespace. Where the API server says that a list is not all that decides (a
// webhook that authorizes cannot list its rules), or gives none, each question is
// a review as before.
//
// It knows what held when it was asked, and is thrown away reviewFor after it was
// made.
type own struct {
	client kubernetes.Interface
	at     time.Time

	mu    sync.Mutex
	lists map[string]*ownList
}

// ownList is what holds in one namespace.
type ownList struct {
	mu    sync.Mutex
	known bool
	// whole says that what the rules do not give is not allowed.
	whole bool
	rules []rbacv1.PolicyRule
}

func newOwn(client kubernetes.Interface) *own {
	return &own{client: client, at: time.Now(), lists: map[string]*ownList{}}
}

// question is one access review in the user's own name; an empty namespace asks
// for all of them, or about a kind without.
type question struct{ verb, group, version, resource, namespace, name string }

func (q question) attributes() *authorizationv1.ResourceAttributes {
	return &authorizationv1.ResourceAttributes{Verb: q.verb, Group: q.group, Version: q.version, Resource: q.resource, Namespace: q.namespace, Name: q.name}
}

// askers is how many requests are under way at once.
const askers = 16

// all answers the questions.
func (o *own) all(ctx context.Context, all []question) (map[question]bool, error) {
	var mu sync.Mutex
	answers := make(map[question]bool, len(all))
	// the lists first, each by one: who asks for the same would only wait
	var namespaces []string
	seen := map[string]bool{}
	for _, q := range all {
		if !seen[q.namespace] {
			seen[q.namespace], namespaces = true, append(namespaces, q.namespace)
		}
	}
	if err := inParallel(ctx, namespaces, func(ctx context.Context, namespace string) error {
		_, err := o.list(ctx, namespace)
		return err
	}); err != nil {
		return nil, err
	}
	return answers, inParallel(ctx, all, func(ctx context.Context, q question) error {
		yes, err := o.may(ctx, q)
		mu.Lock()
		defer mu.Unlock()
		answers[q] = yes
		return err
	})
}

// may answers one question.
func (o *own) may(ctx context.Context, q question) (bool, error) {
	list, err := o.list(ctx, q.namespace)
	if err != nil {
		return false, err
	}
	if list.whole {
		a := q.attributes()
		return slices.ContainsFunc(list.rules, func(r rbacv1.PolicyRule) bool { return allows(r, a) }), nil
	}
	review, err := o.client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx,
		&authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: q.attributes()}}, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return review.Status.Allowed, nil
}

// list returns the rules that hold in a namespace, or everywhere if it is empty.
// They are not changed after it returned.
func (o *own) list(ctx context.Context, namespace string) (*ownList, error) {
	o.mu.Lock()
	l := o.lists[namespace]
	if l == nil {
		l = &ownList{}
		o.lists[namespace] = l
	}
	o.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known {
		return l, nil
	}
	if namespace == "" {
		namespace = nowhere
	}
	review, err := o.client.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx,
		&authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace}}, metav1.CreateOptions{})
	var refused *apierrors.StatusError
	switch {
	case errors.As(err, &refused) && !apierrors.IsUnauthorized(err) && refused.ErrStatus.Code < 500: // it lists no rules for him
		l.known = true
		return l, nil
	case err != nil:
		return nil, err
	}
	l.known, l.whole = true, !review.Status.Incomplete
	for _, r := range review.Status.ResourceRules {
		l.rules = append(l.rules, rbacv1.PolicyRule{Verbs: r.Verbs, APIGroups: r.APIGroups, Resources: r.Resources, ResourceNames: r.ResourceNames})
	}
	return l, nil
}

// inParallel calls f for each, some at once, and returns the first error, which
// ends it.
func inParallel[T any](ctx context.Context, all []T, f func(context.Context, T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wait sync.WaitGroup
	next := make(chan T)
	for range min(askers, len(all)) {
		wait.Go(func() {
			for one := range next {
				if err := f(ctx, one); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, one := range all {
		if ctx.Err() != nil {
			break
		}
		next <- one
	}
	close(next)
	wait.Wait()
	return context.Cause(ctx)
}
