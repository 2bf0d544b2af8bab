package status

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/report"
)

// fieldManager is the name under which conditions are applied. It is not that
// of the condition Accepted: each leaves the other's alone.
const fieldManager = "tierwall-status"

// Options say with what the status is kept.
type Options struct {
	// Core leads to the API server, and Policies to its projectcalico.org/v3.
	Core     kubernetes.Interface
	Policies rest.Interface
	// Namespace is where the list of nodes is published.
	Namespace string
	// Log takes what there is to say.
	Log *slog.Logger
}

// Status keeps the status of policies and nodes.
type Status struct {
	options Options
	gate    *gate

	mu     sync.Mutex
	board  *board
	listed map[string]bool
	wake   chan struct{}
	began  time.Time
}

// New returns a status of which nothing is known yet.
func New(o Options) *Status {
	return &Status{
		options: o, gate: &gate{client: o.Core, known: map[string]reporter{}},
		board: newBoard(time.Now), listed: map[string]bool{}, wake: make(chan struct{}, 1), began: time.Now(),
	}
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

func (s *Status) take(r report.Report) (bool, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ok := s.board.take(r)
	s.stir()
	return ok, time.Duration(len(s.board.nodes)) * pacePerNode
}

// stir wakes the writer.
func (s *Status) stir() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// policyKinds are the kinds that get the condition, with their resources.
func policyKinds() map[string]string {
	return map[string]string{v3.KindNetworkPolicy: "networkpolicies", v3.KindGlobalNetworkPolicy: "globalnetworkpolicies"}
}

// settle gathers what comes together before anything is written.
const settle = 50 * time.Millisecond

// Run watches policies and nodes, and writes what is due, until the context
// ends.
func (s *Status) Run(ctx context.Context) {
	for kind, resource := range policyKinds() {
		var o runtime.Object = &v3.NetworkPolicy{}
		if kind == v3.KindGlobalNetworkPolicy {
			o = &v3.GlobalNetworkPolicy{}
		}
		s.follow(ctx, kind, cache.NewListWatchFromClient(s.options.Policies, resource, metav1.NamespaceAll, fields.Everything()), o)
	}
	s.follow(ctx, nodes, cache.NewListWatchFromClient(s.options.Core.CoreV1().RESTClient(), "nodes", metav1.NamespaceAll, fields.Everything()), &corev1.Node{})
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	p := publishers{nodes: publisher{options: s.options, name: report.ConfigMap, key: report.NodesKey, every: publishEvery}, domains: publisher{options: s.options, name: report.DomainsConfigMap, key: report.DomainsKey, every: publishNamesEvery}}
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
		s.write(ctx, &p)
	}
}

// warmUp is how long a server that has just started waits for the agents to
// come to it before it calls them silent.
const warmUp = 10 * time.Second

func (s *Status) write(ctx context.Context, p *publishers) {
	s.mu.Lock()
	if len(s.listed) < len(policyKinds())+1 {
		s.mu.Unlock()
		return
	}
	warm := time.Since(s.began) > warmUp
	if !warm {
		warm = s.board.allHeard()
	}
	s.board.age()
	var writes []write
	if warm {
		writes = s.board.due()
	}
	var list []report.Node
	if s.board.nodesNew {
		list = s.board.list()
		s.board.nodesNew = false
	}
	var names *report.Domains
	if s.board.namesNew && p.domains.free() {
		d := s.board.domains()
		names, s.board.namesNew = &d, false
	}
	s.mu.Unlock()
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
	if list != nil {
		p.nodes.next = func() (string, error) { return encode(list) }
	}
	if names != nil {
		p.domains.next = func() (string, error) { return encodeDomains(*names) }
	}
	p.nodes.publish(ctx)
	p.domains.publish(ctx)
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
	body, err := json.Marshal(map[string]any{
		"apiVersion": v3.GroupVersion.String(), "kind": w.kind, "metadata": metadata,
		"status": map[string]any{"conditions": []metav1.Condition{w.condition}},
	})
	if err != nil {
		return err
	}
	return s.options.Policies.Patch(types.ApplyPatchType).NamespaceIfScoped(w.object.GetNamespace(), w.object.GetNamespace() != "").
		Resource(policyKinds()[w.kind]).Name(w.object.GetName()).SubResource("status").
		Param("fieldManager", fieldManager).Param("force", "true").Body(body).Do(ctx).Error()
}

// publishers write what all may read.
type publishers struct{ nodes, domains publisher }

// publisher writes a text into a ConfigMap, the larger it is the less often.
type publisher struct {
	options Options
	// name is the ConfigMap's, key that of the text in it.
	name, key string
	// next makes the text that is to be written; nil for none.
	next  func() (string, error)
	last  string
	after time.Time
	// every is the least time between two texts.
	every time.Duration
}

// free reports whether it would write now.
func (p *publisher) free() bool { return !time.Now().Before(p.after) }

const (
	// publishEvery is the least time between two lists of a small cluster, and
	// publishRate what a large one may write, in bytes a second.
	publishEvery = time.Second
	// publishNamesEvery is the same for domain names, of which there is always
	// something new.
	publishNamesEvery = 2 * time.Second
	publishRate       = 50_000
	// maxList is what fits into a ConfigMap, with some room, in bytes.
	maxList = 1_000_000
)

func (p *publisher) publish(ctx context.Context) {
	if p.next == nil || !p.free() {
		return
	}
	text, err := p.next()
	if err != nil || text == p.last {
		p.next = nil
		return
	}
	p.after = time.Now().Add(max(p.every, time.Duration(len(text))*time.Second/publishRate))
	body, _ := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": p.name, "namespace": p.options.Namespace},
		"data": map[string]string{p.key: text},
	})
	force := true
	if _, err := p.options.Core.CoreV1().ConfigMaps(p.options.Namespace).Patch(ctx, p.name, types.ApplyPatchType, body,
		metav1.PatchOptions{FieldManager: fieldManager, Force: &force}); err != nil {
		if ctx.Err() == nil {
			p.options.Log.Warn("what nodes told could not be published; trying again", "configmap", p.options.Namespace+"/"+p.name, "error", err)
		}
		return
	}
	p.last, p.next = text, nil
}

// encode writes the list, a node a line. If it does not fit, nodes in step are
// left out.
func encode(list []report.Node) (string, error) {
	for _, all := range []bool{true, false} {
		text := "["
		for _, n := range list {
			if !all && n.State == report.InStep {
				continue
			}
			line, err := json.Marshal(n)
			if err != nil {
				return "", err
			}
			if len(text) > 1 {
				text += ","
			}
			text += "\n" + string(line)
		}
		if text += "\n]\n"; len(text) <= maxList {
			return text, nil
		}
	}
	return "", fmt.Errorf("the list of nodes is too long")
}
