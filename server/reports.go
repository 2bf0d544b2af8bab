package server

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/report"
	"github.com/tierwall/tierwall/server/status"
)

// reports is where agents report to.
type reports struct {
	server *http.Server
	listen net.Listener
	// current takes the reports while this server leads; nil while it does not.
	current atomic.Pointer[http.Handler]
	// elsewhere is the way to whom questions about flows go meanwhile; nil if there
	// is no other.
	elsewhere *Elsewhere
	metrics   *metrics
}

// ServeHTTP implements http.Handler. A server that does not lead has not all
// reports, and therefore takes none.
func (r *reports) ServeHTTP(w http.ResponseWriter, in *http.Request) {
	h := r.current.Load()
	switch {
	case h != nil:
		(*h).ServeHTTP(w, in)
	case r.elsewhere != nil && in.Method == http.MethodGet && in.Header.Get(forwardedHeader) == "" && strings.HasPrefix(in.URL.Path, flow.Path):
		r.elsewhere.forward(w, in, r.metrics)
	default:
		http.Error(w, "another server takes the reports", http.StatusMisdirectedRequest)
	}
}

// startReports listens for reports.
func (s *Server) startReports() error {
	if s.options.ReportListen == "-" {
		return nil
	}
	l, err := net.Listen("tcp", cmp.Or(s.options.ReportListen, "127.0.0.1:0"))
	if err != nil {
		return fmt.Errorf("reports: %w", err)
	}
	s.reports = &reports{listen: l, metrics: s.metrics}
	if s.options.Service != "" {
		s.reports.elsewhere = NewElsewhere(s.core, s.options.Namespace)
	}
	s.reports.server = &http.Server{
		Handler:           s.reports,
		TLSConfig:         s.readable(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       3 * report.Heartbeat,
		ErrorLog:          slog.NewLogLogger(s.options.Log.Handler(), slog.LevelDebug),
	}
	s.running.Go(func() {
		if err := s.reports.server.ServeTLS(l, "", ""); !errors.Is(err, http.ErrServerClosed) {
			s.options.Log.Error("reports are not taken any more", "error", err)
			s.probes.end("the listener for reports", err)
		}
	})
	return nil
}

// readable lets readers of flows show a client certificate.
func (s *Server) readable() *tls.Config {
	config := s.identity.tls()
	config.ClientAuth = tls.RequestClientCert
	return config
}

// hears is what takes reports and flows, and gives flows.
func (s *Server) hears(st *status.Status) http.Handler {
	if s.options.Flows == nil {
		return st.Handler()
	}
	mux := http.NewServeMux()
	mux.Handle(report.Path, st.Handler())
	h := s.options.Flows.Handler(s.core, st.Check, status.Code)
	mux.Handle(flow.Path, h)
	mux.Handle(flow.Path+"/", h)
	return mux
}

// ReportAddress is where agents report to; empty if they do not.
func (s *Server) ReportAddress() string {
	if s.reports == nil {
		return ""
	}
	return s.reports.listen.Addr().String()
}

// CA is what is to be trusted for the server's certificate, in PEM; empty if
// that is what machines trust anyhow.
func (s *Server) CA() []byte {
	trusted, err := s.identity.trusted()
	if err != nil {
		return nil
	}
	return trusted
}
