package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"k8s.io/client-go/rest"

	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/translate"
)

// Options say for which node an agent works and with what.
type Options struct {
	// Node is the name of the node in the API.
	Node string
	// Config leads to the API server.
	Config *rest.Config
	// Dataplane enforces.
	Dataplane dataplane.Dataplane
	// StatusSocket is the path of a unix socket on which the agent tells what
	// it enforces; empty for none.
	StatusSocket string
	// Log takes what the agent has to say.
	Log *slog.Logger
}

// agent is the state of the loop. Only the loop touches it.
type agent struct {
	Options
	compiler *compile.Compiler
	// near is the part of the world that the agent itself needs: nodes, policy,
	// and the endpoints of its own node. unchecked says that it changed since
	// it was looked through for problems.
	near      *model.State
	unchecked bool
	// waiting are the kinds that have not been listed yet.
	waiting map[string]bool
	// problems are what was last reported, by object.
	problems map[string]bool
	// versions are the resource versions of all objects that were taken in.
	versions map[model.Key]string
	// asking wait to be told what is enforced.
	asking []chan<- Applied
	// dirty says that not all that was taken in is in the kernel.
	dirty   bool
	began   time.Time
	applied int
}

// retryAfter is how long the agent waits before it tries a failed change of
// the kernel again.
const retryAfter = 500 * time.Millisecond

// Run enforces until the context ends; what is enforced then stays. It returns
// an error at once if the kernel or the API can never be reached as asked, and
// otherwise keeps trying.
func Run(ctx context.Context, o Options) error {
	all, err := sources(o.Config)
	if err != nil {
		return err
	}
	a := &agent{
		Options:  o,
		compiler: compile.New(compile.Options{Node: o.Node}),
		near:     model.NewState(),
		waiting:  map[string]bool{},
		problems: map[string]bool{},
		versions: map[model.Key]string{},
		dirty:    true,
		began:    time.Now(),
	}
	for _, s := range all {
		a.waiting[fmt.Sprintf("%T", s.object)] = true
	}
	hostChanged := make(chan struct{}, 1)
	if err := watchHost(ctx, hostChanged); err != nil {
		return err
	}
	questions := make(chan chan<- Applied)
	if o.StatusSocket != "" {
		if err := serveStatus(ctx, o.StatusSocket, questions); err != nil {
			return err
		}
	}
	updates := make(chan update, 1024)
	watch(ctx, all, updates, o.Log)
	return a.loop(ctx, updates, hostChanged, questions)
}

func (a *agent) loop(ctx context.Context, updates <-chan update, hostChanged <-chan struct{}, questions <-chan chan<- Applied) error {
	slow := time.NewTicker(10 * time.Second)
	defer slow.Stop()
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case u := <-updates:
			a.take(append([]update{u}, drain(updates)...))
		case <-hostChanged:
			a.dirty = true
		case q := <-questions:
			a.asking = append(a.asking, q)
		case <-retry.C:
		case <-slow.C:
			if len(a.waiting) > 0 {
				a.Log.Warn("still waiting for the API: nothing is changed in the kernel until then",
					"kinds", slices.Sorted(maps.Keys(a.waiting)), "for", time.Since(a.began).Round(time.Second).String())
			}
		}
		if !a.dirty {
			a.answer()
			continue
		}
		if len(a.waiting) > 0 {
			continue
		}
		if err := a.apply(ctx); err != nil {
			if errors.Is(err, dataplane.ErrNotPermitted) || errors.Is(err, dataplane.ErrNotSupported) {
				return err
			}
			a.Log.Error("the kernel was not changed; trying again", "error", err, "in", retryAfter.String())
			retry.Reset(retryAfter)
			continue
		}
		a.dirty = false
		a.answer()
	}
}

// drain takes what is there without waiting.
func drain(updates <-chan update) []update {
	var all []update
	for {
		select {
		case u := <-updates:
			all = append(all, u)
		default:
			return all
		}
	}
}

// take puts what the API said into the compiler, all of it at once.
func (a *agent) take(all []update) {
	var changes []model.Change
	for _, u := range all {
		changes = append(changes, u.changes...)
		for key, version := range u.versions {
			a.versions[key] = version
			if version == "" {
				delete(a.versions, key)
			}
		}
		for _, p := range u.problems {
			a.Log.Warn("problem", "code", p.Code, "object", p.Object, "path", p.Path, "message", p.Message, "hint", p.Hint)
		}
		if u.listed != "" {
			delete(a.waiting, u.listed)
		}
	}
	a.compiler.Apply(changes...)
	for _, c := range changes {
		a.keep(c)
	}
	a.dirty = true
}

// keep takes a change over if it is about what the agent itself needs.
func (a *agent) keep(c model.Change) {
	switch c.Key.Kind {
	case model.KindNode:
	case model.KindPod, model.KindHostEndpoint:
		if e, _ := c.Object.(*model.Endpoint); e != nil && e.Node != a.Node {
			c.Object = nil // it may have been here before
		}
		a.unchecked = true
	case model.KindTier, model.KindPolicy, model.KindProfile:
		a.unchecked = true
	default:
		return
	}
	a.near.Apply(c)
}

// apply makes the kernel do what the compiler says.
func (a *agent) apply(ctx context.Context) error {
	began := time.Now()
	h, err := readHost()
	if err != nil {
		return err
	}
	p := dataplane.Program{
		Tables:     a.compiler.Tables(),
		Interfaces: h.interfaces(a.near, a.Node),
	}
	if n := a.near.Nodes[a.Node]; n != nil {
		p.PodNets = n.PodNets
	}
	if err := a.Dataplane.Apply(ctx, p); err != nil {
		return err
	}
	a.applied++
	a.report(p, began)
	return nil
}

// check returns the problems between objects, if there can be new ones.
func (a *agent) check() []model.Problem {
	if !a.unchecked {
		return nil
	}
	a.unchecked = false
	return translate.Check(a.near)
}

// report says what is enforced now: the first time in full, then in a line for
// those who want it.
func (a *agent) report(p dataplane.Program, began time.Time) {
	for _, problem := range a.check() {
		if line := problem.String(); !a.problems[line] {
			a.problems[line] = true
			a.Log.Warn("problem", "code", problem.Code, "object", problem.Object, "message", problem.Message, "hint", problem.Hint)
		}
	}
	level := slog.LevelDebug
	if a.applied == 1 {
		level = slog.LevelInfo
	}
	a.Log.Log(context.Background(), level, "enforcing", "endpoints", len(p.Tables.Endpoints), "interfaces", len(p.Interfaces),
		"sets", len(p.Tables.Sets), "rows", len(p.Tables.Rows), "addresses", len(p.Tables.Hosts)+len(p.Tables.Nets),
		"took", time.Since(began).Round(time.Microsecond).String())
}
