package verdict

import "strings"

// PolicyID names a policy: Kind is the API kind, with KubernetesNetworkPolicy
// for networking.k8s.io's NetworkPolicy; Namespace is empty for cluster-scoped
// kinds (semantics.md section 0, decision 1). The zero value names no policy.
type PolicyID struct {
	Kind, Namespace, Name string
}

// String returns Kind/namespace/name, for instance GlobalNetworkPolicy//block.
func (p PolicyID) String() string {
	return p.Kind + "/" + p.Namespace + "/" + p.Name
}

// IsZero reports whether p names no policy.
func (p PolicyID) IsZero() bool { return p == PolicyID{} }

// ParsePolicyID reads what String prints. It reports false if the text does
// not have three parts with a kind and a name.
func ParsePolicyID(text string) (PolicyID, bool) {
	parts := strings.SplitN(text, "/", 3)
	if len(parts) != 3 || parts[0] == "" || parts[2] == "" {
		return PolicyID{}, false
	}
	return PolicyID{Kind: parts[0], Namespace: parts[1], Name: parts[2]}, true
}

// EndpointKind says what sort of endpoint is policed.
type EndpointKind uint8

// The kinds of endpoints. The zero value is not an endpoint.
const (
	NoEndpoint EndpointKind = iota
	Pod
	Host
)

// EndpointID names an endpoint that policy applies to: a pod by namespace and
// name, a host endpoint by name alone. The zero value names none.
type EndpointID struct {
	Kind      EndpointKind
	Namespace string
	Name      string
}

// String returns namespace/name for a pod and hep:name for a host endpoint,
// the references of commands.md.
func (e EndpointID) String() string {
	switch e.Kind {
	case Pod:
		return e.Namespace + "/" + e.Name
	case Host:
		return "hep:" + e.Name
	}
	return ""
}

// Compare orders endpoints: pods before host endpoints, then by namespace and
// name.
func (e EndpointID) Compare(o EndpointID) int {
	if e.Kind != o.Kind {
		return int(e.Kind) - int(o.Kind)
	}
	if c := strings.Compare(e.Namespace, o.Namespace); c != 0 {
		return c
	}
	return strings.Compare(e.Name, o.Name)
}

// String returns "pod" or "host".
func (k EndpointKind) String() string {
	switch k {
	case Pod:
		return "pod"
	case Host:
		return "host"
	}
	return "none"
}
