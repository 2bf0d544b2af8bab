package v3

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// GlobalNetworkPolicy applies to pods of every namespace and to host
// endpoints.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,path=globalnetworkpolicies,singular=globalnetworkpolicy,shortName={gnp,cgnp,calicoglobalnetworkpolicies},categories={tierwall}
// +kubebuilder:subresource:status
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
type GlobalNetworkPolicySpec struct {
	// Tier is the name of the tier that the policy belongs to. Empty means
	// "default".
	//
	// +optional
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
	Ingress []Rule `json:"ingress,omitempty"`

	// Egress are the rules for connections from the endpoint.
	//
	// +optional
	Egress []Rule `json:"egress,omitempty"`

	// Selector chooses endpoints by their labels. Empty means all of them:
	// pods and host endpoints.
	//
	// +optional
	Selector string `json:"selector,omitempty"`

	// Types are the directions that the policy governs. Empty is completed by
	// [PolicyTypes].
	//
	// +optional
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
	ServiceAccountSelector string `json:"serviceAccountSelector,omitempty"`

	// NamespaceSelector narrows the policy to pods of namespaces with matching
	// labels. Empty means no narrowing, host endpoints included.
	//
	// +optional
	NamespaceSelector string `json:"namespaceSelector,omitempty"`

	// PerformanceHints never change a verdict.
	//
	// +optional
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
