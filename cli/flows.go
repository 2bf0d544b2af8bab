package cli

import (
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/verdict"
)

// flowFilter are the flags that choose flows.
type flowFilter struct {
	flow.Filter
	port, since, until string
	rule, last         int
}

func (o *flowFilter) flags(f *pflag.FlagSet) {
	f.StringSliceVarP(&o.Namespaces, "namespace", "n", nil, "those with an end in one of the namespaces")
	f.StringVar(&o.Endpoint, "endpoint", "", "those with this end: NAMESPACE/POD, hep:NAME, node:NAME or an address")
	f.StringVar(&o.From, "from", "", "those from this end")
	f.StringVar(&o.To, "to", "", "those to this end")
	f.StringVar(&o.Verdict, "verdict", "", "allow or deny")
	f.StringVar(&o.Policy, "policy", "", "those that met this policy: KIND/NAMESPACE/NAME, or a name")
	f.IntVar(&o.rule, "rule", -1, "and this rule of it, from 0")
	f.StringVar(&o.Tier, "tier", "", "those that met this tier")
	f.StringVar(&o.port, "port", "", "tcp/80, udp/53, icmp; 80 is tcp/80")
	f.StringVar(&o.Event, "event", "", "connection or log: connections alone, or what Log rules logged")
	f.StringVar((*string)(&o.Reporter), "reporter", "", "source or destination: the end whose node tells")
	f.StringVar(&o.Node, "node", "", "the node that tells")
	f.StringVar(&o.Newly, "newly", "", "denied, allowed or any: those that enforcing all that is staged would change so")
	f.StringVar(&o.since, "since", "", "from a time on, 2026-11-25T14:00:00Z, or from so long ago, 10m")
	f.StringVar(&o.until, "until", "", "before a time")
	f.IntVar(&o.last, "last", 100, "how many, at most; the newest")
}

// filter reads what the flags say.
func (o *flowFilter) filter(now time.Time) (flow.Filter, error) {
	f := o.Filter
	var err error
	if f.Since, err = timeOf("--since", o.since, now); err != nil {
		return f, err
	}
	if f.Until, err = timeOf("--until", o.until, now); err != nil {
		return f, err
	}
	if o.rule >= 0 {
		f.Rule = &o.rule
	}
	f.Limit = o.last
	if o.port == "" {
		return f, nil
	}
	protocol, number, ok := strings.Cut(o.port, "/")
	if !ok && number == "" {
		if _, err := strconv.ParseUint(protocol, 10, 16); err == nil {
			protocol, number = "tcp", protocol
		}
	}
	f.Protocol = protocol
	if number != "" {
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return f, usagef("--port %s is not of the form tcp/80, udp/53, icmp or 80", o.port)
		}
		f.Port = uint16(n)
	}
	return f, nil
}

func timeOf(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, usagef("%s %s is neither a time such as 2026-11-25T14:00:00Z nor a duration such as 10m", flag, text)
	}
	return t, nil
}

func flowsCommand() *cobra.Command {
	var server flowServer
	var choose flowFilter
	var follow bool
	var format string
	cmd := &cobra.Command{
		Use:   "flows",
		Short: "what happened: connections and denied attempts, with the rules that decided",
		Long: "Lists what agents have recorded, the oldest first, as far as you may see it: everything, or what has an\n" +
			"end in a namespace in which you may get flows.tierwall.dev. It asks `tierwall server`.\n\n" +
			"A connection that lasts is told of when it begins, while it lasts with what has passed since, and when it ends.\n" +
			"What a Log rule logged is a line of its own, with the rule and its prefix.",
		Example: "  tierwall flows --follow --verdict deny\n  tierwall flows -n blue --since 10m -o csv\n  tierwall flows --policy security/block-red -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains([]string{"text", "json", "csv"}, format) {
				return usagef("-o %s is not known; write one of text, json, csv", format)
			}
			f, err := choose.filter(time.Now())
			if err != nil {
				return err
			}
			p := newFlowPrinter(cmd.OutOrStdout(), format)
			var page flow.Page
			if !follow || cmd.Flags().Changed("last") || choose.since != "" {
				if err := server.get(cmd.Context(), flow.Path, f.Values(), &page); err != nil {
					return err
				}
			}
			slices.Reverse(page.Records)
			for i := range page.Records {
				if err := p.print(&page.Records[i]); err != nil {
					return err
				}
			}
			missing(cmd.ErrOrStderr(), page.Lost)
			began(cmd.ErrOrStderr(), page, f)
			if follow {
				return followFlows(cmd.Context(), &server, f, p, cmd.ErrOrStderr())
			}
			if len(page.Records) == 0 && format == "text" {
				fmt.Fprintln(cmd.ErrOrStderr(), nothing(page))
			}
			return p.flush()
		},
	}
	choose.flags(cmd.Flags())
	server.flags(cmd)
	cmd.Flags().BoolVarP(&follow, "follow", "F", false, "go on with what happens from now on")
	cmd.Flags().StringVarP(&format, "output", "o", "text", "text|json|csv; json is one record a line")
	return cmd
}

// nothing says why there is nothing to see.
func nothing(p flow.Page) string {
	if p.Oldest.IsZero() {
		return "no flow has been recorded yet"
	}
	return "no flow is such; the oldest there is was at " + p.Oldest.Local().Format(time.DateTime)
}

// began says from when on the server has flows, if what is asked for is older than
// that: another server may have had them before.
func began(w io.Writer, p flow.Page, f flow.Filter) {
	if !p.Since.IsZero() && p.Next == 0 && f.Since.Before(p.Since) {
		fmt.Fprintf(w, "this server has taken flows since %s; what another took before, it has not\n", p.Since.Local().Format(time.DateTime))
	}
}

// missing says what is in no record.
func missing(w io.Writer, l flow.Loss) {
	var parts []string
	for _, p := range []struct {
		n    uint64
		what string
	}{{l.Denied, "denied attempts"}, {l.Connections, "events of connections"}, {l.Records, "records"}, {l.Logged, "packets that Log rules met"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	if len(parts) > 0 {
		fmt.Fprintln(w, "not recorded:", strings.Join(parts, ", "))
	}
}

func followFlows(ctx context.Context, s *flowServer, f flow.Filter, p *flowPrinter, messages io.Writer) error {
	return s.follow(ctx, f.Values(), func(e flow.Event) error {
		if e.Record == nil {
			missing(messages, e.Lost)
			return nil
		}
		if err := p.print(e.Record); err != nil {
			return err
		}
		return p.flush()
	})
}

// flowPrinter writes records, each as it comes.
type flowPrinter struct {
	out    io.Writer
	format string
	csv    *csv.Writer
	paint  painter
	headed bool
}

func newFlowPrinter(w io.Writer, format string) *flowPrinter {
	return &flowPrinter{out: w, format: format, csv: csv.NewWriter(w), paint: paint(w)}
}

func (p *flowPrinter) flush() error {
	p.csv.Flush()
	return p.csv.Error()
}

var flowHead = []string{"time", "verdict", "connections", "source", "destination", "protocol", "port", "direction", "reason", "tier", "policy", "rule", "newly", "bytes out", "bytes in", "node", "source address", "source port", "destination address"}

func (p *flowPrinter) print(r *flow.Record) error {
	switch p.format {
	case "json":
		e := json.NewEncoder(p.out)
		e.SetEscapeHTML(false)
		return e.Encode(r)
	case "csv":
		if !p.headed {
			p.headed = true
			if err := p.csv.Write(flowHead); err != nil {
				return err
			}
		}
		return p.csv.Write(flowCells(r))
	}
	return p.line(r)
}

// flowCells are the columns of flowHead. Names of objects are harmless, but what
// agents send is taken as it is: an agent that was taken over must not reach into a
// spreadsheet or a terminal.
func flowCells(r *flow.Record) []string {
	direction, reason, tier, policy, rule := decided(r)
	sport := ""
	if r.SourcePort != 0 {
		sport = strconv.Itoa(int(r.SourcePort))
	}
	cells := []string{
		r.Last.Format(time.RFC3339Nano), shownVerdict(r), strconv.FormatUint(r.Connections, 10), r.Source.Shown(), r.Destination.Shown(),
		r.Protocol, cmp.Or(r.ICMP, strconv.Itoa(int(r.Port))), direction, reason, tier, policy, rule, r.Newly(),
		strconv.FormatUint(r.Out.Bytes, 10), strconv.FormatUint(r.In.Bytes, 10), r.Node, r.Source.Address.String(), sport, r.Destination.Address.String(),
	}
	for i, c := range cells {
		cells[i] = harmless(c)
	}
	return cells
}

// harmless puts an apostrophe before what a spreadsheet would take for a formula.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

// printable replaces what a terminal would obey, or not show.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// decided says what made the verdict.
func decided(r *flow.Record) (direction, reason, tier, policy, rule string) {
	if l := r.Logged; l != nil {
		if policy = l.Policy; l.Profile != "" {
			policy = "Profile//" + l.Profile
		}
		return l.Direction, "logged", l.Tier, policy, strconv.Itoa(l.Rule)
	}
	d := r.Deciding()
	if d == nil {
		return "", "", "", "", ""
	}
	direction = verdict.Ingress.String()
	if d == r.Egress {
		direction = verdict.Egress.String()
	}
	if !d.Known() {
		return direction, "not known", "", "", ""
	}
	s := d.Trace.Deciding()
	if s == nil {
		return direction, d.Trace.Reason.String(), "", "", ""
	}
	if !s.Policy.IsZero() {
		policy = s.Policy.String()
	} else if s.Profile != "" {
		policy = "Profile//" + s.Profile
	}
	if s.Rule != verdict.NoRule {
		rule = strconv.Itoa(s.Rule)
	}
	return direction, d.Trace.Reason.String(), s.Tier, policy, rule
}

// line writes a record for people, in one line:
//
//	14:03:07.120 deny  red/fe-1 -> blue/be-1 tcp/80  ingress: rule 2 of GlobalNetworkPolicy//block in tier security
func (p *flowPrinter) line(r *flow.Record) error {
	var b strings.Builder
	b.WriteString(p.paint.faint(r.Last.Local().Format("15:04:05.000")) + " ")
	b.WriteString(p.paint.verdict(shownVerdict(r), fmt.Sprintf("%-5s", shownVerdict(r))) + " ")
	b.WriteString(p.paint.bold(printable(r.Source.Shown())) + " -> " + p.paint.bold(printable(r.Destination.Shown())) + " " + printable(flowPort(r)))
	if n := timesSeen(r); n > 1 {
		fmt.Fprintf(&b, " x%d", n)
	}
	if r.Connections == 0 && r.Ended && r.Logged == nil {
		b.WriteString(" ended")
	}
	if r.Verdict == flow.Verdict(verdict.Allow) && r.Out.Bytes+r.In.Bytes > 0 {
		fmt.Fprintf(&b, " %s out, %s in", bytesText(r.Out.Bytes), bytesText(r.In.Bytes))
	}
	if why := flowReason(r); why != "" {
		b.WriteString("  " + p.paint.faint(printable(why)))
	}
	if n := r.Newly(); n != "" {
		b.WriteString("  " + p.paint.bold("staged: "+n))
	}
	_, err := fmt.Fprintln(p.out, b.String())
	return err
}

// shownVerdict is "log" for what a Log rule logged.
func shownVerdict(r *flow.Record) string {
	if r.Logged != nil {
		return "log"
	}
	return r.Verdict.String()
}

// timesSeen is how many connections, attempts or logged packets a record is of.
func timesSeen(r *flow.Record) uint64 {
	if r.Logged != nil {
		return r.Logged.Packets
	}
	return r.Connections
}

func flowPort(r *flow.Record) string {
	name := strings.ToLower(r.Protocol)
	switch {
	case r.ICMP != "":
		return name + "/" + r.ICMP
	case r.Port != 0:
		return name + "/" + strconv.Itoa(int(r.Port))
	}
	return name
}

func flowReason(r *flow.Record) string {
	direction, reason, tier, policy, rule := decided(r)
	if r.Logged != nil && direction == "" {
		direction = "ingress or egress"
	}
	switch {
	case direction == "":
		return ""
	case r.Logged != nil && tier != "":
		return fmt.Sprintf("%s: rule %s of %s in tier %s, %q", direction, rule, policy, tier, r.Logged.Prefix)
	case rule != "" && tier != "":
		return fmt.Sprintf("%s: rule %s of %s in tier %s", direction, rule, policy, tier)
	case tier != "" && policy == "":
		return fmt.Sprintf("%s: end of tier %s", direction, tier)
	case policy != "":
		return fmt.Sprintf("%s: %s, %s", direction, reason, policy)
	}
	return direction + ": " + reason
}

// bytesText writes an amount with a unit.
func bytesText(n uint64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}
