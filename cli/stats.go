package cli

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/tierwall/tierwall/flow"
)

func statsCommand() *cobra.Command {
	var server flowServer
	var choose flowFilter
	var out output
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "what each policy and rule did: connections allowed, denied, passed, logged",
		Long: "Sums up what agents have recorded, by tier, policy and rule; the end of a tier has lines of its own, one for\n" +
			"each policy that applied there and did not match. The flags choose the flows that count.",
		Example: "  tierwall stats\n  tierwall stats --policy default-deny --since 24h -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := out.check(); err != nil {
				return err
			}
			f, err := choose.filter(time.Now())
			if err != nil {
				return err
			}
			counts := []flow.Count{}
			if err := server.get(cmd.Context(), flow.Path+"/stats", f.Values(), &counts); err != nil {
				return err
			}
			if done, err := out.value(cmd.OutOrStdout(), counts); done {
				return err
			}
			if len(counts) == 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), "no flow has been recorded that counts")
			}
			return out.table(cmd.OutOrStdout(), statsTable(counts))
		},
	}
	choose.flags(cmd.Flags())
	_ = cmd.Flags().MarkHidden("last")
	server.flags(cmd)
	out.flags(cmd, true)
	return cmd
}

func statsTable(counts []flow.Count) rows {
	t := rows{head: []string{"tier", "policy", "rule", "direction", "allowed", "denied", "passed", "logged", "bytes", "packets", "last"}}
	for _, c := range counts {
		rule := "end of tier"
		switch {
		case c.Rule != nil:
			rule = strconv.Itoa(*c.Rule)
		case c.Tier == "" || c.Policy != "" && c.Reason != "tier default":
			rule = c.Reason
		}
		if c.Pending {
			rule += " (staged)"
		}
		last := ""
		if !c.Last.IsZero() {
			last = c.Last.Local().Format(time.DateTime)
		}
		n := func(n uint64) string { return strconv.FormatUint(n, 10) }
		t.body = append(t.body, []string{cmp.Or(c.Tier, "-"), cmp.Or(c.Policy, "-"), rule, c.Direction, n(c.Allowed), n(c.Denied), n(c.Passed), n(c.Logged), n(c.Bytes), n(c.Packets), cmp.Or(last, "never")})
	}
	return t
}
