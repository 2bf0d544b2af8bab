package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tierwall/tierwall/analysis"
	"github.com/tierwall/tierwall/verdict"
)

func effectiveCommand() *cobra.Command {
	var in input
	var out output
	cmd := &cobra.Command{
		Use:   "effective ENDPOINT",
		Short: "the policies that apply to an endpoint, in the order of evaluation",
		Long: "Lists the tiers and policies that apply to an endpoint, for each direction, in the order in\n" +
			"which they are evaluated, and what happens to a connection that none of them decides.\n\n" +
			"ENDPOINT is NAMESPACE/POD, hep:NAME, node:NAME or an IP address.",
		Example: "  tierwall effective blue/fe-1 -f policies/",
		Args:    exactly(1, "name one endpoint, for instance blue/fe-1 or hep:NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			state, err := in.state(cmd)
			if err != nil {
				return err
			}
			e, err := analysis.Effective(state, args[0])
			if err != nil {
				return err
			}
			showWarnings(cmd, e.Warnings)
			w := cmd.OutOrStdout()
			if done, err := out.value(w, e); done || err != nil {
				return err
			}
			if out.format != "text" {
				return out.table(w, effectiveRows(e))
			}
			return showEffective(w, e)
		},
	}
	in.flags(cmd)
	out.flags(cmd, true)
	return cmd
}

// exactly is cobra.ExactArgs with a sentence.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != n {
			return usagef("%s", what)
		}
		return nil
	}
}

func effectiveRows(e *analysis.EffectivePolicies) rows {
	t := rows{head: []string{"direction", "tier", "tier order", "policy", "order", "rules", "end of tier"}}
	for _, d := range []struct {
		name string
		analysis.EffectiveDirection
	}{{"ingress", e.Ingress}, {"egress", e.Egress}} {
		for _, tier := range d.Tiers {
			for _, p := range tier.Policies {
				t.body = append(t.body, []string{d.name, tier.Tier, analysis.FormatOrder(tier.Order), p.Policy,
					analysis.FormatOrder(p.Order), fmt.Sprint(p.Rules), tier.End})
			}
		}
	}
	for _, s := range e.Stages {
		for _, tier := range s.Tiers {
			for _, p := range tier.Policies {
				t.body = append(t.body, []string{s.Direction + " " + s.Stage, tier.Tier, analysis.FormatOrder(tier.Order), p.Policy,
					analysis.FormatOrder(p.Order), fmt.Sprint(p.Rules), tier.End})
			}
		}
	}
	return t
}

func showEffective(w io.Writer, e *analysis.EffectivePolicies) error {
	p := paint(w)
	where := strings.Join(e.Addresses, ", ")
	if e.Node != "" {
		where = strings.TrimPrefix(where+" on "+e.Node, " ")
	}
	fmt.Fprintf(w, "%s  %s\n", p.bold(e.Endpoint), p.faint(where))
	for _, d := range []struct {
		name string
		analysis.EffectiveDirection
	}{{"ingress", e.Ingress}, {"egress", e.Egress}} {
		fmt.Fprintf(w, "\n%s\n", p.bold(d.name))
		for _, tier := range d.Tiers {
			if err := showTier(w, p, tier); err != nil {
				return err
			}
		}
		if len(d.Tiers) == 0 {
			fmt.Fprintln(w, "  no policy applies")
		}
		fmt.Fprintf(w, "  then %s\n", d.Then)
		if d.Staged != nil {
			fmt.Fprintf(w, "  %s\n", p.bold("if what is staged were enforced:"))
			for _, tier := range d.Staged {
				if err := showTier(w, p, tier); err != nil {
					return err
				}
			}
		}
	}
	for _, s := range e.Stages {
		fmt.Fprintf(w, "\n%s  %s\n", p.bold(s.Direction+", "+s.Stage), p.faint(aboutStage[s.Stage]))
		for _, tier := range s.Tiers {
			if err := showTier(w, p, tier); err != nil {
				return err
			}
		}
	}
	return nil
}

// aboutStage says what meets the policies of a stage, and what comes after.
var aboutStage = map[string]string{
	verdict.Untracked.String(): "before connection tracking; what no rule decides goes on",
	verdict.PreDNAT.String():   "before a service's address is translated; what no rule decides goes on",
	verdict.Forward.String():   "traffic that is routed through the host",
}

func showTier(w io.Writer, p painter, tier analysis.EffectiveTier) error {
	note := "order " + analysis.FormatOrder(tier.Order)
	if tier.Missing {
		note = "does not exist, so it comes last"
	}
	fmt.Fprintf(w, "  tier %s  %s\n", p.bold(tier.Tier), p.faint(note))
	var lines [][]string
	for _, policy := range tier.Policies {
		rules := count(policy.Rules, "rule") + ": " + strings.Join(policy.Actions, ", ")
		switch {
		case policy.Invalid:
			rules = "cannot be read: denies all"
		case policy.Rules == 0:
			rules = "no rules"
		}
		if len(policy.Domains) > 0 {
			rules += "; domains " + strings.Join(policy.Domains, ", ")
		}
		if policy.Staged {
			rules += " (staged: not enforced)"
		}
		lines = append(lines, []string{analysis.FormatOrder(policy.Order), policy.Policy, rules})
	}
	lines = append(lines, []string{"end", tier.End})
	return align(w, lines, "    ")
}
