package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/netip"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// pods are the node's. Each has a lock of its own, under which it is started
// and stopped, so that one does not wait for another.
type pods struct {
	settings
	client kubernetes.Interface

	mu      sync.Mutex
	running map[types.UID]*pod
	locks   map[types.UID]*sync.Mutex
	taken   map[netip.Addr]bool
}

func newPods(s settings, client kubernetes.Interface) *pods {
	return &pods{settings: s, client: client, running: map[types.UID]*pod{}, locks: map[types.UID]*sync.Mutex{}, taken: map[netip.Addr]bool{}}
}

// run follows the API until the context ends, and then stops every pod.
func (p *pods) run(ctx context.Context) {
	changed := func(o any) { go p.sync(ctx, o.(*corev1.Pod)) }
	_, controller := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: cache.NewListWatchFromClient(p.client.CoreV1().RESTClient(), "pods", metav1.NamespaceAll,
			fields.OneTermEqualSelector("spec.nodeName", p.node)),
		ObjectType: &corev1.Pod{},
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    changed,
			UpdateFunc: func(_, o any) { changed(o) },
			DeleteFunc: func(o any) {
				if last, ok := o.(cache.DeletedFinalStateUnknown); ok {
					o = last.Obj
				}
				go p.gone(o.(*corev1.Pod).UID)
			},
		},
	})
	controller.Run(ctx.Done())
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.running {
		if err := one.stop(); err != nil {
			log.Print("stop: ", err)
		}
	}
}

// lock takes the lock of a pod and returns what gives it back.
func (p *pods) lock(uid types.UID) func() {
	p.mu.Lock()
	l := p.locks[uid]
	if l == nil {
		l = &sync.Mutex{}
		p.locks[uid] = l
	}
	p.mu.Unlock()
	l.Lock()
	return l.Unlock
}

func (p *pods) find(uid types.UID) *pod {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running[uid]
}

func (p *pods) sync(ctx context.Context, o *corev1.Pod) {
	defer p.lock(o.UID)()
	switch {
	case o.DeletionTimestamp != nil:
		p.end(o.UID)
		now := int64(0)
		err := p.client.CoreV1().Pods(o.Namespace).Delete(ctx, o.Name, metav1.DeleteOptions{
			GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &o.UID},
		})
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			log.Printf("delete %s/%s: %v", o.Namespace, o.Name, err)
		}
	case p.find(o.UID) == nil && o.Status.Phase == corev1.PodPending:
		if err := p.begin(ctx, o); err != nil {
			log.Printf("start %s/%s: %v", o.Namespace, o.Name, err)
		}
	}
}

func (p *pods) gone(uid types.UID) {
	defer p.lock(uid)()
	p.end(uid)
}

// begin makes a pod, and tells the API of it when its processes run.
func (p *pods) begin(ctx context.Context, o *corev1.Pod) error {
	one := &pod{root: p.root, started: metav1.Now(), address: p.address}
	if !o.Spec.HostNetwork {
		if err := p.place(one); err != nil {
			return err
		}
		if err := one.wire(); err != nil {
			return err
		}
	}
	p.mu.Lock()
	p.running[o.UID] = one
	p.mu.Unlock()
	if err := one.start(o, p.settings.address); err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{"status": one.status(o, p.settings.address)})
	if err != nil {
		return err
	}
	_, err = p.client.CoreV1().Pods(o.Namespace).Patch(ctx, o.Name, types.StrategicMergePatchType, body, metav1.PatchOptions{}, "status")
	return err
}

func (p *pods) end(uid types.UID) {
	p.mu.Lock()
	one := p.running[uid]
	delete(p.running, uid)
	p.mu.Unlock()
	if one == nil {
		return
	}
	if err := one.stop(); err != nil {
		log.Print("stop: ", err)
	}
	p.mu.Lock()
	delete(p.taken, one.address)
	p.mu.Unlock()
}

// place gives a pod the first address that is free, from .2 on.
func (p *pods) place(one *pod) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for a := p.pool.Addr().Next().Next(); p.pool.Contains(a.Next()); a = a.Next() {
		if !p.taken[a] {
			p.taken[a] = true
			last := a.As4()[3]
			one.address, one.link = a, fmt.Sprintf("pod%d", last)
			one.namespace = fmt.Sprintf("%s-pod%d", p.node, last)
			return nil
		}
	}
	return errors.New("no address is free")
}
