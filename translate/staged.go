package translate

import (
	"reflect"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// stagedPrefix stands before the kind that a staged policy would become; the
// staged form of Kubernetes' own is named like the rest.
const stagedPrefix = "Staged"

func stagedNetworkPolicy(o *v3.StagedNetworkPolicy, r *reporter) model.Object {
	next := &v3.NetworkPolicy{ObjectMeta: o.ObjectMeta, Spec: o.Spec.NetworkPolicySpec}
	rest := o.Spec.NetworkPolicySpec
	rest.Tier = ""
	return staged(KindNetworkPolicy, o, o.Spec.StagedAction, reflect.DeepEqual(rest, v3.NetworkPolicySpec{}), r,
		func() model.Object { return networkPolicy(next, r) })
}

func stagedGlobalNetworkPolicy(o *v3.StagedGlobalNetworkPolicy, r *reporter) model.Object {
	next := &v3.GlobalNetworkPolicy{ObjectMeta: o.ObjectMeta, Spec: o.Spec.GlobalNetworkPolicySpec}
	rest := o.Spec.GlobalNetworkPolicySpec
	rest.Tier = ""
	return staged(KindGlobalNetworkPolicy, o, o.Spec.StagedAction, reflect.DeepEqual(rest, v3.GlobalNetworkPolicySpec{}), r,
		func() model.Object { return globalNetworkPolicy(next, r) })
}

func stagedKubernetesNetworkPolicy(o *v3.StagedKubernetesNetworkPolicy, r *reporter) model.Object {
	next := &networkingv1.NetworkPolicy{ObjectMeta: o.ObjectMeta, Spec: networkingv1.NetworkPolicySpec{
		PodSelector: o.Spec.PodSelector, Ingress: o.Spec.Ingress, Egress: o.Spec.Egress, PolicyTypes: o.Spec.PolicyTypes,
	}}
	empty := reflect.DeepEqual(o.Spec, v3.StagedKubernetesNetworkPolicySpec{StagedAction: o.Spec.StagedAction})
	return staged(KindKubernetesNetworkPolicy, o, o.Spec.StagedAction, empty, r,
		func() model.Object { return kubernetesPolicy(next, r) })
}

// staged puts a staged policy together. Learn and Ignore mean something to
// recommendation engines alone: they count as Set (semantics.md section 13). A
// word that is none of these counts as Set too: what is staged is never
// enforced, and whoever looks at it should see what its rules would do.
func staged(kind string, o metav1.Object, action v3.StagedAction, empty bool, r *reporter, become func() model.Object) model.Object {
	id := verdict.PolicyID{Kind: stagedPrefix + kind, Namespace: o.GetNamespace(), Name: o.GetName()}
	out := &model.StagedPolicy{ID: id, Replaces: verdict.PolicyID{Kind: kind, Namespace: id.Namespace, Name: id.Name}}
	switch action {
	case v3.StagedActionDelete:
		if !empty {
			r.add(problemf("staged-delete", "spec", "%s", deleteMessage(kind)).
				hint("remove the other fields, or write stagedAction: Set; it counts as a staged deletion"))
		}
		return out
	case v3.StagedActionSet, v3.StagedActionLearn, v3.StagedActionIgnore, "":
	default:
		r.add(problemf("staged-action", "spec.stagedAction", "%q is not an action of a staged policy", action).
			hint("write Set or Delete; until then it counts as Set"))
	}
	out.Policy = become().(*model.Policy)
	out.Policy.ID = id
	return out
}

func deleteMessage(kind string) string {
	if kind == KindKubernetesNetworkPolicy {
		return "Spec fields should all be zero-value if stagedAction is Delete"
	}
	return "Spec fields, except Tier, should all be zero-value if stagedAction is Delete"
}
