package status

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/tierwall/tierwall/report"
)

// fieldManager is the name under which conditions are applied. It is not that
// of the condition Accepted: each leaves the other's alone.
const fieldManager = "tierwall-status"

// Options say with what the status is kept.
type Options struct {
	// Core leads to the API server, Policies to its projectcalico.org/v3, and
	// Cluster to its policy.networking.k8s.io/v1alpha2; nil for a cluster without.
	Core              kubernetes.Interface
	Policies, Cluster rest.Interface
	// Namespace is where the lists of nodes and policies are published.
	Namespace string
	// Log takes what there is to say.
	Log *slog.Logger
}

// Status keeps the status of policies and nodes.
type Status struct {
	options Options
	gate    *gate
	kinds   map[string]policyKind

	mu     sync.Mutex
	board  *board
	listed map[string]bool
	// shown is what is published of policies that have no status.
	shown    map[string]report.Policy
	shownNew bool
	wake     chan struct{}
	// warned are to be closed when what reports said of cuts is written.
	warned []chan struct{}
	began  time.Time
}

// New returns a status of which nothing is known yet.
func New(o Options) *Status {
	s := &Status{
		options: o, gate: &gate{client: o.Core, known: map[string]reporter{}}, kinds: map[string]policyKind{},
		board: newBoard(time.Now), listed: map[string]bool{}, shown: map[string]report.Policy{}, shownNew: true,
		wake: make(chan struct{}, 1), began: time.Now(),
	}
	for _, k := range o.kinds() {
		s.kinds[k.name] = k
	}
	return s
}

// Handler takes the agents' reports.
func (s *Status) Handler() http.Handler { return handler(s.gate.check, s.take) }

// Check returns nil if the bearer of a token may report for a node. Code is the
// HTTP status for its errors.
func (s *Status) Check(ctx context.Context, token, node string) error {
	return s.gate.check(ctx, token, node)
}

// Code returns the HTTP status for an error of Check.
func Code(err error) int { return codeOf(err) }

// pacePerNode stretches the reports of a large cluster: 5,000 nodes that all
// have something to tell do so within a second or two.
const pacePerNode = 300 * time.Microsecond

// warnFor is how long the answer to a report of new cuts waits at most for their
// being written: shorter than agents wait for the answer.
const warnFor = 800 * time.Millisecond

// take takes a report. One that names new cuts is answered when the status of the
// policies says so: its agent changes the kernel with the answer, and after that
// nobody may get to what is cut.
func (s *Status) take(ctx context.Context, r report.Report) (bool, time.Duration) {
	s.mu.Lock()
	fresh := s.board.warns(r)
	ok := s.board.take(r)
	s.stir()
	pace := time.Duration(len(s.board.nodes)) * pacePerNode
	var written chan struct{}
	if fresh = fresh && ok; fresh {
		written = make(chan struct{})
		s.warned = append(s.warned, written)
	}
	s.mu.Unlock()
	if fresh {
		select {
		case <-written:
		case <-time.After(warnFor):
		case <-ctx.Done():
		}
	}
	return ok, pace
}

// Nodes counts the nodes by state.
func (s *Status) Nodes() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := map[string]int{}
	for _, n := range s.board.nodes {
		counts[s.board.stateOf(n)]++
	}
	return counts
}

// stir wakes the writer.
func (s *Status) stir() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// settle gathers what comes together before anything is written.
const settle = 50 * time.Millisecond

// Run watches policies and nodes, and writes what is due, until the context
// ends.
func (s *Status) Run(ctx context.Context) {
	for name, k := range s.kinds {
		s.follow(ctx, name, k.listWatch(), k.object)
	}
	s.follow(ctx, nodes, cache.NewListWatchFromClient(s.options.Core.CoreV1().RESTClient(), "nodes", metav1.NamespaceAll, fields.Everything()), &corev1.Node{})
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	p := newPublishers(s.options)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.wake:
			select {
			case <-time.After(settle):
			case <-ctx.Done():
				return
			}
		}
		s.write(ctx, p)
	}
}

// warmUp is how long a server that has just started waits for the agents to
// come to it before it calls them silent; in a large cluster longer.
const (
	warmUp        = 10 * time.Second
	warmUpPerNode = 5 * time.Millisecond
)

func (s *Status) write(ctx context.Context, p *publishers) {
	writes, warned, ok := s.due(p)
	if !ok {
		return
	}
	for _, w := range writes {
		if err := s.apply(ctx, w); err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) && ctx.Err() == nil {
			s.options.Log.Warn("a policy's status could not be written; trying again", "policy", w.key, "error", err)
			s.mu.Lock()
			if now := s.board.policies[w.key]; now != nil {
				now.have = nil
				s.board.changed[w.key] = true
			}
			s.mu.Unlock()
		}
	}
	for _, written := range warned {
		close(written)
	}
	p.nodes.publish(ctx)
	p.policies.publish(ctx)
	p.domains.publish(ctx)
}

// due returns the conditions that are to be written and who waits for it, and
// offers the lists that are to be published; false if it is too early for that.
func (s *Status) due(p *publishers) (writes []write, warned []chan struct{}, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.listed) < len(s.kinds)+1 {
		return nil, nil, false
	}
	warned, s.warned = s.warned, nil
	warm := time.Since(s.began) > warmUp+time.Duration(len(s.board.nodes))*warmUpPerNode || s.board.allHeard()
	s.board.age()
	if warm {
		writes = s.show(s.board.due())
	}
	if s.board.nodesNew {
		list := s.board.list()
		p.nodes.next = func() (string, error) { return encodeNodes(list), nil }
		s.board.nodesNew = false
	}
	if warm && s.shownNew {
		shown := maps.Clone(s.shown)
		p.policies.next = func() (string, error) { return encodePolicies(shown), nil }
		s.shownNew = false
	}
	if s.board.namesNew && p.domains.free() {
		d := s.board.domains()
		p.domains.next = func() (string, error) { return encodeDomains(d) }
		s.board.namesNew = false
	}
	return writes, warned, true
}

// show takes out what is shown in a list, and returns what is to be written into
// statuses.
func (s *Status) show(all []write) []write {
	return slices.DeleteFunc(all, func(w write) bool {
		if s.kinds[w.kind].kind != "" {
			return false
		}
		s.shown[w.key] = report.Policy{Policy: w.key, Generation: w.condition.ObservedGeneration, Status: string(w.condition.Status), Reason: w.condition.Reason, Message: w.condition.Message}
		s.shownNew = true
		return true
	})
}

// allHeard reports whether every node has reported.
func (b *board) allHeard() bool {
	for _, n := range b.nodes {
		if n.heard.IsZero() {
			return false
		}
	}
	return true
}

func (s *Status) apply(ctx context.Context, w write) error {
	metadata := map[string]any{"name": w.object.GetName(), "uid": w.object.GetUID()}
	if ns := w.object.GetNamespace(); ns != "" {
		metadata["namespace"] = ns
	}
	k := s.kinds[w.kind]
	body, err := json.Marshal(map[string]any{
		"apiVersion": k.apiVersion, "kind": k.kind, "metadata": metadata,
		"status": map[string]any{"conditions": []metav1.Condition{w.condition}},
	})
	if err != nil {
		return err
	}
	return k.client.Patch(types.ApplyPatchType).NamespaceIfScoped(w.object.GetNamespace(), w.object.GetNamespace() != "").
		Resource(k.resource).Name(w.object.GetName()).SubResource("status").
		Param("fieldManager", fieldManager).Param("force", "true").Body(body).Do(ctx).Error()
}
