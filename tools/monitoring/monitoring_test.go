package monitoring

import (
	"encoding/json"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

const chart = "../../charts/tierwall/monitoring/"

// target are the labels that Prometheus puts on what it scrapes, and those of
// histograms.
var target = []string{"instance", "job", "le"}

// metric is a row of docs/metrics.md.
type metric struct {
	kind   string
	labels []string
}

// ofPolicy are the labels that "…" stands for in docs/metrics.md.
var ofPolicy = []string{"tier", "kind", "namespace", "name", "rule", "direction"}

// documented are all metrics of docs/metrics.md, which the tests of the agent and of
// the server hold against what there is.
func documented(t *testing.T) map[string]metric {
	t.Helper()
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]metric{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(tierwall_[a-z_]+)(?:\\{([^}`]*)\\})?` \\| ([a-z]+) \\|").FindAllStringSubmatch(string(text), -1) {
		one := metric{kind: m[3]}
		for l := range strings.SplitSeq(m[2], ",") {
			switch l {
			case "":
			case "…":
				one.labels = append(one.labels, ofPolicy...)
			default:
				one.labels = append(one.labels, l)
			}
		}
		all[m[1]] = one
	}
	if len(all) < 40 {
		t.Fatalf("docs/metrics.md lists only %d metrics", len(all))
	}
	return all
}

func rules(t *testing.T) []rulefmt.Rule {
	t.Helper()
	groups, errs := rulefmt.ParseFile(chart+"rules.yaml", false, model.UTF8Validation, language, slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return groups.Groups[0].Rules
}

var language = parser.NewParser(parser.Options{})

// expressions are all that stand in the rules and the dashboard, by where.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, r := range rules(t) {
		all[r.Alert] = r.Expr
	}
	text, err := os.ReadFile(chart + "dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	ids := map[int]bool{}
	for _, p := range board.Panels {
		if ids[p.ID] {
			t.Errorf("two panels have the id %d", p.ID)
		}
		ids[p.ID] = true
		for i, target := range p.Targets {
			expr := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*").Replace(target.Expr)
			if strings.Contains(expr, "$") {
				t.Errorf("panel %q: a variable that is not known: %s", p.Title, expr)
			}
			all[p.Title+"/"+string(rune('A'+i))] = expr
		}
	}
	for _, v := range board.Templating.List {
		if m := regexp.MustCompile(`^label_values\((.*), [a-z]+\)$`).FindStringSubmatch(v.Definition); m != nil {
			all["variable "+v.Name] = m[1]
		}
	}
	if len(all) < 40 {
		t.Fatalf("only %d expressions", len(all))
	}
	return all
}

// TestExpressions: each is one, and names metrics that there are, with labels that
// they have, as their type allows.
func TestExpressions(t *testing.T) {
	metrics := documented(t)
	for where, text := range expressions(t) {
		expr, err := language.ParseExpr(text)
		if err != nil {
			t.Errorf("%s: %v", where, err)
			continue
		}
		parser.Inspect(expr, func(n parser.Node, path []parser.Node) error {
			switch n := n.(type) {
			case *parser.VectorSelector:
				for _, problem := range wrong(metrics, n, path) {
					t.Errorf("%s: %s", where, problem)
				}
			case *parser.AggregateExpr:
				known := slices.Concat(target, labelsIn(metrics, n.Expr))
				for _, l := range n.Grouping {
					if !slices.Contains(known, l) {
						t.Errorf("%s: nothing in %s has the label %s", where, n.Expr, l)
					}
				}
			}
			return nil
		})
	}
}

// nameOf returns the metric of a series, without what a histogram puts behind it.
func nameOf(metrics map[string]metric, series string) (string, metric, bool) {
	for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
		name, cut := strings.CutSuffix(series, suffix)
		if m, ok := metrics[name]; ok && cut && (m.kind == "histogram") == (suffix != "") {
			return name, m, true
		}
	}
	return "", metric{}, false
}

func labelsIn(metrics map[string]metric, e parser.Expr) (all []string) {
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		if s, ok := n.(*parser.VectorSelector); ok {
			_, m, _ := nameOf(metrics, s.Name)
			all = append(all, m.labels...)
		}
		return nil
	})
	return all
}

// wrong says what is wrong with a selector.
func wrong(metrics map[string]metric, s *parser.VectorSelector, path []parser.Node) (problems []string) {
	_, m, ok := nameOf(metrics, s.Name)
	if !ok {
		return []string{s.Name + " is no metric of Tierwall"}
	}
	for _, l := range s.LabelMatchers {
		if l.Name != labels.MetricName && !slices.Contains(m.labels, l.Name) && !slices.Contains(target, l.Name) {
			problems = append(problems, s.Name+" has no label "+l.Name)
		}
	}
	rated := false
	for _, n := range path {
		if call, ok := n.(*parser.Call); ok && slices.Contains([]string{"rate", "increase"}, call.Func.Name) {
			rated = true
		}
	}
	if rated == (m.kind == "gauge") {
		problems = append(problems, s.Name+" is a "+m.kind+", and is not used as one")
	}
	return problems
}

// TestTexts: what an alert says names labels that its expression leaves, and it says
// how severe it is.
func TestTexts(t *testing.T) {
	for _, r := range rules(t) {
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" || !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) {
			t.Errorf("%s: %+v %+v", r.Alert, r.Labels, r.Annotations)
		}
		expr, err := language.ParseExpr(r.Expr)
		if err != nil {
			t.Fatal(err)
		}
		var by []string
		parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
			if a, ok := n.(*parser.AggregateExpr); ok {
				by = append(by, a.Grouping...)
			}
			return nil
		})
		for _, m := range regexp.MustCompile(`\$labels\.([a-z]+)`).FindAllStringSubmatch(r.Annotations["summary"]+r.Annotations["description"], -1) {
			if !slices.Contains(by, m[1]) {
				t.Errorf("%s speaks of the label %s, which its expression does not leave", r.Alert, m[1])
			}
		}
	}
}
