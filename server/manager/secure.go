package manager

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// policy is the Content-Security-Policy of every answer: everything from here,
// no script and no frame from anywhere else. Styles may be inline, since the
// components' library and the editor set some.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// guarded sets the headers that browsers ask for, and turns away requests that
// another site sends.
func (m *Manager) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		if m.secure() {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if !sameOrigin(r) {
			fail(w, problem(http.StatusForbidden, "csrf", "this request comes from another site"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// sameOrigin reports whether a request comes from the Manager's own pages or
// from no page at all. Reading is left to the session's cookie, which browsers
// send from no other site; so that a link from elsewhere still opens.
func sameOrigin(r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions {
		return true
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, r.Host)
}

type sessionKey struct{}

// sessionIn returns the session of a request that withSession let through.
func sessionIn(r *http.Request) *session {
	s, _ := r.Context().Value(sessionKey{}).(*session)
	return s
}

// withSession lets only those through who have a session, and writes only with
// the session's token in the header.
func (m *Manager) withSession(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, base)
		if path == "/login" || path == "/session" && r.Method == http.MethodPost {
			next.ServeHTTP(w, r)
			return
		}
		s := m.sessionOf(r)
		if s == nil {
			fail(w, m.problemOf(errUnauthenticated))
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead && !sameToken(r.Header.Get("X-CSRF-Token"), s.csrf) {
			fail(w, problem(http.StatusForbidden, "csrf", "the header X-CSRF-Token is missing or not that of the session"))
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), sessionKey{}, s)))
	})
}
