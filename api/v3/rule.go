package v3

// Action is what a rule does with traffic that it matches, and what a tier does
// with traffic that none of its policies decided.
type Action string

// The actions. Log records and goes on with the next rule; Pass goes on with
// the next tier.
const (
	Allow Action = "Allow"
	Deny  Action = "Deny"
	Log   Action = "Log"
	Pass  Action = "Pass"
)

// Rule matches traffic and decides on it. A field that is absent matches
// everything; those that are present must all match.
//
// +kubebuilder:validation:XValidation:rule=`has(self.protocol) || !has(self.source) || !has(self.source.ports) || self.source.ports.all(p, type(p) == string && p.matches('[^0-9:]'))`,message="rules with numeric port or port range must set protocol to TCP or UDP or SCTP"
// +kubebuilder:validation:XValidation:rule=`has(self.protocol) || !has(self.source) || !has(self.source.notPorts) || self.source.notPorts.all(p, type(p) == string && p.matches('[^0-9:]'))`,message="rules with numeric port or port range must set protocol to TCP or UDP or SCTP"
// +kubebuilder:validation:XValidation:rule=`has(self.protocol) || !has(self.destination) || !has(self.destination.ports) || self.destination.ports.all(p, type(p) == string && p.matches('[^0-9:]'))`,message="rules with numeric port or port range must set protocol to TCP or UDP or SCTP"
// +kubebuilder:validation:XValidation:rule=`has(self.protocol) || !has(self.destination) || !has(self.destination.notPorts) || self.destination.notPorts.all(p, type(p) == string && p.matches('[^0-9:]'))`,message="rules with numeric port or port range must set protocol to TCP or UDP or SCTP"
// +kubebuilder:validation:XValidation:rule=`!has(self.protocol) || (type(self.protocol) == int ? self.protocol in [6, 17, 132] : self.protocol.matches('(?i)^(tcp|udp|sctp|0*(6|17|132))$')) || (self.?source.?ports.orValue([]).size() == 0 && self.?source.?notPorts.orValue([]).size() == 0 && self.?destination.?ports.orValue([]).size() == 0 && self.?destination.?notPorts.orValue([]).size() == 0)`,message="rules that specify ports must set protocol to TCP or UDP or SCTP",fieldPath=`.protocol`
// +kubebuilder:validation:XValidation:rule=`!has(self.icmp) || (has(self.protocol) && (type(self.protocol) == int ? self.protocol in [1, 58] : self.protocol.matches('(?i)^(icmp|icmpv6|0*(1|58))$')))`,message="ICMP fields require protocol to be ICMP or ICMPv6",fieldPath=`.icmp`
// +kubebuilder:validation:XValidation:rule=`!has(self.ipVersion) || self.ipVersion != 6 || !has(self.protocol) || (type(self.protocol) == int ? self.protocol != 1 : !self.protocol.matches('(?i)^(icmp|0*1)$'))`,message="protocol ICMP requires ipVersion 4",fieldPath=`.ipVersion`
// +kubebuilder:validation:XValidation:rule=`!has(self.ipVersion) || self.ipVersion != 6 || !has(self.notProtocol) || (type(self.notProtocol) == int ? self.notProtocol != 1 : !self.notProtocol.matches('(?i)^(icmp|0*1)$'))`,message="protocol ICMP requires ipVersion 4",fieldPath=`.ipVersion`
// +kubebuilder:validation:XValidation:rule=`!has(self.ipVersion) || self.ipVersion != 4 || !has(self.protocol) || (type(self.protocol) == int ? self.protocol != 58 : !self.protocol.matches('(?i)^(icmpv6|0*58)$'))`,message="protocol ICMPv6 requires ipVersion 6",fieldPath=`.ipVersion`
// +kubebuilder:validation:XValidation:rule=`!has(self.ipVersion) || self.ipVersion != 4 || !has(self.notProtocol) || (type(self.notProtocol) == int ? self.notProtocol != 58 : !self.notProtocol.matches('(?i)^(icmpv6|0*58)$'))`,message="protocol ICMPv6 requires ipVersion 6",fieldPath=`.ipVersion`
// +kubebuilder:validation:XValidation:rule=`!has(self.http) || !has(self.protocol) || (type(self.protocol) == int ? self.protocol == 6 : self.protocol.matches('(?i)^(tcp|0*6)$'))`,message="rules with HTTP match must have protocol TCP or unset",fieldPath=`.http`
// +kubebuilder:validation:XValidation:rule=`!has(self.http) || self.action == 'Allow'`,message="HTTP match is only valid on Allow rules",fieldPath=`.http`
// +kubebuilder:validation:XValidation:rule=`!has(self.destination) || !has(self.destination.services) || (self.destination.?ports.orValue([]).size() == 0 && self.destination.?notPorts.orValue([]).size() == 0)`,message="ports and notPorts cannot be specified with services",fieldPath=`.destination.services`
type Rule struct {
	// Action is what happens to traffic that the rule matches.
	//
	// +kubebuilder:validation:Enum=Allow;Deny;Log;Pass
	Action Action `json:"action"`

	// IPVersion is 4 or 6. Nil means both.
	//
	// +optional
	// +kubebuilder:validation:Enum=4;6
	IPVersion *int `json:"ipVersion,omitempty"`

	// Protocol is the protocol that the rule is for. Nil means any.
	//
	// +optional
	Protocol *Protocol `json:"protocol,omitempty"`

	// ICMP narrows a rule for ICMP or ICMPv6 to a type and code.
	//
	// +optional
	ICMP *ICMPFields `json:"icmp,omitempty"`

	// NotProtocol is a protocol that the rule is not for.
	//
	// +optional
	NotProtocol *Protocol `json:"notProtocol,omitempty"`

	// NotICMP excludes a type and code of ICMP.
	//
	// +optional
	NotICMP *ICMPFields `json:"notICMP,omitempty"`

	// Source is where the connection comes from.
	//
	// +optional
	Source EntityRule `json:"source,omitempty,omitzero"`

	// Destination is where the connection goes.
	//
	// +optional
	Destination EntityRule `json:"destination,omitempty,omitzero"`

	// HTTP narrows an ingress Allow rule to requests. Nil means no narrowing.
	//
	// +optional
	HTTP *HTTPMatch `json:"http,omitempty"`

	// Metadata is carried along and decides nothing.
	//
	// +optional
	Metadata *RuleMetadata `json:"metadata,omitempty"`
}

// EntityRule matches one end of a connection. An empty one matches every
// address, known or not. A selector, by contrast, matches known objects only:
// in a namespaced policy, those of its namespace unless namespaceSelector says
// otherwise.
//
// +kubebuilder:validation:XValidation:rule=`!has(self.services) || (self.?selector.orValue("") == "" && self.?notSelector.orValue("") == "")`,message="cannot specify Selector/NotSelector and Services on the same rule",fieldPath=`.services`
// +kubebuilder:validation:XValidation:rule=`!has(self.services) || (self.?namespaceSelector.orValue("") == "")`,message="cannot specify NamespaceSelector and Services on the same rule",fieldPath=`.services`
// +kubebuilder:validation:XValidation:rule=`!has(self.services) || (!has(self.serviceAccounts))`,message="cannot specify ServiceAccounts and Services on the same rule",fieldPath=`.services`
// +kubebuilder:validation:XValidation:rule=`!has(self.services) || (self.?nets.orValue([]).size() == 0 && self.?notNets.orValue([]).size() == 0)`,message="cannot specify Nets/NotNets and Services on the same rule",fieldPath=`.services`
// +kubebuilder:validation:XValidation:rule=`!has(self.domains) || (self.?nets.orValue([]).size() == 0 && self.?selector.orValue("") == "" && self.?notSelector.orValue("") == "" && self.?namespaceSelector.orValue("") == "" && !has(self.serviceAccounts) && !has(self.services))`,message="domains cannot be combined with nets, selectors, serviceAccounts or services",fieldPath=`.domains`
type EntityRule struct {
	// Nets are CIDRs, one of which contains the address. Empty means any.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:items:Pattern=`^[0-9a-fA-F:.]+(/[0-9]{1,3})?$`
	Nets []string `json:"nets,omitempty"`

	// Selector matches the labels of endpoints and network sets.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule=`!self.contains('global(')`,message="global() can only be used in an EntityRule namespaceSelector"
	Selector string `json:"selector,omitempty"`

	// NamespaceSelector matches the labels of the namespace that the object is
	// in; global() alone matches objects that are in none.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule=`!self.contains('global(') || self.matches('^\\s*global\\(\\s*\\)\\s*$')`,message="global() cannot be combined with other selectors"
	NamespaceSelector string `json:"namespaceSelector,omitempty"`

	// Services takes addresses, and in a destination also ports, from the
	// endpoints of a Kubernetes service.
	//
	// +optional
	Services *ServiceMatch `json:"services,omitempty"`

	// Ports are numbers, ranges or names, one of which is the port. Empty means
	// any.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=50
	Ports []Port `json:"ports,omitempty"`

	// Domains are names whose addresses match, as far as they were learned from
	// answers of trusted DNS servers: exact, or with one wildcard that stands for
	// whole labels and is not the last. They are only in the destination of an
	// egress Allow rule, and without nets, selectors, service accounts and services.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=255
	// +kubebuilder:validation:items:Pattern=`^([a-zA-Z0-9_\x{80}-\x{10ffff}]([-a-zA-Z0-9_\x{80}-\x{10ffff}]*[a-zA-Z0-9_\x{80}-\x{10ffff}])?[.])*([*][.])?([a-zA-Z0-9_\x{80}-\x{10ffff}]([-a-zA-Z0-9_\x{80}-\x{10ffff}]*[a-zA-Z0-9_\x{80}-\x{10ffff}])?[.])*[a-zA-Z0-9_\x{80}-\x{10ffff}]([-a-zA-Z0-9_\x{80}-\x{10ffff}]*[a-zA-Z0-9_\x{80}-\x{10ffff}])?[.]?$`
	Domains []string `json:"domains,omitempty"`

	// NotNets are CIDRs, none of which contains the address.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:items:Pattern=`^[0-9a-fA-F:.]+(/[0-9]{1,3})?$`
	// +kubebuilder:validation:items:XValidation:rule=`self != '0.0.0.0/0' && self != '::/0'`,message="catch-all CIDR in negation creates logical contradiction (matches no traffic)"
	NotNets []string `json:"notNets,omitempty"`

	// NotSelector excludes objects with matching labels.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	NotSelector string `json:"notSelector,omitempty"`

	// NotPorts are ports that do not match.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=50
	NotPorts []Port `json:"notPorts,omitempty"`

	// ServiceAccounts matches pods by the account that they run as.
	//
	// +optional
	ServiceAccounts *ServiceAccountMatch `json:"serviceAccounts,omitempty"`
}

// ServiceMatch names a Kubernetes service.
//
// +kubebuilder:validation:XValidation:rule=`self.?name.orValue("") != ""`,message="services must specify a service name"
type ServiceMatch struct {
	// Name is the name of the service. It is needed.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// Namespace is that of the service. Empty means the policy's own in a
	// namespaced policy, and is refused in a global one.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Namespace string `json:"namespace,omitempty"`
}

// ServiceAccountMatch matches a service account by both of its fields.
type ServiceAccountMatch struct {
	// Names are names, one of which is the account's. Empty means any.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=1024
	// +kubebuilder:validation:items:MaxLength=253
	Names []string `json:"names,omitempty"`

	// Selector matches the labels of the account. Empty means any.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Selector string `json:"selector,omitempty"`
}

// ICMPFields match the header of an ICMP or ICMPv6 message.
//
// +kubebuilder:validation:XValidation:rule=`!has(self.code) || has(self.type)`,message="ICMP code specified without an ICMP type"
type ICMPFields struct {
	// Type is 0 to 254. Nil means any.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=254
	Type *int `json:"type,omitempty"`

	// Code is 0 to 255, and needs Type. Nil means any.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=255
	Code *int `json:"code,omitempty"`
}

// HTTPMatch matches a request by all of its fields.
type HTTPMatch struct {
	// Methods are methods, such as GET, one of which is the request's. Empty
	// means any.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=20
	// +kubebuilder:validation:items:MaxLength=64
	Methods []string `json:"methods,omitempty"`

	// Paths are paths, one of which matches. Empty means any.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=20
	Paths []HTTPPath `json:"paths,omitempty"`

	// Headers are conditions on headers, all of which hold.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=20
	Headers []HTTPHeader `json:"headers,omitempty"`
}

// HTTPPath matches the path of a request, without its query. Exactly one of
// its fields is set.
//
// +kubebuilder:validation:XValidation:rule=`(self.?exact.orValue("") == "") != (self.?prefix.orValue("") == "")`,message="HTTP path must have exactly one of exact and prefix"
type HTTPPath struct {
	// Exact is the whole path.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^(/[^?#]*)?$`
	Exact string `json:"exact,omitempty"`

	// Prefix is the beginning of the path.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^(/[^?#]*)?$`
	Prefix string `json:"prefix,omitempty"`
}

// HeaderOperator is how a header is compared.
//
// +kubebuilder:validation:Enum=Exists;DoesNotExist;HasPrefix;HasSuffix;In;NotIn;MatchesRegex
type HeaderOperator string

// The operators on headers (semantics.md section 16).
const (
	HeaderExists       HeaderOperator = "Exists"
	HeaderDoesNotExist HeaderOperator = "DoesNotExist"
	HeaderHasPrefix    HeaderOperator = "HasPrefix"
	HeaderHasSuffix    HeaderOperator = "HasSuffix"
	HeaderIn           HeaderOperator = "In"
	HeaderNotIn        HeaderOperator = "NotIn"
	HeaderMatchesRegex HeaderOperator = "MatchesRegex"
)

// HTTPHeader is a condition on one header of a request.
//
// +kubebuilder:validation:XValidation:rule=`(self.operator in ['Exists', 'DoesNotExist']) == (self.?values.orValue([]).size() == 0)`,message="values must be empty for Exists and DoesNotExist, and must not be for other operators",fieldPath=`.values`
type HTTPHeader struct {
	// Header is the name of the header.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Header string `json:"header"`

	// Operator is how the header is compared.
	Operator HeaderOperator `json:"operator"`

	// Values are what it is compared with: none for Exists and DoesNotExist.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=20
	// +kubebuilder:validation:items:MaxLength=1024
	Values []string `json:"values,omitempty"`
}

// RuleMetadata is carried with a rule.
type RuleMetadata struct {
	// Annotations are any keys and values; the dataplane may show them as
	// comments.
	//
	// +optional
	// +kubebuilder:validation:MaxProperties=256
	Annotations map[string]string `json:"annotations,omitempty"`
}
