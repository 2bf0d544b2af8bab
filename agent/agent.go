package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/table"
)

// Options say for which node an agent works and with what.
type Options struct {
	// Node is the name of the node in the API.
	Node string
	// Config leads to the API server.
	Config *rest.Config
	// Dataplane enforces.
	Dataplane dataplane.Dataplane
	// LogGroup is the NFLOG group to which Log rules send; 0 for none.
	LogGroup uint16
	// StatusSocket is the path of a unix socket on which the agent tells what
	// it enforces; empty for none.
	StatusSocket string
	// HealthListen is the address of /livez, /readyz and /metrics, as host:port;
	// empty for none.
	HealthListen string
	// Server is where the agent reports to what it enforces; the zero value is
	// nowhere.
	Server Server
	// DNS says how domain names are learned; nil for not at all.
	DNS *DNS
	// PodInterfaces are names of interfaces, or beginnings of names that end in *,
	// that lead to pods: what comes from or goes to them is dropped as long as no
	// pod is known there, whatever its address. Without any that is so for addresses
	// in the node's podCIDRs alone.
	PodInterfaces []string
	// CutDenied ends open connections that a change denies, if the dataplane can.
	CutDenied bool
	// Log takes what the agent has to say.
	Log *slog.Logger
}

// agent is the state of the loop. Only the loop touches it.
type agent struct {
	Options
	compiler *compile.Compiler
	// near is the part of the world that the agent itself needs: nodes, policy,
	// and the endpoints of its own node.
	near   *model.State
	places *places
	// waiting are the kinds that have not been listed yet; held is what was
	// listed meanwhile, so that the first tables are made in one go.
	waiting map[string]bool
	held    []model.Change
	// versions are the resource versions of all objects that were taken in; nil
	// if nobody can ask for them.
	versions map[model.Key]string
	// names knows what is learned of domain names, nil if nobody learns; learned are
	// those who wait until the kernel knows.
	names   *namer
	learned []func()
	// asking wait to be told what is enforced.
	asking []chan<- Applied
	// delta is what changed in the tables and is not in the kernel; whole says
	// that it is not known what the kernel has. set are the settings in force.
	delta   *table.Delta
	whole   bool
	set     dataplane.Settings
	began   time.Time
	applied int
	watcher *watcher
	// started is for what is done once, soon after everything is in the kernel.
	started   sync.Once
	collector *collector
	// drifts are changes that somebody else made to the kernel's tables.
	drifts chan dataplane.Drift
	// news is what the server is to hear once it is in the kernel.
	news     news
	guard    guard
	needs    *needsWatch
	unlogged unlogged
	cutter   *cutter
	// legTo asks the kernel by which interface an address is reached.
	legTo    func(netip.Addr) (leg, bool)
	reporter *reporter
	recorder *recorder
	metrics  *metrics
	health   *health
}

const (
	// retryAfter is how long the agent waits before it tries a failed change of
	// the kernel again.
	retryAfter = 500 * time.Millisecond
	// lookAfter is how long after a change the agent looks for problems
	// between objects: off the way of changes, which may come by the hundred.
	lookAfter = time.Second
	// lookAround is how often it looks at what takes time to be wrong.
	lookAround = 10 * time.Second
)

// Run enforces until the context ends; what is enforced then stays. It returns
// an error at once if the kernel or the API can never be reached as asked, and
// otherwise keeps trying.
func Run(ctx context.Context, o Options) error {
	all, err := sources(o.Config)
	if err != nil {
		return err
	}
	a := newAgent(o)
	a.collector = newCollector()
	for _, s := range all {
		a.waiting[fmt.Sprintf("%T", s.object)] = true
	}
	questions := make(chan chan<- Applied)
	if o.StatusSocket != "" {
		a.versions = map[model.Key]string{}
		if err := serveStatus(ctx, o.StatusSocket, questions); noRoom(err) {
			o.Log.Error("nobody can ask on this node what is enforced; policy is enforced all the same", "error", err)
		} else if err != nil {
			return err
		}
	}
	if o.HealthListen != "" {
		if err := a.health.serve(ctx, o.HealthListen, a.metrics); err != nil {
			return err
		}
	}
	if o.DNS != nil {
		if err := a.startNames(ctx); err != nil {
			return err
		}
	}
	if err := a.startReports(ctx); err != nil {
		return err
	}
	if o.LogGroup != 0 {
		if err := a.logRules(ctx); err != nil {
			return err
		}
	}
	a.watchDrift(ctx)
	a.waiting[kindNeeds] = true
	go a.needs.run(ctx)
	if a.cutter != nil {
		go a.cutDenied(ctx, a.cutter)
	}
	watch := &hostWatch{events: make(chan hostEvent, 256), log: o.Log, buffer: receiveBuffer}
	go watch.run(ctx)
	updates := make(chan update, 1024)
	watchAPI(ctx, all, updates, a.versions != nil, o.Log)
	return a.loop(ctx, updates, watch.events, questions)
}

// startReports reports to the server, if there is a way to it.
func (a *agent) startReports(ctx context.Context) error {
	s := a.Server
	if s.URL == "" && s.ConfigMap == "" {
		return nil
	}
	var err error
	if a.reporter, err = newReporter(a.Options, a.metrics); err != nil {
		return err
	}
	if a.names != nil {
		a.reporter.names = a.names.learner
		go a.reportNames(ctx)
	}
	if s.ConfigMap != "" {
		if err := find(ctx, a.Config, s.ConfigMap, a.turn, a.Log); err != nil {
			return err
		}
	}
	go a.reporter.run(ctx)
	a.recorder = newRecorder(a.Options, a.reporter.post)
	a.metrics.registry.MustRegister(a.recorder.collectors()...)
	return nil
}

func newAgent(o Options) *agent {
	a := &agent{
		Options:  o,
		compiler: compile.New(compile.Options{Node: o.Node}),
		near:     model.NewState(),
		places:   newPlaces(o.Node),
		waiting:  map[string]bool{"the node's interfaces": true},
		whole:    true,
		began:    time.Now(),
		watcher:  newWatcher(o.Log),
		news:     newNews(),
		drifts:   make(chan dataplane.Drift, 1),
		metrics:  newMetrics(),
		health:   newHealth(),
		needs:    newNeedsWatch(o),
		cutter:   newCutter(o),
		legTo:    legTo,
	}
	if o.DNS != nil && o.DNS.Servers != nil {
		s := model.DefaultSettings()
		s.DNS.Servers = o.DNS.Servers
		a.compiler.Settings(s)
	}
	return a
}

func (a *agent) loop(ctx context.Context, updates <-chan update, host <-chan hostEvent, questions <-chan chan<- Applied) error {
	around := time.NewTicker(lookAround)
	defer around.Stop()
	retry := time.NewTimer(0)
	defer retry.Stop()
	look := time.NewTimer(lookAfter)
	defer look.Stop()
	for {
		a.health.beat()
		select {
		case <-ctx.Done():
			return nil
		case u := <-updates:
			a.take(append([]update{u}, drain(updates)...))
			look.Reset(lookAfter)
		case e := <-host:
			a.takeHost(append([]hostEvent{e}, drain(host)...))
		case <-a.names.news():
			a.learn(a.names.next())
		case servers := <-a.names.serversFound():
			a.names.handOver(servers)
		case q := <-questions:
			a.asking = append(a.asking, q)
		case d := <-a.drifts:
			a.drifted(d)
		case q := <-a.cutter.questions():
			a.answerCut(q)
		case a.guard.needs = <-a.needs.found:
			a.found(kindNeeds)
			a.guardNode()
		case <-retry.C:
		case <-look.C:
			a.look()
		case <-around.C:
			a.lookAround()
		}
		if len(a.waiting) > 0 {
			continue
		}
		if err := a.apply(ctx); err != nil {
			if errors.Is(err, dataplane.ErrNotPermitted) || errors.Is(err, dataplane.ErrNotSupported) {
				return err
			}
			a.reporter.behind(err)
			a.health.refused()
			a.Log.Error("the kernel was not changed; trying again", "error", err, "in", retryAfter.String())
			retry.Reset(retryAfter)
			continue
		}
		a.known()
		a.health.taken()
		a.reporter.inStep(&a.news)
		a.answer()
	}
}

// watchDrift listens to changes of the kernel's tables by others, if the
// dataplane can.
func (a *agent) watchDrift(ctx context.Context) {
	w, ok := a.Dataplane.(dataplane.Watcher)
	if !ok {
		return
	}
	err := w.Watch(ctx, func(d dataplane.Drift) {
		select {
		case a.drifts <- d:
		default: // all is put right at once, however many there are
		}
	})
	if err != nil {
		a.Log.Error("changes of the kernel's tables by others are not noticed", "error", err)
	}
}

// drifted has everything put in place anew.
func (a *agent) drifted(d dataplane.Drift) {
	a.whole = true
	if d.Lost {
		a.Log.Warn("it is not known whether somebody else changed the kernel's tables; they are made anew", "what", d.What)
		return
	}
	a.metrics.drift.Inc()
	a.reporter.drifted()
	a.Log.Warn("somebody else changed the kernel's tables; they are put right", "what", d.What)
}

// drain takes what is there without waiting.
func drain[T any](from <-chan T) []T {
	var all []T
	for {
		select {
		case u := <-from:
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
		a.note(u.versions)
		a.news.reach(u)
		for _, p := range u.problems {
			a.Log.Warn("problem", "code", p.Code, "object", p.Object, "path", p.Path, "message", p.Message, "hint", p.Hint)
		}
		if u.listed != "" {
			delete(a.waiting, u.listed)
		}
	}
	for _, c := range changes {
		a.keep(c)
	}
	if len(a.waiting) > 0 {
		a.held = append(a.held, changes...)
		return
	}
	a.compile(append(a.held, changes...))
	a.held = nil
}

// compile brings the tables up to date.
func (a *agent) compile(changes []model.Change) {
	d := a.compiler.Apply(changes...)
	a.recorder.take(d)
	if a.reporter != nil {
		a.news.sets(d)
	}
	a.names.changed(changes)
	a.whole = a.whole || a.delta != nil // two at once: the second does not follow on what the kernel has
	a.delta = d
}

// note keeps the versions of what was taken in, for those who may ask.
func (a *agent) note(versions map[model.Key]string) {
	if a.versions == nil {
		return
	}
	for key, version := range versions {
		a.versions[key] = version
		if version == "" {
			delete(a.versions, key)
		}
	}
}

// takeHost notes what the kernel reported.
func (a *agent) takeHost(all []hostEvent) {
	for _, e := range all {
		a.places.take(e)
		if e.all != nil {
			delete(a.waiting, "the node's interfaces")
		}
		if e.lost {
			a.metrics.hostResyncs.Inc()
		}
	}
	a.found("")
}

// kindNeeds stands among the kinds for what the node itself needs.
const kindNeeds = "what the node needs"

// found notes that something is known that was waited for, and begins to
// compile if it was the last.
func (a *agent) found(kind string) {
	delete(a.waiting, kind)
	if len(a.waiting) == 0 && a.held != nil {
		a.compile(a.held)
		a.held = nil
	}
}

// apply makes the kernel do what the compiler says, if it does not yet: by what
// changed, or, where it is not known what the kernel has, as a whole.
func (a *agent) apply(ctx context.Context) error {
	moved := a.places.settle()
	a.names.ask(a.compiler)
	now := a.settings(ctx)
	c := dataplane.Change{Interfaces: moved}
	if a.delta != nil && !a.delta.Empty() {
		c.Delta = a.delta
	}
	if !reflect.DeepEqual(now, a.set) {
		c.Settings = &now
	}
	if !a.whole && c.Delta == nil && c.Settings == nil && len(moved) == 0 {
		a.delta = nil
		return nil
	}
	a.guardNode()
	began := time.Now()
	var err error
	if a.whole {
		err = a.Dataplane.Apply(ctx, dataplane.Program{Tables: a.compiler.Tables(), Interfaces: a.places.all(), Settings: now})
	} else {
		err = a.Dataplane.Change(ctx, c)
	}
	a.metrics.applied(time.Since(began), err)
	a.whole, a.delta = err != nil, nil
	if err != nil {
		return err
	}
	a.applied++
	a.cutter.changed()
	a.recorder.placed(a.places, moved)
	a.set = now
	a.health.ready()
	a.report(c, began)
	a.recorder.start(ctx)
	return nil
}

// settings is what of the settings is not in the tables, and the node's pod
// networks.
func (a *agent) settings(ctx context.Context) dataplane.Settings {
	s := a.compiler.SettingsOf(a.Node)
	out := settings(s)
	var forgotten []model.Change
	if out.DNS, forgotten = a.names.settle(ctx, s.DNS); len(forgotten) > 0 {
		a.compile(forgotten)
	}
	if n := a.near.Nodes[a.Node]; n != nil {
		out.PodNets = n.PodNets
	}
	out.PodInterfaces = a.PodInterfaces
	return out
}

// settings is what of the settings is not in the tables.
func settings(s model.Settings) dataplane.Settings {
	return dataplane.Settings{
		PodToHost: s.PodToHost, Reject: s.Reject,
		LogPrefix: s.Log.Prefix, LogRate: s.Log.Rate, LogPer: s.Log.Per, LogBurst: s.Log.Burst,
	}
}

// report says what is enforced now: the first time to all, then what changed to
// those who want it.
func (a *agent) report(c dataplane.Change, began time.Time) {
	a.metrics.endpoints.Set(float64(len(a.places.pods) + len(a.places.hosts)))
	a.metrics.placed.Set(float64(len(a.places.at) - len(a.places.gone)))
	took := time.Since(began).Round(time.Microsecond).String()
	if a.applied == 1 {
		t := a.compiler.Tables()
		a.Log.Info("enforcing", "endpoints", len(t.Endpoints), "interfaces", len(a.places.at), "sets", len(t.Sets), "rows", len(t.Rows),
			"addresses", len(t.Hosts)+len(t.Nets), "took", took)
		return
	}
	if c.Delta == nil {
		c.Delta = &table.Delta{}
	}
	a.Log.Debug("changed", "sets", len(c.Delta.NewSets), "rows", len(c.Delta.NewRows), "addresses", len(c.Delta.Hosts)+len(c.Delta.NewNets),
		"endpoints", len(c.Delta.Endpoints), "interfaces", len(c.Interfaces), "took", took)
}

// look finds problems between objects.
func (a *agent) look() {
	if len(a.waiting) == 0 {
		a.metrics.problems.Set(float64(a.watcher.check(a.near)))
		a.reporter.warn(a.watcher.bridged(a.places))
		a.started.Do(func() { go economize(a.collector, a.Log) })
	}
}

// lookAround finds what has been amiss for a while.
func (a *agent) lookAround() {
	if len(a.waiting) > 0 {
		a.Log.Warn("still waiting for the API: nothing is changed in the kernel until then",
			"kinds", slices.Sorted(maps.Keys(a.waiting)), "for", time.Since(a.began).Round(time.Second).String())
		return
	}
	a.countUnlogged()
	a.reporter.warn(a.watcher.bridged(a.places))
	a.metrics.unplaced.Set(float64(a.watcher.unplaced(a.places)))
}
