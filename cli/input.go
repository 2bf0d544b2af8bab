package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tierwall/tierwall/analysis"
	"github.com/tierwall/tierwall/cli/cluster"
	"github.com/tierwall/tierwall/manifest"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/policytest"
)

// input is where a command's objects come from.
type input struct {
	files               []string
	kubeconfig, context string
}

func (i *input) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVarP(&i.files, "filename", "f", nil, "file or directory with YAML or JSON, - for standard input; repeatable; without it the cluster is read")
	f.StringVar(&i.kubeconfig, "kubeconfig", "", "way to the cluster (default: $KUBECONFIG, ~/.kube/config, or the pod's service account)")
	f.StringVar(&i.context, "context", "", "context of the kubeconfig")
}

// objects reads the input. Problems are those of whole documents; what is wrong
// inside objects comes from manifest.State.
func (i *input) objects(cmd *cobra.Command) ([]*manifest.Object, []model.Problem, error) {
	if len(i.files) > 0 {
		docs, problems, err := manifest.Read(i.files, cmd.InOrStdin())
		if err != nil {
			return nil, nil, err
		}
		objects, more := manifest.Objects(docs)
		return objects, append(problems, more...), nil
	}
	config, err := cluster.Config(i.kubeconfig, i.context)
	if err != nil {
		return nil, nil, fmt.Errorf("%w; name files with -f, or a cluster with --kubeconfig", err)
	}
	if isTerminal(cmd.ErrOrStderr()) {
		fmt.Fprintln(cmd.ErrOrStderr(), "reading", config.Host)
	}
	objects, err := cluster.Read(cmd.Context(), config)
	return objects, nil, err
}

// all reads the input into a state with all its problems, sorted.
func (i *input) all(cmd *cobra.Command) (*model.State, []model.Problem, error) {
	objects, problems, err := i.objects(cmd)
	if err != nil {
		return nil, nil, err
	}
	state, more := manifest.State(objects)
	problems = append(problems, more...)
	model.SortProblems(problems)
	return state, problems, nil
}

// judged reads the input for all that is to be said of it: its problems, and
// what may not be what was meant.
func (i *input) judged(cmd *cobra.Command) ([]model.Problem, error) {
	objects, problems, err := i.objects(cmd)
	if err != nil {
		return nil, err
	}
	state, more := manifest.State(objects)
	problems = append(append(problems, more...), manifest.Locate(objects, analysis.Findings(state))...)
	model.SortProblems(problems)
	return problems, nil
}

// maxWarnings is how many problems a command shows that is not about them.
const maxWarnings = 10

// state reads the input, and shows its problems as warnings: the state is what
// would be enforced in spite of them. Text that is not YAML is an error.
func (i *input) state(cmd *cobra.Command) (*model.State, error) {
	state, problems, err := i.all(cmd)
	if err != nil {
		return nil, err
	}
	if err := policytest.Unreadable(problems); err != nil {
		return nil, err
	}
	for n, p := range problems {
		if n == maxWarnings {
			fmt.Fprintf(cmd.ErrOrStderr(), "warning: and %d problems more; validate lists them\n", len(problems)-n)
			break
		}
		fmt.Fprintln(cmd.ErrOrStderr(), "warning:", p)
	}
	return state, nil
}

// showWarnings writes findings to where problems go.
func showWarnings(cmd *cobra.Command, all []model.Problem) {
	for _, p := range all {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s [%s]\n", p, p.Code)
	}
}

// isTerminal reports whether a stream is one.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
