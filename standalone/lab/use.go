package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"slices"
	"time"
)

// Name is the lab's name.
func (l *Lab) Name() string { return l.name }

// Host is the process of a host: of a pod ("blue/fe-1"), of a node itself
// ("node:node-1") or of an external machine ("ext:db").
func (l *Lab) Host(ref string) (*Host, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := l.machines[ref]; m != nil {
		return m.host, nil
	}
	if p := l.ready(ref); p != nil {
		return p.host, nil
	}
	return nil, fmt.Errorf("lab %s has no host %q", l.name, ref)
}

// ready is a pod that is built and not being removed, or nil. The caller holds
// l.mu.
func (l *Lab) ready(ref string) *pod {
	p := l.pods[ref]
	if p == nil || p.removing {
		return nil
	}
	select {
	case <-p.built:
		return p
	default:
		return nil
	}
}

// Addrs are a host's own addresses, IPv4 first, or nil if there is no such host.
func (l *Lab) Addrs(ref string) []netip.Addr {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := l.machines[ref]; m != nil {
		return slices.Clone(m.addrs)
	}
	if p := l.ready(ref); p != nil {
		return slices.Clone(p.addrs)
	}
	return nil
}

// Netns is the name of a host's network namespace, as "ip netns exec" takes it,
// or "" if there is no such host. The ref "net" is the fabric.
func (l *Lab) Netns(ref string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ref == "net" {
		return l.fabricNetns()
	}
	if m := l.machines[ref]; m != nil {
		return m.netns
	}
	if p := l.ready(ref); p != nil {
		return p.netns
	}
	return ""
}

// PodCIDRs is where the addresses of a node's pods come from, IPv4 first, or
// nil if there is no such node.
func (l *Lab) PodCIDRs(node string) []netip.Prefix {
	if m := l.machines["node:"+node]; m != nil {
		return slices.Clone(m.pods.cidrs)
	}
	return nil
}

// Refs are the hosts that are there, sorted.
func (l *Lab) Refs() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := slices.Collect(maps.Keys(l.machines))
	for ref := range l.pods {
		if l.ready(ref) != nil {
			out = append(out, ref)
		}
	}
	slices.Sort(out)
	return out
}

// environment is what a process of the lab gets: this process's, then env, then
// the mark by which it is found after a crash.
func environment(lab string, env []string) []string {
	return slices.Concat(os.Environ(), env, []string{envLab + "=" + lab})
}

// Run starts a program in a host's network namespace, for example the agent in
// a node. Its environment is this process's and env; its output and errors go
// to log (nil: nowhere). It ends with its host and with the lab: by SIGTERM,
// and by SIGKILL three seconds later.
func (l *Lab) Run(ctx context.Context, ref string, argv []string, env []string, log io.Writer) (*Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	netns := l.Netns(ref)
	if netns == "" || len(argv) == 0 {
		return nil, fmt.Errorf("run %q in %q: the lab has no such host, or there is nothing to run", argv, ref)
	}
	end, err := l.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	p, err := startProcess(command{argv: argv, env: environment(l.name, env), netns: netns, stdout: log, stderr: log})
	if err != nil {
		return nil, fmt.Errorf("run in %s: %w", ref, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.processes[p] = ref
	return p, nil
}

// grace is how long a program has to end by itself.
const grace = 3 * time.Second

// stopProcesses ends the programs of a host, or of all hosts if ref is "".
func (l *Lab) stopProcesses(ref string) error {
	l.mu.Lock()
	var ending []*Process
	for p, of := range l.processes {
		if ref == "" || ref == of {
			ending = append(ending, p)
			delete(l.processes, p)
		}
	}
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	problems := make(chan error)
	for _, p := range ending {
		go func() { problems <- p.Stop(ctx) }()
	}
	var all []error
	for range ending {
		all = append(all, <-problems)
	}
	return errors.Join(all...)
}
