package flows

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/florianl/go-nflog/v2"

	"github.com/tierwall/tierwall/conntrack"
	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/verdict"
)

const (
	// window is how long connections are counted together: with the way to the
	// server, a new flow is seen within a second.
	window = 250 * time.Millisecond
	// gather is how many denials the kernel hands over at once, or after 10 ms.
	gather = 32
	// denialBuffer is what the kernel may hold of them, in bytes.
	denialBuffer = 8 << 20
)

// Listener says where the kernel is listened to.
type Listener struct {
	// Recorder leaves the traces.
	Recorder dataplane.Recorder
	// NetNS is a file descriptor of the network namespace; 0 for the present one.
	NetNS int
	// HostAt returns the host endpoint of an interface, by its index; the zero
	// value if there is none.
	HostAt func(index uint32) verdict.EndpointID
	Log    *slog.Logger
}

// Run hands everything that the kernel says to the collector, and its records to
// send, until the context ends. It returns an error at once if the kernel cannot
// be listened to; nothing is recorded then.
func (l Listener) Run(ctx context.Context, c *Collector, send func([]flow.Record, flow.Loss)) error {
	if err := l.denials(ctx, c); err != nil {
		return err
	}
	events, err := conntrack.Listen(l.NetNS)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() {
		ended <- events.Run(ctx, c.Connection, func() {
			c.Lost(flow.Loss{Connections: 1})
			l.Log.Warn("the kernel dropped events of connections: flows are missing")
		})
	}()
	go l.updates(ctx, c)
	tick := time.NewTicker(window)
	defer tick.Stop()
	counter := unrecorded{read: l.Recorder.Unrecorded}
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case err := <-ended:
			return err
		case <-tick.C:
		}
		if n%4 == 0 {
			c.Lost(flow.Loss{Denied: counter.since(l.Log)})
		}
		if records, lost := c.Take(); len(records) > 0 || lost.Any() {
			send(records, lost)
		}
	}
}

// unrecorded tells what came to the kernel's counter.
type unrecorded struct {
	read func() (uint64, error)
	last uint64
	told bool
}

func (u *unrecorded) since(log *slog.Logger) uint64 {
	n, err := u.read()
	if err != nil {
		if !u.told {
			log.Warn("denials that were not recorded cannot be counted", "error", err)
		}
		u.told = true
		return 0
	}
	was := u.last
	if u.last = n; n < was {
		return n // the table was made anew
	}
	return n - was
}

// denials listens to the log group of what is denied.
func (l Listener) denials(ctx context.Context, c *Collector) error {
	group := l.Recorder.Recording().Group
	nf, err := nflog.Open(&nflog.Config{
		NetNS: l.NetNS, Group: group, Copymode: nflog.CopyPacket, Bufsize: 128, QThresh: gather, Timeout: 1, Flags: nflog.FlagSeq,
	})
	if err != nil {
		return fmt.Errorf("log group %d: %w", group, err)
	}
	_ = nf.Con.SetReadBuffer(denialBuffer)
	gaps := Gaps{}
	hook := func(a nflog.Attribute) int {
		if n := gaps.Since(a.Seq); n > 0 {
			c.Lost(flow.Loss{Denied: n})
		}
		if d, ok := l.denial(a); ok {
			c.Denied(d)
		}
		return 0
	}
	failed := func(err error) int {
		if ctx.Err() != nil || errors.Is(err, os.ErrClosed) {
			return 1
		}
		return 0 // what was lost shows in the numbers of the next
	}
	if err := nf.RegisterWithErrorFunc(ctx, hook, failed); err != nil {
		_ = nf.Close()
		return fmt.Errorf("log group %d: %w", group, err)
	}
	context.AfterFunc(ctx, func() { _ = nf.Close() })
	return nil
}

// Gaps finds what is missing among messages that the kernel has numbered. The
// zero value waits for the first.
type Gaps struct {
	next  uint32
	begun bool
}

// Since returns how many are missing before the one with this number.
func (g *Gaps) Since(seq *uint32) (missing uint64) {
	if seq == nil {
		return 0
	}
	if g.begun {
		missing = uint64(*seq - g.next)
	}
	g.next, g.begun = *seq+1, true
	return missing
}

func (l Listener) denial(a nflog.Attribute) (d Denial, ok bool) {
	if a.Payload == nil || a.Prefix == nil {
		return d, false
	}
	stage, ours := strings.CutPrefix(strings.TrimRight(*a.Prefix, "\x00"), dataplane.DeniedPrefix)
	if !ours {
		return d, false
	}
	for _, s := range verdict.Stages {
		if s.String() == stage {
			d.Stage = s
		}
	}
	var length int
	if d.Packet, length, ok = ParsePacket(*a.Payload); !ok {
		return d, false
	}
	d.Bytes = uint64(length)
	if a.Hook != nil {
		d.ToHost, d.FromHost = *a.Hook == hookLocalIn, *a.Hook == hookLocalOut
	}
	if a.InDev != nil && *a.InDev != 0 {
		d.In = l.HostAt(*a.InDev)
	}
	if a.OutDev != nil && *a.OutDev != 0 {
		d.Out = l.HostAt(*a.OutDev)
	}
	return d, true
}
