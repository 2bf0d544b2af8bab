package v3

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// PolicyType is a direction that a policy governs.
//
// +kubebuilder:validation:Enum=Ingress;Egress
type PolicyType string

// The directions. They are seen from the endpoint that the policy applies to.
const (
	PolicyTypeIngress PolicyType = "Ingress"
	PolicyTypeEgress  PolicyType = "Egress"
)

// PolicyPerformanceHint is advice to the dataplane that never changes a
// verdict.
//
// +kubebuilder:validation:Enum=AssumeNeededOnEveryNode
type PolicyPerformanceHint string

// AssumeNeededOnEveryNode asks for the policy to be prepared on nodes that
// have no endpoint for it yet.
const AssumeNeededOnEveryNode PolicyPerformanceHint = "AssumeNeededOnEveryNode"

// NetworkPolicy applies to the pods of its own namespace.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Namespaced,path=networkpolicies,singular=networkpolicy,shortName={cnp,caliconetworkpolicy,caliconetworkpolicies},categories={tierwall}
// +kubebuilder:subresource:status
type NetworkPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec NetworkPolicySpec `json:"spec,omitempty"`
	// +optional
	Status Status `json:"status,omitempty"`
}

// NetworkPolicySpec is what a namespaced policy says.
type NetworkPolicySpec struct {
	// Tier is the name of the tier that the policy belongs to. Empty means
	// "default".
	//
	// +optional
	Tier string `json:"tier,omitempty"`

	// Order is the place within the tier, lowest first. Nil comes after every
	// number; equal orders are decided as in semantics.md section 8.
	//
	// +optional
	Order *float64 `json:"order,omitempty"`

	// Ingress are the rules for connections to the endpoint; the first that
	// matches decides.
	//
	// +optional
	Ingress []Rule `json:"ingress,omitempty"`

	// Egress are the rules for connections from the endpoint.
	//
	// +optional
	Egress []Rule `json:"egress,omitempty"`

	// Selector chooses the pods of the namespace. Empty means all of them.
	//
	// +optional
	Selector string `json:"selector,omitempty"`

	// Types are the directions that the policy governs; a direction listed
	// without rules is denied at the end of the tier, and rules of one not
	// listed do nothing. Empty is completed by [PolicyTypes].
	//
	// +optional
	Types []PolicyType `json:"types,omitempty"`

	// ServiceAccountSelector narrows the policy to pods whose service account
	// has matching labels. Empty means no narrowing.
	//
	// +optional
	ServiceAccountSelector string `json:"serviceAccountSelector,omitempty"`

	// PerformanceHints never change a verdict.
	//
	// +optional
	PerformanceHints []PolicyPerformanceHint `json:"performanceHints,omitempty"`
}

// NetworkPolicyList is a list of policies, as the API returns it.
//
// +kubebuilder:object:root=true
type NetworkPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []NetworkPolicy `json:"items"`
}
