package server

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/translate"
)

// The waits of the controller.
const (
	// settleAfter gathers changes that come together, as they do when a folder
	// of manifests is applied.
	settleAfter = 100 * time.Millisecond
	// grace is how long a tier that is being deleted is kept although nothing
	// is in it: the time for a policy that was admitted just before to arrive.
	grace = 250 * time.Millisecond
	// retryAfter is the wait after a write that did not work.
	retryAfter = time.Second
)

// entry is what the controller keeps of one object.
type entry struct {
	kind, namespace, name string
	uid                   types.UID
	version               string
	generation            int64
	tier                  string // of a policy
	problems              []model.Problem
	have                  *metav1.Condition
	key                   model.Key
	known                 bool // the state has it, under key
	finalizers            []string
	deleting              bool
	seenDeleting          time.Time
	busy                  bool      // a write is under way
	notBefore             time.Time // of the next write, after one that did not work
}

// controller decides which writes are due. Only its loop touches it.
type controller struct {
	write   func(context.Context, job) error
	log     *slog.Logger
	waiting map[string]bool
	entries map[string]*entry
	state   *model.State
	now     func() time.Time
}

func newController(write func(context.Context, job) error, log *slog.Logger) *controller {
	c := &controller{write: write, log: log, waiting: map[string]bool{}, entries: map[string]*entry{}, state: model.NewState(), now: time.Now}
	for _, k := range kinds() {
		c.waiting[k.name] = true
	}
	return c
}

// done is the outcome of a job.
type done struct {
	job job
	err error
}

// workers is how many writes are under way at once.
const workers = 4

// run is the loop. Writes go out to workers, so that a slow API server does not
// keep the loop from hearing what has changed.
func (c *controller) run(ctx context.Context, events <-chan event) {
	jobs, results := make(chan job), make(chan done)
	for range workers {
		go func() {
			for {
				select {
				case <-ctx.Done():
					return
				case j := <-jobs:
					select {
					case results <- done{j, c.write(ctx, j)}:
					case <-ctx.Done():
						return
					}
				}
			}
		}()
	}
	timer := time.NewTimer(settleAfter)
	defer timer.Stop()
	armed := true
	arm := func(d time.Duration) {
		if !armed {
			armed = true
			timer.Reset(d)
		}
	}
	var due []job
	for {
		var out chan<- job
		var next job
		if len(due) > 0 {
			out, next = jobs, due[0]
		}
		select {
		case <-ctx.Done():
			return
		case e := <-events:
			c.take(e)
			arm(settleAfter)
		case out <- next:
			due = due[1:]
		case r := <-results:
			c.finish(r)
			arm(settleAfter)
		case <-timer.C:
			armed = false
			more, again := c.settle()
			due = append(due, more...)
			if again > 0 {
				arm(again)
			}
		}
	}
}

// take notes what the API said.
func (c *controller) take(e event) {
	gone := e.gone
	if e.listed != "" {
		delete(c.waiting, e.listed)
		now := map[string]bool{}
		for _, o := range e.put {
			now[name(o)] = true
		}
		for n, old := range c.entries {
			if old.kind == e.listed && !now[n] {
				gone = append(gone, n)
			}
		}
	}
	for _, n := range gone {
		if old := c.entries[n]; old != nil {
			c.drop(old)
			delete(c.entries, n)
		}
	}
	for _, o := range e.put {
		c.put(o)
	}
}

func (c *controller) put(o metav1.Object) {
	n := name(o)
	old := c.entries[n]
	next := &entry{
		kind: kindName(o), namespace: o.GetNamespace(), name: o.GetName(), uid: o.GetUID(), version: o.GetResourceVersion(), generation: o.GetGeneration(),
		have: find(statusOf(o).Conditions, conditionType(kindName(o))), finalizers: o.GetFinalizers(), deleting: o.GetDeletionTimestamp() != nil,
	}
	next.tier, _ = tierOf(o)
	if next.deleting {
		next.seenDeleting = c.now()
	}
	if old != nil && old.uid == next.uid {
		next.busy, next.notBefore = old.busy, old.notBefore
		if old.deleting {
			next.seenDeleting = old.seenDeleting
		}
	}
	object, problems := translate.Object(o)
	next.problems = problems
	c.entries[n] = next
	if next.key, next.known = translate.Key(o); next.known {
		c.state.Apply(model.Change{Key: next.key, Object: object})
	}
}

func (c *controller) drop(e *entry) {
	if e.known {
		c.state.Apply(model.Delete(e.key))
	}
}

// finish notes what came of a write. One that did not work is tried again
// later; one whose object has changed or gone meanwhile is not: the change says
// what is due.
func (c *controller) finish(r done) {
	e := c.entries[r.job.object]
	if e == nil || e.uid != r.job.uid {
		return
	}
	e.busy = false
	switch {
	case r.err != nil && !overtaken(r.err):
		e.notBefore = c.now().Add(retryAfter)
		c.log.Warn("a write did not work; trying again", "object", r.job.object, "error", r.err, "in", retryAfter.String())
	case r.err == nil && r.job.condition != nil && e.generation == r.job.condition.ObservedGeneration:
		e.have = r.job.condition
	}
}

// settle returns the writes that are due, and when to look again if nothing
// changes before; 0 means never.
func (c *controller) settle() (due []job, again time.Duration) {
	if len(c.waiting) > 0 {
		return nil, 0
	}
	between := map[string][]model.Problem{}
	for _, p := range translate.Check(c.state) {
		between[p.Object] = append(between[p.Object], p)
	}
	tiers := map[string][]string{}
	for n, e := range c.entries {
		if e.tier != "" {
			tiers[e.tier] = append(tiers[e.tier], n)
		}
	}
	for n, e := range c.entries {
		if e.busy {
			continue
		}
		wait := e.notBefore.Sub(c.now())
		if wait <= 0 {
			j, later := c.jobFor(n, e, between[n], tiers)
			if j != nil {
				e.busy = true
				due = append(due, *j)
			}
			wait = later
		}
		if wait > 0 && (again == 0 || wait < again) {
			again = wait
		}
	}
	slices.SortFunc(due, func(a, b job) int { return cmp.Compare(a.object, b.object) })
	return due, again
}

// jobFor returns what is to be written on an object now, or when to look at it
// again.
func (c *controller) jobFor(n string, e *entry, between []model.Problem, tiers map[string][]string) (*job, time.Duration) {
	j := job{object: n, kind: e.kind, namespace: e.namespace, name: e.name, uid: e.uid, version: e.version}
	if e.kind == v3.KindTier && !e.deleting && !slices.Contains(e.finalizers, TierFinalizer) && !isBuiltin(e.name) {
		j.finalizers = append(slices.Clone(e.finalizers), TierFinalizer)
		return &j, 0
	}
	if c.releasable(e, tiers) {
		if wait := grace - c.now().Sub(e.seenDeleting); wait > 0 {
			return nil, wait
		}
		j.release = true
		j.finalizers = slices.DeleteFunc(slices.Clone(e.finalizers), func(f string) bool { return f == TierFinalizer })
		return &j, 0
	}
	want := c.wanted(n, e, between, tiers)
	if stands(e.have, want) {
		return nil, 0
	}
	want.LastTransitionTime = metav1.NewTime(c.now().Truncate(time.Second))
	if e.have != nil && e.have.Status == want.Status && !e.have.LastTransitionTime.IsZero() {
		want.LastTransitionTime = e.have.LastTransitionTime
	}
	j.condition = &want
	return &j, 0
}

// releasable reports whether a tier is being deleted and, as far as is known,
// nothing keeps it.
func (c *controller) releasable(e *entry, tiers map[string][]string) bool {
	return e.kind == v3.KindTier && e.deleting && slices.Contains(e.finalizers, TierFinalizer) && len(tiers[e.name]) == 0
}

// wanted is the condition that is to stand on an object.
func (c *controller) wanted(n string, e *entry, between []model.Problem, tiers map[string][]string) metav1.Condition {
	if e.kind == v3.KindTier && e.deleting {
		return goingTier(e.generation, slices.Sorted(slices.Values(tiers[e.name])))
	}
	problems := slices.Concat(e.problems, between)
	if _, ok := c.state.Tiers[e.tier]; e.tier != "" && !ok && !told(problems, tierMissing(n, e.tier)) {
		problems = append(problems, tierMissing(n, e.tier)) // staged policies, which the state does not hold
	}
	return condition(e.kind, e.generation, problems)
}
