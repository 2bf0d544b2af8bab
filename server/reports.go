package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/tierwall/tierwall/report"
	"github.com/tierwall/tierwall/server/status"
)

// reports is where agents report to.
type reports struct {
	server *http.Server
	listen net.Listener
}

// startReports takes reports, and writes what follows from them.
func (s *Server) startReports(ctx context.Context) error {
	if s.options.ReportListen == "-" {
		return nil
	}
	client, err := kubernetes.NewForConfig(s.options.Config)
	if err != nil {
		return fmt.Errorf("client for the API server: %w", err)
	}
	l, err := net.Listen("tcp", cmp.Or(s.options.ReportListen, "127.0.0.1:0"))
	if err != nil {
		return fmt.Errorf("reports: %w", err)
	}
	st := status.New(status.Options{Core: client, Policies: s.client, Namespace: cmp.Or(s.options.Namespace, report.Namespace), Log: s.options.Log})
	s.reports = &reports{listen: l, server: &http.Server{
		Handler:           st.Handler(),
		TLSConfig:         s.tls.Clone(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       3 * report.Heartbeat,
		ErrorLog:          slog.NewLogLogger(s.options.Log.Handler(), slog.LevelDebug),
	}}
	s.running.Go(func() {
		if err := s.reports.server.ServeTLS(l, "", ""); !errors.Is(err, http.ErrServerClosed) {
			s.options.Log.Error("reports are not taken any more", "error", err)
		}
	})
	s.running.Go(func() { st.Run(ctx) })
	return nil
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
func (s *Server) CA() []byte { return s.bundle }
