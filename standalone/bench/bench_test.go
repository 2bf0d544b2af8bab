package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tierwall/tierwall/cli"
	"github.com/tierwall/tierwall/test/bench/result"
)

// asBench makes the test's binary the benchmark, and the agent that it starts.
const asBench = "TIERWALL_BENCH_TEST"

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(asBench) == "":
		os.Exit(m.Run())
	case os.Args[1] == "agent":
		root := cli.New("tierwall", cli.Streams{Out: os.Stdout, Err: os.Stderr})
		root.AddCommand(cli.AgentCommand())
		os.Exit(cli.Execute(context.Background(), root, os.Args[1:]))
	}
	main()
}

// TestSmall runs everything as small as it goes, so that it does not rot. How
// fast anything is is no test's business; that nothing passes before a pod is
// programmed is.
func TestSmall(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	out := filepath.Join(t.TempDir(), "bench.json")
	c := exec.CommandContext(t.Context(), os.Args[0], "-small", "-agent", os.Args[0], "-data", filepath.Join(t.TempDir(), "data"), "-o", out)
	c.Env = append(os.Environ(), asBench+"=yes")
	if log, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	figures, err := result.Read(out)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]result.Figure{}
	for _, f := range figures {
		got[f.Name] = f
	}
	for _, name := range result.Standalone() {
		if _, ok := got[name]; !ok && !strings.HasPrefix(name, "agent/rss/") { // those have their size in their names
			t.Errorf("%s is promised and was not measured", name)
		}
	}
	if got["enforce/pod-start/early"].Value != 0 {
		t.Errorf("%v connections were let through before the pod was programmed", got["enforce/pod-start/early"].Value)
	}
	if got["agent/start"].Value <= 0 || got[rss(smallEffort.usual)].Value <= 0 || got[rss(smallEffort.large)].Value <= 0 {
		t.Errorf("not measured: %v", got)
	}
}
