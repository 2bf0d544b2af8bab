package statustest

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// scrape reads metrics as Prometheus does.
func (w *world) scrape(address string) map[string]*dto.MetricFamily {
	w.Helper()
	for _, path := range []string{"/livez", "/readyz"} {
		if code, text := w.fetch(address + path); code != http.StatusOK {
			w.Errorf("%s: %d %s", path, code, text)
		}
	}
	code, text := w.fetch(address + "/metrics")
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if code != http.StatusOK || err != nil {
		w.Fatalf("metrics: %d %v\n%s", code, err, text)
	}
	return families
}

func (w *world) fetch(url string) (int, string) {
	w.Helper()
	req, err := http.NewRequestWithContext(w.ctx, http.MethodGet, "http://"+url, nil)
	w.must(err)
	resp, err := http.DefaultClient.Do(req)
	w.must(err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	w.must(err)
	return resp.StatusCode, string(body)
}

// scraped: Prometheus reads what the server and an agent count, and all of it is in
// docs/metrics.md with its type and its labels.
func (w *world) scraped() {
	w.Helper()
	text, err := os.ReadFile("../../docs/metrics.md")
	w.must(err)
	rows := map[string][]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(tierwall_[a-z_]+)(?:\\{([^}`]*)\\})?` \\| ([a-z]+) \\|").FindAllStringSubmatch(string(text), -1) {
		rows[m[1]] = []string{m[3], strings.ReplaceAll(m[2], "…", "tier,kind,namespace,name,rule,direction")}
	}
	server, agent := w.scrape(w.plane.Health()), w.scrape(w.health)
	for _, families := range []map[string]*dto.MetricFamily{server, agent} {
		for name, f := range families {
			if !strings.HasPrefix(name, "tierwall_") {
				continue
			}
			row := rows[name]
			if row == nil || !strings.EqualFold(f.GetType().String(), row[0]) {
				w.Errorf("%s is a %s; docs/metrics.md says %v", name, f.GetType(), row)
				continue
			}
			for _, one := range f.GetMetric() {
				for _, l := range one.GetLabel() {
					if !strings.Contains(","+row[1]+",", ","+l.GetName()+",") {
						w.Errorf("%s has the label %s; docs/metrics.md says %q", name, l.GetName(), row[1])
					}
				}
			}
		}
	}
	w.eventually("metrics of the server", func() error {
		families := w.scrape(w.plane.Health())
		if got := series(families["tierwall_server_leader"]); got != "1" {
			return fmt.Errorf("leader: %s", got)
		}
		if got := series(families["tierwall_server_nodes"]); got != "behind 0, in_step 2, no_agent 0, silent 0" {
			return fmt.Errorf("nodes: %s", got)
		}
		if got := families["tierwall_server_admission_duration_seconds"].GetMetric()[0].GetHistogram().GetSampleCount(); got == 0 {
			return fmt.Errorf("no admission was counted")
		}
		return nil
	})
	if got := series(agent["tierwall_agent_endpoints"]); got != "1" {
		w.Errorf("endpoints of the agent: %s", got)
	}
}

// series writes the values of a gauge, after those of their labels.
func series(f *dto.MetricFamily) string {
	var all []string
	for _, m := range f.GetMetric() {
		text := fmt.Sprint(m.GetGauge().GetValue())
		for _, l := range m.GetLabel() {
			text = l.GetValue() + " " + text
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}
