package agent

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	policyv1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/translate"
)

// update is what the API said: changes, or that a kind has been listed.
type update struct {
	changes  []model.Change
	problems []model.Problem
	// versions are the resource versions of the objects of changes; empty for
	// one that is gone, nil if nobody asks for them.
	versions map[model.Key]string
	listed   string
	// kind and version are how far the API has told of a kind of policy that has
	// a status; changed says that this is more than a change of status.
	kind, version string
	changed       bool
}

// at notes the version of an object; empty for one that is gone.
func (u *update) at(key model.Key, version string) {
	if u.versions != nil {
		u.versions[key] = version
	}
}

// source is one kind of object that is watched.
type source struct {
	name   string
	client rest.Interface
	object runtime.Object
	// optional kinds need not be served: as long as they are not, there are
	// none, and it is asked again now and then.
	optional bool
}

// sources returns every kind that policy depends on.
func sources(config *rest.Config) ([]source, error) {
	fast := rest.CopyConfig(config)
	fast.ContentType = runtime.ContentTypeProtobuf // a fraction of the work and the memory of JSON
	fast.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	core, err := kubernetes.NewForConfig(fast)
	if err != nil {
		return nil, fmt.Errorf("client for the API server: %w", err)
	}
	policies, err := policyClient(config, v3.GroupVersion, v3.AddToScheme)
	if err != nil {
		return nil, err
	}
	cluster, err := policyClient(config, schema.GroupVersion(policyv1alpha2.GroupVersion), policyv1alpha2.Install)
	if err != nil {
		return nil, err
	}
	v1 := core.CoreV1().RESTClient()
	return []source{
		{name: "namespaces", client: v1, object: &corev1.Namespace{}},
		{name: "serviceaccounts", client: v1, object: &corev1.ServiceAccount{}},
		{name: "nodes", client: v1, object: &corev1.Node{}},
		{name: "pods", client: v1, object: &corev1.Pod{}},
		{name: "networkpolicies", client: core.NetworkingV1().RESTClient(), object: &networkingv1.NetworkPolicy{}},
		{name: "endpointslices", client: core.DiscoveryV1().RESTClient(), object: &discoveryv1.EndpointSlice{}},
		{name: "tiers", client: policies, object: &v3.Tier{}},
		{name: "networkpolicies", client: policies, object: &v3.NetworkPolicy{}},
		{name: "globalnetworkpolicies", client: policies, object: &v3.GlobalNetworkPolicy{}},
		{name: "networksets", client: policies, object: &v3.NetworkSet{}},
		{name: "globalnetworksets", client: policies, object: &v3.GlobalNetworkSet{}},
		{name: "hostendpoints", client: policies, object: &v3.HostEndpoint{}},
		{name: "profiles", client: policies, object: &v3.Profile{}},
		{name: "felixconfigurations", client: policies, object: &v3.FelixConfiguration{}},
		{name: "clusternetworkpolicies", client: cluster, object: &policyv1alpha2.ClusterNetworkPolicy{}, optional: true},
	}, nil
}

// policyClient is a typed REST client for the kinds of a group.
func policyClient(config *rest.Config, group schema.GroupVersion, install func(*runtime.Scheme) error) (rest.Interface, error) {
	scheme := runtime.NewScheme()
	if err := install(scheme); err != nil {
		return nil, fmt.Errorf("types of %s: %w", group, err)
	}
	c := rest.CopyConfig(config)
	c.GroupVersion = &group
	c.APIPath = "/apis"
	c.ContentType = runtime.ContentTypeJSON
	c.AcceptContentTypes = runtime.ContentTypeJSON
	c.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	client, err := rest.RESTClientFor(c)
	if err != nil {
		return nil, fmt.Errorf("client for %s: %w", group, err)
	}
	return client, nil
}

// watchAPI follows all sources until the context ends and sends what they say, with
// the versions of the objects if somebody may ask for them.
func watchAPI(ctx context.Context, all []source, updates chan<- update, versions bool, log *slog.Logger) {
	// client-go would print a line for each kind and attempt: ours is enough
	quiet := klog.NewContext(ctx, logr.Discard())
	api := &answers{log: log, failing: map[string]bool{}}
	for _, s := range all {
		sink := &sink{ctx: ctx, updates: updates, known: map[model.Key]int64{}, name: fmt.Sprintf("%T", s.object), kind: statusKind(s.object), versions: versions}
		lw := cache.NewListWatchFromClient(s.client, s.name, "", fields.Everything())
		if s.optional {
			lw.ListWithContextFunc = orNone(lw.ListWithContextFunc, s.name, log)
		}
		api.listen(lw, s.name)
		r := cache.NewReflectorWithOptions(lw, s.object, sink, cache.ReflectorOptions{Name: sink.name})
		go r.RunWithContext(quiet)
	}
	log.Info("watching the API", "kinds", len(all))
}

// answers says when the API ceases to answer, and when it does again.
type answers struct {
	log     *slog.Logger
	mu      sync.Mutex
	failing map[string]bool
}

// listen hears what comes of asking for a kind.
func (a *answers) listen(lw *cache.ListWatch, kind string) {
	list, follow := lw.ListWithContextFunc, lw.WatchFuncWithContext
	lw.ListWithContextFunc = func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		all, err := list(ctx, o)
		a.note(ctx, kind, err)
		return all, err
	}
	lw.WatchFuncWithContext = func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
		w, err := follow(ctx, o)
		a.note(ctx, kind, err)
		return w, err
	}
}

// note logs the first failure of many, and the first success after the last.
func (a *answers) note(ctx context.Context, kind string, err error) {
	if ctx.Err() != nil || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) || apierrors.IsNotFound(err) {
		return // asked again with another version, or in another way
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	before := len(a.failing)
	if err == nil {
		delete(a.failing, kind)
	} else {
		a.failing[kind] = true
	}
	switch {
	case before == 0 && err != nil:
		a.log.Warn("the API server does not answer; trying again. What is enforced stays", "kind", kind, "error", err)
	case before > 0 && len(a.failing) == 0:
		a.log.Info("the API server answers again")
	}
}

// orNone lists nothing as long as the API server does not serve the kind.
func orNone(list cache.ListWithContextFunc, name string, log *slog.Logger) cache.ListWithContextFunc {
	said := false
	return func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		all, err := list(ctx, o)
		if !apierrors.IsNotFound(err) {
			said = false
			return all, err
		}
		if !said {
			log.Info("the API server does not serve a kind of policy; it is taken as having none", "kind", name)
			said = true
		}
		return &metav1.List{}, nil
	}
}

// sink is the store that a reflector fills. It keeps no objects, only their
// keys, so that what was deleted while the API was away is found at the next
// list.
type sink struct {
	ctx     context.Context
	updates chan<- update
	// known are the objects' generations.
	known map[model.Key]int64
	name  string
	// kind is that of policies that have a status; empty for others.
	kind string
	// versions says that somebody may ask for the versions of objects.
	versions bool
}

// update is an empty one.
func (s *sink) update() update {
	if s.versions {
		return update{versions: map[model.Key]string{}}
	}
	return update{}
}

func (s *sink) send(u update) {
	select {
	case s.updates <- u:
	case <-s.ctx.Done():
	}
}

// statusKind is the kind of a policy of which the server tells how far the nodes
// are, as it is called in reports; empty for what has no such status.
func statusKind(o runtime.Object) string {
	switch o.(type) {
	case *v3.NetworkPolicy:
		return translate.KindNetworkPolicy
	case *v3.GlobalNetworkPolicy:
		return translate.KindGlobalNetworkPolicy
	case *networkingv1.NetworkPolicy:
		return translate.KindKubernetesNetworkPolicy
	case *policyv1alpha2.ClusterNetworkPolicy:
		return translate.KindClusterNetworkPolicy
	}
	return ""
}

// taken is what is kept of an API object: what it means for policy, without the
// managed fields, specs and statuses that make up most of it.
type taken struct {
	metav1.ObjectMeta // namespace, name, resource version and generation only
	key               model.Key
	object            model.Object
	problems          []model.Problem
}

// takeIn translates an object of a kind that is read, and drops the rest of it.
func takeIn(o any) (any, error) {
	m, ok := o.(metav1.Object)
	key, read := translate.Key(o)
	if !ok || !read {
		return o, nil
	}
	t := &taken{ObjectMeta: metav1.ObjectMeta{Namespace: m.GetNamespace(), Name: m.GetName(), ResourceVersion: m.GetResourceVersion(), Generation: m.GetGeneration()}, key: key}
	t.object, t.problems = translate.Object(o)
	return t, nil
}

// Transformer implements cache.TransformingStore: a list comes in one object
// after the other, and none is kept whole.
func (s *sink) Transformer() cache.TransformFunc { return takeIn }

// Add implements cache.ReflectorStore.
func (s *sink) Add(o any) error { return s.Update(o) }

// Update implements cache.ReflectorStore.
func (s *sink) Update(o any) error {
	u := s.update()
	s.put(&u, o)
	s.send(u)
	return nil
}

// Delete implements cache.ReflectorStore.
func (s *sink) Delete(o any) error {
	if key, ok := translate.Key(o); ok {
		u := s.update()
		s.drop(&u, key)
		if m, ok := o.(metav1.Object); ok {
			u.kind, u.version, u.changed = s.kind, m.GetResourceVersion(), true
		}
		s.send(u)
	}
	return nil
}

// Replace implements cache.ReflectorStore: a fresh list. What is known and not
// in it is deleted; all that is in one update, so that nothing is enforced
// between.
func (s *sink) Replace(list []any, version string) error {
	u := s.update()
	u.listed = s.name
	gone := s.known
	s.known = make(map[model.Key]int64, len(list))
	for _, o := range list {
		s.put(&u, o)
	}
	for key := range gone {
		if _, still := s.known[key]; !still {
			s.drop(&u, key)
		}
	}
	u.kind, u.version, u.changed = s.kind, version, true
	s.send(u)
	return nil
}

// Resync implements cache.ReflectorStore.
func (s *sink) Resync() error { return nil }

func (s *sink) put(u *update, o any) {
	t, ok := o.(*taken)
	if !ok {
		o, _ = takeIn(o)
		if t, ok = o.(*taken); !ok {
			return
		}
	}
	old, known := s.known[t.key]
	u.kind, u.version, u.changed = s.kind, t.ResourceVersion, !known || old != t.Generation
	s.known[t.key] = t.Generation
	u.at(t.key, t.ResourceVersion)
	u.problems = append(u.problems, t.problems...)
	u.changes = append(u.changes, model.Change{Key: t.key, Object: t.object})
}

func (s *sink) drop(u *update, key model.Key) {
	delete(s.known, key)
	u.at(key, "")
	u.changes = append(u.changes, model.Change{Key: key})
}
