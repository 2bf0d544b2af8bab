package cli

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/policytest"
)

func testCommand() *cobra.Command {
	var out output
	var verbose bool
	cmd := &cobra.Command{
		Use:   "test [PATH...]",
		Short: "run PolicyTest objects: unit tests of policies",
		Long: "Runs the PolicyTest objects of files and directories (the present directory if none is\n" +
			"named), each in a world of nothing but the resources and objects that it names. Each check is\n" +
			"made on the compiled tables and on the plain evaluator, which have to agree.\n\n" +
			"The exit code is 0 if all pass, 1 if some fail or there is none, 2 for an error.",
		Example: "  tierwall test policies/tests\n  tierwall test -o json > results.json",
		RunE: func(cmd *cobra.Command, paths []string) error {
			if err := out.check(); err != nil {
				return err
			}
			if len(paths) == 0 {
				paths = []string{"."}
			}
			tests, problems, err := policytest.Load(paths, cmd.InOrStdin())
			if err != nil {
				return err
			}
			if len(problems) > 0 {
				return unreadableTests(problems)
			}
			var results []*policytest.Result
			pass := len(tests) > 0
			for _, t := range tests {
				r := runTest(t)
				results = append(results, r)
				pass = pass && r.Pass()
			}
			if err := showResults(cmd, &out, results, verbose); err != nil {
				return err
			}
			if !pass {
				return no
			}
			return nil
		},
	}
	out.flags(cmd, false)
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "show every check, and the problems of the objects")
	return cmd
}

// unreadableTests is the error of tests that are not written as they should be:
// a check that is not understood must not count as one.
func unreadableTests(problems []model.Problem) error {
	lines := []string{"some tests cannot be read:"}
	for _, p := range problems {
		lines = append(lines, "  "+p.String())
	}
	return errors.New(strings.Join(lines, "\n"))
}

// runTest runs a test on the tables, and on the oracle to hold against them.
func runTest(t *policytest.Test) *policytest.Result {
	r := policytest.Run(t, policytest.Tables(t.State))
	oracle := policytest.Run(t, policytest.Oracle(t.State))
	for i := range r.Checks {
		c, o := &r.Checks[i], oracle.Checks[i]
		if !slices.Equal(c.Found, o.Found) {
			c.Pass = false
			c.Why = append(c.Why, "the tables and the oracle differ, which is a bug of tierwall; the oracle says: "+strings.Join(o.Found, "; "))
		}
	}
	return r
}

// report is the JSON of a run.
type report struct {
	Pass    bool       `json:"pass"`
	Passed  int        `json:"passed"`
	Failed  int        `json:"failed"`
	Results []testJSON `json:"results"`
}

type testJSON struct {
	*policytest.Result
	Pass     bool            `json:"pass"`
	Line     int             `json:"line"`
	Problems []model.Problem `json:"problems"`
}

func showResults(cmd *cobra.Command, out *output, results []*policytest.Result, verbose bool) error {
	w := cmd.OutOrStdout()
	all := report{Results: []testJSON{}}
	checks := 0
	for _, r := range results {
		checks += r.Count()
		all.Failed++
		if r.Pass() {
			all.Failed--
			all.Passed++
		}
		all.Results = append(all.Results, testJSON{r, r.Pass(), r.Test.Line, append([]model.Problem{}, r.Test.Problems...)})
	}
	all.Pass = all.Failed == 0 && all.Passed > 0
	if done, err := out.value(w, all); done || err != nil {
		return err
	}
	p := paint(w)
	width := 0
	for _, r := range results {
		width = max(width, len(r.Name))
	}
	for _, r := range results {
		showResult(w, p, r, width, verbose)
	}
	if len(results) == 0 {
		fmt.Fprintln(w, p.bad("no tests were found")+": write objects of kind PolicyTest, apiVersion tierwall.dev/v1alpha1")
		return nil
	}
	summary := fmt.Sprintf("%s, %s: %d passed, %d failed", count(len(results), "test"), count(checks, "check"), all.Passed, all.Failed)
	if all.Pass {
		fmt.Fprintln(w, p.good(summary))
	} else {
		fmt.Fprintln(w, p.bad(summary))
	}
	return nil
}

func showResult(w io.Writer, p painter, r *policytest.Result, width int, verbose bool) {
	state, note := p.good("ok  "), count(r.Count(), "check")
	switch {
	case r.Count() == 0:
		state, note = p.bad("FAIL"), "nothing is checked: write checks or selects"
	case !r.Pass():
		state, note = p.bad("FAIL"), fmt.Sprintf("%d of %s failed", r.Failed(), note)
	}
	if n := len(r.Test.Problems); n > 0 && !verbose {
		note += p.faint(fmt.Sprintf(" (%s in its objects, -v shows them)", count(n, "problem")))
	}
	fmt.Fprintf(w, "%s  %-*s  %s: %s\n", state, width, r.Name, p.faint(filepath.Base(r.File)), note)
	if verbose {
		for _, problem := range r.Test.Problems {
			fmt.Fprintf(w, "      problem %s\n", problem)
		}
	}
	for _, o := range slices.Concat(r.Checks, r.Selects) {
		if o.Pass && !verbose {
			continue
		}
		showOutcome(w, p, r.File, o)
	}
}

func showOutcome(w io.Writer, p painter, file string, o policytest.Outcome) {
	if o.Pass {
		fmt.Fprintf(w, "      %s %s\n", p.good("✓"), o.Title)
		return
	}
	fmt.Fprintf(w, "      %s %s:%d: %s\n", p.bad("✗"), file, o.Line, o.Title)
	for _, part := range []struct {
		name  string
		lines []string
	}{{"because", o.Why}, {"expected", o.Expected}, {"found", o.Found}} {
		for i, line := range part.lines {
			if i > 0 {
				part.name = ""
			}
			fmt.Fprintf(w, "          %-8s  %s\n", part.name, line)
		}
	}
}
