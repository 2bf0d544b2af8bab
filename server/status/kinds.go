package status

import (
	"context"

	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	policyv1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/translate"
)

// policyKind is a kind of policy whose progress is told.
type policyKind struct {
	// name is what it is called in reports.
	name     string
	client   rest.Interface
	resource string
	object   runtime.Object
	// apiVersion and kind are those of its objects; without them the kind has no
	// status, and the progress is published in a list.
	apiVersion, kind string
	// optional kinds need not be served.
	optional bool
}

func (o Options) kinds() []policyKind {
	all := []policyKind{
		{name: translate.KindNetworkPolicy, client: o.Policies, resource: "networkpolicies", object: &v3.NetworkPolicy{}, apiVersion: v3.GroupVersion.String(), kind: v3.KindNetworkPolicy},
		{name: translate.KindGlobalNetworkPolicy, client: o.Policies, resource: "globalnetworkpolicies", object: &v3.GlobalNetworkPolicy{}, apiVersion: v3.GroupVersion.String(), kind: v3.KindGlobalNetworkPolicy},
		{name: translate.KindKubernetesNetworkPolicy, client: o.Core.NetworkingV1().RESTClient(), resource: "networkpolicies", object: &networkingv1.NetworkPolicy{}},
	}
	if o.Cluster != nil {
		all = append(all, policyKind{name: translate.KindClusterNetworkPolicy, client: o.Cluster, resource: "clusternetworkpolicies", object: &policyv1alpha2.ClusterNetworkPolicy{},
			apiVersion: policyv1alpha2.GroupVersion.String(), kind: "ClusterNetworkPolicy", optional: true})
	}
	return all
}

// listWatch lists and watches the kind; one that is optional and not served has
// no objects.
func (k policyKind) listWatch() cache.ListerWatcher {
	lw := cache.NewListWatchFromClient(k.client, k.resource, metav1.NamespaceAll, fields.Everything())
	if list := lw.ListWithContextFunc; k.optional {
		lw.ListWithContextFunc = func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			all, err := list(ctx, o)
			if apierrors.IsNotFound(err) {
				return &metav1.List{}, nil
			}
			return all, err
		}
	}
	return lw
}
