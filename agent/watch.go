package agent

import (
	"context"
	"fmt"
	"log/slog"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/translate"
)

// update is what the API said: changes, or that a kind has been listed.
type update struct {
	changes  []model.Change
	problems []model.Problem
	// versions are the resource versions of the objects of changes; empty for
	// one that is gone.
	versions map[model.Key]string
	listed   string
}

func newUpdate() update { return update{versions: map[model.Key]string{}} }

// source is one kind of object that is watched.
type source struct {
	name   string
	client rest.Interface
	object runtime.Object
}

// sources returns every kind that policy depends on.
func sources(config *rest.Config) ([]source, error) {
	core, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("client for the API server: %w", err)
	}
	policies, err := policyClient(config)
	if err != nil {
		return nil, err
	}
	v1 := core.CoreV1().RESTClient()
	return []source{
		{"namespaces", v1, &corev1.Namespace{}},
		{"serviceaccounts", v1, &corev1.ServiceAccount{}},
		{"nodes", v1, &corev1.Node{}},
		{"pods", v1, &corev1.Pod{}},
		{"networkpolicies", core.NetworkingV1().RESTClient(), &networkingv1.NetworkPolicy{}},
		{"endpointslices", core.DiscoveryV1().RESTClient(), &discoveryv1.EndpointSlice{}},
		{"tiers", policies, &v3.Tier{}},
		{"networkpolicies", policies, &v3.NetworkPolicy{}},
		{"globalnetworkpolicies", policies, &v3.GlobalNetworkPolicy{}},
		{"networksets", policies, &v3.NetworkSet{}},
		{"globalnetworksets", policies, &v3.GlobalNetworkSet{}},
		{"hostendpoints", policies, &v3.HostEndpoint{}},
		{"profiles", policies, &v3.Profile{}},
	}, nil
}

// policyClient is a typed REST client for projectcalico.org/v3.
func policyClient(config *rest.Config) (rest.Interface, error) {
	scheme := runtime.NewScheme()
	if err := v3.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("types of %s: %w", v3.GroupVersion, err)
	}
	c := rest.CopyConfig(config)
	c.GroupVersion = &v3.GroupVersion
	c.APIPath = "/apis"
	c.ContentType = runtime.ContentTypeJSON
	c.AcceptContentTypes = runtime.ContentTypeJSON
	c.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	client, err := rest.RESTClientFor(c)
	if err != nil {
		return nil, fmt.Errorf("client for %s: %w", v3.GroupVersion, err)
	}
	return client, nil
}

// watch follows all sources until the context ends and sends what they say.
func watch(ctx context.Context, all []source, updates chan<- update, log *slog.Logger) {
	for _, s := range all {
		sink := &sink{ctx: ctx, updates: updates, known: map[model.Key]bool{}, name: fmt.Sprintf("%T", s.object)}
		lw := cache.NewListWatchFromClient(s.client, s.name, "", fields.Everything())
		r := cache.NewReflectorWithOptions(lw, s.object, sink, cache.ReflectorOptions{Name: sink.name})
		go r.RunWithContext(ctx)
	}
	log.Info("watching the API", "kinds", len(all))
}

// sink is the store that a reflector fills. It keeps no objects, only their
// keys, so that what was deleted while the API was away is found at the next
// list.
type sink struct {
	ctx     context.Context
	updates chan<- update
	known   map[model.Key]bool
	name    string
}

func (s *sink) send(u update) {
	select {
	case s.updates <- u:
	case <-s.ctx.Done():
	}
}

// Add implements cache.ReflectorStore.
func (s *sink) Add(o any) error { return s.Update(o) }

// Update implements cache.ReflectorStore.
func (s *sink) Update(o any) error {
	u := newUpdate()
	s.put(&u, o)
	s.send(u)
	return nil
}

// Delete implements cache.ReflectorStore.
func (s *sink) Delete(o any) error {
	if key, ok := translate.Key(o); ok {
		u := newUpdate()
		s.drop(&u, key)
		s.send(u)
	}
	return nil
}

// Replace implements cache.ReflectorStore: a fresh list. What is known and not
// in it is deleted; all that is in one update, so that nothing is enforced
// between.
func (s *sink) Replace(list []any, _ string) error {
	u := newUpdate()
	u.listed = s.name
	gone := s.known
	s.known = make(map[model.Key]bool, len(list))
	for _, o := range list {
		s.put(&u, o)
	}
	for key := range gone {
		if !s.known[key] {
			s.drop(&u, key)
		}
	}
	s.send(u)
	return nil
}

// Resync implements cache.ReflectorStore.
func (s *sink) Resync() error { return nil }

func (s *sink) put(u *update, o any) {
	key, ok := translate.Key(o)
	if !ok {
		return
	}
	s.known[key] = true
	u.versions[key] = o.(metav1.Object).GetResourceVersion()
	object, problems := translate.Object(o)
	u.problems = append(u.problems, problems...)
	u.changes = append(u.changes, model.Change{Key: key, Object: object})
}

func (s *sink) drop(u *update, key model.Key) {
	delete(s.known, key)
	u.versions[key] = ""
	u.changes = append(u.changes, model.Delete(key))
}
