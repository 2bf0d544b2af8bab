package v3

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// FelixConfiguration has the settings of the agents that change verdicts: that
// of all is called "default", that of one node "node.NAME", which goes before.
// Manifests for other systems have many fields more: these are accepted, do
// nothing, and are named in the object's status.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,path=felixconfigurations,singular=felixconfiguration,categories={tierwall}
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="ToHost",type=string,JSONPath=`.spec.defaultEndpointToHostAction`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type FelixConfiguration struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec FelixConfigurationSpec `json:"spec,omitempty"`
	// +optional
	Status Status `json:"status,omitempty"`
}

// The names of FelixConfigurations that mean something; any other does nothing.
const (
	DefaultConfiguration    = "default"
	NodeConfigurationPrefix = "node."
)

// FelixConfigurationSpec has the fields that are honoured. Each that is absent
// leaves what holds without it.
//
// +kubebuilder:pruning:PreserveUnknownFields
type FelixConfigurationSpec struct {
	// DefaultEndpointToHostAction is what happens to a connection from a pod to
	// its own node after the pod's egress policy has allowed it: Accept, which
	// holds if nothing is said, Drop, or Return, which leaves it to the node's
	// own firewall.
	//
	// +optional
	// +kubebuilder:validation:Pattern=`^(?i)(Drop|Accept|Return)?$`
	// +kubebuilder:validation:MaxLength=6
	DefaultEndpointToHostAction string `json:"defaultEndpointToHostAction,omitempty"`

	// FailsafeInboundHostPorts are the ports of host endpoints that are open to
	// connections whatever policy says; an empty list is none.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=1024
	FailsafeInboundHostPorts *[]ProtoPort `json:"failsafeInboundHostPorts,omitempty"`

	// FailsafeOutboundHostPorts are the ports to which the host may connect
	// whatever policy says; an empty list is none.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=1024
	FailsafeOutboundHostPorts *[]ProtoPort `json:"failsafeOutboundHostPorts,omitempty"`

	// NFTablesFilterDenyAction is what a denied packet meets: Drop, or Reject,
	// which answers that it was refused.
	//
	// +optional
	// +kubebuilder:validation:Pattern=`^(?i)(Drop|Reject)?$`
	// +kubebuilder:validation:MaxLength=6
	NFTablesFilterDenyAction string `json:"nftablesFilterDenyAction,omitempty"`

	// IptablesFilterDenyAction is the same under its former name; the other one
	// goes before.
	//
	// +optional
	// +kubebuilder:validation:Pattern=`^(?i)(Drop|Reject)?$`
	// +kubebuilder:validation:MaxLength=6
	IptablesFilterDenyAction string `json:"iptablesFilterDenyAction,omitempty"`

	// LogPrefix begins each line that a Log rule writes.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=64
	LogPrefix string `json:"logPrefix,omitempty"`

	// LogActionRateLimit bounds how often a Log rule writes, for instance
	// "10/second"; the units are second, minute, hour and day. Empty is no bound.
	//
	// +optional
	// +kubebuilder:validation:Pattern=`^([1-9][0-9]{0,3}/(second|minute|hour|day))?$`
	// +kubebuilder:validation:MaxLength=16
	LogActionRateLimit string `json:"logActionRateLimit,omitempty"`

	// LogActionRateLimitBurst is how many lines may come at once before the
	// bound holds.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=9999
	LogActionRateLimitBurst *int `json:"logActionRateLimitBurst,omitempty"`

	// DNSTrustedServers are the DNS servers by whose answers domain names in policy
	// are known: ADDRESS, ADDRESS:PORT, or k8s-service:[NAMESPACE/]NAME[:PORT], in
	// kube-system if no namespace is named. If nothing is said it is
	// k8s-service:kube-dns; an empty list is none.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=512
	DNSTrustedServers *[]string `json:"dnsTrustedServers,omitempty"`

	// DNSExtraTTL is how much longer than its TTL an address of a domain name
	// counts, for instance 1m30s; 0s if nothing is said.
	//
	// +optional
	// +kubebuilder:validation:Pattern=`^([0-9]{1,9}(ms|s|m|h)){0,4}$`
	// +kubebuilder:validation:MaxLength=48
	DNSExtraTTL string `json:"dnsExtraTTL,omitempty"`

	// DNSPacketsNfqueueMaxHoldDuration is how long a DNS answer waits at most until
	// the kernel knows the addresses in it; 1s if nothing is said.
	//
	// +optional
	// +kubebuilder:validation:Pattern=`^([0-9]{1,9}(ms|s|m|h)){0,4}$`
	// +kubebuilder:validation:MaxLength=48
	DNSPacketsNfqueueMaxHoldDuration string `json:"dnsPacketsNfqueueMaxHoldDuration,omitempty"`

	// DNSCacheEpoch is a number by whose change all addresses of domain names are
	// forgotten.
	//
	// +optional
	DNSCacheEpoch *int `json:"dnsCacheEpoch,omitempty"`

	// Unread has the fields that are not honoured, as they are written.
	Unread map[string]json.RawMessage `json:"-"`
}

// ProtoPort is a port of a protocol, for peers in a network.
type ProtoPort struct {
	// Protocol is TCP or UDP; nil is TCP.
	//
	// +optional
	Protocol *Protocol `json:"protocol,omitempty"`

	// Port is the number, 1 to 65535.
	//
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int `json:"port"`

	// Net limits it to peers in the network; empty is any.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[0-9a-fA-F:./]*$`
	Net string `json:"net,omitempty"`
}

// settings is the spec without its methods.
type settings FelixConfigurationSpec

// UnmarshalJSON reads the fields that are honoured and keeps the rest in
// Unread.
func (s *FelixConfigurationSpec) UnmarshalJSON(data []byte) (err error) {
	*s = FelixConfigurationSpec{}
	s.Unread, err = unmarshalSettings(data, (*settings)(s))
	return err
}

// MarshalJSON writes all fields, those in Unread too.
func (s FelixConfigurationSpec) MarshalJSON() ([]byte, error) {
	return marshalSettings(settings(s), s.Unread)
}

// UnreadNames returns the names of the fields that are not honoured, sorted.
func (s FelixConfigurationSpec) UnreadNames() []string {
	return slices.Sorted(maps.Keys(s.Unread))
}

// HonouredSettings returns the names of the fields of a FelixConfiguration that
// are honoured.
func HonouredSettings() []string { return fieldNames(reflect.TypeFor[settings]()) }

// FelixConfigurationList is a list of FelixConfigurations, as the API returns it.
//
// +kubebuilder:object:root=true
type FelixConfigurationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []FelixConfiguration `json:"items"`
}
