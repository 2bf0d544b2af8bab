package manager

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// OIDC is a provider whose ID tokens the API server takes as well.
type OIDC struct {
	// Issuer is its URL; empty means that there is none.
	Issuer string
	// Name is what it is called on the page; empty means the issuer's host.
	Name string
	// ClientID and ClientSecret are the Manager's own; public clients have no
	// secret.
	ClientID, ClientSecret string
	// RedirectURL is the Manager's address for the provider, ending in
	// /login/oidc/callback.
	RedirectURL string
	// Scopes are asked for beside openid.
	Scopes []string
	// CAFile has the certificates in PEM that the provider's is checked with;
	// empty means those that the machine trusts.
	CAFile string
}

const (
	loginPath    = "/login/oidc"
	callbackPath = "/login/oidc/callback"
	// loginFor is how long somebody may take at the provider.
	loginFor = 10 * time.Minute
	// providerPatience is how long an answer of the provider may take.
	providerPatience = 10 * time.Second
)

// oidcLogin asks the provider for its endpoints when the first user comes, so
// that a provider that is down does not keep the Manager down.
type oidcLogin struct {
	OIDC
	http     *http.Client
	mu       sync.Mutex
	provider *oidc.Provider
	style    oauth2.AuthStyle
}

// newOIDC returns nil if there is no provider.
func newOIDC(o OIDC) (*oidcLogin, error) {
	if o.Issuer == "" {
		return nil, nil
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("certificates of the OIDC provider: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("certificates of the OIDC provider: %s has none", o.CAFile)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &oidcLogin{OIDC: o, http: &http.Client{Transport: transport, Timeout: providerPatience}}, nil
}

// asking returns a context in which the provider is asked with our client.
func (o *oidcLogin) asking(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, o.http)
}

// provider is what the login page is told.
func (m *Manager) provider() *Provider {
	if m.oidc == nil {
		return nil
	}
	name := m.oidc.Name
	if u, err := url.Parse(m.oidc.Issuer); name == "" && err == nil {
		name = u.Host
	}
	return &Provider{Name: name, Url: loginPath}
}

func (o *oidcLogin) config(ctx context.Context) (*oauth2.Config, *oidc.Provider, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.provider == nil {
		p, err := oidc.NewProvider(o.asking(context.WithoutCancel(ctx)), o.Issuer)
		if err != nil {
			return nil, nil, fmt.Errorf("the provider %s does not answer as one: %w", o.Issuer, err)
		}
		var told struct {
			Methods []string `json:"token_endpoint_auth_methods_supported"`
		}
		if err := p.Claims(&told); err != nil {
			return nil, nil, fmt.Errorf("the provider %s does not answer as one: %w", o.Issuer, err)
		}
		o.provider, o.style = p, authStyle(o.ClientSecret, told.Methods)
	}
	endpoint := o.provider.Endpoint()
	endpoint.AuthStyle = o.style
	return &oauth2.Config{ClientID: o.ClientID, ClientSecret: o.ClientSecret, RedirectURL: o.RedirectURL,
		Endpoint: endpoint, Scopes: append([]string{oidc.ScopeOpenID}, o.Scopes...)}, o.provider, nil
}

// authStyle says how the Manager shows its secret. It is not found out by trying:
// a code is good for one try.
func authStyle(secret string, methods []string) oauth2.AuthStyle {
	switch {
	case secret == "":
		return oauth2.AuthStyleInParams // a public client has its name to show
	case len(methods) == 0, slices.Contains(methods, "client_secret_basic"): // the first is what none means
		return oauth2.AuthStyleInHeader
	}
	return oauth2.AuthStyleInParams
}

// The cookies of a login under way. They are Lax, not Strict: the browser comes
// back from another site.
const (
	stateCookie    = "tierwall-oidc-state"
	nonceCookie    = "tierwall-oidc-nonce"
	verifierCookie = "tierwall-oidc-verifier"
	nextCookie     = "tierwall-oidc-next"
)

// localPath is a place of these pages, to go to after a login; "/" for whatever is
// none. Browsers leave tabs and ends of lines out of addresses, and take \ for /.
func localPath(place string) string {
	const most = 2000 // browsers take no larger cookies
	if !strings.HasPrefix(place, "/") || strings.HasPrefix(place, "//") || strings.HasPrefix(place, `/\`) || strings.ContainsFunc(place, unicode.IsControl) || len(place) > most {
		return "/"
	}
	return place
}

func (m *Manager) loginCookie(name, value string, age int) *http.Cookie {
	return &http.Cookie{Name: name, Value: value, Path: loginPath, MaxAge: age, HttpOnly: true, Secure: m.secure(), SameSite: http.SameSiteLaxMode}
}

// beginOIDC sends the browser to the provider.
func (m *Manager) beginOIDC(w http.ResponseWriter, r *http.Request) {
	if m.oidc == nil {
		fail(w, problem(http.StatusNotFound, "not-found", "no OIDC provider is set up"))
		return
	}
	config, _, err := m.oidc.config(r.Context())
	if err != nil {
		failLoginPage(w, http.StatusBadGateway, err.Error())
		return
	}
	state, nonce, verifier := secret(), secret(), oauth2.GenerateVerifier()
	next := url.QueryEscape(localPath(r.URL.Query().Get("next")))
	for name, value := range map[string]string{stateCookie: state, nonceCookie: nonce, verifierCookie: verifier, nextCookie: next} {
		http.SetCookie(w, m.loginCookie(name, value, int(loginFor.Seconds())))
	}
	http.Redirect(w, r, config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)), http.StatusFound)
}

// endOIDC takes what the provider sends the browser back with.
func (m *Manager) endOIDC(w http.ResponseWriter, r *http.Request) {
	if m.oidc == nil {
		fail(w, problem(http.StatusNotFound, "not-found", "no OIDC provider is set up"))
		return
	}
	token, err := m.exchange(r)
	for _, name := range []string{stateCookie, nonceCookie, verifierCookie, nextCookie} {
		http.SetCookie(w, m.loginCookie(name, "", -1))
	}
	if err != nil {
		failLoginPage(w, http.StatusUnauthorized, err.Error())
		return
	}
	s, err := m.login(r.Context(), token, "oidc")
	if err != nil {
		p := m.loginProblem(err)
		failLoginPage(w, p.Status, p.Detail)
		return
	}
	m.open(w, s)
	// a page and no redirect: at the end of redirects from another site the
	// browser would not send the Strict cookie
	next := html.EscapeString(nextOf(r))
	loginPage(w, http.StatusOK, `<meta http-equiv="refresh" content="0;url=`+next+`">`, `<p>Logged in. <a href="`+next+`">Go on</a></p>`)
}

// nextOf is where the login that ends was begun.
func nextOf(r *http.Request) string {
	c, err := r.Cookie(nextCookie)
	if err != nil {
		return "/"
	}
	place, err := url.QueryUnescape(c.Value)
	if err != nil {
		return "/"
	}
	return localPath(place)
}

// failLoginPage says why a login did not work: the browser shows it as a page.
func failLoginPage(w http.ResponseWriter, status int, why string) {
	loginPage(w, status, "", "<h1>The login did not work</h1><p>"+html.EscapeString(sentence(why))+`</p><p><a href="/login">Log in</a></p>`)
}

func loginPage(w http.ResponseWriter, status int, head, body string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">`+head+"<title>Tierwall</title>"+body+"</html>\n")
}

// sentence begins with a capital and ends with a full stop.
func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + strings.TrimSuffix(s[1:], ".") + "."
}

// exchange returns the ID token, checked, for the code in a callback.
func (m *Manager) exchange(r *http.Request) (string, error) {
	held := func(name string) string {
		c, err := r.Cookie(name)
		if err != nil {
			return ""
		}
		return c.Value
	}
	q := r.URL.Query()
	if state := held(stateCookie); state == "" || !sameToken(state, q.Get("state")) {
		return "", errors.New("it was not begun in this browser, or took too long")
	}
	if e := q.Get("error"); e != "" {
		return "", fmt.Errorf("the provider says %s", cmp.Or(q.Get("error_description"), e))
	}
	config, provider, err := m.oidc.config(r.Context())
	if err != nil {
		return "", err
	}
	ctx := m.oidc.asking(r.Context())
	got, err := config.Exchange(ctx, q.Get("code"), oauth2.VerifierOption(held(verifierCookie)))
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused):
		return "", fmt.Errorf("the provider does not take this login: %s", cmp.Or(refused.ErrorDescription, refused.ErrorCode, string(refused.Body)))
	case err != nil:
		return "", fmt.Errorf("the provider could not be asked: %w", err)
	}
	raw, ok := got.Extra("id_token").(string)
	if !ok {
		return "", errors.New("the provider sent no ID token")
	}
	// whom it is for is looked at below, to say it in words
	id, err := provider.Verifier(&oidc.Config{SkipClientIDCheck: true}).Verify(ctx, raw)
	var expired *oidc.TokenExpiredError
	switch {
	case errors.As(err, &expired):
		return "", fmt.Errorf("the provider's ID token ended at %s: it is old, or a clock is wrong", expired.Expiry.UTC().Format(time.RFC3339))
	case err != nil:
		return "", fmt.Errorf("the provider's ID token is not valid: %w", err)
	case !slices.Contains(id.Audience, config.ClientID):
		return "", fmt.Errorf("the provider's ID token is for %q, and the Manager is %q there", id.Audience, config.ClientID)
	}
	if nonce := held(nonceCookie); nonce == "" || !sameToken(nonce, id.Nonce) {
		return "", errors.New("the provider's ID token is for another login")
	}
	return raw, nil
}
