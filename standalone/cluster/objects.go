package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/manifest"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/standalone/controlplane"
	"github.com/tierwall/tierwall/standalone/lab"
	"github.com/tierwall/tierwall/verdict"
)

// resource is how a kind is reached, and when its objects can be made: what
// others stand on comes first and goes last.
type resource struct {
	gvr        schema.GroupVersionResource
	namespaced bool
	rank       int
}

func core(name string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: name}
}

// resources are the kinds that a cluster can hold, by their names in Problems.
func resources() map[string]resource {
	return map[string]resource{
		"Namespace":                     {core("namespaces"), false, 0},
		"Node":                          {core("nodes"), false, 0},
		"Tier":                          {v3.GroupVersion.WithResource("tiers"), false, -1},
		"FelixConfiguration":            {v3.GroupVersion.WithResource("felixconfigurations"), false, 0},
		"Profile":                       {v3.GroupVersion.WithResource("profiles"), false, 0},
		"ServiceAccount":                {core("serviceaccounts"), true, 1},
		"HostEndpoint":                  {v3.GroupVersion.WithResource("hostendpoints"), false, 1},
		"NetworkSet":                    {v3.GroupVersion.WithResource("networksets"), true, 1},
		"GlobalNetworkSet":              {v3.GroupVersion.WithResource("globalnetworksets"), false, 1},
		"Service":                       {core("services"), true, 1},
		"EndpointSlice":                 {schema.GroupVersionResource{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"}, true, 1},
		"Pod":                           {core("pods"), true, 2},
		"NetworkPolicy":                 {v3.GroupVersion.WithResource("networkpolicies"), true, 3},
		"GlobalNetworkPolicy":           {v3.GroupVersion.WithResource("globalnetworkpolicies"), false, 3},
		"ClusterNetworkPolicy":          {schema.GroupVersionResource{Group: "policy.networking.k8s.io", Version: "v1alpha2", Resource: "clusternetworkpolicies"}, false, 3},
		"StagedNetworkPolicy":           {v3.GroupVersion.WithResource("stagednetworkpolicies"), true, 3},
		"StagedGlobalNetworkPolicy":     {v3.GroupVersion.WithResource("stagedglobalnetworkpolicies"), false, 3},
		"StagedKubernetesNetworkPolicy": {v3.GroupVersion.WithResource("stagedkubernetesnetworkpolicies"), true, 3},
		"KubernetesNetworkPolicy":       {schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"}, true, 3},
	}
}

// wanted is one object in the form in which it is applied.
type wanted struct {
	name     string // Kind/namespace/name
	resource resource
	body     []byte
	meta     metav1.Object
}

// wantedOf turns objects into what is to be applied. Status is left out: the
// lab gives nodes and pods theirs.
func wantedOf(objects []*manifest.Object) (map[string]wanted, error) {
	known := resources()
	state, _ := manifest.State(objects) // for the addresses; problems are the test's business
	out := map[string]wanted{}
	for _, o := range objects {
		r, ok := known[o.Kind.Name]
		if !ok {
			return nil, fmt.Errorf("%s: the lab cannot hold objects of this kind", o.Name())
		}
		value := o.Value
		if p, ok := value.(*corev1.Pod); ok {
			value = runnable(p, state)
		}
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.Name(), err)
		}
		u := unstructured.Unstructured{Object: fields}
		unstructured.RemoveNestedField(u.Object, "status")
		unstructured.RemoveNestedField(u.Object, "metadata", "creationTimestamp")
		u.SetAPIVersion(r.gvr.GroupVersion().String())
		u.SetKind(o.Kind.Kind)
		body, err := json.Marshal(u.Object)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.Name(), err)
		}
		out[o.Name()] = wanted{name: o.Name(), resource: r, body: body, meta: o.Value}
	}
	return out, nil
}

// runnable completes a pod of a file, so that the API server takes it and the
// lab gives it the addresses that the state knows it by.
func runnable(p *corev1.Pod, state *model.State) *corev1.Pod {
	p = p.DeepCopy()
	if len(p.Spec.Containers) == 0 {
		p.Spec.Containers = []corev1.Container{{Name: "main", Image: "tierwall.dev/lab"}}
	}
	at := new(int64) // there is nothing to wait for when it is deleted
	p.Spec.TerminationGracePeriodSeconds = at
	e := state.Endpoints[verdict.EndpointID{Kind: verdict.Pod, Namespace: p.Namespace, Name: p.Name}]
	if e == nil {
		return p
	}
	var addrs []string
	for _, a := range e.Addrs {
		addrs = append(addrs, a.String())
	}
	metav1.SetMetaDataAnnotation(&p.ObjectMeta, lab.AddressAnnotation, strings.Join(addrs, ","))
	return p
}

// apply puts the object into the API and returns its resource version.
func (c *Cluster) apply(ctx context.Context, w wanted) (string, error) {
	force := true
	for began := time.Now(); ; {
		got, err := c.dynamic.Resource(w.resource.gvr).Namespace(w.meta.GetNamespace()).
			Patch(ctx, w.meta.GetName(), types.ApplyPatchType, w.body, metav1.PatchOptions{FieldManager: controlplane.FieldManager, Force: &force})
		if err == nil {
			return got.GetResourceVersion(), nil
		}
		// the default service account of a new namespace takes a moment
		if !apierrors.IsForbidden(err) || time.Since(began) > patience {
			return "", fmt.Errorf("%s: %w", w.name, err)
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (c *Cluster) remove(ctx context.Context, w wanted) error {
	err := c.dynamic.Resource(w.resource.gvr).Namespace(w.meta.GetNamespace()).Delete(ctx, w.meta.GetName(), metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("%s: %w", w.name, err)
	}
	return nil
}

func (c *Cluster) removeAll(ctx context.Context, gone []wanted) error {
	for _, w := range gone {
		if err := c.remove(ctx, w); err != nil {
			return err
		}
		delete(c.holds, w.name)
		delete(c.versions, w.name)
	}
	return nil
}

// Sync makes the cluster hold just the objects, besides what every cluster
// has, and returns when all agents enforce that. Objects that are there
// unchanged are not touched.
func (c *Cluster) Sync(ctx context.Context, objects []*manifest.Object) (Settled, error) {
	want, err := wantedOf(objects)
	if err != nil {
		return Settled{}, err
	}
	before := map[string]bool{}
	for _, w := range want {
		if ns := w.meta.GetNamespace(); ns != "" && !before[ns] {
			before[ns] = true
			c.implyNamespace(ns, want)
		}
	}
	var gone, come []wanted
	for name, w := range c.holds {
		if _, ok := want[name]; !ok {
			gone = append(gone, w)
		}
	}
	for name, w := range want {
		if now, ok := c.holds[name]; !ok || string(now.body) != string(w.body) {
			come = append(come, w)
		}
	}
	// removals first, policies before what they stand on
	slices.SortFunc(gone, func(a, b wanted) int { return b.resource.rank - a.resource.rank })
	slices.SortFunc(come, func(a, b wanted) int { return a.resource.rank - b.resource.rank })
	// and tiers last of all: a policy may be on its way to another one
	tiers := slices.IndexFunc(gone, func(w wanted) bool { return w.resource.rank < 0 })
	if tiers < 0 {
		tiers = len(gone)
	}
	if err := c.removeAll(ctx, gone[:tiers]); err != nil {
		return Settled{}, err
	}
	for _, w := range come {
		version, err := c.apply(ctx, w)
		if err != nil {
			return Settled{}, err
		}
		c.holds[w.name] = w
		if !strings.HasPrefix(w.name, "Staged") { // agents do not look at these: nothing of them is in force
			c.versions[w.name] = version
		}
	}
	if err := c.removeAll(ctx, gone[tiers:]); err != nil {
		return Settled{}, err
	}
	if err := c.waitPods(ctx, gone); err != nil {
		return Settled{}, err
	}
	settled, err := c.settle(ctx, gone)
	settled.Applied, settled.Removed = len(come), len(gone)
	return settled, err
}

// implyNamespace makes sure that a namespace exists which objects are in.
func (c *Cluster) implyNamespace(name string, want map[string]wanted) {
	key := "Namespace//" + name
	if _, ok := want[key]; ok || name == metav1.NamespaceDefault {
		return
	}
	u := unstructured.Unstructured{Object: map[string]any{}}
	u.SetAPIVersion("v1")
	u.SetKind("Namespace")
	u.SetName(name)
	body, _ := json.Marshal(u.Object) // a map of strings
	want[key] = wanted{name: key, resource: resources()["Namespace"], body: body, meta: &u}
}

// Settled says how a change came into force.
type Settled struct {
	// Applied and Removed count the objects that were.
	Applied, Removed int
	// After is how long after the API's last answer the last agent had it in
	// its kernel.
	After time.Duration
}

// errBehind is that an agent has not everything yet.
var errBehind = errors.New("the agent is behind")

// caughtUp compares what an agent enforces with what is to be in force. Later
// versions are as good: the lab's kubelet writes the status of pods and nodes.
func (c *Cluster) caughtUp(enforced map[string]string, gone []wanted) error {
	for _, w := range gone {
		if _, ok := enforced[w.name]; ok {
			return fmt.Errorf("%w: it still has %s", errBehind, w.name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.versions)) {
		has, err1 := strconv.ParseUint(enforced[name], 10, 64)
		needs, err2 := strconv.ParseUint(c.versions[name], 10, 64)
		if err1 != nil || err2 != nil || has < needs {
			return fmt.Errorf("%w: it has version %q of %s, not %s", errBehind, enforced[name], name, c.versions[name])
		}
	}
	return nil
}

// nodeOf is the node of a host endpoint.
func nodeOf(w wanted) string {
	if h, ok := w.meta.(*v3.HostEndpoint); ok {
		return h.Spec.Node
	}
	return ""
}

// waitPods waits until every pod runs in the lab and those that are gone do not
// any more, and notes the version of each that has its address.
func (c *Cluster) waitPods(ctx context.Context, gone []wanted) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		late, err := c.latePod(ctx)
		for _, w := range gone {
			if c.Lab.Netns(w.meta.GetNamespace()+"/"+w.meta.GetName()) != "" && w.resource.gvr.Resource == "pods" {
				late = w.name
			}
		}
		if err == nil && late == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%s has not come or gone after %s", late, patience), err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// latePod returns the name of a pod that does not run yet.
func (c *Cluster) latePod(ctx context.Context) (string, error) {
	pods, err := c.Client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return "", err
	}
	running := map[string]string{}
	for i := range pods.Items {
		p := &pods.Items[i]
		if _, err := c.Lab.Host(p.Namespace + "/" + p.Name); err == nil && len(p.Status.PodIPs) > 0 || p.Spec.HostNetwork {
			running["Pod/"+p.Namespace+"/"+p.Name] = p.ResourceVersion
		}
	}
	for name, w := range c.holds {
		if w.resource.gvr.Resource != "pods" {
			continue
		}
		version, ok := running[name]
		if !ok {
			return name, nil
		}
		c.versions[name] = version
	}
	return "", nil
}
