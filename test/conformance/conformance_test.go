package conformance

import (
	"strings"
	"testing"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/policytest"
)

// engines are what the corpus is run on here.
var engines = map[string]func(*model.State) policytest.Engine{
	"oracle": policytest.Oracle,
	"tables": policytest.Tables,
}

func TestCorpus(t *testing.T) {
	tests, problems, err := policytest.Load([]string{"."}, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
	if len(tests) < 40 {
		t.Errorf("only %d tests were found", len(tests))
	}
	for _, test := range tests {
		t.Run(test.Name, func(t *testing.T) {
			checkProblems(t, test)
			for name, engine := range engines {
				result := policytest.Run(test, engine(test.State))
				for _, o := range append(result.Checks, result.Selects...) {
					if !o.Pass {
						t.Errorf("%s: %s:%d: %s\n  why      %s\n  expected %s\n  found    %s", name, test.File, o.Line, o.Title,
							strings.Join(o.Why, "; "), strings.Join(o.Expected, ", "), strings.Join(o.Found, "\n           "))
					}
				}
				if result.Count() == 0 {
					t.Errorf("%s: nothing is checked", name)
				}
			}
		})
	}
}

// checkProblems holds that only the tests about problems have any.
func checkProblems(t *testing.T, test *policytest.Test) {
	t.Helper()
	about := strings.HasPrefix(test.Name, "invalid-") || test.Name == "tiers-order-and-missing"
	var unexpected []string
	for _, p := range test.Problems {
		unexpected = append(unexpected, p.String())
	}
	if about != (len(unexpected) > 0) {
		t.Errorf("problems: %s", strings.Join(unexpected, "\n"))
	}
}

// TestNames holds that a test's name names one test, since results are reported
// by it.
func TestNames(t *testing.T) {
	tests, _, err := policytest.Load([]string{"."}, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, test := range tests {
		if other, ok := seen[test.Name]; ok {
			t.Errorf("%s is in %s and in %s", test.Name, other, test.File)
		}
		seen[test.Name] = test.File
	}
}
