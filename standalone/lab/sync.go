package lab

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// AddressAnnotation on a Pod asks Sync for fixed addresses: one, or one per
// family with a comma between them.
const AddressAnnotation = "tierwall.dev/lab-address"

// Sync makes the lab follow the API until ctx ends, as the kubelets and the
// scheduler of a cluster would: it registers the nodes, binds pods that have no
// node to one (in turn), gives each pod of a lab's node its namespace, addresses
// and process, reports that in its status, and finishes the deletion of pods.
// A pod listens on the ports of its containers and on Options.PodPorts. Nothing
// else of a container is run. A pod whose spec.hostNetwork is set is the node.
//
// Addresses are given in the order in which pods are seen. A pod that has
// addresses in its status already, from an earlier run of the lab, keeps them
// where they are free.
//
// Pods with spec.nodeName of an unknown node are left alone. While Sync runs,
// add and remove pods through the API and not with AddPod and RemovePod. The
// error is of the first steps: later ones are logged and repeated.
func (l *Lab) Sync(ctx context.Context, client kubernetes.Interface) error {
	k := newKubelet(l, client)
	for _, m := range k.nodes {
		if err := k.registerNode(ctx, m); err != nil {
			return err
		}
	}
	shared := informers.NewSharedInformerFactory(client, 0)
	k.pods = shared.Core().V1().Pods().Lister()
	if err := k.watch(ctx, shared); err != nil {
		return err
	}
	shared.Start(ctx.Done())
	var workers sync.WaitGroup
	for range parallel {
		workers.Go(func() { k.work(ctx) })
	}
	<-ctx.Done()
	k.queue.ShutDown()
	workers.Wait()
	shared.Shutdown()
	return nil
}

// kubelet is one run of Sync.
type kubelet struct {
	lab    *Lab
	client kubernetes.Interface
	nodes  []*machine // in the order of the spec
	queue  workqueue.TypedRateLimitingInterface[string]
	pods   corelisters.PodLister

	mu   sync.Mutex
	next int              // the node whose turn it is
	held map[string]*held // by ref
}

// held is a pod of the API that has, or is to have, a place in the lab. The
// worker that has its key from the queue is the only one to use it.
type held struct {
	uid  types.UID
	node string
	pod  *pod // nil until addresses could be reserved
	// running is set when the pod's process answers.
	running bool
}

func newKubelet(l *Lab, client kubernetes.Interface) *kubelet {
	k := &kubelet{
		lab: l, client: client, held: map[string]*held{},
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](20*time.Millisecond, 2*time.Second)),
	}
	for _, m := range l.sortedMachines() {
		if len(m.pods.cidrs) > 0 {
			k.nodes = append(k.nodes, m)
		}
	}
	return k
}

// watch takes up changes of pods and nodes.
func (k *kubelet) watch(ctx context.Context, shared informers.SharedInformerFactory) error {
	pods := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { k.seen(o.(*corev1.Pod)) },
		UpdateFunc: func(_, o any) { k.seen(o.(*corev1.Pod)) },
		DeleteFunc: func(o any) {
			if key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(o); err == nil {
				k.queue.Add(key)
			}
		},
	}
	nodes := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { k.nodeSeen(ctx, o.(*corev1.Node)) },
		UpdateFunc: func(_, o any) { k.nodeSeen(ctx, o.(*corev1.Node)) },
	}
	if _, err := shared.Core().V1().Pods().Informer().AddEventHandler(pods); err != nil {
		return fmt.Errorf("watch pods: %w", err)
	}
	if _, err := shared.Core().V1().Nodes().Informer().AddEventHandler(nodes); err != nil {
		return fmt.Errorf("watch nodes: %w", err)
	}
	return nil
}

// seen gives a pod its place at once, in the order in which pods are seen, and
// leaves the slow rest to the workers.
func (k *kubelet) seen(p *corev1.Pod) {
	k.place(p)
	k.queue.Add(podRef(p))
}

// podRef is the pod's key in the queue and its Ref in the lab.
func podRef(p *corev1.Pod) string { return p.Namespace + "/" + p.Name }

// lives reports whether the pod should have a place in the lab.
func lives(p *corev1.Pod) bool {
	return p.DeletionTimestamp == nil && p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed
}

// place chooses the pod's node. It does nothing for a pod that has a place, and
// where a pod of that name still has to go.
func (k *kubelet) place(p *corev1.Pod) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.held[podRef(p)] != nil || !lives(p) {
		return
	}
	node := p.Spec.NodeName
	if node == "" && len(k.nodes) > 0 {
		node = k.nodes[k.next%len(k.nodes)].name()
		k.next++
	}
	if k.lab.machines["node:"+node] == nil {
		return
	}
	h := &held{uid: p.UID, node: node}
	k.held[podRef(p)] = h
	if !p.Spec.HostNetwork {
		h.pod, _ = k.reserve(p, node) // an error is met again, and reported, by the worker
	}
}

// get is what is held under a key, or nil.
func (k *kubelet) get(key string) *held {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.held[key]
}

// work takes keys until the queue ends.
func (k *kubelet) work(ctx context.Context) {
	for {
		key, done := k.queue.Get()
		if done {
			return
		}
		err := k.sync(ctx, key)
		switch {
		case err == nil:
			k.queue.Forget(key)
		case ctx.Err() == nil:
			k.lab.options.Log.Warn("pod", "pod", key, "error", err)
			k.queue.AddRateLimited(key)
		}
		k.queue.Done(key)
	}
}

// name is the node's name in the API.
func (m *machine) name() string { return m.ref[len("node:"):] }

// containerPorts is what a pod listens on: the ports of its containers, and
// those that all pods of the lab have.
func (k *kubelet) containerPorts(p *corev1.Pod) []Port {
	out := slices.Clone(k.lab.options.PodPorts)
	for _, c := range p.Spec.Containers {
		for _, port := range c.Ports {
			listen, ok := listenPort(port)
			if ok && !slices.Contains(out, listen) {
				out = append(out, listen)
			}
		}
	}
	return out
}
