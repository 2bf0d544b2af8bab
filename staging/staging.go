package staging

import (
	"context"
	"fmt"
	"maps"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/tierwall/tierwall/verdict"
)

// kind is a staged kind and what it becomes.
type kind struct {
	resource, becomes schema.GroupVersionResource
	apiVersion, kind  string
	namespaced        bool
}

var (
	calico     = schema.GroupVersion{Group: "projectcalico.org", Version: "v3"}
	networking = schema.GroupVersion{Group: "networking.k8s.io", Version: "v1"}
)

var kinds = map[string]kind{
	"StagedNetworkPolicy":           {calico.WithResource("stagednetworkpolicies"), calico.WithResource("networkpolicies"), calico.String(), "NetworkPolicy", true},
	"StagedGlobalNetworkPolicy":     {calico.WithResource("stagedglobalnetworkpolicies"), calico.WithResource("globalnetworkpolicies"), calico.String(), "GlobalNetworkPolicy", false},
	"StagedKubernetesNetworkPolicy": {calico.WithResource("stagedkubernetesnetworkpolicies"), networking.WithResource("networkpolicies"), networking.String(), "NetworkPolicy", true},
}

// FieldManager is the name under which a policy is written that was staged.
const FieldManager = "tierwall-staging"

// clients returns those of a staged kind and of what it becomes.
func clients(c dynamic.Interface, id verdict.PolicyID) (k kind, staged, enforced dynamic.ResourceInterface, err error) {
	k, ok := kinds[id.Kind]
	if !ok {
		return k, nil, nil, fmt.Errorf("%s is not a staged policy", id)
	}
	if k.namespaced != (id.Namespace != "") {
		return k, nil, nil, fmt.Errorf("%s: the kind is in a namespace, or the name is in none, not both", id)
	}
	if k.namespaced {
		return k, c.Resource(k.resource).Namespace(id.Namespace), c.Resource(k.becomes).Namespace(id.Namespace), nil
	}
	return k, c.Resource(k.resource), c.Resource(k.becomes), nil
}

// Enforce makes a staged policy what is enforced: it puts, or deletes, the policy
// of the same name, and takes the staged one away.
//
// The API has no step of two objects, so it is asked first, without effect, whether
// the staged one may be taken away: if not, nothing is done. What is enforced then
// changes in one write, which is refused if somebody changed the policy meanwhile.
// If the staged one is changed in the moment after that, it stays, and the error
// says so: what is enforced is what it was, and at no time is there neither.
func Enforce(ctx context.Context, c dynamic.Interface, id verdict.PolicyID) error {
	k, staged, enforced, err := clients(c, id)
	if err != nil {
		return err
	}
	s, err := staged.Get(ctx, id.Name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("%s: %w", id, err)
	}
	now, err := enforced.Get(ctx, id.Name, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("policy that %s would replace: %w", id, err)
	}
	if err != nil {
		now = nil
	}
	away := func(dryRun ...string) error {
		return patiently(ctx, staged, s, func(s *unstructured.Unstructured) error {
			return staged.Delete(ctx, id.Name, metav1.DeleteOptions{Preconditions: precisely(s), DryRun: dryRun})
		})
	}
	if err := away(metav1.DryRunAll); err != nil {
		return fmt.Errorf("enforce %s: nothing was changed, since it could not be taken away: %w", id, err)
	}
	if err := put(ctx, enforced, k, s, now); err != nil {
		return fmt.Errorf("enforce %s: %w", id, err)
	}
	if err := away(); err != nil {
		return fmt.Errorf("%s is enforced now, but could not be taken away: %w", id, err)
	}
	return nil
}

// put writes, or deletes, what a staged policy stands for, in place of the policy
// that is there now; nil for none.
func put(ctx context.Context, enforced dynamic.ResourceInterface, k kind, s, now *unstructured.Unstructured) error {
	action, _, _ := unstructured.NestedString(s.Object, "spec", "stagedAction")
	switch {
	case action == "Delete" && now == nil:
		return nil
	case action == "Delete":
		return patiently(ctx, enforced, now, func(now *unstructured.Unstructured) error {
			return enforced.Delete(ctx, s.GetName(), metav1.DeleteOptions{Preconditions: precisely(now)})
		})
	case now == nil:
		_, err := enforced.Create(ctx, become(k, s, nil), metav1.CreateOptions{FieldManager: FieldManager})
		return err
	}
	return patiently(ctx, enforced, now, func(now *unstructured.Unstructured) error {
		_, err := enforced.Update(ctx, become(k, s, now), metav1.UpdateOptions{FieldManager: FieldManager})
		return err
	})
}

// tries is how often an object's status may be in the way.
const tries = 5

// patiently does something to an object as it was read, and does it again if it
// was refused since the object is another now, when nothing but its status is.
func patiently(ctx context.Context, c dynamic.ResourceInterface, o *unstructured.Unstructured, do func(*unstructured.Unstructured) error) error {
	for try := 1; ; try++ {
		err := do(o)
		if !apierrors.IsConflict(err) || try == tries {
			return err
		}
		now, problem := c.Get(ctx, o.GetName(), metav1.GetOptions{})
		if problem != nil || now.GetUID() != o.GetUID() || now.GetGeneration() != o.GetGeneration() ||
			!maps.Equal(now.GetLabels(), o.GetLabels()) || !maps.Equal(now.GetAnnotations(), o.GetAnnotations()) {
			return err
		}
		o = now
	}
}

// Discard takes a staged policy away and leaves what is enforced as it is.
func Discard(ctx context.Context, c dynamic.Interface, id verdict.PolicyID) error {
	_, staged, _, err := clients(c, id)
	if err != nil {
		return err
	}
	if err := staged.Delete(ctx, id.Name, metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("discard %s: %w", id, err)
	}
	return nil
}

// precisely is the condition that an object is what was read.
func precisely(u *unstructured.Unstructured) *metav1.Preconditions {
	uid, version := u.GetUID(), u.GetResourceVersion()
	return &metav1.Preconditions{UID: &uid, ResourceVersion: &version}
}

// lastApplied is kubectl's note of what was applied: that of the staged object is
// not that of the other.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// become returns the policy that a staged one stands for, in place of the one that
// is there, if there is one: with its labels and annotations and those of the
// staged one over them.
func become(k kind, s, now *unstructured.Unstructured) *unstructured.Unstructured {
	out := &unstructured.Unstructured{Object: map[string]any{}}
	if now != nil {
		out = now.DeepCopy()
	}
	out.SetAPIVersion(k.apiVersion)
	out.SetKind(k.kind)
	out.SetName(s.GetName())
	out.SetNamespace(s.GetNamespace())
	out.SetLabels(merged(out.GetLabels(), s.GetLabels()))
	notes := maps.Clone(s.GetAnnotations())
	delete(notes, lastApplied)
	out.SetAnnotations(merged(out.GetAnnotations(), notes))
	spec, _, _ := unstructured.NestedMap(s.DeepCopy().Object, "spec")
	delete(spec, "stagedAction")
	if spec == nil {
		spec = map[string]any{}
	}
	out.Object["spec"] = spec
	return out
}

func merged(under, over map[string]string) map[string]string {
	if len(under)+len(over) == 0 {
		return nil
	}
	out := map[string]string{}
	maps.Copy(out, under)
	maps.Copy(out, over)
	return out
}
