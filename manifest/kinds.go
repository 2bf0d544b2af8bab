package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	policyv1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/internal/spelling"
)

// Kind is a kind of objects that verdicts may depend on.
type Kind struct {
	// APIVersion and Kind are as they are written; Plural is the name of the
	// resource in URLs.
	APIVersion, Kind, Plural string
	// Namespaced says whether objects are in a namespace.
	Namespaced bool
	// Name is how Problems call the kind: Kind, or KubernetesNetworkPolicy for
	// the NetworkPolicy of networking.k8s.io.
	Name string

	new func() metav1.Object
}

// The API groups that are ours to know every kind of.
const (
	group      = v3.Group + "/"
	testGroup  = "tierwall.dev/"
	legacyCRDs = "crd.projectcalico.org/"
)

// TestAPIVersion and TestKind are those of policy tests, which are no objects
// of a cluster: Objects skips them.
const (
	TestAPIVersion = testGroup + "v1alpha1"
	TestKind       = "PolicyTest"
)

// Kinds returns the kinds that are read, in the order in which they are listed
// from a cluster.
func Kinds() []Kind {
	v3Version := group + v3.Version
	kinds := []Kind{
		{APIVersion: "v1", Kind: "Namespace", Plural: "namespaces", new: make1[corev1.Namespace]()},
		{APIVersion: "v1", Kind: "ServiceAccount", Plural: "serviceaccounts", Namespaced: true, new: make1[corev1.ServiceAccount]()},
		{APIVersion: "v1", Kind: "Node", Plural: "nodes", new: make1[corev1.Node]()},
		{APIVersion: "v1", Kind: "Pod", Plural: "pods", Namespaced: true, new: make1[corev1.Pod]()},
		{APIVersion: "v1", Kind: "Service", Plural: "services", Namespaced: true, new: make1[corev1.Service]()},
		{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice", Plural: "endpointslices", Namespaced: true, new: make1[discoveryv1.EndpointSlice]()},
		{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy", Plural: "networkpolicies", Namespaced: true, Name: "KubernetesNetworkPolicy", new: make1[networkingv1.NetworkPolicy]()},
		{APIVersion: "policy.networking.k8s.io/v1alpha2", Kind: "ClusterNetworkPolicy", Plural: "clusternetworkpolicies", new: make1[policyv1alpha2.ClusterNetworkPolicy]()},
		{APIVersion: v3Version, Kind: v3.KindTier, Plural: "tiers", new: make1[v3.Tier]()},
		{APIVersion: v3Version, Kind: v3.KindNetworkPolicy, Plural: "networkpolicies", Namespaced: true, new: make1[v3.NetworkPolicy]()},
		{APIVersion: v3Version, Kind: v3.KindGlobalNetworkPolicy, Plural: "globalnetworkpolicies", new: make1[v3.GlobalNetworkPolicy]()},
		{APIVersion: v3Version, Kind: v3.KindStagedNetworkPolicy, Plural: "stagednetworkpolicies", Namespaced: true, new: make1[v3.StagedNetworkPolicy]()},
		{APIVersion: v3Version, Kind: v3.KindStagedGlobalNetworkPolicy, Plural: "stagedglobalnetworkpolicies", new: make1[v3.StagedGlobalNetworkPolicy]()},
		{APIVersion: v3Version, Kind: v3.KindStagedKubernetesNetworkPolicy, Plural: "stagedkubernetesnetworkpolicies", Namespaced: true, new: make1[v3.StagedKubernetesNetworkPolicy]()},
		{APIVersion: v3Version, Kind: v3.KindNetworkSet, Plural: "networksets", Namespaced: true, new: make1[v3.NetworkSet]()},
		{APIVersion: v3Version, Kind: v3.KindGlobalNetworkSet, Plural: "globalnetworksets", new: make1[v3.GlobalNetworkSet]()},
		{APIVersion: v3Version, Kind: v3.KindHostEndpoint, Plural: "hostendpoints", new: make1[v3.HostEndpoint]()},
		{APIVersion: v3Version, Kind: v3.KindProfile, Plural: "profiles", new: make1[v3.Profile]()},
		{APIVersion: v3Version, Kind: v3.KindFelixConfiguration, Plural: "felixconfigurations", new: make1[v3.FelixConfiguration]()},
		{APIVersion: v3Version, Kind: v3.KindKubeControllersConfiguration, Plural: "kubecontrollersconfigurations", new: make1[v3.KubeControllersConfiguration]()},
	}
	for i := range kinds {
		if kinds[i].Name == "" {
			kinds[i].Name = kinds[i].Kind
		}
	}
	return kinds
}

// New returns a new object of the kind, as a pointer to its API type.
func (k Kind) New() metav1.Object { return k.new() }

// pointerTo is a pointer to an API type.
type pointerTo[T any] interface {
	*T
	metav1.Object
}

func make1[T any, P pointerTo[T]]() func() metav1.Object {
	return func() metav1.Object { return P(new(T)) }
}

func kindOf(apiVersion, kind string) (Kind, bool) {
	for _, k := range Kinds() {
		if k.APIVersion == apiVersion && k.Kind == kind {
			return k, true
		}
	}
	return Kind{}, false
}

// otherKinds are kinds of projectcalico.org that have no part in a verdict.
var otherKinds = []string{
	"BGPConfiguration", "BGPFilter", "BGPPeer", "BlockAffinity", "CalicoNodeStatus", "ClusterInformation",
	"IPAMConfiguration", "IPPool", "IPReservation", "RemoteClusterConfiguration",
}

// unread says why a document of a kind that is not read is a problem. An empty
// message means that it is none.
func unread(apiVersion, kind string) (code, message, hint string) {
	switch {
	case apiVersion == "" || kind == "":
		return "yaml-object", "apiVersion or kind is missing", "write both, for instance apiVersion: " + group + v3.Version + " and kind: NetworkPolicy"
	case strings.HasPrefix(apiVersion, legacyCRDs):
		return "legacy-api-version", apiVersion + " is the storage form of another system and is not read",
			"write apiVersion: " + group + v3.Version + "; the fields are the same"
	case slices.Contains([]string{"ClusterNetworkPolicy", "AdminNetworkPolicy", "BaselineAdminNetworkPolicy"}, kind):
		return "not-supported", kind + " of " + apiVersion + " is not read", "write a ClusterNetworkPolicy of policy.networking.k8s.io/v1alpha2; verdicts are those without it"
	}
	_, isV3 := kindOf(group+v3.Version, kind)
	isCore := slices.Contains([]string{"Namespace", "ServiceAccount", "Node", "Pod", "Service"}, kind)
	switch {
	case apiVersion == TestAPIVersion && kind == TestKind, slices.Contains(otherKinds, kind) && strings.HasPrefix(apiVersion, group):
		return "", "", ""
	case strings.HasPrefix(apiVersion, group) && isV3:
		return "unknown-kind", fmt.Sprintf("%s has no version %s", v3.Group, strings.TrimPrefix(apiVersion, group)), "write apiVersion: " + group + v3.Version
	case strings.HasPrefix(apiVersion, group):
		return "unknown-kind", fmt.Sprintf("%s has no kind %s", apiVersion, kind), kindHint(kind)
	case strings.HasPrefix(apiVersion, testGroup):
		return "unknown-kind", fmt.Sprintf("%s has no kind %s", apiVersion, kind), "write apiVersion: " + TestAPIVersion + " and kind: " + TestKind
	case isCore && strings.HasPrefix(apiVersion, "v"), kind == "NetworkPolicy" && (strings.HasPrefix(apiVersion, "networking.k8s.io/") || strings.HasPrefix(apiVersion, "extensions/")):
		return "unknown-kind", fmt.Sprintf("%s has no kind %s that is served today", apiVersion, kind), "write apiVersion: v1 for core kinds, networking.k8s.io/v1 for policies"
	}
	return "", "", ""
}

func kindHint(kind string) string {
	names := map[string]bool{}
	for _, k := range Kinds() {
		if strings.HasPrefix(k.APIVersion, group) {
			names[k.Kind] = true
		}
	}
	if near := spelling.Nearest(kind, slices.Sorted(maps.Keys(names))); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if k, ok := kindOf("v1", kind); ok {
		return "write apiVersion: " + k.APIVersion
	}
	return "the kinds are " + strings.Join(slices.Sorted(maps.Keys(names)), ", ")
}
