package agent

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// health is what probes ask for.
type health struct {
	began time.Time
	// lastBeat is in nanoseconds after began: by a clock that nobody sets.
	lastBeat atomic.Int64
	enforces atomic.Bool
	// refusedFrom is since when the kernel has refused every change, in nanoseconds
	// after began; 0 if it took the last.
	refusedFrom atomic.Int64
	// idle says that there is no loop.
	idle atomic.Bool
}

// stuckAfter is how long the loop may be away. It comes round every lookAround;
// the rest is for a large change on a slow machine.
const stuckAfter = 2 * time.Minute

// refusedAfter is how long the kernel may refuse changes before the agent is not
// ready: a rollout of what the kernel refuses must not go on to the next node.
const refusedAfter = 30 * time.Second

func newHealth() *health {
	h := &health{began: time.Now()}
	h.beat()
	return h
}

// beat says that the loop came round.
func (h *health) beat() { h.lastBeat.Store(int64(time.Since(h.began))) }

// ready says that the node's policy is in the kernel.
func (h *health) ready() { h.enforces.Store(true) }

// refused says that the kernel refused a change, and taken that it has all.
func (h *health) refused() { h.refusedFrom.CompareAndSwap(0, int64(time.Since(h.began))) }
func (h *health) taken()   { h.refusedFrom.Store(0) }

// serve answers /livez, /readyz and /metrics until the context ends.
func (h *health) serve(ctx context.Context, address string, m *metrics) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("health: %w", err)
	}
	server := &http.Server{Handler: h.handler(m), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(l) }()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return nil
}

func (h *health) handler(m *metrics) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		if away := time.Since(h.began) - time.Duration(h.lastBeat.Load()); away > stuckAfter && !h.idle.Load() {
			http.Error(w, fmt.Sprintf("the agent has been stuck for %s", away.Round(time.Second)), http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !h.enforces.Load() {
			http.Error(w, "the node's policy is not in the kernel yet", http.StatusServiceUnavailable)
			return
		}
		if from := h.refusedFrom.Load(); from != 0 {
			if long := time.Since(h.began) - time.Duration(from); long > refusedAfter {
				http.Error(w, fmt.Sprintf("the kernel has refused changes for %s", long.Round(time.Second)), http.StatusServiceUnavailable)
				return
			}
		}
		_, _ = fmt.Fprintln(w, "ok")
	})
	return mux
}
