package manager

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	kubetesting "k8s.io/client-go/testing"
)

// rulebook is an API server that lists rules by namespace, and counts.
type rulebook struct {
	*fake.Clientset
	lists, reviews atomic.Int64
}

// newRulebook lists what rules returns; reviews allow what allowed does.
func newRulebook(rules func(namespace string) ([]authorizationv1.ResourceRule, bool, error), allowed func(*authorizationv1.ResourceAttributes) bool) *rulebook {
	b := &rulebook{Clientset: fake.NewClientset()}
	b.PrependReactor("create", "selfsubjectrulesreviews", func(a kubetesting.Action) (bool, runtime.Object, error) {
		b.lists.Add(1)
		r := a.(kubetesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectRulesReview).DeepCopy()
		var err error
		r.Status.ResourceRules, r.Status.Incomplete, err = rules(r.Spec.Namespace)
		return true, r, err
	})
	b.PrependReactor("create", "selfsubjectaccessreviews", func(a kubetesting.Action) (bool, runtime.Object, error) {
		b.reviews.Add(1)
		r := a.(kubetesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectAccessReview).DeepCopy()
		r.Status.Allowed = allowed(r.Spec.ResourceAttributes)
		return true, r, nil
	})
	return b
}

func never(*authorizationv1.ResourceAttributes) bool { return false }

func granting(verb, group, resource string, names ...string) authorizationv1.ResourceRule {
	return authorizationv1.ResourceRule{Verbs: []string{verb}, APIGroups: []string{group}, Resources: []string{resource}, ResourceNames: names}
}

// TestOwnRights: what a user who is restricted may read is asked by one list a
// namespace; rights that are bound in one hold in no other and not everywhere.
func TestOwnRights(t *testing.T) {
	var namespaces []string
	for i := range 100 {
		namespaces = append(namespaces, fmt.Sprintf("n%03d", i))
	}
	b := newRulebook(func(namespace string) ([]authorizationv1.ResourceRule, bool, error) {
		rules := []authorizationv1.ResourceRule{granting("list", "", "nodes"), granting("get", "projectcalico.org", "tiers", "security")}
		if namespace == "n007" {
			rules = append(rules, granting("list", "", "pods"), granting("get", "", "namespaces", "n007"), granting("list", "", "serviceaccounts", "one"), granting("list", "projectcalico.org", "hostendpoints"))
		}
		return rules, false, nil
	}, never)
	got, err := reviewRights(t.Context(), newOwn(b), namespaces, []string{"default", "security"})
	if err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[string]readable{
		"Node": {all: true}, "Pod": {namespaces: []string{"n007"}}, "Namespace": {namespaces: []string{"n007"}}, "Tier": {namespaces: []string{"security"}},
		"ServiceAccount": {}, // to list one by its name is not to list them
		"HostEndpoint":   {}, // what has no namespace is given by no right in one
	} {
		if r := got[kind]; r.all != want.all || !slices.Equal(r.namespaces, want.namespaces) {
			t.Errorf("%s: %+v, want %+v", kind, r, want)
		}
	}
	if lists, reviews := b.lists.Load(), b.reviews.Load(); lists != 101 || reviews != 0 {
		t.Errorf("%d lists and %d reviews, want 101 and none", lists, reviews)
	}
}

// TestOwnRightsWithoutAList: where the list is not all, or there is none, each
// question is a review.
func TestOwnRightsWithoutAList(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Group: "authorization.k8s.io", Resource: "selfsubjectrulesreviews"}, "", nil)
	for name, answer := range map[string]struct {
		incomplete bool
		err        error
	}{"incomplete": {true, nil}, "forbidden": {false, forbidden}} {
		b := newRulebook(func(string) ([]authorizationv1.ResourceRule, bool, error) {
			return []authorizationv1.ResourceRule{granting("*", "*", "*")}, answer.incomplete, answer.err
		}, func(a *authorizationv1.ResourceAttributes) bool { return a.Resource == "pods" })
		o := newOwn(b)
		for resource, want := range map[string]bool{"pods": true, "nodes": false} {
			if got, err := o.may(t.Context(), question{verb: "list", resource: resource}); err != nil || got != want {
				t.Errorf("%s: %s: %v, %v", name, resource, got, err)
			}
		}
		if b.lists.Load() != 1 || b.reviews.Load() != 2 {
			t.Errorf("%s: %d lists, %d reviews", name, b.lists.Load(), b.reviews.Load())
		}
	}
	b := newRulebook(func(string) ([]authorizationv1.ResourceRule, bool, error) {
		return nil, false, apierrors.NewInternalError(fmt.Errorf("away"))
	}, func(*authorizationv1.ResourceAttributes) bool { return true })
	if got, err := newOwn(b).all(t.Context(), []question{{verb: "list", resource: "pods"}}); err == nil {
		t.Errorf("an API server that fails: %v", got)
	}
}
