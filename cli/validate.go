package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tierwall/tierwall/model"
)

func validateCommand() *cobra.Command {
	var in input
	var out output
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "everything that is wrong with the input, with its place",
		Long: "Lists every problem of the objects: what is misspelt, what cannot be read, what does not\n" +
			"exist, what this version does not support. One line is file:line:column, the object, the\n" +
			"field, what is wrong, and what to do about it.\n\n" +
			"The exit code is 0 if there is no problem or only warnings, 1 if there are some, 2 for an error.",
		Example: "  tierwall validate -f policies/\n  kubectl get networkpolicies.p -A -o yaml | tierwall validate -f -",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := out.check(); err != nil {
				return err
			}
			problems, err := in.judged(cmd)
			if err != nil {
				return err
			}
			if problems == nil {
				problems = []model.Problem{}
			}
			if err := showProblems(cmd, &out, problems); err != nil {
				return err
			}
			if slices.ContainsFunc(problems, func(p model.Problem) bool { return !p.Warning }) {
				return no
			}
			return nil
		},
	}
	in.flags(cmd)
	out.flags(cmd, true)
	return cmd
}

func showProblems(cmd *cobra.Command, out *output, problems []model.Problem) error {
	w := cmd.OutOrStdout()
	if done, err := out.value(w, problems); done || err != nil {
		return err
	}
	if out.format != "text" {
		t := rows{head: []string{"file", "line", "column", "code", "object", "path", "message", "hint"}}
		for _, p := range problems {
			t.body = append(t.body, []string{p.File, fmt.Sprint(p.Line), fmt.Sprint(p.Column), p.Code, p.Object, p.Path, p.Message, p.Hint})
		}
		return out.table(w, t)
	}
	c := paint(w)
	objects := map[string]bool{}
	for _, p := range problems {
		line := p.String()
		if place, rest, ok := strings.Cut(line, ": "); ok && p.File != "" {
			line = c.bold(place) + ": " + warned(p) + rest
		} else {
			line = warned(p) + line
		}
		fmt.Fprintln(w, line)
		objects[p.File+p.Object] = true
	}
	if len(problems) == 0 {
		fmt.Fprintln(w, c.good("no problems"))
		return nil
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s in %s\n", count(len(problems), "problem"), count(len(objects), "object"))
	return nil
}

// warned is what stands before a warning.
func warned(p model.Problem) string {
	if p.Warning {
		return "warning: "
	}
	return ""
}

// count writes a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
