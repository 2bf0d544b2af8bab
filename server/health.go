package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/client-go/tools/leaderelection"
)

// health is what probes ask for. It is safe for concurrent use.
type health struct {
	mu sync.Mutex
	// ended are the parts that should run and do not, with why.
	ended map[string]error
	// ending says that the server was told to end.
	ending bool
	// watch looks whether a lead that was lost is still held; nil where there is no
	// election.
	watch *leaderelection.HealthzAdaptor
	// certificate returns why there is none that serves; nil if there is.
	certificate func() error
}

// overdue is how long a lease may have been over while the server goes on to lead.
const overdue = 20 * time.Second

// end notes that a part has ended.
func (h *health) end(part string, why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended == nil {
		h.ended = map[string]error{}
	}
	h.ended[part] = why
}

// watched is what an election is watched by.
func (h *health) watched() *leaderelection.HealthzAdaptor {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watch = leaderelection.NewLeaderHealthzAdaptor(overdue)
	return h.watch
}

func (h *health) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ending = true
}

// live returns why the server is of no use any more and should be started anew.
func (h *health) live(in *http.Request) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for part, why := range h.ended {
		return fmt.Errorf("%s has ended: %w", part, why)
	}
	if h.watch != nil {
		if err := h.watch.Check(in); err != nil {
			return fmt.Errorf("election: %w", err)
		}
	}
	return nil
}

// ready returns why nobody should be sent here.
func (h *health) ready(in *http.Request) error {
	if err := h.live(in); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ending {
		return errors.New("the server is ending")
	}
	return h.certificate()
}

// startHealth answers /livez, /readyz and /metrics. The server is ready when it
// listens and has told the API server of the webhook: that asks it only then, by a
// service that leads to those that are ready.
func (s *Server) startHealth(ctx context.Context) error {
	s.probes.certificate = func() error { _, err := s.identity.certificate(time.Now()); return err }
	if s.options.HealthListen == "" {
		return nil
	}
	l, err := net.Listen("tcp", s.options.HealthListen)
	if err != nil {
		return fmt.Errorf("health: %w", err)
	}
	context.AfterFunc(ctx, s.probes.close)
	s.health = &http.Server{Handler: s.probes.handler(s.metrics), ReadHeaderTimeout: 5 * time.Second}
	s.healthListen = l
	s.running.Go(func() {
		if err := s.health.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.options.Log.Error("health is not told any more", "error", err)
		}
	})
	return nil
}

func (h *health) handler(m *metrics) http.Handler {
	mux := http.NewServeMux()
	for path, check := range map[string]func(*http.Request) error{"/livez": h.live, "/readyz": h.ready} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, in *http.Request) {
			if err := check(in); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
			_, _ = fmt.Fprintln(w, "ok")
		})
	}
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	return mux
}

// HealthAddress is where /livez, /readyz and /metrics are; empty if nowhere.
func (s *Server) HealthAddress() string {
	if s.healthListen == nil {
		return ""
	}
	return s.healthListen.Addr().String()
}
