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
	var since string
	var out output
	cmd := &cobra.Command{
		Use:   "staged",
		Short: "what enforcing all that is staged would change, by the flows that there were",
		Long: "Decides the recorded flows again, as if everything staged were enforced: which would be newly denied and newly\n" +
			"allowed, by groups of equal endpoints, with some of the flows. What could be, seen or not, is counted apart.",
		Example: "  tierwall staged --since 24h\n  tierwall staged enforce StagedNetworkPolicy/blue/be\n  tierwall staged discard blue/be",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := out.check(); err != nil {
				return err
			}
			from, err := timeOf("--since", since, time.Now())
			if err != nil {
				return err
			}
			report, err := stagedOf(cmd, &server, from)
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
	cmd.AddCommand(stagedVerb("enforce", "make a staged policy the enforced one, and take the staged one away", &server, staging.Enforce),
		stagedVerb("discard", "take a staged policy away", &server, staging.Discard))
	return cmd
}

// stagedOf reads the cluster and the flows and puts the report together.
func stagedOf(cmd *cobra.Command, server *flowServer, since time.Time) (*stagedReport, error) {
	config, err := cluster.Config(server.kubeconfig, server.context)
	if err != nil {
		return nil, err
	}
	objects, err := cluster.Read(cmd.Context(), config)
	if err != nil {
		return nil, err
	}
	state, _ := manifest.State(objects)
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

// stagedVerb is a command that does something to one staged policy.
func stagedVerb(verb, short string, server *flowServer, do func(ctx context.Context, c dynamic.Interface, id verdict.PolicyID) error) *cobra.Command {
	cmd := &cobra.Command{
		Use:   verb + " POLICY",
		Short: short,
		Long:  short + ".\n\nPOLICY is KIND/NAMESPACE/NAME, NAMESPACE/NAME of a StagedNetworkPolicy, or NAME of a StagedGlobalNetworkPolicy.",
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
	cmd.Flags().StringVar(&server.kubeconfig, "kubeconfig", "", "way to the cluster (default: $KUBECONFIG, ~/.kube/config, or the pod's service account)")
	cmd.Flags().StringVar(&server.context, "context", "", "context of the kubeconfig")
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

// text writes the report for people.
func (r *stagedReport) text(w io.Writer) error {
	if len(r.Staged) == 0 {
		_, err := fmt.Fprintln(w, "nothing is staged")
		return err
	}
	p := paint(w)
	var b strings.Builder
	for _, s := range r.Staged {
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
	for _, part := range []struct {
		title   string
		changes []replay.Change
	}{{p.bad("newly denied"), r.Denied}, {p.good("newly allowed"), r.Allowed}} {
		fmt.Fprintf(&b, "\n%s: %d\n", part.title, len(part.changes))
		for _, c := range part.changes {
			fmt.Fprintf(&b, "  %s  x%d, last %s\n", p.bold(c.String()), c.Connections, c.Last.Local().Format(time.DateTime))
			fmt.Fprintf(&b, "    now:  %s\n    then: %s\n", &c.Before.Trace, &c.After.Trace)
			for i := range c.Flows {
				f := &c.Flows[i]
				fmt.Fprintf(&b, "    seen: %s -> %s %s %s\n", f.Source.Shown(), f.Destination.Shown(), flowPort(f), f.Last.Local().Format(time.DateTime))
			}
		}
	}
	fmt.Fprintf(&b, "\nunchanged: %d connections; of %d it is not known, since an end is gone\n", r.Unchanged, r.Unknown)
	fmt.Fprintf(&b, "possible, seen or not: between %d pairs of groups something would be newly denied, between %d newly allowed\n", r.Possible.Denied, r.Possible.Allowed)
	_, err := io.WriteString(w, b.String())
	return err
}
