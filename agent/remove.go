package agent

import (
	"context"
	"log/slog"
)

// Remove takes out everything that an agent has put into the kernel. With an
// address for probes, as HOST:PORT, it then stays until the context ends, ready
// and doing nothing: a DaemonSet would start what ends anew, and is complete when
// all nodes are ready.
func Remove(ctx context.Context, from interface{ Remove(context.Context) error }, address string, log *slog.Logger) error {
	if err := from.Remove(ctx); err != nil {
		return err
	}
	log.Info("policy is taken out of this node's kernel")
	if address == "" {
		return nil
	}
	h := newHealth()
	h.ready()
	h.idle.Store(true)
	if err := h.serve(ctx, address, newMetrics()); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
