package managertest

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tierwall/tierwall/deploy"
	"github.com/tierwall/tierwall/server/manager"
	"github.com/tierwall/tierwall/standalone/controlplane"
)

// visitor is a browser that trusts the provider.
func (w *world) visitor(t *testing.T) *browser {
	t.Helper()
	b := w.browser(t)
	pool := x509.NewCertPool()
	pool.AddCert(w.provider.http.Certificate())
	b.http.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(b.http.CloseIdleConnections)
	return b
}

// page is what a browser comes to see.
type page struct {
	status int
	text   string
}

var tags = regexp.MustCompile(`<[^>]*>`)

func (b *browser) open(address string) page {
	b.t.Helper()
	resp, err := b.http.Get(address)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if kind := resp.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/html") {
		b.t.Errorf("%s is %s, and no page: %s", resp.Request.URL.Path, kind, body)
	}
	return page{resp.StatusCode, tags.ReplaceAllString(string(body), " ")}
}

// begin goes to the provider, and returns where that sends the browser back to.
func (b *browser) begin() *url.URL {
	b.t.Helper()
	var back *url.URL
	b.http.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/login/oidc/callback" {
			back = r.URL
			return http.ErrUseLastResponse
		}
		return nil
	}
	defer func() { b.http.CheckRedirect = nil }()
	resp, err := b.http.Get(b.base + "/login/oidc")
	if err != nil {
		b.t.Fatal(err)
	}
	_ = resp.Body.Close()
	if back == nil {
		b.t.Fatalf("the provider does not send the browser back: %s", resp.Status)
	}
	return back
}

// refused checks that a login ends with a sentence and without a session.
func (b *browser) refused(address string, want ...string) {
	b.t.Helper()
	p := b.open(address)
	if p.status != http.StatusUnauthorized {
		b.t.Errorf("status %d", p.status)
	}
	for _, part := range append(want, "The login did not work") {
		if !strings.Contains(p.text, part) {
			b.t.Errorf("%q is not in the page: %s", part, p.text)
		}
	}
	b.want(http.StatusUnauthorized, b.do("GET", "/api/v1/session", nil, nil))
}

// oidc logs in by the provider, and by all that is not that.
func (w *world) oidc(t *testing.T) {
	if err := controlplane.Apply(w.ctx, w.plane.Config, append(must(deploy.Viewer()), bind("", "oidc:alice", deploy.ViewerRole))); err != nil {
		t.Fatal(err)
	}
	for _, part := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"who logs in is who the provider says", w.oidcLogin},
		{"what is not right is refused", w.oidcRefused},
		{"only the browser that began", w.oidcBrowser},
		{"a session ends with its token", w.oidcEnds},
		{"another provider's client", w.oidcClient},
		{"a provider that is away", w.oidcAway},
	} {
		t.Run(part.name, part.run)
	}
}

func (w *world) oidcLogin(t *testing.T) {
	b := w.visitor(t)
	var methods manager.LoginMethods
	b.want(http.StatusOK, b.do("GET", "/api/v1/login", nil, &methods))
	if methods.Oidc == nil || methods.Oidc.Url != "/login/oidc" || methods.Oidc.Name != "Example" {
		t.Fatalf("%+v", methods.Oidc)
	}
	if p := b.open(b.base + methods.Oidc.Url); p.status != http.StatusOK || !strings.Contains(p.text, "Logged in") {
		t.Fatalf("%d %s", p.status, p.text)
	}
	var s manager.Session
	b.want(http.StatusOK, b.do("GET", "/api/v1/session", nil, &s))
	if s.User != "oidc:alice" || s.Method != "oidc" || !strings.Contains(strings.Join(s.Groups, " "), "oidc:team") || time.Until(s.Expires) > time.Hour {
		t.Errorf("%+v", s)
	}
	b.csrf = s.CsrfToken
	b.want(http.StatusOK, b.do("GET", "/api/v1/objects?kind=NetworkPolicy&namespace=blue&name=be", nil, nil))
	r := b.want(http.StatusForbidden, b.do("POST", "/api/v1/objects", manager.Write{Yaml: policy("NetworkPolicy", "blue", "x", "  order: 1\n")}, nil))
	if !strings.Contains(r.problem.Detail, "oidc:alice") {
		t.Errorf("%s", r.problem.Detail)
	}
	for _, c := range b.http.Jar.Cookies(must(url.Parse(b.base + "/login/oidc"))) {
		if strings.HasPrefix(c.Name, "tierwall-oidc") {
			t.Errorf("cookie %s is left", c.Name)
		}
	}
}

func (w *world) oidcRefused(t *testing.T) {
	other := must(rsa.GenerateKey(rand.Reader, 2048))
	for name, row := range map[string]struct {
		wrong wrong
		want  string
	}{
		"an expired token":          {wrong{lifetime: -time.Minute}, "The provider's ID token ended at "},
		"for another application":   {wrong{audience: "mail"}, `is for ["mail"], and the Manager is "tierwall-manager" there`},
		"for another login":         {wrong{nonce: "n"}, "is for another login"},
		"signed by somebody else":   {wrong{key: other}, "ID token is not valid"},
		"the user does not consent": {wrong{denies: true}, "The provider says the user &lt;said&gt; no."},
	} {
		t.Run(name, func(t *testing.T) {
			w.provider.set(t, row.wrong)
			b := w.visitor(t)
			b.refused(b.base+"/login/oidc", strings.ReplaceAll(strings.ReplaceAll(row.want, `"`, "&#34;"), "'", "&#39;"))
		})
	}
}

// oidcBrowser tries what others could do with what is in addresses.
func (w *world) oidcBrowser(t *testing.T) {
	const notBegun = "not begun in this browser"
	b := w.visitor(t)
	back := b.begin()
	w.visitor(t).refused(back.String(), notBegun) // somebody else's address
	altered := *back
	q := back.Query()
	q.Set("state", "x"+q.Get("state"))
	altered.RawQuery = q.Encode()
	b.refused(altered.String(), notBegun)

	b = w.visitor(t)
	back = b.begin()
	held := b.http.Jar.Cookies(back)
	if p := b.open(back.String()); p.status != http.StatusOK {
		t.Fatalf("%d %s", p.status, p.text)
	}
	b.want(http.StatusNoContent, b.do("DELETE", "/api/v1/session", nil, nil, "X-CSRF-Token", b.token()))
	b.refused(back.String(), notBegun) // again
	b.http.Jar.SetCookies(back, held)
	b.refused(back.String(), "The provider does not take this login", "has been used")

	b = w.visitor(t) // a code that was got with another verifier
	back = b.begin()
	for _, c := range b.http.Jar.Cookies(back) {
		if c.Name == "tierwall-oidc-verifier" {
			c.Value, c.Path = "x"+c.Value, "/login/oidc"
			b.http.Jar.SetCookies(back, []*http.Cookie{c})
		}
	}
	b.refused(back.String(), "the verifier is not that of the challenge")

	token := must(w.provider.sign("n")) // a good token, in an address
	b = w.visitor(t)
	state := b.begin().Query().Get("state")
	b.refused(b.base+"/login/oidc/callback?state="+state+"&id_token="+token, "does not take this login")
	for _, path := range []string{"session", "board"} {
		for _, name := range []string{"token", "id_token", "access_token"} {
			b.want(http.StatusUnauthorized, b.do("GET", "/api/v1/"+path+"?"+name+"="+token, nil, nil))
		}
	}
	b.want(http.StatusBadRequest, b.do("POST", "/api/v1/session?token="+token, map[string]string{"token": ""}, nil))
	b.want(http.StatusOK, b.do("POST", "/api/v1/session", manager.Login{Token: token}, nil)) // it was good
}

// token returns the session's CSRF token.
func (b *browser) token() string {
	b.t.Helper()
	var s manager.Session
	b.want(http.StatusOK, b.do("GET", "/api/v1/session", nil, &s))
	return s.CsrfToken
}

func (w *world) oidcEnds(t *testing.T) {
	w.provider.set(t, wrong{lifetime: 3 * time.Second})
	b := w.visitor(t)
	if p := b.open(b.base + "/login/oidc"); p.status != http.StatusOK {
		t.Fatalf("%d %s", p.status, p.text)
	}
	ctx, cancel := context.WithTimeout(w.ctx, 20*time.Second)
	defer cancel()
	resp, err := b.http.Do(must(http.NewRequestWithContext(ctx, "GET", b.base+"/api/v1/events", nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	told := false
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		told = told || lines.Text() == "event: session"
	}
	if !told {
		t.Error("the stream ended, and did not say that the session had")
	}
	b.want(http.StatusUnauthorized, b.do("GET", "/api/v1/session", nil, nil))
}

// manage starts another Manager.
func (w *world) manage(t *testing.T, o manager.OIDC) *world {
	t.Helper()
	o.Issuer, o.CAFile = w.provider.http.URL, w.provider.caFile
	listen := freeAddress(t)
	o.RedirectURL = "http://" + listen + "/login/oidc/callback"
	m, err := manager.Start(w.ctx, manager.Options{Config: w.plane.Config, Listen: listen, OIDC: o})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return &world{ctx: w.ctx, plane: w.plane, manager: m, core: w.core, provider: w.provider}
}

// oidcClient: the provider and the Manager agree, the API server does not.
func (w *world) oidcClient(t *testing.T) {
	other := w.manage(t, manager.OIDC{ClientID: clientID})
	b := other.visitor(t)
	if p := b.open(b.base + "/login/oidc"); p.status != http.StatusOK {
		t.Fatalf("a second Manager: %d %s", p.status, p.text)
	}
	w.provider.set(t, wrong{secret: "s3:cret"})
	b.want(http.StatusNoContent, b.do("DELETE", "/api/v1/session", nil, nil, "X-CSRF-Token", b.token()))
	b.refused(b.base+"/login/oidc", "the client is not who it says")
	b = w.manage(t, manager.OIDC{ClientID: clientID, ClientSecret: "s3:cret"}).visitor(t)
	if p := b.open(b.base + "/login/oidc"); p.status != http.StatusOK {
		t.Fatalf("with a secret: %d %s", p.status, p.text)
	}
	unknown := newProvider(t) // whom the API server does not trust
	elsewhere := &world{ctx: w.ctx, plane: w.plane, core: w.core, provider: unknown}
	b = elsewhere.manage(t, manager.OIDC{ClientID: clientID}).visitor(t)
	b.refused(b.base+"/login/oidc", "The API server does not take this token")
}

func (w *world) oidcAway(t *testing.T) {
	gone := newProvider(t)
	elsewhere := &world{ctx: w.ctx, plane: w.plane, core: w.core, provider: gone}
	b := elsewhere.manage(t, manager.OIDC{ClientID: clientID}).visitor(t)
	gone.http.Close()
	if p := b.open(b.base + "/login/oidc"); p.status != http.StatusBadGateway || !strings.Contains(p.text, "does not answer as one") {
		t.Errorf("%d %s", p.status, p.text)
	}
	if _, err := manager.New(manager.Options{Config: w.plane.Config, OIDC: manager.OIDC{Issuer: "https://192.0.2.1", CAFile: "/none"}}); err == nil {
		t.Error("certificates that are not there are taken")
	}
}
