package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/tierwall/tierwall/test/bench/result"
)

// measureStandalone has the module standalone measure what needs a real API
// server, with the product's own program as the agent. It is run from the root
// of the repository, as make does.
func measureStandalone(only string) ([]figure, error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "tierwall-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	agent, bench, out := filepath.Join(dir, "tierwall"), filepath.Join(dir, "bench"), filepath.Join(dir, "bench.json")
	fmt.Fprintln(os.Stderr, "building the agent, and a benchmark that contains an API server")
	for _, step := range []struct {
		in   string
		argv []string
	}{
		{".", []string{"go", "build", "-ldflags", "-s -w", "-o", agent, "./cmd/tierwall"}},
		{"standalone", []string{"go", "build", "-ldflags", "-s -w", "-o", bench, "./bench"}},
		{".", []string{bench, "-agent", agent, "-only", only, "-o", out, "-data", filepath.Join(dir, "data")}},
	} {
		c := exec.CommandContext(ctx, step.argv[0], step.argv[1:]...)
		c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) } // it ends its agent, too
		c.Dir, c.Stdout, c.Stderr = step.in, os.Stderr, os.Stderr
		if err := c.Run(); err != nil {
			return nil, fmt.Errorf("%s: %w", step.argv[0], err)
		}
	}
	read, err := result.Read(out)
	if err != nil {
		return nil, err
	}
	figures := make([]figure, len(read))
	for i, f := range read {
		figures[i] = figure(f)
	}
	return figures, nil
}
