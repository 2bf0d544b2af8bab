package v3

import (
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DefaultTier is the tier of policies that name none.
const DefaultTier = "default"

// The other tiers that every cluster has: the places of the two tiers of
// ClusterNetworkPolicy.
const (
	KubeAdminTier    = "kube-admin"
	KubeBaselineTier = "kube-baseline"
)

// The orders of the built-in tiers, and of Kubernetes policies in the default
// tier (semantics.md sections 3 and 12).
const (
	KubeAdminTierOrder    float64 = 1_000
	DefaultTierOrder      float64 = 1_000_000
	KubeBaselineTierOrder float64 = 10_000_000

	KubernetesPolicyOrder float64 = 1_000
)

// TierLabel is the label of every policy whose value is the policy's tier, for
// list and watch to select by.
const TierLabel = "projectcalico.org/tier"

// TierOrDefault returns the name, or [DefaultTier] for none.
func TierOrDefault(name string) string {
	if name == "" {
		return DefaultTier
	}
	return name
}

// PolicyTypes returns the directions that a policy governs. Types that are
// given are returned as they are, also if rules of the other direction exist;
// empty types follow from which rules there are, and are Ingress if there are
// none (semantics.md section 2).
func PolicyTypes(types []PolicyType, ingress, egress []Rule) []PolicyType {
	switch {
	case len(types) > 0:
		return types
	case len(egress) == 0:
		return []PolicyType{PolicyTypeIngress}
	case len(ingress) == 0:
		return []PolicyType{PolicyTypeEgress}
	}
	return []PolicyType{PolicyTypeIngress, PolicyTypeEgress}
}

// KubernetesPolicyTypes returns the directions that a staged Kubernetes policy
// governs: those given, or else Ingress, and Egress too if there are egress
// rules (semantics.md section 2).
func KubernetesPolicyTypes(types []networkingv1.PolicyType, egress []networkingv1.NetworkPolicyEgressRule) []networkingv1.PolicyType {
	switch {
	case len(types) > 0:
		return types
	case len(egress) == 0:
		return []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
	}
	return []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}
}

// TierDefaultAction returns what happens at the end of a tier: Pass if that is
// what is stored, and Deny for nil and for everything else (semantics.md
// section 2).
func TierDefaultAction(stored *Action) Action {
	if stored != nil && *stored == Pass {
		return Pass
	}
	return Deny
}

// StagedActionOrDefault returns the action, or [StagedActionSet] for none.
func StagedActionOrDefault(a StagedAction) StagedAction {
	if a == "" {
		return StagedActionSet
	}
	return a
}

// BuiltinTiers returns the tiers that every cluster has, by ascending order:
// kube-admin, default, kube-baseline (semantics.md section 3). Each call
// returns new values.
func BuiltinTiers() []Tier {
	return []Tier{
		builtinTier(KubeAdminTier, KubeAdminTierOrder, Pass),
		builtinTier(DefaultTier, DefaultTierOrder, Deny),
		builtinTier(KubeBaselineTier, KubeBaselineTierOrder, Pass),
	}
}

func builtinTier(name string, order float64, action Action) Tier {
	return Tier{
		TypeMeta:   metav1.TypeMeta{APIVersion: GroupVersion.String(), Kind: KindTier},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       TierSpec{Order: &order, DefaultAction: &action},
	}
}
