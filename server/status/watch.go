package status

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"
	policyv1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	v3 "github.com/tierwall/tierwall/api/v3"
)

// nodes is the kind of nodes.
const nodes = "Node"

// follow fills the board with the objects of a kind until the context ends.
func (s *Status) follow(ctx context.Context, kind string, lw cache.ListerWatcher, o runtime.Object) {
	r := cache.NewReflectorWithOptions(lw, o, &sink{status: s, kind: kind, known: map[string]bool{}}, cache.ReflectorOptions{Name: "status of " + kind})
	go r.RunWithContext(ctx)
}

// sink is the store that a reflector fills.
type sink struct {
	status *Status
	kind   string
	known  map[string]bool
}

// Transformer implements cache.TransformingStore: of an object, what names it
// and its conditions are enough.
func (s *sink) Transformer() cache.TransformFunc {
	return func(o any) (any, error) { return slim(o), nil }
}

// Add implements cache.ReflectorStore.
func (s *sink) Add(o any) error { return s.Update(o) }

// Update implements cache.ReflectorStore.
func (s *sink) Update(o any) error {
	s.status.mu.Lock()
	defer s.status.mu.Unlock()
	s.put(o)
	s.done()
	return nil
}

// Delete implements cache.ReflectorStore.
func (s *sink) Delete(o any) error {
	s.status.mu.Lock()
	defer s.status.mu.Unlock()
	if m, ok := o.(metav1.Object); ok {
		s.drop(keyOf(s.kind, m))
	}
	s.done()
	return nil
}

// Replace implements cache.ReflectorStore.
func (s *sink) Replace(list []any, _ string) error {
	s.status.mu.Lock()
	defer s.status.mu.Unlock()
	gone := s.known
	s.known = map[string]bool{}
	for _, o := range list {
		s.put(o)
	}
	for key := range gone {
		if !s.known[key] {
			s.drop(key)
		}
	}
	s.status.listed[s.kind] = true
	s.done()
	return nil
}

// Resync implements cache.ReflectorStore.
func (s *sink) Resync() error { return nil }

// done passes on what was put and dropped.
func (s *sink) done() {
	if s.kind == nodes {
		names := make(map[string]bool, len(s.known))
		for key := range s.known {
			names[key] = true
		}
		s.status.board.putNodes(names)
	}
	s.status.stir()
}

func (s *sink) put(o any) {
	m := slim(o)
	if m == nil {
		return
	}
	s.known[keyOf(s.kind, m)] = true
	if s.kind != nodes {
		s.status.board.putPolicy(s.kind, m, m.conditions)
	}
}

func (s *sink) drop(key string) {
	delete(s.known, key)
	if s.kind != nodes {
		s.status.board.dropPolicy(key)
		if _, ok := s.status.shown[key]; ok {
			delete(s.status.shown, key)
			s.status.shownNew = true
		}
	}
}

func keyOf(kind string, m metav1.Object) string {
	if kind == nodes {
		return m.GetName()
	}
	return kind + "/" + m.GetNamespace() + "/" + m.GetName()
}

// thin is what is kept of an object.
type thin struct {
	metav1.ObjectMeta
	conditions []metav1.Condition
}

func slim(o any) *thin {
	if t, ok := o.(*thin); ok {
		return t
	}
	m, ok := o.(metav1.Object)
	if !ok {
		return nil
	}
	t := &thin{ObjectMeta: metav1.ObjectMeta{Namespace: m.GetNamespace(), Name: m.GetName(), UID: m.GetUID(),
		ResourceVersion: m.GetResourceVersion(), Generation: m.GetGeneration()}}
	switch o := o.(type) {
	case *v3.NetworkPolicy:
		t.conditions = o.Status.Conditions
	case *v3.GlobalNetworkPolicy:
		t.conditions = o.Status.Conditions
	case *policyv1alpha2.ClusterNetworkPolicy:
		t.conditions = o.Status.Conditions
	}
	return t
}
