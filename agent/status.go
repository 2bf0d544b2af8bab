package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Applied is what an agent has in the kernel.
type Applied struct {
	// Objects are the resource versions of all objects that policy depends on,
	// by Kind/namespace/name: the kernel enforces just these.
	Objects map[string]string `json:"objects"`
}

// answer tells all who ask; it is called when the kernel has all that was
// taken in.
func (a *agent) answer() {
	if len(a.asking) == 0 {
		return
	}
	applied := Applied{Objects: make(map[string]string, len(a.versions))}
	for key, version := range a.versions {
		applied.Objects[key.String()] = version
	}
	for _, q := range a.asking {
		q <- applied // each has room for one
	}
	a.asking = nil
}

// noRoom reports whether a file could not be made because of the disk, which
// must not keep policy from being enforced.
func noRoom(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EROFS)
}

// serveStatus answers GET /applied on a unix socket that only this user can
// open, until the context ends. The answer comes when the kernel has all that
// the agent has heard of.
func serveStatus(ctx context.Context, path string, questions chan<- chan<- Applied) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("status socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("status socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return fmt.Errorf("status socket: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /applied", func(w http.ResponseWriter, r *http.Request) {
		answer := make(chan Applied, 1)
		select {
		case questions <- answer:
		case <-r.Context().Done():
			return
		}
		select {
		case applied := <-answer:
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(applied)
		case <-r.Context().Done():
		}
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	go func() { _ = server.Serve(l) }()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return nil
}

// AskApplied asks the agent whose status socket is at path. It waits until the
// agent has put all that it heard of into the kernel, or the context ends.
func AskApplied(ctx context.Context, path string) (Applied, error) {
	var a Applied
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
	}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://agent/applied", nil)
	if err != nil {
		return a, err
	}
	resp, err := client.Do(r)
	if err != nil {
		return a, fmt.Errorf("agent at %s: %w", path, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return a, fmt.Errorf("agent at %s: %s", path, resp.Status)
	}
	return a, json.NewDecoder(resp.Body).Decode(&a)
}
