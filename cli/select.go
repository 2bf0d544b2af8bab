package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tierwall/tierwall/analysis"
	"github.com/tierwall/tierwall/selector"
)

func selectCommand() *cobra.Command {
	var in input
	var out output
	var q analysis.Selection
	cmd := &cobra.Command{
		Use:   "select [--kind KIND] SELECTOR",
		Short: "what a selector matches, and where it is wrong",
		Long: "Lists the objects that a selector matches. A pod has its own labels, projectcalico.org/namespace,\n" +
			"projectcalico.org/orchestrator and projectcalico.org/serviceaccount. Labels of its namespace and\n" +
			"service account are matched with --kind namespaces and --kind serviceaccounts, as\n" +
			"namespaceSelector and serviceAccountSelector do. all() is everything; global() is what is in no\n" +
			"namespace. Of network sets the domains are listed after the networks.\n\n" +
			"KIND is one of " + strings.Join(analysis.SelectKinds(), ", ") + ".\n\n" +
			"The exit code is 0 if something matches, 1 if nothing does, 2 for an error.",
		Example: "  tierwall select -f cluster.yaml \"app/tier == 'FE'\"\n  tierwall select --kind namespaces \"color in {'blue', 'green'}\"",
		Args:    exactly(1, "write one selector, in quotes, for instance \"app == 'web'\""),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			if !slices.Contains(analysis.SelectKinds(), q.Kind) {
				return usagef("there is no kind %q; the kinds are %s", q.Kind, strings.Join(analysis.SelectKinds(), ", "))
			}
			q.Selector = args[0]
			if _, err := selector.Parse(q.Selector); err != nil { // before anything is read
				return selectorError(err)
			}
			state, err := in.state(cmd)
			if err != nil {
				return err
			}
			matched, remarks, err := analysis.Select(state, q)
			if err != nil {
				return err
			}
			for _, r := range remarks {
				fmt.Fprintln(cmd.ErrOrStderr(), "note:", r)
			}
			return showSelected(cmd, &out, matched)
		},
	}
	in.flags(cmd)
	out.flags(cmd, true)
	cmd.Flags().StringVar(&q.Kind, "kind", "all", "kind of the objects: "+strings.Join(analysis.SelectKinds(), "|"))
	cmd.Flags().StringVarP(&q.Namespace, "namespace", "n", "", "only objects of this namespace")
	return cmd
}

// selectorError shows a selector with a mark under what is wrong.
func selectorError(err error) error {
	var syntax *selector.SyntaxError
	if !errors.As(err, &syntax) {
		return err
	}
	text := fmt.Sprintf("selector: %s\n  %s", syntax, strings.ReplaceAll(syntax.Caret(), "\n", "\n  "))
	if syntax.Hint != "" {
		text += "\n" + syntax.Hint
	}
	return errors.New(text)
}

func showSelected(cmd *cobra.Command, out *output, matched []analysis.Selected) error {
	if matched == nil {
		matched = []analysis.Selected{}
	}
	w := cmd.OutOrStdout()
	done, err := out.value(w, matched)
	if err != nil {
		return err
	}
	if !done {
		t := rows{head: []string{"kind", "name", "addresses", "labels"}}
		for _, s := range matched {
			t.body = append(t.body, []string{s.Kind, s.Name, strings.Join(slices.Concat(s.Addresses, s.Domains), ","), labels(s.Labels)})
		}
		if err := out.table(w, t); err != nil {
			return err
		}
		if out.format == "text" && len(matched) == 0 {
			fmt.Fprintln(w, "nothing matches")
		}
	}
	if len(matched) == 0 {
		return no
	}
	return nil
}

// labels writes labels without those that every pod has.
func labels(m map[string]string) string {
	var pairs []string
	for k, v := range m {
		if !strings.HasPrefix(k, "projectcalico.org/") && k != "kubernetes.io/metadata.name" {
			pairs = append(pairs, k+"="+v)
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, ",")
}
