package v3

// Action is what a rule does with traffic that it matches, and what a tier does
// with traffic that none of its policies decided.
//
// +kubebuilder:validation:Enum=Allow;Deny;Log;Pass
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
type Rule struct {
	// Action is what happens to traffic that the rule matches.
	Action Action `json:"action"`

	// IPVersion is 4 or 6. Nil means both.
	//
	// +optional
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
// address, known or not. A selector, by contrast, matches known objects only;
// the scope that selectors have is in semantics.md section 6.
type EntityRule struct {
	// Nets are CIDRs, one of which contains the address. Empty means any.
	//
	// +optional
	Nets []string `json:"nets,omitempty"`

	// Selector matches the labels of endpoints and network sets.
	//
	// +optional
	Selector string `json:"selector,omitempty"`

	// NamespaceSelector matches the labels of the namespace that the object is
	// in; global() alone matches objects that are in none.
	//
	// +optional
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
	Ports []Port `json:"ports,omitempty"`

	// Domains are names whose addresses match: only in the destination of an
	// egress Allow rule, and without nets and selector (semantics.md section
	// 16).
	//
	// +optional
	Domains []string `json:"domains,omitempty"`

	// NotNets are CIDRs, none of which contains the address.
	//
	// +optional
	NotNets []string `json:"notNets,omitempty"`

	// NotSelector excludes objects with matching labels.
	//
	// +optional
	NotSelector string `json:"notSelector,omitempty"`

	// NotPorts are ports that do not match.
	//
	// +optional
	NotPorts []Port `json:"notPorts,omitempty"`

	// ServiceAccounts matches pods by the account that they run as.
	//
	// +optional
	ServiceAccounts *ServiceAccountMatch `json:"serviceAccounts,omitempty"`
}

// ServiceMatch names a Kubernetes service.
type ServiceMatch struct {
	// Name is the name of the service. It is needed.
	//
	// +optional
	Name string `json:"name,omitempty"`

	// Namespace is that of the service. Empty means the policy's own in a
	// namespaced policy, and is refused in a global one.
	//
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// ServiceAccountMatch matches a service account by both of its fields.
type ServiceAccountMatch struct {
	// Names are names, one of which is the account's. Empty means any.
	//
	// +optional
	Names []string `json:"names,omitempty"`

	// Selector matches the labels of the account. Empty means any.
	//
	// +optional
	Selector string `json:"selector,omitempty"`
}

// ICMPFields match the header of an ICMP or ICMPv6 message.
type ICMPFields struct {
	// Type is 0 to 254. Nil means any.
	//
	// +optional
	Type *int `json:"type,omitempty"`

	// Code is 0 to 255, and needs Type. Nil means any.
	//
	// +optional
	Code *int `json:"code,omitempty"`
}

// HTTPMatch matches a request by all of its fields.
type HTTPMatch struct {
	// Methods are methods, such as GET, one of which is the request's. Empty
	// means any.
	//
	// +optional
	Methods []string `json:"methods,omitempty"`

	// Paths are paths, one of which matches. Empty means any.
	//
	// +optional
	Paths []HTTPPath `json:"paths,omitempty"`

	// Headers are conditions on headers, all of which hold.
	//
	// +optional
	Headers []HTTPHeader `json:"headers,omitempty"`
}

// HTTPPath matches the path of a request, without its query. Exactly one of
// its fields is set.
type HTTPPath struct {
	// Exact is the whole path.
	//
	// +optional
	Exact string `json:"exact,omitempty"`

	// Prefix is the beginning of the path.
	//
	// +optional
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
type HTTPHeader struct {
	// Header is the name of the header.
	Header string `json:"header"`

	// Operator is how the header is compared.
	Operator HeaderOperator `json:"operator"`

	// Values are what it is compared with: none for Exists and DoesNotExist.
	//
	// +optional
	Values []string `json:"values,omitempty"`
}

// RuleMetadata is carried with a rule.
type RuleMetadata struct {
	// Annotations are any keys and values; the dataplane may show them as
	// comments.
	//
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}
