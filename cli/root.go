package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// Version is the version of the program, set by the linker; empty means that
// the build information of the module says it.
var Version string

// Streams are what a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// New returns the root command with the commands that look at policy:
// explain, validate, test, effective, select, status, flows, stats, staged and version. name is that of the
// program as it was started; a kubectl plugin shows as "kubectl tierwall".
func New(name string, s Streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "tierwall",
		Short: "network policy for Kubernetes clusters and Linux hosts",
		Long: "Tierwall evaluates and enforces network policy: tiers, ordered policies, network sets and\n" +
			"host endpoints of projectcalico.org/v3, beside Kubernetes' own.\n\n" +
			"Commands read files (-f, repeatable) or, without -f, the cluster of the kubeconfig.",
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		Version:           version(),
	}
	root.SetVersionTemplate("{{.Version}}\n")
	base := strings.TrimSuffix(filepath.Base(name), ".exe")
	if plugin, ok := strings.CutPrefix(base, "kubectl-"); ok {
		root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl " + plugin}
	} else if base != "" && base != "." {
		root.Use = base
	}
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	root.AddCommand(explainCommand(), validateCommand(), testCommand(), effectiveCommand(), selectCommand(), statusCommand(), flowsCommand(), statsCommand(), stagedCommand(), versionCommand())
	return root
}

// Execute runs the command with the arguments, says on standard error what went
// wrong, and returns the exit code.
func Execute(ctx context.Context, root *cobra.Command, args []string) int {
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	var a answer
	switch {
	case err == nil:
		return 0
	case errors.As(err, &a):
		return int(a)
	}
	fmt.Fprintln(root.ErrOrStderr(), "error:", strings.TrimSpace(err.Error()))
	var u usageError
	if errors.As(err, &u) || isUsage(err) {
		fmt.Fprintf(root.ErrOrStderr(), "see %s --help\n", cmd.CommandPath())
	}
	return 2
}

// answer is the exit code of a command that worked and says no.
type answer int

// Error implements error; nobody sees it.
func (a answer) Error() string { return fmt.Sprintf("exit %d", int(a)) }

// no is the answer that is not an error.
const no = answer(1)

// usageError is an error in how a command was called.
type usageError struct{ error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// isUsage recognises cobra's own errors about flags and commands, which have no
// type.
func isUsage(err error) bool {
	for _, begin := range []string{"unknown command", "unknown flag", "unknown shorthand", "flag needs an argument", "invalid argument", "accepts ", "required flag"} {
		if strings.HasPrefix(err.Error(), begin) {
			return true
		}
	}
	return false
}

func version() string {
	if Version != "" {
		return Version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "unknown"
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), version())
			return err
		},
	}
}
