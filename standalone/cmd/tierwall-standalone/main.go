// Command tierwall-standalone is Tierwall with a control plane of its own: for
// hosts without a cluster, for trying it out, and for its tests.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"

	"github.com/spf13/cobra"
	kubectl "k8s.io/kubectl/pkg/cmd"

	"github.com/tierwall/tierwall/cli"
	"github.com/tierwall/tierwall/server/manager"
	"github.com/tierwall/tierwall/standalone/controlplane"
	"github.com/tierwall/tierwall/standalone/demo"
	"github.com/tierwall/tierwall/standalone/lab"
	"github.com/tierwall/tierwall/standalone/realtest"
)

func main() { os.Exit(run()) }

// run returns the exit code: 0, 1 for a check that did not pass, 2 for an
// error.
func run() int {
	if len(os.Args) == 2 && os.Args[1] == lab.HostArg {
		return lab.ServeHost(context.Background(), os.Stdin, os.Stdout, os.Stderr)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := root().ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, demo.ErrDisagrees), errors.Is(err, realtest.ErrFailed):
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	fmt.Fprintln(os.Stderr, "error:", err)
	return 2
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "tierwall-standalone",
		Short:         "Tierwall with its own Kubernetes control plane, and a lab to try it in",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.AddCommand(serveCommand(), demoCommand(), testCommand(), cli.AgentCommand(), kubectl.NewDefaultKubectlCommand())
	return cmd
}

// dataDir is where state is kept unless --data-dir says otherwise.
func dataDir(name string) string {
	base := os.Getenv("XDG_STATE_HOME")
	if home, err := os.UserHomeDir(); base == "" && err == nil {
		base = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(base, "tierwall", name)
}

func serveCommand() *cobra.Command {
	o := controlplane.Options{Sync: true}
	var managed manager.Options
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "run the control plane: the Kubernetes API with Tierwall's kinds in it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// one provider for both: the API server takes the tokens that the Manager gets
			o.OIDC.Issuer, o.OIDC.ClientID, o.OIDC.CAFile = managed.OIDC.Issuer, managed.OIDC.ClientID, managed.OIDC.CAFile
			plane, err := controlplane.Start(cmd.Context(), o)
			if err != nil {
				return err
			}
			if err := plane.Install(cmd.Context()); err != nil {
				return errors.Join(err, plane.Close())
			}
			m, err := plane.StartManager(cmd.Context(), managed)
			if err != nil {
				return errors.Join(err, plane.Close())
			}
			fmt.Fprintf(cmd.OutOrStdout(), "ready: %s\nkubeconfig: %s\nmanager: %s\ntoken: %s\n", plane.URL, plane.Kubeconfig, m.URL(), plane.TokenFile(controlplane.Administrator))
			<-cmd.Context().Done()
			return plane.Close()
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.DataDir, "data-dir", dataDir("serve"), "where everything is kept")
	f.StringSliceVar(&o.EtcdServers, "etcd-servers", nil, "URLs of an external etcd instead of the embedded one")
	f.StringVar(&o.Address, "address", "127.0.0.1", "address to listen on")
	f.IntVar(&o.Port, "port", 6443, "port to listen on")
	cli.ManagerFlags(f, &managed, "127.0.0.1:8080")
	f.StringVar(&o.OIDC.UsernameClaim, "oidc-username-claim", "", "where ID tokens have the user's name, who is then called oidc:NAME (default: sub)")
	f.StringVar(&o.OIDC.GroupsClaim, "oidc-groups-claim", "", "where they have the user's groups, called oidc:GROUP (default: groups)")
	return cmd
}

func demoCommand() *cobra.Command {
	o := demo.Options{}
	var check, verbose bool
	var only string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "the tutorial's cluster as a lab on this machine",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Out, o.Progress, o.Log = cmd.OutOrStdout(), cmd.ErrOrStderr(), logger(cmd.ErrOrStderr(), verbose)
			if only != "" {
				var err error
				if o.Only, err = regexp.Compile(only); err != nil {
					return fmt.Errorf("--only: %w", err)
				}
			}
			if check {
				return demo.Check(cmd.Context(), o)
			}
			return demo.Run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&check, "check", false, "walk the tutorial with real connections, print what came of it, and end")
	f.StringVar(&only, "only", "", "with --check, the steps whose names match")
	f.StringVar(&o.DataDir, "data-dir", dataDir("demo"), "where the demo keeps its state; it starts anew each time")
	f.IntVar(&o.Port, "port", 6443, "port of the API, on loopback")
	f.StringVar(&o.ManagerListen, "manager-address", "127.0.0.1:8080", "address of the Manager")
	f.BoolVarP(&verbose, "verbose", "v", false, "say what the lab does")
	return cmd
}

func testCommand() *cobra.Command {
	o := realtest.Options{}
	var verbose bool
	cmd := &cobra.Command{
		Use:   "test PATH...",
		Short: "run PolicyTests with real connections between network namespaces",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, paths []string) error {
			o.Out, o.Progress, o.Log = cmd.OutOrStdout(), cmd.ErrOrStderr(), logger(cmd.ErrOrStderr(), verbose)
			return realtest.Files(cmd.Context(), paths, o)
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.Port, "port", 6444, "port of the API, on loopback")
	f.BoolVarP(&verbose, "verbose", "v", false, "say what the lab does")
	return cmd
}

func logger(to io.Writer, verbose bool) *slog.Logger {
	if !verbose {
		return nil
	}
	return slog.New(slog.NewTextHandler(to, nil))
}
