package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/report"
	"github.com/tierwall/tierwall/server/flows"
)

// Elsewhere is the way to the server that leads, for those that do not: what users
// ask them about flows goes there, with the users' own tokens. It is safe for
// concurrent use.
type Elsewhere struct {
	core      kubernetes.Interface
	namespace string

	mu    sync.Mutex
	data  map[string]string
	until time.Time
	url   *url.URL
	way   *http.Client
}

// believed is how long is believed where the leader was.
const believed = 2 * time.Second

// NewElsewhere returns the way to the leader of a namespace, as that is published
// in report.ServerName.
func NewElsewhere(core kubernetes.Interface, namespace string) *Elsewhere {
	return &Elsewhere{core: core, namespace: namespace}
}

// find returns where the leader is, and how to get there.
func (e *Elsewhere) find(ctx context.Context) (*url.URL, *http.Client, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if time.Now().Before(e.until) {
		return e.url, e.way, nil
	}
	m, err := e.core.CoreV1().ConfigMaps(e.namespace).Get(ctx, report.ServerName, metav1.GetOptions{})
	if err != nil {
		return nil, nil, fmt.Errorf("where the server is that leads: %w", err)
	}
	e.until = time.Now().Add(believed)
	if e.way != nil && sameWay(e.data, m.Data) {
		return e.url, e.way, nil
	}
	at, err := url.Parse(m.Data[report.URLKey])
	if err != nil || at.Host == "" {
		e.until = time.Time{}
		return nil, nil, fmt.Errorf("where the server is that leads: configmap %s/%s has no URL", e.namespace, report.ServerName)
	}
	trust := &tls.Config{ServerName: m.Data[report.NameKey], MinVersion: tls.VersionTLS12}
	if ca := m.Data[report.CAKey]; ca != "" {
		trust.RootCAs = x509.NewCertPool()
		trust.RootCAs.AppendCertsFromPEM([]byte(ca))
	}
	e.data, e.url = m.Data, at
	e.way = &http.Client{Transport: forwarded{&http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 5 * time.Second, IdleConnTimeout: time.Minute}}}
	return e.url, e.way, nil
}

func sameWay(a, b map[string]string) bool {
	return a[report.URLKey] == b[report.URLKey] && a[report.NameKey] == b[report.NameKey] && a[report.CAKey] == b[report.CAKey]
}

// Reader returns the flows that the leader has, as the bearer of a token may see
// them.
func (e *Elsewhere) Reader(ctx context.Context, token string) (flow.Reader, error) {
	at, way, err := e.find(ctx)
	if err != nil {
		return nil, err
	}
	return flows.Remote{Client: way, URL: at.Scheme + "://" + at.Host, Token: token}, nil
}

// forwardedHeader is on what was sent on: it is sent on once.
const forwardedHeader = "Tierwall-Forwarded"

// forwarded marks requests.
type forwarded struct{ http.RoundTripper }

func (f forwarded) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(forwardedHeader, "1")
	return f.RoundTripper.RoundTrip(r)
}

// forward sends a question about flows on to the leader. A client certificate
// cannot be shown for somebody else: who has no token is told where to ask.
func (e *Elsewhere) forward(w http.ResponseWriter, in *http.Request, m *metrics) {
	at, way, err := e.find(in.Context())
	switch {
	case err != nil:
		m.forwarded.WithLabelValues("failed").Inc()
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	case in.Header.Get("Authorization") == "":
		http.Error(w, fmt.Sprintf("another server has the flows: ask %s, or show a token instead of a certificate", at), http.StatusMisdirectedRequest)
		return
	}
	proxy := httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(at) },
		Transport: way.Transport,
		ModifyResponse: func(*http.Response) error {
			m.forwarded.WithLabelValues("ok").Inc()
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			m.forwarded.WithLabelValues("failed").Inc()
			http.Error(w, "the server that has the flows does not answer: "+err.Error(), http.StatusBadGateway)
		},
	}
	proxy.ServeHTTP(w, in)
}
