package server

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	policyv1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	v3 "github.com/tierwall/tierwall/api/v3"
)

// The resources of projectcalico.org/v3, as they are called in URLs.
const (
	tiersResource         = "tiers"
	networkPolicies       = "networkpolicies"
	globalNetworkPolicies = "globalnetworkpolicies"
	stagedPolicies        = "stagednetworkpolicies"
	stagedGlobalPolicies  = "stagedglobalnetworkpolicies"
	stagedKubePolicies    = "stagedkubernetesnetworkpolicies"
	networkSets           = "networksets"
	globalNetworkSets     = "globalnetworksets"
	hostEndpoints         = "hostendpoints"
	profilesResource      = "profiles"
	felixConfigurations   = "felixconfigurations"
	kubeControllers       = "kubecontrollersconfigurations"
)

// kind is one kind of projectcalico.org/v3.
type kind struct {
	name, resource string
	namespaced     bool
	// policy says that objects of the kind are in a tier.
	policy bool
}

// kinds returns every kind of projectcalico.org/v3.
func kinds() []kind {
	return []kind{
		{v3.KindTier, tiersResource, false, false},
		{v3.KindNetworkPolicy, networkPolicies, true, true},
		{v3.KindGlobalNetworkPolicy, globalNetworkPolicies, false, true},
		{v3.KindStagedNetworkPolicy, stagedPolicies, true, true},
		{v3.KindStagedGlobalNetworkPolicy, stagedGlobalPolicies, false, true},
		{v3.KindStagedKubernetesNetworkPolicy, stagedKubePolicies, true, true},
		{v3.KindNetworkSet, networkSets, true, false},
		{v3.KindGlobalNetworkSet, globalNetworkSets, false, false},
		{v3.KindHostEndpoint, hostEndpoints, false, false},
		{v3.KindProfile, profilesResource, false, false},
		{v3.KindFelixConfiguration, felixConfigurations, false, false},
		{v3.KindKubeControllersConfiguration, kubeControllers, false, false},
	}
}

func kindOf(name string) (kind, bool) {
	for _, k := range kinds() {
		if k.name == name {
			return k, true
		}
	}
	return kind{}, false
}

// resourcesOf are the resources of all kinds for which f is true.
func resourcesOf(f func(kind) bool) []string {
	var all []string
	for _, k := range kinds() {
		if f(k) {
			all = append(all, k.resource)
		}
	}
	return all
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := v3.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("types of %s: %w", v3.GroupVersion, err)
	}
	if err := policyv1alpha2.Install(scheme); err != nil {
		return nil, fmt.Errorf("types of %s: %w", policyv1alpha2.GroupVersion, err)
	}
	return scheme, nil
}

// typedClient is a typed REST client for the kinds of a group.
func typedClient(config *rest.Config, group schema.GroupVersion, scheme *runtime.Scheme) (rest.Interface, error) {
	c := rest.CopyConfig(config)
	c.GroupVersion = &group
	c.APIPath = "/apis"
	c.ContentType = runtime.ContentTypeJSON
	c.AcceptContentTypes = runtime.ContentTypeJSON
	c.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	client, err := rest.RESTClientFor(c)
	if err != nil {
		return nil, fmt.Errorf("client for %s: %w", group, err)
	}
	return client, nil
}
