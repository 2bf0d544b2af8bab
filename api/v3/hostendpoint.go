package v3

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// HostEndpoint is an interface of a node, or all of them, as an endpoint that
// policies apply to. Of several for one interface, the first by name governs.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,path=hostendpoints,singular=hostendpoint,shortName={hep,heps},categories={tierwall}
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Node",type=string,JSONPath=`.spec.node`
// +kubebuilder:printcolumn:name="Interface",type=string,JSONPath=`.spec.interfaceName`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type HostEndpoint struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec HostEndpointSpec `json:"spec"`
	// +optional
	Status Status `json:"status,omitempty"`
}

// HostEndpointSpec says where a host endpoint is. At least one of
// InterfaceName and ExpectedIPs is needed.
//
// +kubebuilder:validation:XValidation:rule=`self.?node.orValue("") != ""`,message="node must be specified"
// +kubebuilder:validation:XValidation:rule=`self.?interfaceName.orValue("") != "" || self.?expectedIPs.orValue([]).size() > 0`,message="at least one of interfaceName or expectedIPs must be specified"
type HostEndpointSpec struct {
	// Node is the name of the node. It is needed.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Node string `json:"node,omitempty"`

	// InterfaceName is the name of an interface, or "*" for all that no other
	// host endpoint covers. Empty means that the interface is found by
	// ExpectedIPs.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=15
	// +kubebuilder:validation:Pattern=`^([*]|[a-zA-Z0-9_.-]{0,15})$`
	InterfaceName string `json:"interfaceName,omitempty"`

	// ExpectedIPs are the addresses of the interface. They find it where
	// InterfaceName is empty, and they alone make the host endpoint a peer in
	// rules.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=1024
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:items:Pattern=`^[0-9a-fA-F:.]+$`
	ExpectedIPs []string `json:"expectedIPs,omitempty"`

	// Profiles are names of profiles, consulted in this order after the last
	// tier. None means that what no policy decides is denied.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=1024
	// +kubebuilder:validation:items:MaxLength=253
	Profiles []string `json:"profiles,omitempty"`

	// Ports are names that rules may use for ports of this host endpoint.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=1024
	Ports []EndpointPort `json:"ports,omitempty"`
}

// EndpointPort gives a port of an endpoint a name.
//
// +kubebuilder:validation:XValidation:rule=`(type(self.protocol) == int ? self.protocol in [6, 17, 132] : self.protocol.matches('(?i)^(tcp|udp|sctp|0*(6|17|132))$'))`,message="EndpointPort protocol does not support ports.",fieldPath=`.protocol`
type EndpointPort struct {
	// Name is what rules write.
	//
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9_.-]{1,128}$`
	// +kubebuilder:validation:MaxLength=128
	Name string `json:"name"`

	// Protocol is one that has ports: TCP, UDP or SCTP.
	Protocol Protocol `json:"protocol"`

	// Port is the number, 1 to 65535. It is wider than that so that a number
	// out of bounds is reported and not lost.
	//
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
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
