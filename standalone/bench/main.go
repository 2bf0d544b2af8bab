// Command bench measures what needs a real API server: how the agent starts, what
// memory it takes, and how long a change in the API takes to be the kernel's
// verdict. `make bench` runs it and puts its figures beside the others
// (test/bench).
//
// It runs itself in a network namespace of its own, which is the node: the API
// server listens on its loopback, the agent enforces in it, and two pods hang on
// it. Nothing of it outlives the process.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"syscall"

	"github.com/vishvananda/netlink"

	"github.com/tierwall/tierwall/test/bench/result"
)

// inside is in the environment of the process that is in a namespace of its own,
// with the part that it measures.
const inside = "TIERWALL_BENCH_INSIDE"

func main() {
	var o options
	only := flag.String("only", "", "run the benchmarks whose names match")
	out := flag.String("o", "bench.json", "write the figures to this file")
	flag.StringVar(&o.agent, "agent", "bin/tierwall", "the program that is the agent")
	flag.StringVar(&o.data, "data", "", "folder for the API server's data; it must not be there yet")
	flag.BoolVar(&o.small, "small", false, "measure next to nothing, to see that it works")
	flag.BoolVar(&o.verbose, "v", false, "show what the agent logs")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := func() error { return measure(ctx, o, os.Getenv(inside), *only, *out) }
	if os.Getenv(inside) == "" {
		run = func() error { return enterEach(ctx, *out) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(2)
	}
}

// enterEach runs each part in a process of its own, since a process can run but
// one API server, and puts their figures together.
func enterEach(ctx context.Context, out string) error {
	var figures []result.Figure
	for _, part := range parts {
		if err := enter(ctx, part.name); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		got, err := result.Read(out)
		if err != nil {
			return err
		}
		figures = append(figures, got...)
	}
	return result.Write(out, figures)
}

// enter runs this program again, in a network namespace of its own.
func enter(ctx context.Context, part string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c := exec.CommandContext(ctx, self, os.Args[1:]...)
	c.Env = append(os.Environ(), inside+"="+part)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	return c.Run()
}

// measure measures what is asked for of one part.
func measure(ctx context.Context, o options, part, only, out string) error {
	asked, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return err
	}
	o.log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	figures, err := run(ctx, o, part, asked.MatchString)
	var picked []result.Figure
	for _, f := range figures {
		if asked.MatchString(f.Name) {
			picked = append(picked, f)
		}
	}
	return errors.Join(err, result.Write(out, picked))
}
