package cli_test

import (
	"context"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tierwall/tierwall/cli"
)

var update = flag.Bool("update", false, "write what the scripts found into their golden files")

func TestMain(m *testing.M) {
	run := func(name string) func() {
		return func() {
			root := cli.New(name, cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
			os.Exit(cli.Execute(context.Background(), root, os.Args[1:]))
		}
	}
	testscript.Main(m, map[string]func(){
		"tierwall":         run("tierwall"),
		"kubectl-tierwall": run("/usr/bin/kubectl-tierwall"),
	})
}

// TestScripts runs the commands as users do; each script is one command, with
// its output and exit codes.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("testdata", "script"),
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			env.Setenv("KUBECONFIG", filepath.Join(env.WorkDir, "no-kubeconfig"))
			data, err := os.ReadFile(filepath.Join("..", "test", "conformance", "cluster.yaml"))
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(env.WorkDir, "cluster.yaml"), data, 0o644)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": code},
	})
}

// code runs a program and holds its exit code: code 2 tierwall ...
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N program args...")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// TestNames holds that the program calls itself what it was started as.
func TestNames(t *testing.T) {
	for name, want := range map[string]string{"/bin/kubectl-tierwall": "kubectl tierwall", "tierwall": "tierwall", "tierwall-standalone": "tierwall-standalone"} {
		root := cli.New(name, cli.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard})
		if got := root.CommandPath(); got != want {
			t.Errorf("%s calls itself %q, want %q", name, got, want)
		}
	}
}
