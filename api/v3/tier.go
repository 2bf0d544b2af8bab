package v3

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Tier is a group of policies with a place in the order of groups. Tiers are
// visited by ascending order; a policy belongs to exactly one of them.
//
// The name is a DNS label without dots, for policies may carry it as a prefix
// of theirs; and the tiers that every cluster has cannot be changed
// (semantics.md section 3, "HEP, Tier").
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,path=tiers,singular=tier,categories={tierwall}
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Order",type=number,JSONPath=`.spec.order`
// +kubebuilder:printcolumn:name="Default",type=string,JSONPath=`.spec.defaultAction`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Tier struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec TierSpec `json:"spec,omitempty"`
	// +optional
	Status Status `json:"status,omitempty"`
}

// TierSpec is what a user says of a tier.
type TierSpec struct {
	// Order is the place among the tiers, lowest first. Nil comes after every
	// number; equal orders are decided by name.
	//
	// +optional
	Order *float64 `json:"order,omitempty"`

	// DefaultAction is what happens to traffic at the end of the tier, when a
	// policy of the tier applies to the endpoint and none has decided: Deny,
	// which nil means too, or Pass, which goes on with the next tier.
	//
	// +optional
	// +kubebuilder:default=Deny
	// +kubebuilder:validation:Enum=Deny;Pass
	DefaultAction *Action `json:"defaultAction,omitempty"`
}

// TierList is a list of tiers, as the API returns it.
//
// +kubebuilder:object:root=true
type TierList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Tier `json:"items"`
}
