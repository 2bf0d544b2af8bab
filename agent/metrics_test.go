package agent

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tierwall/tierwall/agent/dns"
	"github.com/tierwall/tierwall/agent/flows"
)

// TestMetricsDocumented: docs/metrics.md lists just the metrics that there are.
func TestMetricsDocumented(t *testing.T) {
	m := newMetrics()
	r := &recorder{collector: flows.NewCollector("n", nil, nil, nil, nil), counters: flows.NewCounters(), sender: flows.NewSender("n", nil, nil)}
	m.registry.MustRegister(r.collectors()...)
	_, _, err := dns.New(dns.Options{Metrics: m.registry})
	must(t, err)
	families, err := m.registry.Gather()
	must(t, err)
	var have []string
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "tierwall_") {
			have = append(have, f.GetName())
		}
	}
	descs := make(chan *prometheus.Desc, 100)
	r.counters.Describe(descs)
	close(descs)
	for d := range descs { // those of which there is none yet
		if name := regexp.MustCompile(`fqName: "(\w+)"`).FindStringSubmatch(d.String())[1]; !slices.Contains(have, name) {
			have = append(have, name)
		}
	}
	slices.Sort(have)
	text, err := os.ReadFile("../docs/metrics.md")
	must(t, err)
	var told []string
	for _, match := range regexp.MustCompile("(?m)^\\| `(tierwall_(?:agent|policy)_[a-z_]+)").FindAllStringSubmatch(string(text), -1) {
		told = append(told, match[1])
	}
	slices.Sort(told)
	if !slices.Equal(have, told) {
		t.Errorf("there are %v\nand docs/metrics.md lists %v", have, told)
	}
}

// TestProbes: alive as long as the loop comes round, ready once policy is in
// the kernel.
func TestProbes(t *testing.T) {
	h := newHealth()
	server := httptest.NewServer(h.handler(newMetrics()))
	defer server.Close()
	status := func(path string) int {
		resp, err := http.Get(server.URL + path)
		must(t, err)
		must(t, resp.Body.Close())
		return resp.StatusCode
	}
	want := func(what string, live, ready int) {
		t.Helper()
		if l, r := status("/livez"), status("/readyz"); l != live || r != ready {
			t.Errorf("%s: livez %d, readyz %d; want %d and %d", what, l, r, live, ready)
		}
	}
	want("at first", 200, 503)
	h.ready()
	want("enforcing", 200, 200)
	h.lastBeat.Store(-int64(stuckAfter + time.Second))
	want("stuck", 503, 200)
	h.beat()
	want("round again", 200, 200)
	h.refused()
	want("refused once", 200, 200)
	h.refusedFrom.Store(-int64(refusedAfter + time.Second))
	h.refused() // and again
	want("refused for long", 200, 503)
	h.taken()
	want("taken", 200, 200)
	if status("/metrics") != 200 {
		t.Error("no metrics")
	}
}
