package manager

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/report"
	"github.com/tierwall/tierwall/ui"
)

// base is where the API is; the same as in openapi.yaml.
const base = "/api/v1"

// Options say how the Manager reaches the API server and its users reach it.
type Options struct {
	// Config leads to the API server, with the server's own rights: those to read
	// what policy depends on. Users' requests are made with theirs.
	Config *rest.Config
	// Listen is the address, as host:port; empty means a free port of 127.0.0.1.
	Listen string
	// CertFile and KeyFile are the certificate and key in PEM. Without them the
	// Manager is plain HTTP, and listens on loopback only.
	CertFile, KeyFile string
	// Namespace is where the server publishes what nodes told; empty means
	// report.Namespace.
	Namespace string
	// Flows is what agents recorded; nil if nobody keeps it. FlowsElsewhere returns
	// what the bearer of a token reads instead while another server has them, and
	// nil while this one has; nil if there is no other.
	Flows          flow.Reader
	FlowsElsewhere func(ctx context.Context, token string) (flow.Reader, error)
	// OIDC is the provider that users may log in with; its Issuer is empty if
	// there is none.
	OIDC OIDC
	// Log takes what the Manager has to say; nil means nothing.
	Log *slog.Logger
}

// Manager is a running Manager.
type Manager struct {
	options  Options
	store    *store
	sessions *sessions
	views    *views
	pending  pending
	oidc     *oidcLogin
	http     *http.Server
	listen   net.Listener
	stop     context.CancelFunc
	ended    context.Context
	running  sync.WaitGroup
}

var _ ServerInterface = (*Manager)(nil)

// New prepares a Manager that is not listening: use Handler.
func New(o Options) (*Manager, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Config = rest.CopyConfig(o.Config)
	o.Config.QPS = -1
	store, err := newStore(o.Config, cmp.Or(o.Namespace, report.Namespace), o.Log)
	if err != nil {
		return nil, err
	}
	m := &Manager{options: o, store: store, sessions: &sessions{all: map[[sha256.Size]byte]*session{}}, views: &views{byKey: map[string]*view{}}}
	if m.oidc, err = newOIDC(o.OIDC); err != nil {
		return nil, err
	}
	return m, nil
}

// secure reports whether users reach the Manager by TLS.
func (m *Manager) secure() bool { return m.options.CertFile != "" }

// Handler is everything under the Manager's address.
func (m *Manager) Handler() http.Handler {
	mux := http.NewServeMux()
	api := HandlerWithOptions(m, StdHTTPServerOptions{BaseURL: base, ErrorHandlerFunc: func(w http.ResponseWriter, _ *http.Request, err error) {
		fail(w, problem(http.StatusBadRequest, "invalid", err.Error()))
	}})
	mux.Handle(base+"/", compressed(m.withSession(api)))
	mux.Handle("/api/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fail(w, problem(http.StatusNotFound, "not-found", r.URL.Path+" is nothing that the API has"))
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET "+loginPath, m.beginOIDC)
	mux.HandleFunc("GET "+callbackPath, m.endOIDC)
	mux.Handle("/", newPages(ui.Pages()))
	return m.guarded(mux)
}

// Start starts a Manager and returns when it listens. It ends with the context
// or by Close.
func Start(ctx context.Context, o Options) (*Manager, error) {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if err := checkListen(o); err != nil {
		return nil, err
	}
	m, err := New(o)
	if err != nil {
		return nil, err
	}
	if m.listen, err = net.Listen("tcp", o.Listen); err != nil {
		return nil, fmt.Errorf("manager: %w", err)
	}
	if m.secure() {
		pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("the Manager's certificate: %w", err), m.listen.Close())
		}
		m.listen = tls.NewListener(m.listen, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}})
	}
	m.ended, m.stop = context.WithCancel(ctx)
	m.http = &http.Server{Handler: m.Handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 5 * time.Minute,
		BaseContext: func(net.Listener) context.Context { return m.ended },
		ErrorLog:    slog.NewLogLogger(m.options.Log.Handler(), slog.LevelDebug)}
	m.running.Go(func() { m.store.run(m.ended) })
	m.running.Go(func() {
		if err := m.http.Serve(m.listen); !errors.Is(err, http.ErrServerClosed) {
			m.options.Log.Error("the Manager ended", "error", err)
		}
	})
	m.options.Log.Info("the Manager is served", "url", m.URL())
	return m, nil
}

// checkListen keeps tokens from going over a network in the clear.
func checkListen(o Options) error {
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return fmt.Errorf("address of the Manager: %w", err)
	}
	ip := net.ParseIP(host)
	if o.CertFile == "" && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("the Manager would send tokens in the clear on %s: give it a certificate, or a loopback address such as 127.0.0.1:8080", o.Listen)
	}
	return nil
}

// URL is where the Manager is found.
func (m *Manager) URL() string {
	scheme := "http://"
	if m.secure() {
		scheme = "https://"
	}
	return scheme + m.listen.Addr().String()
}

// Ready returns when everything has been read from the API server once.
func (m *Manager) Ready(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !m.store.ready() {
		select {
		case <-ctx.Done():
			_, why := m.store.asOf()
			return fmt.Errorf("the Manager has not read everything: %w %s", ctx.Err(), why)
		case <-tick.C:
		}
	}
	return nil
}

// Close ends the Manager.
func (m *Manager) Close() error {
	m.stop()
	err := m.http.Close()
	m.running.Wait()
	return err
}
