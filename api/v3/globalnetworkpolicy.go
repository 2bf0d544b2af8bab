package v3

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// GlobalNetworkPolicy applies to pods of every namespace and to host
// endpoints.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,path=globalnetworkpolicies,singular=globalnetworkpolicy,shortName={gnp,cgnp,calicoglobalnetworkpolicies},categories={tierwall}
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Tier",type=string,JSONPath=`.spec.tier`
// +kubebuilder:printcolumn:name="Order",type=number,JSONPath=`.spec.order`
// +kubebuilder:printcolumn:name="Scope",type=string,JSONPath=`.spec.namespaceSelector`
// +kubebuilder:printcolumn:name="Selector",type=string,JSONPath=`.spec.selector`
// +kubebuilder:printcolumn:name="Types",type=string,JSONPath=`.spec.types`
// +kubebuilder:printcolumn:name="Programmed",type=string,JSONPath=`.status.conditions[?(@.type=="Programmed")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule=`self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)?$')`,message="name must be a DNS label, or two of them joined by a dot"
type GlobalNetworkPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec GlobalNetworkPolicySpec `json:"spec,omitempty"`
	// +optional
	Status Status `json:"status,omitempty"`
}

// GlobalNetworkPolicySpec is what a global policy says. The fields that it
// shares with [NetworkPolicySpec] mean the same, across all namespaces.
//
// +kubebuilder:validation:XValidation:rule=`!(self.?preDNAT.orValue(false) && self.?doNotTrack.orValue(false))`,message="preDNAT and doNotTrack cannot both be true"
// +kubebuilder:validation:XValidation:rule=`!self.?preDNAT.orValue(false) || self.?egress.orValue([]).size() == 0`,message="preDNAT policy cannot have any egress rules",fieldPath=`.egress`
// +kubebuilder:validation:XValidation:rule=`!self.?preDNAT.orValue(false) || !has(self.types) || !('Egress' in self.types)`,message="preDNAT policy cannot have 'Egress' type",fieldPath=`.types`
// +kubebuilder:validation:XValidation:rule=`self.?applyOnForward.orValue(false) || !(self.?preDNAT.orValue(false) || self.?doNotTrack.orValue(false))`,message="applyOnForward must be true if either preDNAT or doNotTrack is true"
type GlobalNetworkPolicySpec struct {
	// Tier is the name of the tier that the policy belongs to. Empty means
	// "default".
	//
	// +optional
	// +kubebuilder:default=default
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$`
	Tier string `json:"tier,omitempty"`

	// Order is the place within the tier, lowest first. Nil comes after every
	// number.
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
	// +kubebuilder:validation:items:XValidation:rule=`!has(self.source) || !has(self.source.services) || (has(self.source.services.namespace) && self.source.services.namespace != "")`,message="must specify a namespace",fieldPath=`.source.services`
	Ingress []Rule `json:"ingress,omitempty"`

	// Egress are the rules for connections from the endpoint.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=1024
	// +kubebuilder:validation:items:XValidation:rule=`!has(self.http)`,message="not allowed in egress rules",fieldPath=`.http`
	// +kubebuilder:validation:items:XValidation:rule=`!has(self.source) || !has(self.source.services)`,message="not allowed in egress rule source",fieldPath=`.source.services`
	// +kubebuilder:validation:items:XValidation:rule=`!has(self.source) || !has(self.source.domains)`,message="domains can only be used in the destination of an egress Allow rule",fieldPath=`.source.domains`
	// +kubebuilder:validation:items:XValidation:rule=`!has(self.destination) || !has(self.destination.domains) || self.action == 'Allow'`,message="domains can only be used in the destination of an egress Allow rule",fieldPath=`.destination.domains`
	// +kubebuilder:validation:items:XValidation:rule=`!has(self.destination) || !has(self.destination.services) || (has(self.destination.services.namespace) && self.destination.services.namespace != "")`,message="must specify a namespace",fieldPath=`.destination.services`
	Egress []Rule `json:"egress,omitempty"`

	// Selector chooses endpoints by their labels. Empty means all of them:
	// pods and host endpoints.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule=`!self.contains('global(')`,message="global() can only be used in an EntityRule namespaceSelector"
	Selector string `json:"selector,omitempty"`

	// Types are the directions that the policy governs. Empty is completed by
	// [PolicyTypes].
	//
	// +optional
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule=`self.filter(t, t == 'Ingress').size() < 2`,message="'Ingress' type specified more than once"
	// +kubebuilder:validation:XValidation:rule=`self.filter(t, t == 'Egress').size() < 2`,message="'Egress' type specified more than once"
	Types []PolicyType `json:"types,omitempty"`

	// DoNotTrack applies the policy before connection tracking, statelessly.
	// It needs ApplyOnForward and acts on host endpoints only.
	//
	// +optional
	DoNotTrack bool `json:"doNotTrack,omitempty"`

	// PreDNAT applies the policy before the destination of a service address
	// is translated. It needs ApplyOnForward, is for ingress only, and acts on
	// host endpoints only.
	//
	// +optional
	PreDNAT bool `json:"preDNAT,omitempty"`

	// ApplyOnForward applies the policy also to traffic that is routed through
	// the host of a host endpoint.
	//
	// +optional
	ApplyOnForward bool `json:"applyOnForward,omitempty"`

	// ServiceAccountSelector narrows the policy to pods whose service account
	// has matching labels. Empty means no narrowing.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule=`!self.contains('global(')`,message="global() can only be used in an EntityRule namespaceSelector"
	ServiceAccountSelector string `json:"serviceAccountSelector,omitempty"`

	// NamespaceSelector narrows the policy to pods of namespaces with matching
	// labels. Empty means no narrowing, host endpoints included.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule=`!self.contains('global(')`,message="global() can only be used in an EntityRule namespaceSelector"
	NamespaceSelector string `json:"namespaceSelector,omitempty"`

	// PerformanceHints never change a verdict.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=8
	PerformanceHints []PolicyPerformanceHint `json:"performanceHints,omitempty"`
}

// GlobalNetworkPolicyList is a list of policies, as the API returns it.
//
// +kubebuilder:object:root=true
type GlobalNetworkPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []GlobalNetworkPolicy `json:"items"`
}
