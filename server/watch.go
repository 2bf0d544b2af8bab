package server

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	v3 "github.com/tierwall/tierwall/api/v3"
)

// event is what the API said of one kind.
type event struct {
	put  []metav1.Object
	gone []string // Kind/namespace/name
	// listed is the kind whose list this is, empty for a change: what is known
	// of the kind and not in put is gone.
	listed string
}

// watch follows every kind until the context ends.
func watch(ctx context.Context, client rest.Interface, scheme *runtime.Scheme, events chan<- event) {
	for _, k := range kinds() {
		if o, err := scheme.New(v3.GroupVersion.WithKind(k.name)); err == nil { // newScheme has them all
			watchKind(ctx, client, k.resource, k.name, o, events)
		}
	}
}

// watchNodeHosts follows what the host endpoints of nodes depend on.
func watchNodeHosts(ctx context.Context, client, core cache.Getter, events chan<- event) {
	watchKind(ctx, core, "nodes", kindNode, &corev1.Node{}, events)
	watchKind(ctx, client, hostEndpoints, v3.KindHostEndpoint, &v3.HostEndpoint{}, events)
	watchKind(ctx, client, kubeControllers, v3.KindKubeControllersConfiguration, &v3.KubeControllersConfiguration{}, events)
}

func watchKind(ctx context.Context, client cache.Getter, resource, kind string, o runtime.Object, events chan<- event) {
	lw := cache.NewListWatchFromClient(client, resource, metav1.NamespaceAll, fields.Everything())
	r := cache.NewReflectorWithOptions(lw, o, &sink{ctx: ctx, kind: kind, events: events}, cache.ReflectorOptions{Name: resource})
	go r.RunWithContext(ctx)
}

// sink is the store that a reflector fills: it hands on and keeps nothing.
type sink struct {
	ctx    context.Context
	kind   string
	events chan<- event
}

func (s *sink) send(e event) error {
	select {
	case s.events <- e:
	case <-s.ctx.Done():
	}
	return nil
}

// Add implements cache.ReflectorStore.
func (s *sink) Add(o any) error { return s.Update(o) }

// Update implements cache.ReflectorStore.
func (s *sink) Update(o any) error {
	m, ok := o.(metav1.Object)
	if !ok {
		return nil
	}
	return s.send(event{put: []metav1.Object{m}})
}

// Delete implements cache.ReflectorStore.
func (s *sink) Delete(o any) error {
	m, ok := o.(metav1.Object)
	if !ok {
		return nil
	}
	return s.send(event{gone: []string{name(m)}})
}

// Replace implements cache.ReflectorStore: a fresh list.
func (s *sink) Replace(list []any, _ string) error {
	e := event{listed: s.kind}
	for _, o := range list {
		if m, ok := o.(metav1.Object); ok {
			e.put = append(e.put, m)
		}
	}
	return s.send(e)
}

// Resync implements cache.ReflectorStore.
func (s *sink) Resync() error { return nil }
