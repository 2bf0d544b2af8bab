package model

import (
	"net/netip"
	"strconv"

	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// Kind says what an Object is.
type Kind uint8

// The kinds of objects. The zero value is none.
const (
	NoKind Kind = iota
	KindNamespace
	KindServiceAccount
	KindNode
	KindPod
	KindHostEndpoint
	KindNetworkSet
	KindGlobalNetworkSet
	KindTier
	KindPolicy
	KindProfile
	KindEndpointSlice
	KindStagedPolicy
	KindConfiguration
	KindService
	KindLearned
)

// Key names an object of a State: Namespace is empty for cluster scope,
// PolicyKind is set for policies, staged ones too, only.
type Key struct {
	Kind      Kind
	Namespace string
	Name      string
	// PolicyKind tells apart policies of different API kinds with one name.
	PolicyKind string
}

// Object is anything that can be in a State: a pointer to one of this
// package's types. An object is not changed after it was put into a State.
type Object interface{ Key() Key }

// Change puts Object in place of what is at Key, or deletes what is there if
// Object is nil.
type Change struct {
	Key    Key
	Object Object
}

// Put returns the change that puts o.
func Put(o Object) Change { return Change{Key: o.Key(), Object: o} }

// Delete returns the change that deletes what is at k.
func Delete(k Key) Change { return Change{Key: k} }

// Namespace has the labels that its pods and network sets inherit with the
// prefix pcns. (semantics.md section 5).
type Namespace struct {
	Name   string
	Labels map[string]string
}

// ServiceAccount has the labels that the pods which run as it inherit with the
// prefix pcsa.
type ServiceAccount struct {
	Namespace, Name string
	Labels          map[string]string
}

// Node is a host of the cluster.
type Node struct {
	Name   string
	Labels map[string]string
	// Addrs are the host's own addresses as the API knows them.
	Addrs []netip.Addr
	// PodNets are the networks from which the node's pods get addresses.
	PodNets []netip.Prefix
}

// Endpoint is a pod or a host endpoint: what policy applies to.
type Endpoint struct {
	ID verdict.EndpointID
	// Node is where it runs; empty if that is not known.
	Node string
	// Labels are its own labels with the built-in ones (semantics.md
	// section 5); inherited labels are found through State.Labels.
	Labels map[string]string
	// ServiceAccount is the name of a pod's service account.
	ServiceAccount string
	// Addrs are a pod's addresses or a host endpoint's expectedIPs. They are
	// what selectors stand for when the endpoint is a peer.
	Addrs []netip.Addr
	// Interface is a host endpoint's interfaceName: a name, "*", or empty.
	Interface string
	// Profiles are a host endpoint's profiles, in order.
	Profiles []string
	// Ports are the named ports.
	Ports []NamedPort
}

// NamedPort gives a port of an endpoint its name.
type NamedPort struct {
	Name     string
	Protocol uint8
	Port     uint16
}

// NetworkSet is a NetworkSet, or a GlobalNetworkSet if Namespace is empty.
type NetworkSet struct {
	Namespace, Name string
	// Labels are its own with the built-in ones.
	Labels map[string]string
	// Nets are masked; a bare IP is its /32 or /128.
	Nets []netip.Prefix
	// Domains stand for the addresses that names were learned to have, where a
	// destination selector of an egress Allow rule finds the set, and nowhere
	// else (semantics.md section 16).
	Domains []domain.Pattern
}

// Learned is what is known of a domain name: the addresses that it has
// according to answers of trusted DNS servers which still count. When that ends
// is for who learns to say, with a Learned of fewer addresses or a deletion: a
// verdict does not depend on the clock.
type Learned struct {
	Name domain.Name
	// Addrs are sorted, each once.
	Addrs []netip.Addr
}

// Tier is a tier.
type Tier struct {
	Name string
	// Order is nil for last.
	Order *float64
	// Pass means that the end of the tier passes; otherwise it denies.
	Pass bool
}

// Profile is a profile that host endpoints may name.
type Profile struct {
	Name string
	// Labels are inherited by the endpoints that have the profile.
	Labels map[string]string
	Rules  [2][]Rule
	// Invalid marks directions whose rules cannot be read: they deny.
	Invalid [2]bool
}

// Policy is a policy of any kind, ready for evaluation.
type Policy struct {
	ID verdict.PolicyID
	// Tier is never empty. It may name a tier that does not exist.
	Tier string
	// Order is nil for last (+∞).
	Order *float64
	// Applies says for each direction whether the policy is of that type.
	Applies [2]bool
	// Selector is what it applies to among pods and host endpoints, with scope
	// and service accounts folded in (semantics.md section 6.1). nil selects
	// nothing: the written selector cannot be read.
	Selector *selector.Selector
	// DoNotTrack, PreDNAT and ApplyOnForward say in which stages of host
	// endpoints it holds: see In.
	DoNotTrack, PreDNAT, ApplyOnForward bool
	// Rules are the rules by direction.
	Rules [2][]Rule
	// Invalid marks directions in which a rule cannot be read or is not
	// supported: there the policy denies all, whole (section 0, decision 3).
	Invalid [2]bool
}

// In reports whether the policy holds in a stage, which is Normal for pods
// (semantics.md section 11).
func (p *Policy) In(s verdict.Stage) bool {
	switch s {
	case verdict.Untracked:
		return p.DoNotTrack
	case verdict.PreDNAT:
		return p.PreDNAT
	case verdict.Forward:
		return p.ApplyOnForward && !p.DoNotTrack && !p.PreDNAT
	}
	return !p.DoNotTrack && !p.PreDNAT
}

// Rule is one rule. All that is set must hold (semantics.md section 7).
type Rule struct {
	// Index is the rule's place in what was written, from 0: several rules can
	// come from one of a Kubernetes policy.
	Index  int
	Action verdict.Action
	// IPVersion is 4, 6, or 0 for both.
	IPVersion uint8
	// Protocol and NotProtocol are IP protocol numbers, nil for any and none.
	Protocol, NotProtocol *uint8
	// ICMP narrows a rule whose Protocol is ICMP or ICMPv6; NotICMP excludes
	// messages of either. nil for any and none.
	ICMP, NotICMP       *ICMPMatch
	Source, Destination Peer
	// HTTP says that the rule asks for HTTP. Without Settings.HTTPAsL4 it never
	// matches, since nothing here sees HTTP (section 0, decision 11).
	HTTP bool
	// Annotations are shown with the rule; they have no effect.
	Annotations map[string]string
}

// Peer says which addresses and ports one side of a rule matches. The zero
// value matches anything.
type Peer struct {
	Nets, NotNets []netip.Prefix
	// Domains stand for the addresses that the names were learned to have; nil
	// for any address. Only the destination of an egress Allow rule has them
	// (semantics.md section 16).
	Domains []domain.Pattern
	// Selector stands for the addresses of what it selects; nil for any
	// address. It is the outcome of section 6.2. In the destination of an egress
	// Allow rule it also stands for the addresses of the Domains of the network
	// sets that it selects.
	Selector *selector.Selector
	// Nodes stands for the addresses of the nodes with such labels; nil for any
	// address (ClusterNetworkPolicy, semantics.md section 12).
	Nodes *selector.Selector
	// NotSelector excludes the addresses of what it selects; nil for none.
	NotSelector *selector.Selector
	// Ports and NamedPorts are what the port may be; both nil for any port.
	// NotPorts and NotNamedPorts are excluded. A name stands for the ports of
	// that name of the endpoint that has the address, if Selector selects it
	// (section 7).
	Ports, NotPorts           []PortRange
	NamedPorts, NotNamedPorts []string
	// Service stands for the addresses of a service's endpoints, and in the
	// destination of an egress rule also for their ports; nil for any.
	Service *ServiceRef
}

// ICMPMatch is an ICMP type and code; nil for any.
type ICMPMatch struct{ Type, Code *uint8 }

// ServiceRef names a Kubernetes service.
type ServiceRef struct{ Namespace, Name string }

// Service is a service with a selector. No verdict depends on it, since policy
// meets the endpoints' own ports; warnings do.
type Service struct {
	Namespace, Name string
	// Selector is what its pods have; never empty.
	Selector map[string]string
	// Ports are those whose target is a number.
	Ports []TargetPort
}

// TargetPort is a port of a service and the port of its pods behind it.
type TargetPort struct {
	Protocol     uint8
	Port, Target uint16
}

// Key implements Object.
func (s *Service) Key() Key { return Key{Kind: KindService, Namespace: s.Namespace, Name: s.Name} }

// EndpointSlice is some of the endpoints of a service, ready or not.
type EndpointSlice struct {
	Namespace, Name string
	// Service is the name of the service, in the same namespace.
	Service string
	Addrs   []netip.Addr
	// Ports hold for each of Addrs.
	Ports []ServicePort
}

// ServicePort is a port that the endpoints of a service have.
type ServicePort struct {
	Protocol uint8
	Port     uint16
}

// PortRange is a range of ports, bounds included.
type PortRange struct{ From, To uint16 }

// Key implements Object.
func (n *Namespace) Key() Key { return Key{Kind: KindNamespace, Name: n.Name} }

// Key implements Object.
func (a *ServiceAccount) Key() Key {
	return Key{Kind: KindServiceAccount, Namespace: a.Namespace, Name: a.Name}
}

// Key implements Object.
func (n *Node) Key() Key { return Key{Kind: KindNode, Name: n.Name} }

// Key implements Object.
func (e *Endpoint) Key() Key { return EndpointKey(e.ID) }

// EndpointKey returns the key of an endpoint.
func EndpointKey(id verdict.EndpointID) Key {
	if id.Kind == verdict.Host {
		return Key{Kind: KindHostEndpoint, Name: id.Name}
	}
	return Key{Kind: KindPod, Namespace: id.Namespace, Name: id.Name}
}

// Key implements Object.
func (s *NetworkSet) Key() Key {
	if s.Namespace == "" {
		return Key{Kind: KindGlobalNetworkSet, Name: s.Name}
	}
	return Key{Kind: KindNetworkSet, Namespace: s.Namespace, Name: s.Name}
}

// Key implements Object.
func (l *Learned) Key() Key { return LearnedKey(l.Name) }

// LearnedKey returns the key of what is known of a name.
func LearnedKey(n domain.Name) Key { return Key{Kind: KindLearned, Name: string(n)} }

// Key implements Object.
func (t *Tier) Key() Key { return Key{Kind: KindTier, Name: t.Name} }

// Key implements Object.
func (p *Profile) Key() Key { return Key{Kind: KindProfile, Name: p.Name} }

// Key implements Object.
func (s *EndpointSlice) Key() Key {
	return Key{Kind: KindEndpointSlice, Namespace: s.Namespace, Name: s.Name}
}

// Key implements Object.
func (p *Policy) Key() Key { return PolicyKey(p.ID) }

// PolicyKey returns the key of a policy.
func PolicyKey(id verdict.PolicyID) Key {
	return Key{Kind: KindPolicy, Namespace: id.Namespace, Name: id.Name, PolicyKind: id.Kind}
}

// String returns "80" or "8000-8080".
func (r PortRange) String() string {
	if r.From == r.To {
		return strconv.Itoa(int(r.From))
	}
	return strconv.Itoa(int(r.From)) + "-" + strconv.Itoa(int(r.To))
}

// String returns the API kind; for policies PolicyKind has it.
func (k Kind) String() string {
	switch k {
	case KindNamespace:
		return "Namespace"
	case KindServiceAccount:
		return "ServiceAccount"
	case KindNode:
		return "Node"
	case KindPod:
		return "Pod"
	case KindHostEndpoint:
		return "HostEndpoint"
	case KindNetworkSet:
		return "NetworkSet"
	case KindGlobalNetworkSet:
		return "GlobalNetworkSet"
	case KindTier:
		return "Tier"
	case KindPolicy:
		return "Policy"
	case KindProfile:
		return "Profile"
	case KindEndpointSlice:
		return "EndpointSlice"
	case KindStagedPolicy:
		return "StagedPolicy"
	case KindConfiguration:
		return "FelixConfiguration"
	case KindService:
		return "Service"
	case KindLearned:
		return "Learned"
	}
	return "None"
}

// String returns Kind/namespace/name, the name that Problems give an object.
func (k Key) String() string {
	kind := k.Kind.String()
	if k.Kind == KindPolicy || k.Kind == KindStagedPolicy {
		kind = k.PolicyKind
	}
	return kind + "/" + k.Namespace + "/" + k.Name
}
