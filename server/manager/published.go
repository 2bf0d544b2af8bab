package manager

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// follow follows one text that the server publishes in a ConfigMap, which may be
// another process than this one. take gets it, and an empty one if it is not there.
func (s *store) follow(ctx context.Context, name, key string, take func(text string) error) {
	r := s.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Namespace(s.namespace)
	only := fields.OneTermEqualSelector(metav1.ObjectNameField, name).String()
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.FieldSelector = only
			return r.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.FieldSelector = only
			return r.Watch(ctx, o)
		},
	}
	cache.NewReflectorWithOptions(lw, &unstructured.Unstructured{}, s.textSink(name, key, take), cache.ReflectorOptions{Name: "manager " + name}).RunWithContext(ctx)
}

// textSink makes the store of the reflector. What cannot be read leaves what was
// known.
func (s *store) textSink(name, key string, take func(text string) error) textSink {
	return textSink{key, func(text string) {
		if err := take(text); err != nil {
			s.log.Warn("what the server published cannot be read", "configmap", s.namespace+"/"+name, "error", err)
		}
	}}
}

type textSink struct {
	key  string
	take func(text string)
}

// Add implements cache.ReflectorStore.
func (k textSink) Add(o any) error { return k.Update(o) }

// Update implements cache.ReflectorStore.
func (k textSink) Update(o any) error {
	if u, ok := o.(*unstructured.Unstructured); ok {
		text, _, _ := unstructured.NestedString(u.Object, "data", k.key)
		k.take(text)
	}
	return nil
}

// Delete implements cache.ReflectorStore.
func (k textSink) Delete(any) error {
	k.take("")
	return nil
}

// Replace implements cache.ReflectorStore.
func (k textSink) Replace(list []any, _ string) error {
	if len(list) == 0 {
		return k.Delete(nil)
	}
	return k.Update(list[0])
}

// Resync implements cache.ReflectorStore.
func (k textSink) Resync() error { return nil }
