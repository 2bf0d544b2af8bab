package manager

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestCompressed: large answers are compressed for who takes them so, and say the
// same; the session's token, events and what was refused are not.
func TestCompressed(t *testing.T) {
	large := `{"text":"` + strings.Repeat("policy ", 1000) + `"}`
	for name, test := range map[string]struct {
		path, accepts, kind, body string
		status                    int
		want                      string
	}{
		"large":             {base + "/board", "gzip, br", "application/json", large, 200, "gzip"},
		"not taken so":      {base + "/board", "br", "application/json", large, 200, ""},
		"small":             {base + "/board", "gzip", "application/json", `{}`, 200, ""},
		"the session":       {base + "/session", "gzip", "application/json", large, 200, ""},
		"a stream":          {base + "/events", "gzip", "text/event-stream", large, 200, ""},
		"refused, in words": {base + "/board", "gzip", "application/problem+json", large, 403, ""},
	} {
		server := compressed(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", test.kind)
			if test.status != http.StatusOK {
				w.WriteHeader(test.status)
			}
			_, _ = io.WriteString(w, test.body)
		}))
		r := httptest.NewRequest(http.MethodGet, test.path, nil)
		r.Header.Set("Accept-Encoding", test.accepts)
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		if got := w.Header().Get("Content-Encoding"); got != test.want || w.Code != test.status {
			t.Errorf("%s: %d, encoding %q, want %q", name, w.Code, got, test.want)
		}
		var body io.Reader = w.Body
		if test.want == "gzip" {
			if w.Body.Len() > len(test.body)/4 {
				t.Errorf("%s: %d bytes of %d", name, w.Body.Len(), len(test.body))
			}
			var err error
			if body, err = gzip.NewReader(w.Body); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := io.ReadAll(body); err != nil || string(got) != test.body {
			t.Errorf("%s: %d bytes that differ, %v", name, len(got), err)
		}
	}
}
