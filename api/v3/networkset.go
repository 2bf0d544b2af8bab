package v3

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// NetworkSet gives addresses outside the cluster labels, for the selectors of
// rules to find. It belongs to a namespace.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Namespaced,path=networksets,singular=networkset,shortName={netset,netsets},categories={tierwall}
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type NetworkSet struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec NetworkSetSpec `json:"spec,omitempty"`
	// +optional
	Status Status `json:"status,omitempty"`
}

// NetworkSetSpec is the content of a set of either kind. A set with neither
// nets nor domains has no members.
type NetworkSetSpec struct {
	// Nets are CIDRs or single addresses, of both families. Bits behind the
	// prefix length are ignored.
	//
	// +optional
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:items:Pattern=`^[0-9a-fA-F:.]+(/[0-9]{1,3})?$`
	Nets []string `json:"nets,omitempty"`

	// AllowedEgressDomains are domain names, exact or with one wildcard that
	// stands for whole labels and is not the last: *.example.com. They stand for
	// the addresses that answers of trusted DNS servers give them. They count only
	// where the set is found by a destination selector of an egress Allow rule.
	//
	// +optional
	// +kubebuilder:validation:items:MaxLength=255
	// +kubebuilder:validation:items:Pattern=`^([a-zA-Z0-9_\x{80}-\x{10ffff}]([-a-zA-Z0-9_\x{80}-\x{10ffff}]*[a-zA-Z0-9_\x{80}-\x{10ffff}])?[.])*([*][.])?([a-zA-Z0-9_\x{80}-\x{10ffff}]([-a-zA-Z0-9_\x{80}-\x{10ffff}]*[a-zA-Z0-9_\x{80}-\x{10ffff}])?[.])*[a-zA-Z0-9_\x{80}-\x{10ffff}]([-a-zA-Z0-9_\x{80}-\x{10ffff}]*[a-zA-Z0-9_\x{80}-\x{10ffff}])?[.]?$`
	AllowedEgressDomains []string `json:"allowedEgressDomains,omitempty"`
}

// NetworkSetList is a list of sets, as the API returns it.
//
// +kubebuilder:object:root=true
type NetworkSetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []NetworkSet `json:"items"`
}

// GlobalNetworkSet is a [NetworkSet] that belongs to no namespace.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,path=globalnetworksets,singular=globalnetworkset,shortName={gns},categories={tierwall}
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type GlobalNetworkSet struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec NetworkSetSpec `json:"spec,omitempty"`
	// +optional
	Status Status `json:"status,omitempty"`
}

// GlobalNetworkSetList is a list of sets, as the API returns it.
//
// +kubebuilder:object:root=true
type GlobalNetworkSetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []GlobalNetworkSet `json:"items"`
}
