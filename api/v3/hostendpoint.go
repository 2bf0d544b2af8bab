package v3

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// HostEndpoint is an interface of a node, or all of them, as an endpoint that
// policies apply to. Which of several governs an interface is said in
// semantics.md section 11.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,path=hostendpoints,singular=hostendpoint,shortName={hep,heps},categories={tierwall}
// +kubebuilder:subresource:status
type HostEndpoint struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec HostEndpointSpec `json:"spec,omitempty"`
	// +optional
	Status Status `json:"status,omitempty"`
}

// HostEndpointSpec says where a host endpoint is. At least one of
// InterfaceName and ExpectedIPs is needed.
type HostEndpointSpec struct {
	// Node is the name of the node.
	Node string `json:"node"`

	// InterfaceName is the name of an interface, or "*" for all that no other
	// host endpoint covers. Empty means that the interface is found by
	// ExpectedIPs.
	//
	// +optional
	InterfaceName string `json:"interfaceName,omitempty"`

	// ExpectedIPs are the addresses of the interface. They find it where
	// InterfaceName is empty, and they alone make the host endpoint a peer in
	// rules.
	//
	// +optional
	ExpectedIPs []string `json:"expectedIPs,omitempty"`

	// Profiles are names of profiles, consulted in this order after the last
	// tier. None means that what no policy decides is denied.
	//
	// +optional
	Profiles []string `json:"profiles,omitempty"`

	// Ports are names that rules may use for ports of this host endpoint.
	//
	// +optional
	Ports []EndpointPort `json:"ports,omitempty"`
}

// EndpointPort gives a port of an endpoint a name.
type EndpointPort struct {
	// Name is what rules write.
	Name string `json:"name"`

	// Protocol is one that has ports: TCP, UDP or SCTP.
	Protocol Protocol `json:"protocol"`

	// Port is the number, 1 to 65535. It is wider than that so that a number
	// out of bounds is reported and not lost.
	Port int `json:"port"`
}

// HostEndpointList is a list of host endpoints, as the API returns it.
//
// +kubebuilder:object:root=true
type HostEndpointList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []HostEndpoint `json:"items"`
}
