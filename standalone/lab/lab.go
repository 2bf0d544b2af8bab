package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/vishvananda/netlink"
)

// Options are the settings that are not part of what the lab is.
type Options struct {
	// Exec is the program that is started in each host with the argument
	// HostArg, and then calls ServeHost. Empty: the program tierwall-labhost
	// beside the running one, and if it is not there, the running one itself:
	// that has to know HostArg, and takes longer to start.
	Exec string
	// RunDir is where the lock is. Empty: /run/tierwall.
	RunDir string
	// PodPorts are listened on in each pod that Sync adds, besides the ports
	// of its containers.
	PodPorts []Port
	// Log gets what happens on the way. Nil: nothing is logged.
	Log *slog.Logger
}

// HostArg is the argument that tells a program to be a host of the lab.
const HostArg = "lab-host"

func (o *Options) hostCommand() []string { return []string{o.Exec, HostArg} }

func (o Options) complete() (Options, error) {
	if o.Exec == "" {
		exe, err := os.Executable()
		if err != nil {
			return o, err
		}
		o.Exec = exe
		if light := filepath.Join(filepath.Dir(exe), "tierwall-labhost"); isProgram(light) {
			o.Exec = light
		}
	}
	if o.RunDir == "" {
		o.RunDir = "/run/tierwall"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// Lab is a running lab. Its methods may be called concurrently.
type Lab struct {
	name    string
	options Options
	lock    *lockFile

	fabric   *netlink.Handle
	bridge   int
	machines map[string]*machine // by ref; not changed after New
	// resolver is the address of the DNS server that pods ask, invalid for none, and
	// resolverName the machine's.
	resolver     netip.Addr
	resolverName string

	mu        sync.Mutex
	closed    bool
	changes   sync.WaitGroup        // pods being added or removed
	pods      map[string]*pod       // by ref
	taken     map[netip.Addr]string // address to ref
	lent      []netip.Addr          // addresses of the names that ServeNames was given
	processes map[*Process]string   // to ref
	closers   []func() error        // of proxies
}

// The errors of a lab that callers tell apart.
var (
	// ErrNotRoot is returned by New where the process is not root.
	ErrNotRoot = errors.New("the lab makes network namespaces, which needs root: run it with sudo")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("the lab is closed")
)

// parallel is how many machines or pods are made at once: kernel locks let
// more gain nothing.
const parallel = 4

// New makes the lab and returns when all of it can be reached. It removes what
// an earlier lab of the same name left behind. On an error, nothing is left.
func New(ctx context.Context, spec Spec, options Options) (*Lab, error) {
	if err := spec.validate(); err != nil {
		return nil, err
	}
	if os.Geteuid() != 0 {
		return nil, ErrNotRoot
	}
	options, err := options.complete()
	if err != nil {
		return nil, err
	}
	lock, err := acquire(options.RunDir, spec.Name)
	if err != nil {
		return nil, err
	}
	l := &Lab{
		name: spec.Name, options: options, lock: lock,
		machines: map[string]*machine{}, pods: map[string]*pod{},
		taken: map[netip.Addr]string{}, processes: map[*Process]string{},
	}
	if err := l.build(ctx, spec); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Lab) build(ctx context.Context, spec Spec) error {
	if err := shareNetnsDir(); err != nil {
		return fmt.Errorf("prepare %s: %w", netnsDir, err)
	}
	if err := clearLeftovers(l.name, l.options.Log); err != nil {
		return err
	}
	if err := l.plan(spec); err != nil {
		return err
	}
	if err := l.buildFabric(); err != nil {
		return fmt.Errorf("the lab's fabric: %w", err)
	}
	if err := l.buildMachines(ctx); err != nil {
		return err
	}
	planned := make([]*pod, len(spec.Pods))
	for i, p := range spec.Pods { // in the spec's order, so that addresses are the same each time
		var err error
		if planned[i], err = l.reservePod(p); err != nil {
			return err
		}
	}
	return each(planned, func(p *pod) error { return l.buildPod(ctx, p) })
}

// plan lays out the machines and takes their addresses.
func (l *Lab) plan(spec Spec) error {
	var machines []*machine
	for i, n := range spec.Nodes {
		machines = append(machines, newNode(l.name, n, i))
	}
	for i, e := range spec.Externals {
		m := newExternal(l.name, e, i)
		if machines = append(machines, m); e.Name == spec.Resolver {
			l.resolver, l.resolverName = m.addrs[0], e.Name
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	problems := []error{l.take("the fabric", []netip.Addr{fabric4.Addr(), fabric6.Addr()})}
	for _, m := range machines {
		l.machines[m.ref] = m
		problems = append(problems, l.take(m.ref, m.allAddrs()))
	}
	return errors.Join(problems...)
}

func (l *Lab) fabricNetns() string { return namePrefix(l.name) + "net" }

func (l *Lab) buildFabric() error {
	nl, err := newStack(l.fabricNetns(), settingsOfRouters...)
	if err != nil {
		return err
	}
	l.fabric = nl
	bridge, err := newFabric(nl)
	if err != nil {
		return err
	}
	l.bridge = bridge.Attrs().Index
	return nil
}

// buildMachines makes all nodes and external machines and the routes between
// them, then starts their processes.
func (l *Lab) buildMachines(ctx context.Context) error {
	machines := l.sortedMachines()
	if err := each(machines, func(m *machine) error { return m.build(l.fabric, l.bridge) }); err != nil {
		return err
	}
	for _, to := range machines {
		err := l.eachRouter(func(from *machine, bridge int) error {
			return addRoutes(l.handle(from), to.routesTo(from, bridge, to.reaches()...)...)
		}, to)
		if err != nil {
			return err
		}
	}
	return each(machines, func(m *machine) error { return m.start(ctx, &l.options, l.name) })
}

func (l *Lab) sortedMachines() []*machine {
	out := make([]*machine, 0, len(l.machines))
	for _, m := range l.machines {
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b *machine) int { return a.via[0].Compare(b.via[0]) })
	return out
}

// eachRouter calls f for the fabric (nil) and each machine but one.
func (l *Lab) eachRouter(f func(m *machine, bridge int) error, but *machine) error {
	problems := []error{f(nil, l.bridge)}
	for _, m := range l.machines {
		if m != but {
			problems = append(problems, f(m, l.bridge))
		}
	}
	return errors.Join(problems...)
}

// handle is the netlink handle of a machine, or of the fabric (nil).
func (l *Lab) handle(m *machine) *netlink.Handle {
	if m == nil {
		return l.fabric
	}
	return m.nl
}

// each calls f for all items, some at a time, and joins the errors.
func each[T any](items []T, f func(T) error) error {
	problems := make([]error, len(items))
	slots := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for i, item := range items {
		slots <- struct{}{}
		wg.Go(func() {
			problems[i] = f(item)
			<-slots
		})
	}
	wg.Wait()
	return errors.Join(problems...)
}

// Close ends all processes of the lab, removes all its namespaces and lets go
// of its name. A second Close does nothing.
func (l *Lab) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	closers := l.closers
	l.mu.Unlock()
	l.changes.Wait()
	pods := slices.Collect(maps.Values(l.pods)) // nobody changes them any more
	problems := []error{l.stopProcesses("")}
	for _, c := range closers {
		problems = append(problems, c())
	}
	problems = append(problems,
		each(pods, l.closePod),
		each(l.sortedMachines(), (*machine).remove))
	if l.fabric != nil {
		l.fabric.Close()
	}
	return errors.Join(append(problems, deleteNetns(l.fabricNetns()), l.lock.release())...)
}

// begin registers a change of the lab's pods, which Close waits for. The caller
// calls end when it is done.
func (l *Lab) begin() (end func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	l.changes.Add(1)
	return l.changes.Done, nil
}

// closePod ends a pod of a lab that closes: its link goes with its node. One
// that was planned and never built has neither process nor namespace.
func (l *Lab) closePod(p *pod) error {
	if p.host == nil {
		return deleteNetns(p.netns)
	}
	return errors.Join(p.host.stop(), deleteNetns(p.netns))
}
