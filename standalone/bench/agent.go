package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tierwall/tierwall/standalone/controlplane"
)

// process is a running agent.
type process struct {
	cmd *exec.Cmd
	// took is how long it took from its start until everything was in the kernel.
	took time.Duration
	// used is the CPU time that it took.
	used time.Duration
	// drained is closed when its log ends.
	drained chan struct{}
}

// enforcing is what an agent logs once everything is in the kernel.
const enforcing = "msg=enforcing"

// startAgent starts the agent and returns when everything is in the kernel.
func (w *world) startAgent(ctx context.Context) (*process, error) {
	argv, err := w.agentArgs(ctx)
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.CommandContext(ctx, w.agent, argv...), drained: make(chan struct{})}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	ready := make(chan struct{})
	go p.read(log, w.verbose, ready)
	select {
	case <-ready:
		p.took = time.Since(began)
		p.used, err = p.cpu()
		return p, err
	case <-p.drained:
		return nil, fmt.Errorf("the agent ended: %w", p.cmd.Wait())
	case <-time.After(2 * time.Minute):
		p.stop()
		return nil, fmt.Errorf("the agent does not enforce after two minutes")
	}
}

// agentArgs are those of an agent in a cluster: with rights of its own, health and
// reports.
func (w *world) agentArgs(ctx context.Context) ([]string, error) {
	path := func(name string) string { return filepath.Join(w.data, name) }
	if err := w.plane.IssueKubeconfig(path("agent.kubeconfig"), controlplane.AgentUser(nodeName), []string{controlplane.AgentGroup}, w.plane.URL); err != nil {
		return nil, err
	}
	argv := []string{"agent", "--node", nodeName, "--kubeconfig", path("agent.kubeconfig"), "--health-listen", "127.0.0.1:9099"}
	if !w.reports {
		return argv, nil
	}
	if err := w.plane.IssueReportToken(ctx, path("agent.token"), nodeName); err != nil {
		return nil, err
	}
	address, ca := w.plane.Reports()
	return append(argv, "--server", "https://"+address, "--server-ca", path("ca.pem"), "--server-token", path("agent.token")), os.WriteFile(path("ca.pem"), ca, 0o600)
}

// read reads the agent's log to its end.
func (p *process) read(log io.Reader, show bool, ready chan<- struct{}) {
	defer close(p.drained)
	for lines := bufio.NewScanner(log); lines.Scan(); {
		line := lines.Text()
		if show || strings.Contains(line, "level=ERROR") || !strings.HasPrefix(line, "time=") {
			fmt.Fprintln(os.Stderr, line)
		}
		if ready != nil && strings.Contains(line, enforcing) {
			close(ready)
			ready = nil
		}
	}
}

// stop ends the agent; what it enforced stays.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	<-p.drained
	_ = p.cmd.Wait()
}

// remove takes out of the kernel what the agent enforced.
func (w *world) remove(ctx context.Context) error {
	return exec.CommandContext(ctx, w.agent, "agent", "--remove", "--node", nodeName, "--kubeconfig", filepath.Join(w.data, "agent.kubeconfig")).Run()
}

// memory is the resident memory of the agent now and at its most, in MB.
func (p *process) memory() (now, peak float64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	read := func(key string) (mb float64) {
		_, rest, _ := strings.Cut(string(text), key+":")
		var kB float64
		_, err := fmt.Sscanf(rest, "%f kB", &kB)
		if err != nil {
			return 0
		}
		return kB * 1024 / 1e6
	}
	return read("VmRSS"), read("VmHWM"), nil
}

// cpu is the CPU time that the agent has used.
func (p *process) cpu() (used time.Duration, err error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for _, path := range threads {
		text, err := os.ReadFile(path)
		if err != nil {
			return 0, err
		}
		on, _, _ := strings.Cut(string(text), " ")
		n, err := strconv.ParseInt(on, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
		used += time.Duration(n)
	}
	return used, nil
}
