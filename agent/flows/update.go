package flows

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tierwall/tierwall/conntrack"
)

const (
	// updateEvery is how often the kernel's table is read for the traffic of
	// connections that go on, if that does not take too long.
	updateEvery = 10 * time.Second
	// updateShare is what reading may take of a CPU: one part in so many.
	updateShare = 100
)

// updates tells of connections that go on until the context ends.
func (l Listener) updates(ctx context.Context, c *Collector) {
	acct := accounting{}
	for wait := time.Duration(0); ; wait = l.update(ctx, c) {
		if l.NetNS == 0 { // else it is that of a test
			c.counted.Store(acct.on(l.Log))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(wait, updateEvery)):
		}
	}
}

// update reads the kernel's table once, and returns how long to wait before the
// next time.
func (l Listener) update(ctx context.Context, c *Collector) time.Duration {
	if c.Open() == 0 {
		return 0
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := threadTime()
	err := conntrack.Dump(l.NetNS, func(e *conntrack.Event) {
		for !c.Update(e) && ctx.Err() == nil {
			time.Sleep(window) // until the next window has room; the kernel keeps the place
		}
	})
	if err != nil {
		l.Log.Warn("the traffic of connections that go on could not be read", "error", err)
	} else if gone := c.Dumped(); gone > 0 {
		l.Log.Warn("connections have ended unheard: what passed in them at last is not known", "connections", gone)
	}
	return updateShare * (threadTime() - before)
}

// threadTime is what the thread has taken of a CPU.
func threadTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_THREAD, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// acctFile says whether the kernel counts the traffic of connections that begin.
const acctFile = "/proc/sys/net/netfilter/nf_conntrack_acct"

// accounting sees to it that the kernel counts traffic, and says so if it does not.
type accounting struct {
	// path is acctFile unless it is set.
	path string
	off  bool
}

// Account has the kernel count the traffic of connections that begin from now on,
// by that file in a /proc/sys that can be written to; why it cannot goes to the log.
func Account(path string, log *slog.Logger) { (&accounting{path: path}).on(log) }

// on switches it on where that is possible and reports whether it is on.
func (a *accounting) on(log *slog.Logger) bool {
	path := a.path
	if path == "" {
		path = acctFile
	}
	text, err := os.ReadFile(path)
	if err == nil && bytes.Equal(bytes.TrimSpace(text), []byte("1")) {
		if a.off {
			log.Info("the kernel counts the traffic of connections that begin from now on")
		}
		a.off = false
		return true
	}
	if err == nil {
		if err = os.WriteFile(path, []byte("1"), 0); err == nil {
			return true
		}
	}
	if !a.off {
		log.Warn("bytes and packets of connections are not counted: net.netfilter.nf_conntrack_acct is off on this node, and the agent cannot switch it on",
			"do", "with the chart, agent.countBytes=true; else sysctl -w net.netfilter.nf_conntrack_acct=1 on the node, and in /etc/sysctl.d for the next boot. Connections that begin after it are counted", "error", fmt.Errorf("%s: %w", path, err))
	}
	a.off = true
	return false
}

// Counted reports whether the kernel counts the traffic of connections.
func (c *Collector) Counted() bool { return c.counted.Load() }
