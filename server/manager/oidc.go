package manager

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

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
}

const (
	loginPath    = "/login/oidc"
	callbackPath = "/login/oidc/callback"
	// loginFor is how long somebody may take at the provider.
	loginFor = 10 * time.Minute
)

// oidcLogin asks the provider for its endpoints when the first user comes, so
// that a provider that is down does not keep the Manager down.
type oidcLogin struct {
	OIDC
	mu       sync.Mutex
	provider *oidc.Provider
}

func newOIDC(o OIDC) *oidcLogin {
	if o.Issuer == "" {
		return nil
	}
	return &oidcLogin{OIDC: o}
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
		p, err := oidc.NewProvider(context.WithoutCancel(ctx), o.Issuer)
		if err != nil {
			return nil, nil, fmt.Errorf("provider %s: %w", o.Issuer, err)
		}
		o.provider = p
	}
	return &oauth2.Config{ClientID: o.ClientID, ClientSecret: o.ClientSecret, RedirectURL: o.RedirectURL,
		Endpoint: o.provider.Endpoint(), Scopes: append([]string{oidc.ScopeOpenID}, o.Scopes...)}, o.provider, nil
}

// The cookies of a login under way. They are Lax, not Strict: the browser comes
// back from another site.
const (
	stateCookie    = "tierwall-oidc-state"
	nonceCookie    = "tierwall-oidc-nonce"
	verifierCookie = "tierwall-oidc-verifier"
)

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
		fail(w, problem(http.StatusBadGateway, "away", err.Error()))
		return
	}
	state, nonce, verifier := secret(), secret(), oauth2.GenerateVerifier()
	for name, value := range map[string]string{stateCookie: state, nonceCookie: nonce, verifierCookie: verifier} {
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
	for _, name := range []string{stateCookie, nonceCookie, verifierCookie} {
		http.SetCookie(w, m.loginCookie(name, "", -1))
	}
	if err != nil {
		fail(w, problem(http.StatusUnauthorized, "unauthenticated", "the login did not work: "+err.Error()))
		return
	}
	s, err := m.login(r.Context(), token, "oidc")
	if err != nil {
		m.failLogin(w, err)
		return
	}
	m.open(w, s)
	// a page and no redirect: at the end of redirects from another site the
	// browser would not send the Strict cookie
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(`<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=/"><title>Tierwall</title><p>Logged in. <a href="/">Go on</a></p></html>`))
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
		return "", fmt.Errorf("the provider says %q %s", e, q.Get("error_description"))
	}
	config, provider, err := m.oidc.config(r.Context())
	if err != nil {
		return "", err
	}
	got, err := config.Exchange(r.Context(), q.Get("code"), oauth2.VerifierOption(held(verifierCookie)))
	if err != nil {
		return "", err
	}
	raw, ok := got.Extra("id_token").(string)
	if !ok {
		return "", errors.New("the provider sent no ID token")
	}
	id, err := provider.Verifier(&oidc.Config{ClientID: config.ClientID}).Verify(r.Context(), raw)
	if err != nil {
		return "", err
	}
	if nonce := held(nonceCookie); nonce == "" || !sameToken(nonce, id.Nonce) {
		return "", errors.New("the ID token is for another login")
	}
	return raw, nil
}
