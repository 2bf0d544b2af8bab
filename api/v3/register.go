package v3

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Group is the API group of every kind in this package.
const Group = "projectcalico.org"

// Version is the API version of every kind in this package.
const Version = "v3"

// The kinds of the package, as they are written in the kind field.
const (
	KindTier                          = "Tier"
	KindNetworkPolicy                 = "NetworkPolicy"
	KindGlobalNetworkPolicy           = "GlobalNetworkPolicy"
	KindStagedNetworkPolicy           = "StagedNetworkPolicy"
	KindStagedGlobalNetworkPolicy     = "StagedGlobalNetworkPolicy"
	KindStagedKubernetesNetworkPolicy = "StagedKubernetesNetworkPolicy"
	KindNetworkSet                    = "NetworkSet"
	KindGlobalNetworkSet              = "GlobalNetworkSet"
	KindHostEndpoint                  = "HostEndpoint"
	KindProfile                       = "Profile"
	KindFelixConfiguration            = "FelixConfiguration"
	KindKubeControllersConfiguration  = "KubeControllersConfiguration"
)

// GroupVersion is projectcalico.org/v3. It is a constant in all but syntax.
var GroupVersion = schema.GroupVersion{Group: Group, Version: Version}

// Resource returns the group-qualified form of a plural resource name, such as
// "tiers", for use in API errors.
func Resource(plural string) schema.GroupResource {
	return GroupVersion.WithResource(plural).GroupResource()
}

// AddToScheme registers every kind of the package, and its list kind, with
// the scheme under [GroupVersion]. The error is always nil: it is there to
// fit the signature that schemes are assembled with.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&Tier{}, &TierList{},
		&NetworkPolicy{}, &NetworkPolicyList{},
		&GlobalNetworkPolicy{}, &GlobalNetworkPolicyList{},
		&StagedNetworkPolicy{}, &StagedNetworkPolicyList{},
		&StagedGlobalNetworkPolicy{}, &StagedGlobalNetworkPolicyList{},
		&StagedKubernetesNetworkPolicy{}, &StagedKubernetesNetworkPolicyList{},
		&NetworkSet{}, &NetworkSetList{},
		&GlobalNetworkSet{}, &GlobalNetworkSetList{},
		&HostEndpoint{}, &HostEndpointList{},
		&Profile{}, &ProfileList{},
		&FelixConfiguration{}, &FelixConfigurationList{},
		&KubeControllersConfiguration{}, &KubeControllersConfigurationList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
