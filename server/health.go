package server

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// startHealth answers /livez and /readyz. The server is ready when it listens
// and has told the API server of the webhook: that asks it only then, by a
// service that leads to those that are ready.
func (s *Server) startHealth() error {
	if s.options.HealthListen == "" {
		return nil
	}
	l, err := net.Listen("tcp", s.options.HealthListen)
	if err != nil {
		return fmt.Errorf("health: %w", err)
	}
	mux := http.NewServeMux()
	ok := func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") }
	mux.HandleFunc("GET /livez", ok)
	mux.HandleFunc("GET /readyz", ok)
	s.health = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	s.running.Go(func() {
		if err := s.health.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.options.Log.Error("health is not told any more", "error", err)
		}
	})
	return nil
}
