package translate

import (
	"reflect"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	policyv1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// The policy kinds as verdict.PolicyID names them.
const (
	KindNetworkPolicy           = "NetworkPolicy"
	KindGlobalNetworkPolicy     = "GlobalNetworkPolicy"
	KindKubernetesNetworkPolicy = "KubernetesNetworkPolicy"
	KindClusterNetworkPolicy    = "ClusterNetworkPolicy"
)

// Object translates one API object, given as a pointer to its type. The result
// is nil if the object contributes nothing to a State: a pod without network
// identity, a staged policy, a kind that is not read.
func Object(o any) (model.Object, []model.Problem) {
	switch o := o.(type) {
	case *corev1.Namespace:
		return &model.Namespace{Name: o.Name, Labels: o.Labels}, nil
	case *corev1.ServiceAccount:
		return &model.ServiceAccount{Namespace: o.Namespace, Name: o.Name, Labels: o.Labels}, nil
	case *corev1.Node:
		return node(o), nil
	case *corev1.Pod:
		return orNil(pod(o)), nil
	case *discoveryv1.EndpointSlice:
		return endpointSlice(o), nil
	case *corev1.Service:
		return service(o), nil
	case *networkingv1.NetworkPolicy:
		return report("KubernetesNetworkPolicy", o, func(r *reporter) model.Object { return kubernetesPolicy(o, r) })
	case *policyv1alpha2.ClusterNetworkPolicy:
		return report(KindClusterNetworkPolicy, o, func(r *reporter) model.Object { return clusterNetworkPolicy(o, r) })
	case *v3.Tier:
		return report("Tier", o, func(r *reporter) model.Object { return tier(o, r) })
	case *v3.NetworkPolicy:
		return report("NetworkPolicy", o, func(r *reporter) model.Object { return networkPolicy(o, r) })
	case *v3.GlobalNetworkPolicy:
		return report("GlobalNetworkPolicy", o, func(r *reporter) model.Object { return globalNetworkPolicy(o, r) })
	case *v3.NetworkSet:
		return report("NetworkSet", o, func(r *reporter) model.Object { return networkSet(o.ObjectMeta, o.Spec, r) })
	case *v3.GlobalNetworkSet:
		return report("GlobalNetworkSet", o, func(r *reporter) model.Object { return networkSet(o.ObjectMeta, o.Spec, r) })
	case *v3.HostEndpoint:
		return report("HostEndpoint", o, func(r *reporter) model.Object { return hostEndpoint(o, r) })
	case *v3.Profile:
		return report("Profile", o, func(r *reporter) model.Object { return profile(o, r) })
	case *v3.FelixConfiguration:
		return report("FelixConfiguration", o, func(r *reporter) model.Object { return configuration(o, r) })
	case *v3.KubeControllersConfiguration:
		_, problems := AutoHostOf(o) // what comes of it are host endpoints
		return nil, problems
	case *v3.StagedNetworkPolicy:
		return report("StagedNetworkPolicy", o, func(r *reporter) model.Object { return stagedNetworkPolicy(o, r) })
	case *v3.StagedGlobalNetworkPolicy:
		return report("StagedGlobalNetworkPolicy", o, func(r *reporter) model.Object { return stagedGlobalNetworkPolicy(o, r) })
	case *v3.StagedKubernetesNetworkPolicy:
		return report("StagedKubernetesNetworkPolicy", o, func(r *reporter) model.Object { return stagedKubernetesNetworkPolicy(o, r) })
	}
	return nil, nil
}

// Key returns the key of what Object gives for o, also when Object gives
// nothing because of o's state; false for kinds that are not read.
func Key(o any) (model.Key, bool) {
	m, ok := o.(metav1.Object)
	if !ok {
		return model.Key{}, false
	}
	policy := func(kind string) (model.Key, bool) {
		return model.PolicyKey(verdict.PolicyID{Kind: kind, Namespace: m.GetNamespace(), Name: m.GetName()}), true
	}
	key := func(k model.Kind) (model.Key, bool) {
		return model.Key{Kind: k, Namespace: m.GetNamespace(), Name: m.GetName()}, true
	}
	switch o.(type) {
	case *corev1.Namespace:
		return key(model.KindNamespace)
	case *corev1.ServiceAccount:
		return key(model.KindServiceAccount)
	case *corev1.Node:
		return key(model.KindNode)
	case *corev1.Pod:
		return key(model.KindPod)
	case *corev1.Service:
		return key(model.KindService)
	case *discoveryv1.EndpointSlice:
		return key(model.KindEndpointSlice)
	case *networkingv1.NetworkPolicy:
		return policy(KindKubernetesNetworkPolicy)
	case *policyv1alpha2.ClusterNetworkPolicy:
		return policy(KindClusterNetworkPolicy)
	case *v3.NetworkPolicy:
		return policy(KindNetworkPolicy)
	case *v3.GlobalNetworkPolicy:
		return policy(KindGlobalNetworkPolicy)
	case *v3.StagedNetworkPolicy, *v3.StagedGlobalNetworkPolicy, *v3.StagedKubernetesNetworkPolicy:
		kind := reflect.TypeOf(o).Elem().Name()
		return model.StagedKey(verdict.PolicyID{Kind: kind, Namespace: m.GetNamespace(), Name: m.GetName()}), true
	case *v3.Tier:
		return key(model.KindTier)
	case *v3.NetworkSet:
		return key(model.KindNetworkSet)
	case *v3.GlobalNetworkSet:
		return key(model.KindGlobalNetworkSet)
	case *v3.HostEndpoint:
		return key(model.KindHostEndpoint)
	case *v3.Profile:
		return key(model.KindProfile)
	case *v3.FelixConfiguration:
		return key(model.KindConfiguration)
	}
	return model.Key{}, false
}

// orNil keeps a nil pointer from becoming an object.
func orNil(e *model.Endpoint) model.Object {
	if e == nil {
		return nil
	}
	return e
}

func report(kind string, o metav1.Object, f func(*reporter) model.Object) (model.Object, []model.Problem) {
	r := &reporter{object: kind + "/" + o.GetNamespace() + "/" + o.GetName()}
	out := f(r)
	checkName(o, r)
	return out, r.problems
}
