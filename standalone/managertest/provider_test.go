package managertest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// clientID is the Manager's at the provider.
const clientID = "tierwall-manager"

// provider is an OIDC provider that logs in whoever comes, with codes, PKCE and
// signed tokens as the real ones do it. What it does wrong can be set.
type provider struct {
	http   *httptest.Server
	caFile string
	key    *rsa.PrivateKey

	mu    sync.Mutex
	codes map[string]grant
	wrong wrong
}

// grant is what a code stands for.
type grant struct{ challenge, nonce, redirect string }

// wrong is what differs from a right answer; the zero value is right.
type wrong struct {
	audience string
	nonce    string
	lifetime time.Duration // 0 is an hour
	key      *rsa.PrivateKey
	denies   bool   // says that the user did not consent
	secret   string // asks for it, by HTTP's own way
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{key: key, codes: map[string]grant{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		p.json(w, http.StatusOK, map[string]any{
			"issuer": p.http.URL, "authorization_endpoint": p.http.URL + "/authorize", "token_endpoint": p.http.URL + "/token", "jwks_uri": p.http.URL + "/keys",
			"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256"},
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		p.json(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	p.http = httptest.NewTLSServer(mux)
	t.Cleanup(p.http.Close)
	p.caFile = filepath.Join(t.TempDir(), "provider.crt")
	if err := os.WriteFile(p.caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.http.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *provider) json(w http.ResponseWriter, status int, o any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(o)
}

// set makes the provider go wrong, until the test has ended.
func (p *provider) set(t *testing.T, w wrong) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wrong = w
	t.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.wrong = wrong{}
	})
}

func (p *provider) now() wrong {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wrong
}

// authorize sends the browser back with a code.
func (p *provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("client_id") != clientID || q.Get("response_type") != "code" || !strings.Contains(q.Get("scope"), "openid") ||
		q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "" || q.Get("state") == "" || q.Get("nonce") == "" {
		http.Error(w, "the request lacks something: "+r.URL.RawQuery, http.StatusBadRequest)
		return
	}
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer := url.Values{"state": {q.Get("state")}}
	if p.now().denies {
		answer.Set("error", "access_denied")
		answer.Set("error_description", "the user <said> no")
	} else {
		code := rand.Text()
		p.mu.Lock()
		p.codes[code] = grant{q.Get("code_challenge"), q.Get("nonce"), q.Get("redirect_uri")}
		p.mu.Unlock()
		answer.Set("code", code)
	}
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// token gives an ID token for a code, once, to who can show the verifier.
func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	refuse := func(why string) {
		p.json(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant", "error_description": why})
	}
	p.mu.Lock()
	g, ok := p.codes[r.FormValue("code")]
	delete(p.codes, r.FormValue("code"))
	p.mu.Unlock()
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	id, secret, _ := r.BasicAuth()
	secret, _ = url.QueryUnescape(secret) // RFC 6749 section 2.3.1
	if id == "" {
		id = r.FormValue("client_id")
	}
	switch {
	case id != clientID || secret != p.now().secret:
		refuse("the client is not who it says")
		return
	case !ok:
		refuse("the code is unknown or has been used")
		return
	case base64.RawURLEncoding.EncodeToString(sum[:]) != g.challenge:
		refuse("the verifier is not that of the challenge")
		return
	case r.FormValue("redirect_uri") != g.redirect:
		refuse("the redirect is another")
		return
	}
	token, err := p.sign(g.nonce)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	p.json(w, http.StatusOK, map[string]any{"access_token": "none", "token_type": "Bearer", "id_token": token})
}

// sign returns an ID token of alice, who is in the group team.
func (p *provider) sign(nonce string) (string, error) {
	as := p.now()
	key, audience, lifetime := p.key, clientID, time.Hour
	if as.key != nil {
		key = as.key
	}
	if as.audience != "" {
		audience = as.audience
	}
	if as.nonce != "" {
		nonce = as.nonce
	}
	if as.lifetime != 0 {
		lifetime = as.lifetime
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	now := time.Now()
	return jwt.Signed(signer).Claims(jwt.Claims{Issuer: p.http.URL, Subject: "alice", Audience: jwt.Audience{audience}, IssuedAt: jwt.NewNumericDate(now.Add(-2 * time.Hour)),
		Expiry: jwt.NewNumericDate(now.Add(lifetime))}).Claims(map[string]any{"nonce": nonce, "groups": []string{"team"}}).Serialize()
}
