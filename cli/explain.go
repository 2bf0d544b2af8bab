package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tierwall/tierwall/analysis"
	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/evaluate"
	nodereport "github.com/tierwall/tierwall/report"
	"github.com/tierwall/tierwall/verdict"
)

func explainCommand() *cobra.Command {
	var e explainer
	cmd := &cobra.Command{
		Use:   "explain --from A --to B [--port P]",
		Short: "the verdict for one new connection, and the whole way to it",
		Long: "Says whether a new connection is allowed, and why: at its source (egress), and if that\n" +
			"allows, at its destination (ingress), with every rule that was looked at.\n\n" +
			"A and B are NAMESPACE/POD, hep:NAME (a host endpoint), node:NAME (the host itself) or an\n" +
			"IP address. B may also be a domain name: it stands for the addresses that it was learned to have\n" +
			"by the nodes of the cluster, or that --learned gives it; if none is known, for the one that a\n" +
			"look-up would find.\n\n" +
			"P is tcp/80, udp/53, sctp/9, icmp, icmp/8 or icmp/8/0; a number alone is TCP,\n" +
			"and without --port the question is about tcp/80. IPv4 is taken where both ends have it;\n" +
			"name addresses to ask about IPv6.\n\n" +
			"The exit code is 0 for allow, 1 for deny, 2 for an error.",
		Example: "  tierwall explain -f policies/ --from blue/fe-1 --to red/be-1 --port tcp/8080\n" +
			"  tierwall explain --from 192.0.2.7 --to hep:node-1-eth0 --port 22 -o json",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.run(cmd) },
	}
	e.in.flags(cmd)
	e.out.flags(cmd, false)
	cmd.Flags().StringArrayVar(&e.learned, "learned", nil, "what a domain name is taken to have been learned to be, as NAME=ADDRESS[,ADDRESS]; repeatable")
	cmd.Flags().StringVar(&e.namespace, "server-namespace", nodereport.Namespace, "namespace of the server, which tells what the nodes learned of domain names")
	cmd.Flags().StringVar(&e.query.From, "from", "", "where the connection comes from")
	cmd.Flags().StringVar(&e.query.To, "to", "", "where it goes")
	cmd.Flags().StringVar(&e.port, "port", "", "what it is to, for instance tcp/80 (the default), udp/53, icmp")
	return cmd
}

// explainer is one call of explain.
type explainer struct {
	in    input
	out   output
	query analysis.Query
	port  string
	// learned are names with addresses, as they are written; namespace is where the
	// server tells what nodes learned.
	learned   []string
	namespace string
}

func (e *explainer) run(cmd *cobra.Command) error {
	if err := e.out.check(); err != nil {
		return err
	}
	if e.query.From == "" || e.query.To == "" {
		return usagef("name both ends, with --from and --to")
	}
	var err error
	if e.query.Port, err = analysis.ParsePort(e.port); err != nil {
		return usageError{err}
	}
	state, err := e.in.state(cmd)
	if err != nil {
		return err
	}
	if err := e.learn(cmd, state); err != nil {
		return err
	}
	x, err := analysis.Explain(state, compile.Compile(state, compile.Options{}), e.query)
	if err != nil {
		return err
	}
	if pending := state.Pending(); pending != state {
		y, err := analysis.Explain(pending, compile.Compile(pending, compile.Options{}), e.query)
		if err != nil {
			return err
		}
		x.Pending = &analysis.Pending{Verdict: y.Verdict, Egress: y.Egress, Ingress: y.Ingress}
	}
	showWarnings(cmd, x.Warnings)
	if done, err := e.out.value(cmd.OutOrStdout(), x); err != nil {
		return err
	} else if !done {
		showExplanation(cmd.OutOrStdout(), x, e.port == "")
	}
	if x.Verdict != verdict.Allow.String() {
		return no
	}
	return nil
}

// showExplanation draws the two sides of a connection.
func showExplanation(w io.Writer, x *analysis.Explanation, guessed bool) {
	p := paint(w)
	what := x.Protocol
	if x.Port != 0 {
		what += fmt.Sprintf(" port %d", x.Port)
	}
	if guessed {
		what += p.faint(" (no --port was given)")
	}
	word := x.Verdict
	if x.Domain != nil && !x.Domain.Known && len(x.Domain.AllowedBy) > 0 && x.Verdict == verdict.Allow.String() {
		word += " once looked up"
	}
	fmt.Fprintf(w, "%s  %s → %s  %s\n", p.bold(p.verdict(x.Verdict, mark(x.Verdict)+" "+word)), x.From, x.To, what)
	if ends := x.Source + " → " + x.Destination; ends != x.From+" → "+x.To {
		fmt.Fprintf(w, "  %s\n", p.faint(ends))
	}
	if x.Domain != nil {
		for _, line := range aboutDomain(x) {
			fmt.Fprintf(w, "  %s\n", line)
		}
	}
	showSide(w, p, "egress", x.From, x.Egress)
	showSide(w, p, "ingress", x.To, x.Ingress)
	if y := x.Pending; y != nil {
		showPending(w, p, x, y)
	}
}

// aboutDomain says what is known of the domain name that a connection goes to.
func aboutDomain(x *analysis.Explanation) (lines []string) {
	d := x.Domain
	if d.Known {
		var all []string
		for _, a := range d.Addresses {
			text := a.Address
			if a.Verdict != x.Verdict {
				text += " (" + a.Verdict + ")"
			}
			all = append(all, text)
		}
		lines = append(lines, d.Name+" was learned to be "+strings.Join(all, ", "))
	} else {
		lines = append(lines, d.Name+" has not been looked up, as far as is known here; "+x.Destination+" stands for the address that it will have")
	}
	for _, u := range d.AllowedBy {
		text := fmt.Sprintf("rule %d of %s allows %s", u.Rule, u.Policy, u.Domain)
		if u.Set != "" {
			text += " (" + u.Set + ")"
		}
		lines = append(lines, text)
	}
	if len(d.AllowedBy) == 0 {
		lines = append(lines, "no rule at the source names it: what holds is what holds for its address")
	}
	return lines
}

// showPending draws what staged policies would change, or says that it is
// nothing.
func showPending(w io.Writer, p painter, x *analysis.Explanation, y *analysis.Pending) {
	fmt.Fprintf(w, "\n%s  %s\n", p.bold("pending: "+p.verdict(y.Verdict, mark(y.Verdict)+" "+y.Verdict)), p.faint("as if what is staged were enforced"))
	if sameWay(x.Egress, y.Egress) && sameWay(x.Ingress, y.Ingress) {
		fmt.Fprintf(w, "  %s\n", p.faint("by the same way: nothing that is staged concerns this connection"))
		return
	}
	showSide(w, p, "egress", x.From, y.Egress)
	showSide(w, p, "ingress", x.To, y.Ingress)
}

func sameWay(a, b *analysis.Side) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Trace.Equal(&b.Trace) && a.Stage == b.Stage && slices.EqualFunc(a.Stages, b.Stages, sameWay)
}

func mark(verdict string) string {
	if verdict == "allow" {
		return "✓"
	}
	return "✗"
}

func showSide(w io.Writer, p painter, direction, ref string, s *analysis.Side) {
	if s == nil {
		fmt.Fprintf(w, "\n%s at %s\n  %s\n", p.bold(direction), ref, p.faint("– not reached: egress denies"))
		return
	}
	if s.Endpoint != "" && s.Stage == "" {
		ref = s.Endpoint
	}
	fmt.Fprintf(w, "\n%s at %s\n", p.bold(direction), ref)
	if s.Stages == nil {
		showVisits(w, p, s)
	}
	for _, stage := range s.Stages {
		showStage(w, p, stage)
	}
	fmt.Fprintf(w, "  %s: %s\n", p.verdict(s.Verdict, mark(s.Verdict)+" "+s.Verdict), s.Because())
}

// showStage writes what one stage of a side said.
func showStage(w io.Writer, p painter, s *analysis.Side) {
	name := s.Stage
	if name == "" {
		name = verdict.Normal.String()
	}
	fmt.Fprintf(w, "  %s %s of %s  %s: %s\n", p.bold(name), s.Direction, s.Endpoint, p.verdict(s.Verdict, mark(s.Verdict)+" "+s.Verdict), s.Because())
	showVisits(w, p, s)
}

// showVisits writes the tiers with their policies and each rule that was looked
// at.
func showVisits(w io.Writer, p painter, s *analysis.Side) {
	var tier, policy string
	for i, v := range s.Visits {
		if v.Tier != tier || v.Tier == "" && policy == "" {
			tier, policy = v.Tier, ""
			if tier != "" {
				fmt.Fprintf(w, "  │ tier %s\n", p.bold(tier))
			} else {
				fmt.Fprintln(w, "  │ after the tiers")
			}
		}
		if v.EndOfTier() {
			fmt.Fprintf(w, "  │   %s end of tier  %s  %s\n", sign(p, v), v.Action, p.faint("no rule of "+joinPolicies(v.Applied)+" decided"))
			continue
		}
		name := v.Policy.String()
		if v.Profile != "" {
			name = "profile " + v.Profile
		}
		if name != policy {
			policy = name
			fmt.Fprintf(w, "  │   %s\n", name)
		}
		fmt.Fprintf(w, "  │     %s %s\n", sign(p, v), ruleLine(p, v, i == len(s.Visits)-1 && s.Trace.Deciding() != nil))
		for _, key := range slices.Sorted(maps.Keys(v.Annotations)) {
			fmt.Fprintf(w, "  │         %s\n", p.faint(key+": "+v.Annotations[key]))
		}
	}
}

// sign marks a step: ● matched, · did not.
func sign(p painter, v evaluate.Visit) string {
	switch {
	case !v.Matched:
		return p.faint("·")
	case v.Action == verdict.ActionAllow:
		return p.good("●")
	case v.Action == verdict.ActionDeny:
		return p.bad("●")
	}
	return "●"
}

func ruleLine(p painter, v evaluate.Visit, decides bool) string {
	switch {
	case v.Rule == verdict.NoRule:
		return "cannot be read, so it denies all"
	case !v.Matched:
		return p.faint(fmt.Sprintf("rule %d  %-5s  no match: %s", v.Rule, v.Action, v.Miss))
	}
	then := "matches"
	switch {
	case decides:
		then = "matches and decides"
	case v.Action == verdict.ActionLog:
		then = "matches, is logged, and goes on"
	case v.Action == verdict.ActionPass:
		then = "matches and passes to the next tier"
	}
	return fmt.Sprintf("rule %d  %-5s  %s", v.Rule, v.Action, then)
}

func joinPolicies(ids []verdict.PolicyID) string {
	var names []string
	for _, id := range ids {
		names = append(names, id.String())
	}
	return strings.Join(names, ", ")
}
