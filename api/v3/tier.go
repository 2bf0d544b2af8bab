package v3

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Tier is a group of policies with a place in the order of groups. Tiers are
// visited by ascending order; a policy belongs to exactly one of them.
//
// The name is a DNS label without dots, for policies may carry it as a prefix
// of theirs; and the tiers that every cluster has cannot be changed.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,path=tiers,singular=tier,categories={tierwall}
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Order",type=number,JSONPath=`.spec.order`
// +kubebuilder:printcolumn:name="Default",type=string,JSONPath=`.spec.defaultAction`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule=`self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')`,message="name must consist of lower case alphanumeric characters or '-' (regex: ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$)"
// +kubebuilder:validation:XValidation:rule=`self.metadata.name.size() <= 63`,message="name is too long: a tier's name has at most 63 characters"
// +kubebuilder:validation:XValidation:rule=`self.metadata.name != 'default' || self.?spec.?order.orValue(0.0) == 1000000.0`,message="default tier order must be 1000000"
// +kubebuilder:validation:XValidation:rule=`self.metadata.name != 'default' || self.?spec.?defaultAction.orValue('Deny') == 'Deny'`,message="The 'default' tier must have default action 'Deny'"
// +kubebuilder:validation:XValidation:rule=`self.metadata.name != 'kube-admin' || self.?spec.?order.orValue(0.0) == 1000.0`,message="kube-admin tier order must be 1000"
// +kubebuilder:validation:XValidation:rule=`self.metadata.name != 'kube-admin' || self.?spec.?defaultAction.orValue('Deny') == 'Pass'`,message="The 'kube-admin' tier must have default action 'Pass'"
// +kubebuilder:validation:XValidation:rule=`self.metadata.name != 'kube-baseline' || self.?spec.?order.orValue(0.0) == 10000000.0`,message="kube-baseline tier order must be 10000000"
// +kubebuilder:validation:XValidation:rule=`self.metadata.name != 'kube-baseline' || self.?spec.?defaultAction.orValue('Deny') == 'Pass'`,message="The 'kube-baseline' tier must have default action 'Pass'"
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
