package analysis

import (
	"testing"

	"github.com/tierwall/tierwall/selector"
)

// TestReach: where a selector looks and by which labels are said apart, and what
// cannot be is left as it is written.
func TestReach(t *testing.T) {
	for text, want := range map[string][2]string{
		`all()`:                             {"all pods and host endpoints", "what is known"},
		`app/tier == 'FE'`:                  {`endpoints with app/tier == "FE"`, `what has app/tier == "FE"`},
		`a == 'x && y(' && b in {'(', ')'}`: {`endpoints with a == "x && y(" && b in {"(", ")"}`, `what has a == "x && y(" && b in {"(", ")"}`},
		`app/tier == 'FE' && projectcalico.org/namespace == 'blue'`:            {`endpoints of namespace blue with app/tier == "FE"`, `what is of namespace blue with app/tier == "FE"`},
		`all() && projectcalico.org/namespace == 'blue'`:                       {"endpoints of namespace blue", "what is of namespace blue"},
		`pcns.projectcalico.org/name in {'blue', 'green'} && app/tier == 'BE'`: {`endpoints of namespaces blue, green with app/tier == "BE"`, `what is of namespaces blue, green with app/tier == "BE"`},
		`pcns.color == 'red' && has(a)`:                                        {`endpoints of namespaces with color == "red" with has(a)`, `what is of namespaces with color == "red" with has(a)`},
		`(pcns.color == 'red' || pcns.size == 'l') && has(a)`:                  {`endpoints of namespaces with (color == "red" || size == "l") with has(a)`, `what is of namespaces with (color == "red" || size == "l") with has(a)`},
		`projectcalico.org/namespace in {'a, b', "it's"}`:                      {`endpoints of namespaces a, b, it's`, `what is of namespaces a, b, it's`},
		`has(projectcalico.org/namespace)`:                                     {"endpoints of any namespace", "what is of any namespace"},
		`!has(projectcalico.org/namespace)`:                                    {"endpoints of no namespace", "what is of no namespace"},
		`pcsa.duty == 'batch' && projectcalico.org/orchestrator == 'k8s'`:      {`pods running as accounts with duty == "batch"`, `pods running as accounts with duty == "batch"`},
		`(a == 'x' || pcns.b == 'y') && projectcalico.org/namespace == 'blue'`: {`endpoints of namespace blue with (a == "x" || pcns.b == "y")`, `what is of namespace blue with (a == "x" || pcns.b == "y")`},
		`a == 'x' && b == 'y' || projectcalico.org/namespace == 'blue'`:        {`endpoints with (a == "x" && b == "y") || projectcalico.org/namespace == "blue"`, `what has (a == "x" && b == "y") || projectcalico.org/namespace == "blue"`},
	} {
		s := selector.MustParse(text)
		if got := [2]string{endpointsInWords(s), matchedInWords(s)}; got != want {
			t.Errorf("%s:\n%q, want\n%q", text, got, want)
		}
	}
}
