package v3

import (
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// StagedAction is what enforcing a staged policy would do to the enforced one
// of the same name.
//
// +kubebuilder:validation:Enum=Set;Delete;Learn;Ignore
type StagedAction string

// The staged actions. Learn and Ignore count as Set in every evaluation
// (semantics.md section 13).
const (
	StagedActionSet    StagedAction = "Set"
	StagedActionDelete StagedAction = "Delete"
	StagedActionLearn  StagedAction = "Learn"
	StagedActionIgnore StagedAction = "Ignore"
)

// StagedNetworkPolicy is a [NetworkPolicy] that is evaluated and reported, and
// not enforced.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Namespaced,path=stagednetworkpolicies,singular=stagednetworkpolicy,shortName={snp},categories={tierwall}
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Tier",type=string,JSONPath=`.spec.tier`
// +kubebuilder:printcolumn:name="Order",type=number,JSONPath=`.spec.order`
// +kubebuilder:printcolumn:name="Action",type=string,JSONPath=`.spec.stagedAction`
// +kubebuilder:printcolumn:name="Selector",type=string,JSONPath=`.spec.selector`
// +kubebuilder:printcolumn:name="Types",type=string,JSONPath=`.spec.types`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule=`self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)?$') || self.metadata.name.matches('^(knp|ossg)[.]default[.][a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')`,message="name must be a DNS label, or two of them joined by a dot, or begin with 'knp.default.' or 'ossg.default.'"
type StagedNetworkPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec StagedNetworkPolicySpec `json:"spec,omitempty"`
	// +optional
	Status Status `json:"status,omitempty"`
}

// StagedNetworkPolicySpec is a [NetworkPolicySpec] and what is to become of it.
//
// +kubebuilder:validation:XValidation:rule=`self.?stagedAction.orValue("") != 'Delete' || (!has(self.order) && self.?ingress.orValue([]).size() == 0 && self.?egress.orValue([]).size() == 0 && self.?selector.orValue("") == "" && self.?types.orValue([]).size() == 0 && self.?serviceAccountSelector.orValue("") == "" && self.?performanceHints.orValue([]).size() == 0)`,message="Spec fields, except Tier, should all be zero-value if stagedAction is Delete"
type StagedNetworkPolicySpec struct {
	// StagedAction is Set when empty. With Delete, every other field except
	// tier is empty.
	//
	// +optional
	// +kubebuilder:default=Set
	StagedAction StagedAction `json:"stagedAction,omitempty"`

	NetworkPolicySpec `json:",inline"`
}

// StagedNetworkPolicyList is a list of staged policies, as the API returns it.
//
// +kubebuilder:object:root=true
type StagedNetworkPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []StagedNetworkPolicy `json:"items"`
}

// StagedGlobalNetworkPolicy is a [GlobalNetworkPolicy] that is evaluated and
// reported, and not enforced.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,path=stagedglobalnetworkpolicies,singular=stagedglobalnetworkpolicy,shortName={sgnp},categories={tierwall}
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Tier",type=string,JSONPath=`.spec.tier`
// +kubebuilder:printcolumn:name="Order",type=number,JSONPath=`.spec.order`
// +kubebuilder:printcolumn:name="Action",type=string,JSONPath=`.spec.stagedAction`
// +kubebuilder:printcolumn:name="Scope",type=string,JSONPath=`.spec.namespaceSelector`
// +kubebuilder:printcolumn:name="Selector",type=string,JSONPath=`.spec.selector`
// +kubebuilder:printcolumn:name="Types",type=string,JSONPath=`.spec.types`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule=`self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)?$')`,message="name must be a DNS label, or two of them joined by a dot"
type StagedGlobalNetworkPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec StagedGlobalNetworkPolicySpec `json:"spec,omitempty"`
	// +optional
	Status Status `json:"status,omitempty"`
}

// StagedGlobalNetworkPolicySpec is a [GlobalNetworkPolicySpec] and what is to
// become of it.
//
// +kubebuilder:validation:XValidation:rule=`self.?stagedAction.orValue("") != 'Delete' || (!has(self.order) && self.?ingress.orValue([]).size() == 0 && self.?egress.orValue([]).size() == 0 && self.?selector.orValue("") == "" && self.?types.orValue([]).size() == 0 && self.?serviceAccountSelector.orValue("") == "" && self.?performanceHints.orValue([]).size() == 0 && !self.?doNotTrack.orValue(false) && !self.?preDNAT.orValue(false) && !self.?applyOnForward.orValue(false) && self.?namespaceSelector.orValue("") == "")`,message="Spec fields, except Tier, should all be zero-value if stagedAction is Delete"
type StagedGlobalNetworkPolicySpec struct {
	// StagedAction is Set when empty. With Delete, every other field except
	// tier is empty.
	//
	// +optional
	// +kubebuilder:default=Set
	StagedAction StagedAction `json:"stagedAction,omitempty"`

	GlobalNetworkPolicySpec `json:",inline"`
}

// StagedGlobalNetworkPolicyList is a list of staged policies, as the API
// returns it.
//
// +kubebuilder:object:root=true
type StagedGlobalNetworkPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []StagedGlobalNetworkPolicy `json:"items"`
}

// StagedKubernetesNetworkPolicy is a NetworkPolicy of networking.k8s.io that is
// evaluated and reported, and not enforced. It is always in the tier
// "default", at order 1000.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Namespaced,path=stagedkubernetesnetworkpolicies,singular=stagedkubernetesnetworkpolicy,shortName={sknp},categories={tierwall}
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Action",type=string,JSONPath=`.spec.stagedAction`
// +kubebuilder:printcolumn:name="Types",type=string,JSONPath=`.spec.policyTypes`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type StagedKubernetesNetworkPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec StagedKubernetesNetworkPolicySpec `json:"spec,omitempty"`
	// +optional
	Status Status `json:"status,omitempty"`
}

// StagedKubernetesNetworkPolicySpec has the fields of
// networking.k8s.io/v1 NetworkPolicySpec, with their meaning, and what is to
// become of it.
//
// +kubebuilder:validation:XValidation:rule=`self.?stagedAction.orValue("") != 'Delete' || (self.?ingress.orValue([]).size() == 0 && self.?egress.orValue([]).size() == 0 && self.?policyTypes.orValue([]).size() == 0 && self.?podSelector.?matchLabels.orValue({}).size() == 0 && self.?podSelector.?matchExpressions.orValue([]).size() == 0)`,message="Spec fields should all be zero-value if stagedAction is Delete"
type StagedKubernetesNetworkPolicySpec struct {
	// StagedAction is Set when empty. With Delete, every other field is empty.
	//
	// +optional
	// +kubebuilder:default=Set
	StagedAction StagedAction `json:"stagedAction,omitempty"`

	// PodSelector chooses the pods of the namespace. Empty means all of them.
	//
	// +optional
	PodSelector metav1.LabelSelector `json:"podSelector,omitempty,omitzero"`

	// Ingress are the connections to the pods that are allowed.
	//
	// +optional
	Ingress []networkingv1.NetworkPolicyIngressRule `json:"ingress,omitempty"`

	// Egress are the connections from the pods that are allowed.
	//
	// +optional
	Egress []networkingv1.NetworkPolicyEgressRule `json:"egress,omitempty"`

	// PolicyTypes are the directions that the policy governs. Empty is
	// completed by [KubernetesPolicyTypes].
	//
	// +optional
	// +kubebuilder:validation:MaxItems=2
	// +kubebuilder:validation:items:Enum=Ingress;Egress
	PolicyTypes []networkingv1.PolicyType `json:"policyTypes,omitempty"`
}

// StagedKubernetesNetworkPolicyList is a list of staged policies, as the API
// returns it.
//
// +kubebuilder:object:root=true
type StagedKubernetesNetworkPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []StagedKubernetesNetworkPolicy `json:"items"`
}
