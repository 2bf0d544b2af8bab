package server

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	v3 "github.com/tierwall/tierwall/api/v3"
)

// Options say how the server reaches the API server, and how that reaches it.
type Options struct {
	// Config leads to the API server. The rights that the server needs there are
	// those of the ClusterRole tierwall:server in package deploy.
	Config *rest.Config
	// Listen is the address of the webhook, as host:port; empty means a free port
	// of 127.0.0.1, which is of use if the API server is on the same machine.
	Listen string
	// URL is where the API server finds the webhook, as https://host:port; empty
	// means the address that it listens on. Service is the same by the service
	// NAMESPACE/NAME, on port 443. Give one of them at most.
	URL, Service string
	// CertFile and KeyFile are the webhook's certificate and key in PEM, and
	// CAFile is what the API server is to trust for it; without CAFile it trusts
	// what its machine trusts. None of them means a certificate made at the start,
	// which is of use for one server, not for several behind one service.
	CertFile, KeyFile, CAFile string
	// ReportListen is the address on which agents report what they enforce, as
	// host:port, with the webhook's certificate; empty means a free port of
	// 127.0.0.1, "-" that none do and nothing is said of what nodes enforce.
	ReportListen string
	// Namespace is where the list of nodes is published; empty means "tierwall".
	Namespace string
	// Log takes what the server has to say; nil means nothing.
	Log *slog.Logger
}

// Server is a running server.
type Server struct {
	options Options
	client  rest.Interface
	webhook *http.Server
	listen  net.Listener
	reports *reports
	bundle  []byte
	tls     *tls.Config
	stop    context.CancelFunc
	running sync.WaitGroup

	mu    sync.Mutex
	asked map[[2]string]bool // path and nonce of the probes that have arrived
}

// Start starts the webhook, tells the API server of it, and begins to write
// status. It ends when the context does or by Close; the API server goes on
// asking the webhook, and refuses what it would have judged.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	o.Config = rest.CopyConfig(o.Config)
	o.Config.QPS = -1 // writes are bounded by the number of workers
	rest.AddUserAgent(o.Config, fieldManager)
	s := &Server{options: o, asked: map[[2]string]bool{}}
	ctx, s.stop = context.WithCancel(ctx)
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) error {
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	if s.client, err = policyClient(s.options.Config, scheme); err != nil {
		return err
	}
	tiers := liveTiers{s.client}
	if err := s.startWebhook(ctx, scheme, tiers); err != nil {
		return err
	}
	if err := s.startReports(ctx); err != nil {
		return err
	}
	events := make(chan event, 256)
	if err := watch(ctx, s.client, scheme, events); err != nil {
		return err
	}
	w := writer{s.client, tiers}
	c := newController(w.do, s.options.Log)
	s.running.Go(func() { c.run(ctx, events) })
	return s.startNodeHosts(ctx, w)
}

// startNodeHosts keeps the host endpoints of nodes.
func (s *Server) startNodeHosts(ctx context.Context, w writer) error {
	core, err := kubernetes.NewForConfig(s.options.Config)
	if err != nil {
		return fmt.Errorf("client for the API server: %w", err)
	}
	events := make(chan event, 256)
	watchNodeHosts(ctx, s.client, core.CoreV1().RESTClient(), events)
	c := newNodeHosts(w.host, s.options.Log)
	s.running.Go(func() { c.run(ctx, events) })
	return nil
}

// startWebhook listens before it tells the API server, which asks at once.
func (s *Server) startWebhook(ctx context.Context, scheme *runtime.Scheme, tiers tierReader) error {
	var err error
	if s.listen, err = net.Listen("tcp", s.options.Listen); err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	where, err := addressOf(s.options, s.listen.Addr().String())
	if err != nil {
		return err
	}
	certificate, bundle, err := s.certificate(where.host())
	if err != nil {
		return err
	}
	s.bundle = bundle
	s.tls = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	hook := &webhook{scheme: scheme, tiers: tiers, log: s.options.Log, probed: s.probed}
	s.webhook = &http.Server{
		Handler:           hook.handler(),
		TLSConfig:         s.tls.Clone(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       5 * time.Minute,
		ErrorLog:          slog.NewLogLogger(s.options.Log.Handler(), slog.LevelDebug),
	}
	s.running.Go(func() {
		if err := s.webhook.ServeTLS(s.listen, "", ""); !errors.Is(err, http.ErrServerClosed) {
			s.options.Log.Error("the webhook ended", "error", err)
		}
	})
	client, err := kubernetes.NewForConfig(s.options.Config)
	if err != nil {
		return fmt.Errorf("client for the API server: %w", err)
	}
	if err := applyConfigurations(ctx, client, where, bundle); err != nil {
		return err
	}
	s.options.Log.Info("admission is served", "address", s.listen.Addr().String())
	return nil
}

// certificate returns the webhook's certificate and what is to be trusted.
func (s *Server) certificate(host string) (tls.Certificate, []byte, error) {
	o := s.options
	if o.CertFile == "" && o.KeyFile == "" {
		if o.CAFile != "" {
			return tls.Certificate{}, nil, errors.New("a CA is given for the webhook, and no certificate")
		}
		return selfMade(host, time.Now())
	}
	pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("certificate of the webhook: %w", err)
	}
	if o.CAFile == "" {
		return pair, nil, nil
	}
	bundle, err := os.ReadFile(o.CAFile)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("CA of the webhook: %w", err)
	}
	return pair, bundle, nil
}

// Address is where the webhook listens.
func (s *Server) Address() string { return s.listen.Addr().String() }

func (s *Server) probed(path, nonce string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[[2]string{path, nonce}] = true
}

// Ready returns when the API server asks this webhook, which it does some time
// after it was told to: it tries to annotate the tier "default", without
// effect, until the question arrives at both ends. The error is the context's,
// with what was in the way.
func (s *Server) Ready(ctx context.Context) error {
	nonce := rand.Text()
	body := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, probeAnnotation, nonce)
	tick, slow := time.NewTicker(25*time.Millisecond), time.NewTicker(10*time.Second)
	defer tick.Stop()
	defer slow.Stop()
	for {
		err := s.client.Patch(types.MergePatchType).Resource(tiersResource).Name(v3.DefaultTier).Param("dryRun", "All").Body(body).Do(ctx).Error()
		s.mu.Lock()
		ready := s.asked[[2]string{validatePath, nonce}] && s.asked[[2]string{mutatePath, nonce}]
		s.mu.Unlock()
		if ready {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("the API server does not ask the webhook: %w", ctx.Err()), err)
		case <-slow.C:
			s.options.Log.Warn("still waiting for the API server to ask the webhook", "error", err)
		case <-tick.C:
		}
	}
}

// Close ends the server.
func (s *Server) Close() error {
	s.stop()
	var err error
	switch {
	case s.webhook != nil:
		err = s.webhook.Close()
	case s.listen != nil:
		err = s.listen.Close()
	}
	if s.reports != nil {
		err = errors.Join(err, s.reports.server.Close())
	}
	s.running.Wait()
	return err
}

// Run starts a server, says when it is ready, and returns when the context
// ends.
func Run(ctx context.Context, o Options) error {
	s, err := Start(ctx, o)
	if err != nil {
		return err
	}
	if err := s.Ready(ctx); err != nil && ctx.Err() == nil {
		return errors.Join(err, s.Close())
	}
	s.options.Log.Info("ready")
	<-ctx.Done()
	return s.Close()
}
