package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/dynamic"

	"github.com/tierwall/tierwall/cli/cluster"
	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/manifest"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/replay"
	"github.com/tierwall/tierwall/staging"
	"github.com/tierwall/tierwall/verdict"
)

// stagedReport is what `tierwall staged -o json` prints.
type stagedReport struct {
	// Staged are the policies that are.
	Staged []replay.Policy `json:"staged"`
	// Since is from when on flows were looked at; zero for all that there are.
	Since time.Time `json:"since,omitzero"`
	*replay.Report
	// Possible counts what could be, seen or not.
	Possible replay.Possible `json:"possible"`
}

func stagedCommand() *cobra.Command {
	var server flowServer
	cmd := diffCommand("staged", &server)
	cmd.AddCommand(diffCommand("diff", &server), listStagedCommand(),
		stagedVerb("enforce", "make a staged policy the enforced one, and take the staged one away", &server, staging.Enforce),
		stagedVerb("discard", "take a staged policy away", &server, staging.Discard))
	return cmd
}

// diffCommand is `tierwall staged`, which is `tierwall staged diff`.
func diffCommand(name string, server *flowServer) *cobra.Command {
	var since string
	var out output
	cmd := &cobra.Command{
		Use:   name + " [POLICY...]",
		Short: "what enforcing what is staged would change, by the flows that there were",
		Long: "Decides the recorded flows again, as if everything staged were enforced, or the policies that are named alone: which\n" +
			"would be newly denied and newly allowed, by groups of equal endpoints, with some of the flows. What could be, seen or\n" +
			"not, is counted apart.\n\n" + aboutPolicy,
		Example: "  tierwall staged --since 24h\n  tierwall staged diff blue/be\n  tierwall staged enforce StagedNetworkPolicy/blue/be\n  tierwall staged discard blue/be",
		Args: func(cmd *cobra.Command, args []string) error {
			for _, a := range args {
				if _, err := stagedID(a); err != nil || name == "staged" && !strings.Contains(a, "/") {
					return usagef("%q is neither a command of %s nor a staged policy; of one without a namespace write StagedGlobalNetworkPolicy//NAME", a, cmd.CommandPath())
				}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			from, err := timeOf("--since", since, time.Now())
			if err != nil {
				return err
			}
			report, err := stagedOf(cmd, server, from, args)
			if err != nil {
				return err
			}
			if done, err := out.value(cmd.OutOrStdout(), report); done {
				return err
			}
			return report.text(cmd.OutOrStdout())
		},
	}
	server.flags(cmd)
	cmd.Flags().StringVar(&since, "since", "", "look at flows from a time on, 2026-11-25T14:00:00Z, or from so long ago, 24h (default: all that there are)")
	out.flags(cmd, false)
	return cmd
}

// stagedState reads what the user may read of the cluster.
func stagedState(cmd *cobra.Command, kubeconfig, kubeContext string) (*model.State, error) {
	config, err := cluster.Config(kubeconfig, kubeContext)
	if err != nil {
		return nil, err
	}
	objects, err := cluster.Read(cmd.Context(), config)
	if err != nil {
		return nil, err
	}
	state, _ := manifest.State(objects)
	return state, nil
}

// stagedOf reads the cluster and the flows and puts the report together, of the
// policies that are named or, if none is, of all.
func stagedOf(cmd *cobra.Command, server *flowServer, since time.Time, only []string) (*stagedReport, error) {
	state, err := stagedState(cmd, server.kubeconfig, server.context)
	if err != nil {
		return nil, err
	}
	if len(only) > 0 {
		chosen := map[verdict.PolicyID]*model.StagedPolicy{}
		for _, text := range only {
			id, _ := stagedID(text) // the arguments were looked at
			if chosen[id] = state.Staged[id]; chosen[id] == nil {
				return nil, fmt.Errorf("%s is not there", id)
			}
		}
		part := *state
		part.Staged = chosen
		state = &part
	}
	r := &stagedReport{Staged: replay.Policies(state), Since: since}
	if len(state.Staged) == 0 {
		r.Report = &replay.Report{Denied: []replay.Change{}, Allowed: []replay.Change{}}
		return r, nil
	}
	var flows []flow.Record
	if err := server.get(cmd.Context(), flow.Path+"/together", flow.Filter{Since: since}.Values(), &flows); err != nil {
		return nil, err
	}
	if r.Report, err = replay.Staged(state).Run(flow.Each(flows)); err != nil {
		return nil, err
	}
	r.Possible = replay.PossibleOf(state)
	return r, nil
}

func listStagedCommand() *cobra.Command {
	var kubeconfig, kubeContext string
	var out output
	cmd := &cobra.Command{
		Use:   "list",
		Short: "what is staged, and what it would become",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := out.check(); err != nil {
				return err
			}
			state, err := stagedState(cmd, kubeconfig, kubeContext)
			if err != nil {
				return err
			}
			policies := replay.Policies(state)
			if done, err := out.value(cmd.OutOrStdout(), policies); done {
				return err
			}
			_, err = io.WriteString(cmd.OutOrStdout(), policyLines(policies, paint(cmd.OutOrStdout())))
			return err
		},
	}
	clusterFlags(cmd, &kubeconfig, &kubeContext)
	out.flags(cmd, false)
	return cmd
}

func clusterFlags(cmd *cobra.Command, kubeconfig, kubeContext *string) {
	cmd.Flags().StringVar(kubeconfig, "kubeconfig", "", "way to the cluster (default: $KUBECONFIG, ~/.kube/config, or the pod's service account)")
	cmd.Flags().StringVar(kubeContext, "context", "", "context of the kubeconfig")
}

const aboutPolicy = "POLICY is KIND/NAMESPACE/NAME, NAMESPACE/NAME of a StagedNetworkPolicy, or NAME of a StagedGlobalNetworkPolicy."

// stagedVerb is a command that does something to one staged policy.
func stagedVerb(verb, short string, server *flowServer, do func(ctx context.Context, c dynamic.Interface, id verdict.PolicyID) error) *cobra.Command {
	cmd := &cobra.Command{
		Use:   verb + " POLICY",
		Short: short,
		Long:  short + ".\n\n" + aboutPolicy,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := stagedID(args[0])
			if err != nil {
				return err
			}
			config, err := cluster.Config(server.kubeconfig, server.context)
			if err != nil {
				return err
			}
			client, err := dynamic.NewForConfig(config)
			if err != nil {
				return err
			}
			if err := do(cmd.Context(), client, id); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%sed %s\n", strings.TrimSuffix(verb, "e"), id)
			return err
		},
	}
	clusterFlags(cmd, &server.kubeconfig, &server.context)
	return cmd
}

// stagedID reads a reference to a staged policy. The kind that it would become
// may stand for the staged one.
func stagedID(text string) (verdict.PolicyID, error) {
	parts := strings.Split(text, "/")
	switch len(parts) {
	case 1:
		return verdict.PolicyID{Kind: "StagedGlobalNetworkPolicy", Name: text}, nil
	case 2:
		return verdict.PolicyID{Kind: "StagedNetworkPolicy", Namespace: parts[0], Name: parts[1]}, nil
	case 3:
		if !strings.HasPrefix(parts[0], "Staged") {
			parts[0] = "Staged" + parts[0]
		}
		return verdict.PolicyID{Kind: parts[0], Namespace: parts[1], Name: parts[2]}, nil
	}
	return verdict.PolicyID{}, usagef("%q is not a staged policy: write KIND/NAMESPACE/NAME, NAMESPACE/NAME or NAME", text)
}

// policyLines tell of what is staged, a line each.
func policyLines(policies []replay.Policy, p painter) string {
	if len(policies) == 0 {
		return "nothing is staged\n"
	}
	var b strings.Builder
	for _, s := range policies {
		line := "a new policy"
		switch {
		case s.Action == "Delete" && s.Replaces == "":
			line = "would delete what is not there"
		case s.Action == "Delete":
			line = "would delete " + s.Replaces
		case s.Replaces != "":
			line = "would replace " + s.Replaces
		}
		fmt.Fprintf(&b, "%s  %s\n", p.bold(s.Policy), p.faint(line))
	}
	return b.String()
}

// text writes the report for people.
func (r *stagedReport) text(w io.Writer) error {
	p := paint(w)
	var b strings.Builder
	b.WriteString(policyLines(r.Staged, p))
	if len(r.Staged) == 0 {
		_, err := io.WriteString(w, b.String())
		return err
	}
	for _, part := range []struct {
		title   string
		changes []replay.Change
	}{{p.bad("newly denied"), r.Denied}, {p.good("newly allowed"), r.Allowed}} {
		fmt.Fprintf(&b, "\n%s: %d\n", part.title, len(part.changes))
		for _, c := range part.changes {
			fmt.Fprintf(&b, "  %s  x%d, last %s\n", p.bold(printable(c.String())), c.Connections, c.Last.Local().Format(time.DateTime))
			fmt.Fprintf(&b, "    now:  %s\n    then: %s\n", &c.Before.Trace, &c.After.Trace)
			for i := range c.Flows {
				f := &c.Flows[i]
				fmt.Fprintf(&b, "    seen: %s -> %s %s %s\n", printable(f.Source.Shown()), printable(f.Destination.Shown()), printable(flowPort(f)), f.Last.Local().Format(time.DateTime))
			}
		}
	}
	fmt.Fprintf(&b, "\nunchanged: %d connections; of %d it is not known, since an end is gone\n", r.Unchanged, r.Unknown)
	fmt.Fprintf(&b, "possible, seen or not: between %d pairs of groups something would be newly denied, between %d newly allowed\n", r.Possible.Denied, r.Possible.Allowed)
	_, err := io.WriteString(w, b.String())
	return err
}
