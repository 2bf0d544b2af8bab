package manager

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/tierwall/tierwall/flow"
)

// sessionFor is how long a session lasts; a token that ends before ends it.
const sessionFor = 8 * time.Hour

// maxSessions is how many there may be; the oldest goes then.
const maxSessions = 10_000

// session is one user who has logged in. It is kept here, not in the cookie, so
// that logging out ends it and a stolen disk of a browser has no token on it.
type session struct {
	user    string
	groups  []string
	csrf    string
	method  SessionMethod
	expires time.Time
	// config, core and objects act with the user's credentials.
	config  *rest.Config
	core    kubernetes.Interface
	objects dynamic.Interface

	mu       sync.Mutex
	rights   rights
	reviewed time.Time
	own      *own
	// flows is what of the recorded connections the user may see, by what sees says.
	flows flow.Access
	sees  *own
}

// may answers what the user may do, as it was at most reviewFor ago.
func (s *session) may() *own {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.own == nil || time.Since(s.own.at) > reviewFor {
		s.own = newOwn(s.core)
	}
	return s.own
}

// sessions are all sessions, by the hash of what is in the cookie.
type sessions struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]*session
}

func secret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // does not fail
	return base64.RawURLEncoding.EncodeToString(b)
}

// add returns what the cookie is to hold.
func (s *sessions) add(n *session) string {
	id := secret()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	s.all[sha256.Sum256([]byte(id))] = n
	return id
}

// expire is called with mu held.
func (s *sessions) expire() {
	var oldest [sha256.Size]byte
	var when time.Time
	for key, n := range s.all {
		if time.Now().After(n.expires) {
			delete(s.all, key)
		} else if when.IsZero() || n.expires.Before(when) {
			oldest, when = key, n.expires
		}
	}
	if len(s.all) >= maxSessions {
		delete(s.all, oldest)
	}
}

func (s *sessions) find(id string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.all[sha256.Sum256([]byte(id))]
	if n == nil || time.Now().After(n.expires) {
		return nil
	}
	return n
}

func (s *sessions) drop(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, sha256.Sum256([]byte(id)))
}

// dropSession ends a session wherever it is named.
func (s *sessions) dropSession(n *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, other := range s.all {
		if other == n {
			delete(s.all, key)
		}
	}
}

// cookieName is bound to the host and to TLS by its prefix, where there is TLS.
func (m *Manager) cookieName() string {
	if m.secure() {
		return "__Host-tierwall"
	}
	return "tierwall"
}

func (m *Manager) cookie(value string, age int) *http.Cookie {
	return &http.Cookie{Name: m.cookieName(), Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: m.secure(), SameSite: http.SameSiteStrictMode}
}

// present is the name of a cookie that pages can read, and in which there is
// nothing: where it is there is a session, and a page that is being loaded asks for
// what it shows beside asking for the session.
const present = "tierwall-session"

func (m *Manager) presence(value string, age int) *http.Cookie {
	return &http.Cookie{Name: present, Value: value, Path: "/", MaxAge: age, Secure: m.secure(), SameSite: http.SameSiteStrictMode}
}

// sessionOf returns the session that a request's cookie names, or nil.
func (m *Manager) sessionOf(r *http.Request) *session {
	c, err := r.Cookie(m.cookieName())
	if err != nil {
		return nil
	}
	return m.sessions.find(c.Value)
}

// login makes a session of a bearer token, if the API server takes it.
func (m *Manager) login(ctx context.Context, token string, method SessionMethod) (*session, error) {
	config := rest.AnonymousClientConfig(m.options.Config)
	config.BearerToken = token
	config.QPS = -1
	core, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	review, err := core.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	who := review.Status.UserInfo
	if who.Username == "" || who.Username == "system:anonymous" {
		return nil, errUnauthenticated
	}
	s := &session{user: who.Username, groups: append([]string{}, who.Groups...), csrf: secret(), method: method,
		expires: time.Now().Add(sessionFor), config: config, core: core, objects: objects}
	if end, ok := tokenEnd(token); ok && end.Before(s.expires) {
		s.expires = end
	}
	return s, nil
}

// tokenEnd reads when a JWT ends. The API server has checked it; for a token of
// another form there is no end to know.
func tokenEnd(token string) (time.Time, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Exp int64 `json:"exp"`
	}
	if err != nil || json.Unmarshal(b, &claims) != nil || claims.Exp == 0 {
		return time.Time{}, false
	}
	return time.Unix(claims.Exp, 0), true
}

// open begins a session in the answer, and what its first page needs: it is there
// when the browser has loaded the page.
func (m *Manager) open(w http.ResponseWriter, s *session) {
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if v, err := m.viewOf(ctx, s); err == nil { // who asks again is told the error
			v.cards()
		}
	}()
	age := int(time.Until(s.expires).Seconds())
	http.SetCookie(w, m.cookie(m.sessions.add(s), age))
	http.SetCookie(w, m.presence("1", age))
}

func (s *session) told() Session {
	return Session{User: s.user, Groups: s.groups, CsrfToken: s.csrf, Expires: s.expires.UTC(), Method: s.method}
}

// LoginMethods implements ServerInterface.
func (m *Manager) LoginMethods(w http.ResponseWriter, _ *http.Request) {
	answer(w, LoginMethods{Token: true, Oidc: m.provider()})
}

// CreateSession implements ServerInterface.
func (m *Manager) CreateSession(w http.ResponseWriter, r *http.Request) {
	var in Login
	if !read(w, r, &in) {
		return
	}
	token := strings.TrimSpace(in.Token)
	if token == "" {
		fail(w, problem(http.StatusBadRequest, "invalid", "there is no token"))
		return
	}
	s, err := m.login(r.Context(), token, "token")
	if err != nil {
		fail(w, m.loginProblem(err))
		return
	}
	m.open(w, s)
	answer(w, s.told())
}

func (m *Manager) loginProblem(err error) Problem {
	p := m.problemOf(err)
	if p.Status == http.StatusUnauthorized {
		p.Detail = "the API server does not take this token: it is wrong, or has ended"
	}
	return p
}

// GetSession implements ServerInterface.
func (m *Manager) GetSession(w http.ResponseWriter, r *http.Request) {
	answer(w, sessionIn(r).told())
}

// DeleteSession implements ServerInterface.
func (m *Manager) DeleteSession(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(m.cookieName()); err == nil {
		m.sessions.drop(c.Value)
	}
	http.SetCookie(w, m.cookie("", -1))
	http.SetCookie(w, m.presence("", -1))
	w.WriteHeader(http.StatusNoContent)
}

// sameToken compares in a time that tells nothing.
func sameToken(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

var errUnauthenticated = fmt.Errorf("not logged in")
