package manager

import (
	"bufio"
	"context"
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tierwall/tierwall/model"
)

// TestSessions: a session is found by its secret until it ends or is dropped.
func TestSessions(t *testing.T) {
	all := &sessions{all: map[[sha256.Size]byte]*session{}}
	live := &session{expires: time.Now().Add(time.Hour)}
	id, gone := all.add(live), all.add(&session{expires: time.Now().Add(-time.Second)})
	if all.find(id) != live || all.find("x"+id) != nil {
		t.Error("a session is found by what is not its secret, or not by it")
	}
	if all.find(gone) != nil {
		t.Error("a session that has ended is found")
	}
	again := all.add(live)
	all.dropSession(live)
	if all.find(id) != nil || all.find(again) != nil {
		t.Error("a session that was dropped is found")
	}
	for range 3 {
		all.add(live)
	}
	if len(all.all) != 3 {
		t.Errorf("%d sessions are kept, of 3 that have not ended", len(all.all))
	}
}

// TestSameOrigin: writes come from the Manager's own pages, or from no page.
func TestSameOrigin(t *testing.T) {
	for _, row := range []struct {
		method, site, origin string
		want                 bool
	}{
		{"GET", "cross-site", "https://evil.example", true},
		{"POST", "", "", true},
		{"POST", "same-origin", "http://example.com", true},
		{"POST", "none", "", true},
		{"POST", "", "http://EXAMPLE.com", true},
		{"POST", "cross-site", "http://example.com", false},
		{"POST", "same-site", "", false},
		{"POST", "", "http://example.com.evil.example", false},
		{"POST", "", "null", false},
		{"POST", "", "http://example.com:81", false},
		{"DELETE", "", "://", false},
	} {
		r := httptest.NewRequest(row.method, "http://example.com/api/v1/select", nil)
		if row.site != "" {
			r.Header.Set("Sec-Fetch-Site", row.site)
		}
		if row.origin != "" {
			r.Header.Set("Origin", row.origin)
		}
		if got := sameOrigin(r); got != row.want {
			t.Errorf("%+v: %v", row, got)
		}
	}
}

// TestEventsOfOthers: that something changed is not told of what may not be
// read.
func TestEventsOfOthers(t *testing.T) {
	g := newGuest(t, only("blue"), town()...)
	server := httptest.NewServer(g.handler)
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+base+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: g.manager.cookieName(), Value: g.cookie})
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	next := func() string {
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				return data
			}
		}
		t.Fatalf("no more events: %v", lines.Err())
		return ""
	}
	next() // the stream is there
	for _, name := range []string{"GlobalNetworkPolicy", "Tier", "NetworkPolicy"} {
		k, _ := kindNamed(name)
		g.manager.store.apply(k, []model.Change{model.Put(&model.Tier{Name: "new"})}, nil, false)
	}
	if data := next(); !strings.Contains(data, `"kinds":["NetworkPolicy"]`) {
		t.Errorf("it tells %s", data)
	}
}
