package agent

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"
)

type remover struct {
	times int
	err   error
}

func (r *remover) Remove(context.Context) error {
	r.times++
	return r.err
}

// TestRemove: it ends after the removal, or, with an address for probes, stays
// and is ready; if the removal fails, neither.
func TestRemove(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	r := &remover{}
	if err := Remove(t.Context(), r, "", log); err != nil || r.times != 1 {
		t.Error(err, r.times)
	}
	broken := errors.New("no")
	if err := Remove(t.Context(), &remover{err: broken}, "127.0.0.1:0", log); !errors.Is(err, broken) {
		t.Error(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Remove(ctx, r, address, log) }()
	for limit := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		resp, err := http.Get("http://" + address + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				break
			}
		}
		if time.Now().After(limit) {
			t.Fatal("it does not get ready", err)
		}
	}
	stop()
	if err := <-ended; err != nil || r.times != 2 {
		t.Error(err, r.times)
	}
}
