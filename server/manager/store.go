package manager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/manifest"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/report"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/translate"
)

// snapshot is what was known at one moment. It is not changed after it was
// made.
type snapshot struct {
	// version counts the changes since the start.
	version int64
	state   *model.State
	// problems are what is wrong with single objects, by Kind/namespace/name.
	problems map[string][]model.Problem
}

// store follows the API server with the server's own rights. What of it a user
// gets to see is decided in view.go.
type store struct {
	log    *slog.Logger
	client dynamic.Interface
	probe  rest.Interface
	// namespace is where the server publishes what nodes told.
	namespace string

	mu       sync.Mutex
	state    *model.State
	problems map[string][]model.Problem
	learned  learned // what nodes told of domain names
	version  int64
	current  *snapshot // of version, or nil
	// programmed is what the policies' status says, by Kind/namespace/name; it is
	// in no snapshot, since nothing else follows from it.
	programmed map[string]Programmed
	// published is the same of policies whose kind has no status, and generations
	// what those are at.
	published   map[string]report.Policy
	generations map[string]int64
	listed      map[string]bool // kinds whose first list has come
	seen        time.Time       // when the API server last answered
	away        string          // why it does not; empty if it does
	waiting     map[chan change]bool

	engineMu sync.Mutex
	engine   *compile.Compiler // of the whole state
	queue    []model.Change    // not yet in engine; guarded by mu
	tables   *table.Tables     // guarded by engineMu
	tablesOf int64
}

// change is what listeners are told.
type change struct {
	kind string // empty for away and back
}

func newStore(config *rest.Config, namespace string, log *slog.Logger) (*store, error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("client for the API server: %w", err)
	}
	core, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("client for the API server: %w", err)
	}
	return &store{
		log: log, client: client, namespace: namespace, probe: core.Discovery().RESTClient(), state: model.NewState(), problems: map[string][]model.Problem{},
		programmed: map[string]Programmed{}, generations: map[string]int64{}, listed: map[string]bool{}, waiting: map[chan change]bool{}, engine: compile.New(compile.Options{}), tablesOf: -1,
	}, nil
}

// resourceOf is what a kind is called in URLs.
func resourceOf(k manifest.Kind) schema.GroupVersionResource {
	gv, err := schema.ParseGroupVersion(k.APIVersion)
	if err != nil { // the kinds are constants
		return schema.GroupVersionResource{}
	}
	return gv.WithResource(k.Plural)
}

// run follows the API server until the context ends.
func (s *store) run(ctx context.Context) {
	var all sync.WaitGroup
	for _, k := range manifest.Kinds() {
		r := s.client.Resource(resourceOf(k))
		lw := &cache.ListWatch{
			ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
				list, err := r.List(ctx, o)
				if apierrors.IsNotFound(err) { // a kind that the cluster does not have
					return &unstructured.UnstructuredList{}, nil
				}
				return list, err
			},
			WatchFuncWithContext: r.Watch,
		}
		reflector := cache.NewReflectorWithOptions(lw, &unstructured.Unstructured{}, &sink{store: s, kind: k, known: map[model.Key]heard{}},
			cache.ReflectorOptions{Name: "manager " + k.Name})
		all.Go(func() { reflector.RunWithContext(ctx) })
	}
	all.Go(func() { s.watchServer(ctx) })
	all.Go(func() { s.follow(ctx, report.DomainsConfigMap, report.DomainsKey, s.learnText) })
	all.Go(func() { s.follow(ctx, report.PoliciesConfigMap, report.PoliciesKey, s.publish) })
	all.Wait()
}

// probeEvery is how often the API server is asked whether it is there.
const probeEvery = time.Second

func (s *store) watchServer(ctx context.Context) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		attempt, cancel := context.WithTimeout(ctx, 3*time.Second)
		err := s.probe.Get().AbsPath("/version").Do(attempt).Error()
		cancel()
		s.answered(err)
		s.catchUp()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// maxQueue is how many changes may wait for somebody to ask.
const maxQueue = 5000

// catchUp brings the compiler up to date if nobody has asked for long.
func (s *store) catchUp() {
	s.mu.Lock()
	long := len(s.queue) > maxQueue
	s.mu.Unlock()
	if !long {
		return
	}
	s.engineMu.Lock()
	defer s.engineMu.Unlock()
	s.mu.Lock()
	queue := s.queue
	s.queue = nil
	s.mu.Unlock()
	s.engine.Apply(queue...)
	s.tables, s.tablesOf = nil, -1
}

// answered takes note of whether the API server is there.
func (s *store) answered(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.away
	switch {
	case err == nil || apierrors.ReasonForError(err) != metav1.StatusReasonUnknown:
		s.seen, s.away = time.Now(), ""
	case errors.Is(err, context.Canceled):
		return
	default:
		s.away = "the API server does not answer: " + err.Error()
	}
	if (before == "") != (s.away == "") {
		s.log.Info("the API server is away or back", "away", s.away)
		s.tell(change{})
	}
}

// ready reports whether every kind has been listed once.
func (s *store) ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.listed) == len(manifest.Kinds())
}

// asOf says when the API server was last known to be there, and why it is not.
func (s *store) asOf() (time.Time, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away == "" && len(s.listed) < len(manifest.Kinds()) {
		return s.seen, "not everything has been read yet"
	}
	return s.seen, s.away
}

// at returns the version of the state as it is.
func (s *store) at() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

// now returns the present snapshot.
func (s *store) now() *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nowLocked()
}

func (s *store) nowLocked() *snapshot {
	if s.current == nil {
		s.current = &snapshot{version: s.version, state: s.state.Clone(), problems: maps.Clone(s.problems)}
	}
	return s.current
}

// compiled calls f with the compiler of the whole state, brought up to date, and
// with its tables and the state that they are of. Nobody else uses the compiler
// meanwhile; f leaves it as it was.
func (s *store) compiled(f func(c *compile.Compiler, t *table.Tables, snap *snapshot)) {
	s.engineMu.Lock()
	defer s.engineMu.Unlock()
	s.mu.Lock()
	snap, queue := s.nowLocked(), s.queue
	s.queue = nil
	s.mu.Unlock()
	if len(queue) > 0 {
		s.engine.Apply(queue...)
	}
	if s.tablesOf != snap.version {
		s.tables, s.tablesOf = s.engine.Tables(), snap.version
	}
	f(s.engine, s.tables, snap)
}

// listen returns a channel on which changes come, until stop is called. Who
// does not read misses some, and is told so by a full channel.
func (s *store) listen() (<-chan change, func()) {
	c := make(chan change, 64)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting[c] = true
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.waiting, c)
	}
}

// tell is called with mu held.
func (s *store) tell(c change) {
	for w := range s.waiting {
		select {
		case w <- c:
		default:
		}
	}
}

// apply makes what one kind says part of the state.
func (s *store) apply(kind manifest.Kind, changes []model.Change, problems map[string][]model.Problem, listed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Apply(changes...)
	s.queue = append(s.queue, changes...)
	for _, c := range changes {
		if c.Object == nil {
			delete(s.programmed, nameOf(c.Key))
			delete(s.generations, nameOf(c.Key))
		}
	}
	for object, p := range problems {
		if len(p) == 0 {
			delete(s.problems, object)
		} else {
			s.problems[object] = p
		}
	}
	if listed {
		s.listed[kind.Name] = true
	}
	s.version++
	s.current = nil
	s.tell(change{kind: kind.Name})
}

// sink is the store of one reflector.
type sink struct {
	store *store
	kind  manifest.Kind
	known map[model.Key]heard
}

// heard is what one object said last.
type heard struct {
	name     string // in Problems
	object   model.Object
	problems []model.Problem
}

// translated returns what an object is in a state. changed is false if it is
// what it was: of pods and policies it is mostly the status that changes.
func (k *sink) translated(o any) (key model.Key, now heard, changed bool) {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return key, now, false
	}
	typed := k.kind.New()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, typed); err != nil {
		k.store.log.Warn("an object cannot be read", "object", u.GetName(), "error", err)
		return key, now, false
	}
	if key, ok = translate.Key(typed); !ok {
		return key, now, false
	}
	now.name = strings.Join([]string{k.kind.Name, u.GetNamespace(), u.GetName()}, "/")
	now.object, now.problems = translate.Object(typed)
	before, had := k.known[key]
	return key, now, !had || !reflect.DeepEqual(before, now)
}

// Add implements cache.ReflectorStore.
func (k *sink) Add(o any) error { return k.Update(o) }

// Update implements cache.ReflectorStore.
func (k *sink) Update(o any) error {
	if key, now, changed := k.translated(o); changed {
		k.known[key] = now
		k.store.apply(k.kind, []model.Change{{Key: key, Object: now.object}}, map[string][]model.Problem{now.name: now.problems}, false)
	}
	k.store.program(k.kind, o)
	return nil
}

// Delete implements cache.ReflectorStore.
func (k *sink) Delete(o any) error {
	if key, now, _ := k.translated(o); now.name != "" {
		delete(k.known, key)
		k.store.apply(k.kind, []model.Change{model.Delete(key)}, map[string][]model.Problem{now.name: nil}, false)
	}
	return nil
}

// Replace implements cache.ReflectorStore: a fresh list.
func (k *sink) Replace(list []any, _ string) error {
	gone := maps.Clone(k.known)
	problems := map[string][]model.Problem{}
	var changes []model.Change
	for _, o := range list {
		key, now, changed := k.translated(o)
		delete(gone, key)
		if changed {
			k.known[key] = now
			problems[now.name] = now.problems
			changes = append(changes, model.Change{Key: key, Object: now.object})
		}
	}
	for key, was := range gone {
		delete(k.known, key)
		problems[was.name] = nil
		changes = append(changes, model.Delete(key))
	}
	k.store.apply(k.kind, changes, problems, true)
	for _, o := range list {
		k.store.program(k.kind, o)
	}
	return nil
}

// Resync implements cache.ReflectorStore.
func (k *sink) Resync() error { return nil }

// kindNamed finds a kind by the name that Problems give it.
func kindNamed(name string) (manifest.Kind, bool) {
	all := manifest.Kinds()
	i := slices.IndexFunc(all, func(k manifest.Kind) bool { return k.Name == name })
	if i < 0 {
		return manifest.Kind{}, false
	}
	return all[i], true
}
