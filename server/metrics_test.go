package server

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tierwall/tierwall/server/flows"
)

// TestMetricsDocumented: docs/metrics.md lists just the metrics that a server has.
func TestMetricsDocumented(t *testing.T) {
	m := newMetrics()
	store, err := flows.Open(flows.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	m.registry.MustRegister(store.Collectors()...)
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "tierwall_") {
			have = append(have, f.GetName())
			if f.GetHelp() == "" {
				t.Errorf("%s has no help", f.GetName())
			}
		}
	}
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, match := range regexp.MustCompile("(?m)^\\| `(tierwall_server_[a-z_]+)").FindAllStringSubmatch(string(text), -1) {
		told = append(told, match[1])
	}
	slices.Sort(told)
	if !slices.Equal(have, told) {
		t.Errorf("there are %v\nand docs/metrics.md lists %v", have, told)
	}
}

// TestProbes: alive while its parts are, ready while it has a certificate and was
// not told to end.
func TestProbes(t *testing.T) {
	var bad error
	for name, row := range map[string]struct {
		change      func(*health)
		live, ready int
		said        string
	}{
		"all is well":    {func(*health) {}, 200, 200, "ok"},
		"election":       {func(h *health) { h.watched() }, 200, 200, "ok"},
		"a part ended":   {func(h *health) { h.end("the webhook", errors.New("closed")) }, 503, 503, "the webhook has ended: closed"},
		"no certificate": {func(*health) { bad = errors.New("no key") }, 200, 503, "no key"},
		"ending":         {func(h *health) { h.close() }, 200, 503, "ending"},
	} {
		bad = nil
		h := &health{certificate: func() error { return bad }}
		row.change(h)
		server := httptest.NewServer(h.handler(newMetrics()))
		status := func(path string) (int, string) {
			resp, err := http.Get(server.URL + path)
			if err != nil {
				t.Fatal(err)
			}
			body := make([]byte, 1000)
			n, _ := resp.Body.Read(body)
			_ = resp.Body.Close()
			return resp.StatusCode, string(body[:n])
		}
		live, _ := status("/livez")
		ready, said := status("/readyz")
		if live != row.live || ready != row.ready || !strings.Contains(said, row.said) {
			t.Errorf("%s: livez %d, readyz %d %q", name, live, ready, said)
		}
		if code, text := status("/metrics"); code != 200 || !strings.Contains(text, "# HELP") {
			t.Errorf("%s: metrics: %d %q", name, code, text)
		}
		server.Close()
	}
}

// TestReviewed: answers to the API server are counted by what they say.
func TestReviewed(t *testing.T) {
	m := newMetrics()
	m.reviewed(true, time.Millisecond)
	m.reviewed(false, time.Millisecond)
	m.reviewed(false, time.Millisecond)
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		if f.GetName() == "tierwall_server_admission_reviews_total" {
			for _, s := range f.GetMetric() {
				got[s.GetLabel()[0].GetValue()] = s.GetCounter().GetValue()
			}
		}
	}
	if got["allowed"] != 1 || got["refused"] != 2 {
		t.Errorf("%v", got)
	}
}
