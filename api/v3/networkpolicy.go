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
// +kubebuilder:printcolumn:name="Tier",type=string,JSONPath=`.spec.tier`
// +kubebuilder:printcolumn:name="Order",type=number,JSONPath=`.spec.order`
// +kubebuilder:printcolumn:name="Selector",type=string,JSONPath=`.spec.selector`
// +kubebuilder:printcolumn:name="Types",type=string,JSONPath=`.spec.types`
// +kubebuilder:printcolumn:name="Programmed",type=string,JSONPath=`.status.conditions[?(@.type=="Programmed")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule=`self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)?$') || self.metadata.name.matches('^(knp|ossg)[.]default[.][a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')`,message="name must be a DNS label, or two of them joined by a dot, or begin with 'knp.default.' or 'ossg.default.'"
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
	// +kubebuilder:default=default
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$`
	Tier string `json:"tier,omitempty"`

	// Order is the place within the tier, lowest first. Nil comes after every
	// number; equal orders are decided by name, namespace and kind.
	//
	// +optional
	Order *float64 `json:"order,omitempty"`

	// Ingress are the rules for connections to the endpoint; the first that
	// matches decides.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=1024
	// +kubebuilder:validation:items:XValidation:rule=`!has(self.destination) || !has(self.destination.services)`,message="not allowed in ingress rule destination",fieldPath=`.destination.services`
	// +kubebuilder:validation:items:XValidation:rule=`!has(self.source) || !has(self.source.domains)`,message="domains can only be used in the destination of an egress Allow rule",fieldPath=`.source.domains`
	// +kubebuilder:validation:items:XValidation:rule=`!has(self.destination) || !has(self.destination.domains)`,message="domains can only be used in the destination of an egress Allow rule",fieldPath=`.destination.domains`
	Ingress []Rule `json:"ingress,omitempty"`

	// Egress are the rules for connections from the endpoint.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=1024
	// +kubebuilder:validation:items:XValidation:rule=`!has(self.http)`,message="not allowed in egress rule",fieldPath=`.http`
	// +kubebuilder:validation:items:XValidation:rule=`!has(self.source) || !has(self.source.services)`,message="not allowed in egress rule source",fieldPath=`.source.services`
	// +kubebuilder:validation:items:XValidation:rule=`!has(self.source) || !has(self.source.domains)`,message="domains can only be used in the destination of an egress Allow rule",fieldPath=`.source.domains`
	// +kubebuilder:validation:items:XValidation:rule=`!has(self.destination) || !has(self.destination.domains) || self.action == 'Allow'`,message="domains can only be used in the destination of an egress Allow rule",fieldPath=`.destination.domains`
	Egress []Rule `json:"egress,omitempty"`

	// Selector chooses the pods of the namespace. Empty means all of them.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule=`!self.contains('global(')`,message="global() can only be used in an EntityRule namespaceSelector"
	Selector string `json:"selector,omitempty"`

	// Types are the directions that the policy governs; a direction listed
	// without rules is denied at the end of the tier, and rules of one not
	// listed do nothing. Empty is completed by [PolicyTypes].
	//
	// +optional
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule=`self.filter(t, t == 'Ingress').size() < 2`,message="'Ingress' type specified more than once"
	// +kubebuilder:validation:XValidation:rule=`self.filter(t, t == 'Egress').size() < 2`,message="'Egress' type specified more than once"
	Types []PolicyType `json:"types,omitempty"`

	// ServiceAccountSelector narrows the policy to pods whose service account
	// has matching labels. Empty means no narrowing.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule=`!self.contains('global(')`,message="global() can only be used in an EntityRule namespaceSelector"
	ServiceAccountSelector string `json:"serviceAccountSelector,omitempty"`

	// PerformanceHints never change a verdict.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=8
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
