package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	policyv1alpha2 "sigs.k8s.io/network-policy-api/apis/v1alpha2"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/report"
	"github.com/tierwall/tierwall/server/flows"
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
	// CAFile is what the API server and agents are to trust for it; without CAFile
	// they trust what their machines trust. None of them means a certificate made
	// at the start, by an authority that all servers behind a service have in
	// common, in the secret report.ServerName of their namespace.
	CertFile, KeyFile, CAFile string
	// ReportListen is the address on which agents report what they enforce, as
	// host:port, with the webhook's certificate; empty means a free port of
	// 127.0.0.1, "-" that none do and nothing is said of what nodes enforce.
	ReportListen string
	// AdvertiseIP is the address of this server that agents reach, for the ConfigMap
	// report.ServerName of the namespace; empty means that none is published.
	AdvertiseIP string
	// Flows keeps what agents record of connections, and gives it to those who may
	// see it; nil keeps none. Who made it closes it.
	Flows *flows.Store
	// Leads is called when this server begins to do what one of a cluster does, and
	// when it ceases to; nil if nobody wants to know.
	Leads func(bool)
	// HealthListen is the address of /livez, /readyz and /metrics, as host:port;
	// empty for none.
	HealthListen string
	// Namespace is where the list of nodes is published; empty means "tierwall".
	Namespace string
	// Log takes what the server has to say; nil means nothing.
	Log *slog.Logger
}

// Server is a running server.
type Server struct {
	options  Options
	scheme   *runtime.Scheme
	client   rest.Interface
	cluster  rest.Interface // of ClusterNetworkPolicy
	core     kubernetes.Interface
	where    address
	identity *identity
	webhook  *http.Server
	listen   net.Listener
	reports  *reports
	metrics  *metrics
	probes   health
	health   *http.Server
	stop     context.CancelFunc
	running  sync.WaitGroup
	leading  sync.Mutex

	healthListen net.Listener

	mu    sync.Mutex
	asked map[[2]string]bool // path and nonce of the probes that have arrived
}

// Start starts the webhook, tells the API server of it, and begins to write
// status; behind a service, where there may be several servers, when it is this
// one's turn. It ends when the context does or by Close; the API server goes on
// asking the webhook, and refuses what it would have judged.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Listen = cmp.Or(o.Listen, "127.0.0.1:0")
	o.Namespace = cmp.Or(o.Namespace, report.Namespace)
	o.Config = rest.CopyConfig(o.Config)
	o.Config.QPS = -1 // writes are bounded by the number of workers
	rest.AddUserAgent(o.Config, fieldManager)
	s := &Server{options: o, asked: map[[2]string]bool{}, metrics: newMetrics()}
	if o.Flows != nil {
		s.metrics.registry.MustRegister(o.Flows.Collectors()...)
	}
	ctx, s.stop = context.WithCancel(ctx)
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) error {
	var err error
	if s.scheme, err = newScheme(); err != nil {
		return err
	}
	if s.client, err = typedClient(s.options.Config, v3.GroupVersion, s.scheme); err != nil {
		return err
	}
	if s.cluster, err = typedClient(s.options.Config, schema.GroupVersion(policyv1alpha2.GroupVersion), s.scheme); err != nil {
		return err
	}
	if s.core, err = kubernetes.NewForConfig(s.options.Config); err != nil {
		return fmt.Errorf("client for the API server: %w", err)
	}
	if err := s.startWebhook(ctx); err != nil {
		return err
	}
	if err := s.startReports(); err != nil {
		return err
	}
	if err := s.startHealth(ctx); err != nil {
		return err
	}
	if s.options.Service == "" {
		s.running.Go(func() { s.lead(ctx) })
	} else {
		s.running.Go(func() { s.elect(ctx) })
	}
	return nil
}

// startWebhook listens before it tells the API server, which asks at once.
func (s *Server) startWebhook(ctx context.Context) error {
	var err error
	if s.listen, err = net.Listen("tcp", s.options.Listen); err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	if s.where, err = addressOf(s.options, s.listen.Addr().String()); err != nil {
		return err
	}
	if s.identity, err = s.newIdentity(ctx, s.where.host()); err != nil {
		return err
	}
	if _, err := s.identity.certificate(time.Now()); err != nil {
		return err
	}
	hook := &webhook{scheme: s.scheme, tiers: liveTiers{s.client}, log: s.options.Log, probed: s.probed, reviewed: s.metrics.reviewed}
	s.webhook = &http.Server{
		Handler:           hook.handler(),
		TLSConfig:         s.identity.tls(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       5 * time.Minute,
		ErrorLog:          slog.NewLogLogger(s.options.Log.Handler(), slog.LevelDebug),
	}
	s.running.Go(func() {
		if err := s.webhook.ServeTLS(s.listen, "", ""); !errors.Is(err, http.ErrServerClosed) {
			s.options.Log.Error("the webhook ended", "error", err)
			s.probes.end("the webhook", err)
		}
	})
	if err := s.tellWebhook(ctx); err != nil {
		return err
	}
	s.options.Log.Info("admission is served", "address", s.listen.Addr().String())
	return nil
}

// tellWebhook tells the API server of the webhook.
func (s *Server) tellWebhook(ctx context.Context) error {
	trusted, err := s.identity.trusted()
	if err != nil {
		return err
	}
	return applyConfigurations(ctx, s.core, s.where, trusted, s.ownMeta(ctx, ConfigurationName, ""))
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
		// of several behind a service, the API server asks whom it likes
		ready = ready || err == nil && s.options.Service != ""
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
	if s.health != nil {
		err = errors.Join(err, s.health.Close())
	}
	s.running.Wait()
	return err
}

// linger is how long a server behind a service goes on answering after it was
// told to end: the time in which the service ceases to lead to it. Another has
// taken over its other work by then.
const linger = 5 * time.Second

// Run starts a server, says when it is ready, and returns when the context
// ends.
func Run(ctx context.Context, o Options) error {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	s, err := Start(running, o)
	if err != nil {
		return err
	}
	if err := s.Ready(ctx); err != nil && ctx.Err() == nil {
		return errors.Join(err, s.Close())
	}
	s.options.Log.Info("ready")
	<-ctx.Done()
	stop() // gives up the lead
	if o.Service != "" {
		time.Sleep(linger)
	}
	return s.Close()
}
