package v3

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// KubeControllersConfiguration called "default" has the settings of the
// controllers of the cluster. Of these there is one here: the one that makes
// host endpoints of nodes. Manifests for other systems have many fields more:
// these are accepted, do nothing, and are named in the object's status.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,path=kubecontrollersconfigurations,singular=kubecontrollersconfiguration,categories={tierwall}
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="AutoHostEndpoints",type=string,JSONPath=`.spec.controllers.node.hostEndpoint.autoCreate`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type KubeControllersConfiguration struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec KubeControllersConfigurationSpec `json:"spec,omitempty"`
	// +optional
	Status Status `json:"status,omitempty"`
}

// KubeControllersConfigurationSpec has the field that is honoured.
//
// +kubebuilder:pruning:PreserveUnknownFields
type KubeControllersConfigurationSpec struct {
	// Controllers has the settings of each controller.
	//
	// +optional
	Controllers ControllersConfig `json:"controllers,omitzero"`

	// Unread has the fields that are not honoured, as they are written.
	Unread map[string]json.RawMessage `json:"-"`
}

// ControllersConfig has the controller that there is.
//
// +kubebuilder:pruning:PreserveUnknownFields
type ControllersConfig struct {
	// Node has the settings of what is done for each node; nil is nothing.
	//
	// +optional
	Node *NodeControllerConfig `json:"node,omitempty"`

	// Unread has the fields that are not honoured, as they are written.
	Unread map[string]json.RawMessage `json:"-"`
}

// NodeControllerConfig says what is done for each node.
//
// +kubebuilder:pruning:PreserveUnknownFields
type NodeControllerConfig struct {
	// HostEndpoint says which host endpoints are made; nil is none.
	//
	// +optional
	HostEndpoint *AutoHostEndpointConfig `json:"hostEndpoint,omitempty"`

	// Unread has the fields that are not honoured, as they are written.
	Unread map[string]json.RawMessage `json:"-"`
}

// The values of switches.
const (
	SwitchEnabled  = "Enabled"
	SwitchDisabled = "Disabled"
)

// AutoHostEndpointConfig says which host endpoints are made of nodes.
//
// +kubebuilder:pruning:PreserveUnknownFields
type AutoHostEndpointConfig struct {
	// AutoCreate is Enabled, or Disabled, which holds if nothing is said: then
	// there are none, and those that were made are removed.
	//
	// +optional
	// +kubebuilder:validation:Enum=Enabled;Disabled
	AutoCreate string `json:"autoCreate,omitempty"`

	// CreateDefaultHostEndpoint is Enabled, which holds if nothing is said: each
	// node has one host endpoint for all its interfaces. With Disabled there are
	// those of Templates alone.
	//
	// +optional
	// +kubebuilder:validation:Enum=Enabled;Disabled
	CreateDefaultHostEndpoint string `json:"createDefaultHostEndpoint,omitempty"`

	// Templates are host endpoints for some interfaces of some nodes.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule=`self.all(a, self.exists_one(b, b.generateName == a.generateName))`,message="each template needs a generateName of its own"
	Templates []HostEndpointTemplate `json:"templates,omitempty"`

	// Unread has the fields that are not honoured, as they are written.
	Unread map[string]json.RawMessage `json:"-"`
}

// HostEndpointTemplate is a host endpoint for one interface of each node that it
// selects.
//
// +kubebuilder:pruning:PreserveUnknownFields
// +kubebuilder:validation:XValidation:rule=`self.?interfaceCIDRs.orValue([]).size() > 0 || self.?interfacePattern.orValue("") != ""`,message="at least one of interfaceCIDRs and interfacePattern must be specified"
type HostEndpointTemplate struct {
	// GenerateName is the middle of the name: NODE-GENERATENAME-auto-hep.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=200
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	GenerateName string `json:"generateName"`

	// InterfaceCIDRs take of the node's addresses those within; they are the
	// expected IPs. A node that has none gets no such host endpoint.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:items:Pattern=`^[0-9a-fA-F:.]+(/[0-9]{1,3})?$`
	InterfaceCIDRs []string `json:"interfaceCIDRs,omitempty"`

	// InterfacePattern is the name of the interface. A Node does not say which
	// interfaces it has, so that it must be one name, such as "eth0" or "^eth0$".
	//
	// +optional
	// +kubebuilder:validation:MaxLength=256
	InterfacePattern string `json:"interfacePattern,omitempty"`

	// NodeSelector selects nodes by their labels; empty is all.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	NodeSelector string `json:"nodeSelector,omitempty"`

	// Labels are set on the host endpoint, over the node's.
	//
	// +optional
	Labels map[string]string `json:"labels,omitempty"`

	// Unread has the fields that are not honoured, as they are written.
	Unread map[string]json.RawMessage `json:"-"`
}

// The settings without their methods.
type (
	specSettings         KubeControllersConfigurationSpec
	controllersSettings  ControllersConfig
	nodeSettings         NodeControllerConfig
	hostEndpointSettings AutoHostEndpointConfig
	templateSettings     HostEndpointTemplate
)

// UnmarshalJSON reads the fields that are honoured and keeps the rest in
// Unread.
func (s *KubeControllersConfigurationSpec) UnmarshalJSON(data []byte) (err error) {
	*s = KubeControllersConfigurationSpec{}
	s.Unread, err = unmarshalSettings(data, (*specSettings)(s))
	return err
}

// MarshalJSON writes all fields, those in Unread too.
func (s KubeControllersConfigurationSpec) MarshalJSON() ([]byte, error) {
	return marshalSettings(specSettings(s), s.Unread)
}

// UnmarshalJSON reads the fields that are honoured and keeps the rest in
// Unread.
func (s *ControllersConfig) UnmarshalJSON(data []byte) (err error) {
	*s = ControllersConfig{}
	s.Unread, err = unmarshalSettings(data, (*controllersSettings)(s))
	return err
}

// MarshalJSON writes all fields, those in Unread too.
func (s ControllersConfig) MarshalJSON() ([]byte, error) {
	return marshalSettings(controllersSettings(s), s.Unread)
}

// IsZero reports whether nothing is said.
func (s ControllersConfig) IsZero() bool { return s.Node == nil && len(s.Unread) == 0 }

// UnmarshalJSON reads the fields that are honoured and keeps the rest in
// Unread.
func (s *NodeControllerConfig) UnmarshalJSON(data []byte) (err error) {
	*s = NodeControllerConfig{}
	s.Unread, err = unmarshalSettings(data, (*nodeSettings)(s))
	return err
}

// MarshalJSON writes all fields, those in Unread too.
func (s NodeControllerConfig) MarshalJSON() ([]byte, error) {
	return marshalSettings(nodeSettings(s), s.Unread)
}

// UnmarshalJSON reads the fields that are honoured and keeps the rest in
// Unread.
func (s *AutoHostEndpointConfig) UnmarshalJSON(data []byte) (err error) {
	*s = AutoHostEndpointConfig{}
	s.Unread, err = unmarshalSettings(data, (*hostEndpointSettings)(s))
	return err
}

// MarshalJSON writes all fields, those in Unread too.
func (s AutoHostEndpointConfig) MarshalJSON() ([]byte, error) {
	return marshalSettings(hostEndpointSettings(s), s.Unread)
}

// UnmarshalJSON reads the fields that are honoured and keeps the rest in
// Unread.
func (s *HostEndpointTemplate) UnmarshalJSON(data []byte) (err error) {
	*s = HostEndpointTemplate{}
	s.Unread, err = unmarshalSettings(data, (*templateSettings)(s))
	return err
}

// MarshalJSON writes all fields, those in Unread too.
func (s HostEndpointTemplate) MarshalJSON() ([]byte, error) {
	return marshalSettings(templateSettings(s), s.Unread)
}

// HostEndpoint returns what is said of host endpoints; nil is nothing.
func (s *KubeControllersConfigurationSpec) HostEndpoint() *AutoHostEndpointConfig {
	if s.Controllers.Node == nil {
		return nil
	}
	return s.Controllers.Node.HostEndpoint
}

// UnreadField is a field that is not honoured.
type UnreadField struct {
	// Path leads to it from the spec, for instance controllers.policy.
	Path string
	// Honoured are the fields that are, in its place.
	Honoured []string
}

// UnreadFields returns the fields that are not honoured, sorted by path.
func (s *KubeControllersConfigurationSpec) UnreadFields() []UnreadField {
	var all []UnreadField
	add := func(path string, unread map[string]json.RawMessage, place any) {
		for name := range unread {
			all = append(all, UnreadField{path + name, fieldNames(reflect.TypeOf(place))})
		}
	}
	add("", s.Unread, specSettings{})
	add("controllers.", s.Controllers.Unread, controllersSettings{})
	if n := s.Controllers.Node; n != nil {
		add("controllers.node.", n.Unread, nodeSettings{})
	}
	if h := s.HostEndpoint(); h != nil {
		add("controllers.node.hostEndpoint.", h.Unread, hostEndpointSettings{})
		for i, t := range h.Templates {
			add(fmt.Sprintf("controllers.node.hostEndpoint.templates[%d].", i), t.Unread, templateSettings{})
		}
	}
	slices.SortFunc(all, func(a, b UnreadField) int { return strings.Compare(a.Path, b.Path) })
	return all
}

// KubeControllersConfigurationList is a list of KubeControllersConfigurations,
// as the API returns it.
//
// +kubebuilder:object:root=true
type KubeControllersConfigurationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []KubeControllersConfiguration `json:"items"`
}
