// Package planetest starts control planes for tests. A process can have one
// only: its tests share it.
package planetest

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/tierwall/tierwall/standalone/controlplane"
)

// Start starts a control plane with what Tierwall installs in it. It ends with
// the test, and so does the context, which has no longer than the limit. Options
// without a folder or a port get some.
func Start(t *testing.T, limit time.Duration, o controlplane.Options) (context.Context, *controlplane.ControlPlane) {
	t.Helper()
	if o.DataDir == "" {
		o.DataDir = t.TempDir()
	}
	if o.Port == 0 {
		o.Port = FreePort(t)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	began := time.Now()
	plane, err := controlplane.Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := plane.Close(); err != nil {
			t.Error(err)
		}
	})
	started := time.Since(began)
	if err := plane.Install(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("started after %s, installed after %s", started.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	return ctx, plane
}

// FreePort returns a port of 127.0.0.1 that nobody listens on.
func FreePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}
