package agent

import (
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tierwall/tierwall/report"
)

// hearer is a server that takes reports, or does not.
type hearer struct {
	*httptest.Server
	heard chan report.Report
}

func newHearer(t *testing.T, code int) *hearer {
	h := &hearer{heard: make(chan report.Report, 10)}
	h.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in report.Report
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("%v %v", err, r.Header)
		}
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(report.Answer{})
		h.heard <- in
	}))
	t.Cleanup(h.Close)
	return h
}

// says is what the server writes of where it is.
func (h *hearer) says() *corev1.ConfigMap {
	trusted := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw})
	return &corev1.ConfigMap{Data: map[string]string{report.URLKey: h.URL, report.NameKey: "example.com", report.CAKey: string(trusted)}}
}

func (h *hearer) hear(t *testing.T, what string) report.Report {
	t.Helper()
	select {
	case r := <-h.heard:
		return r
	case <-time.After(10 * time.Second):
		t.Fatalf("nothing is heard: %s", what)
	}
	return report.Report{}
}

// TestTurn: an agent reports to the server that the ConfigMap names, and turns
// to another one at once, also away from one that does not take the report; who
// is met there hears all.
func TestTurn(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := newReporter(Options{Node: "n", Log: log, Server: Server{ConfigMap: "ns/name", TokenFile: token}}, newMetrics())
	if err != nil {
		t.Fatal(err)
	}
	f := &finder{name: "ns/name", turn: r.turn, log: log}
	go r.run(t.Context())
	n := newNews()
	n.versions["NetworkPolicy"], n.told = "7", true
	r.inStep(&n) // before it is known where to

	first, other, third := newHearer(t, http.StatusOK), newHearer(t, http.StatusMisdirectedRequest), newHearer(t, http.StatusOK)
	put := func(m *corev1.ConfigMap) {
		t.Helper()
		if err := f.Update(m); err != nil {
			t.Fatal(err)
		}
	}
	put(first.says())
	if got := first.hear(t, "the first"); !got.Full || got.Sequence != 1 || got.Node != "n" || got.Versions["NetworkPolicy"] != "7" {
		t.Errorf("%+v", got)
	}
	bad := first.says()
	bad.Data[report.URLKey] = "http://example.com"
	put(bad) // as before
	n.told = true
	r.inStep(&n)
	if got := first.hear(t, "the second"); got.Full || got.Sequence != 2 {
		t.Errorf("%+v", got)
	}
	r.warn("a bridge")
	if got := first.hear(t, "the warning"); got.Warning != "a bridge" {
		t.Errorf("%+v", got)
	}
	r.warn("a bridge") // which is known
	r.warn("")
	if got := first.hear(t, "that it is over"); got.Warning != "" {
		t.Errorf("%+v", got)
	}
	put(other.says())
	if got := other.hear(t, "one that does not lead"); !got.Full {
		t.Errorf("%+v", got)
	}
	put(third.says())
	if got := third.hear(t, "the third"); !got.Full || got.Sequence != 5 {
		t.Errorf("%+v", got)
	}
	select {
	case got := <-first.heard:
		t.Errorf("the first hears more: %+v", got)
	default:
	}
}

func TestRead(t *testing.T) {
	for name, data := range map[string]map[string]string{
		"nothing":     nil,
		"no name":     {report.URLKey: "https://a:1"},
		"no https":    {report.URLKey: "http://a:1", report.NameKey: "a"},
		"not a URL":   {report.URLKey: "a", report.NameKey: "a"},
		"no host":     {report.URLKey: "https://", report.NameKey: "a"},
		"a bad reply": {report.URLKey: "https://\x00", report.NameKey: "a"},
	} {
		if _, err := read(data); err == nil {
			t.Errorf("%s: it is taken", name)
		}
	}
}
