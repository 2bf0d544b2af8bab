package conntrack

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

var errShort = errors.New("conntrack: a message of the kernel is cut")

const (
	// receiveBuffer is what the kernel may hold for us, in bytes: about a second
	// of 20,000 events.
	receiveBuffer = 32 << 20
	// batchFor is how long events gather before they are read, so that the
	// reader does not take turns with the traffic that it watches.
	batchFor = 20 * time.Millisecond
	// idleFor is how long it waits for the first, before it looks whether it is
	// still wanted.
	idleFor = 250 * time.Millisecond
	// messageSize is more than the kernel puts into one answer.
	messageSize = 64 << 10
)

// The multicast groups (linux/netfilter/nfnetlink_compat.h).
const (
	groupNew     = 1
	groupDestroy = 3
)

// Listener hears of connections that come and go in a network namespace.
type Listener struct {
	fd    int
	batch *batch
	event Event
}

// Listen begins to hear. ns is a file descriptor of a network namespace; 0 is
// that of the caller. What it holds is given back when Run ends.
func Listen(ns int) (*Listener, error) {
	fd, err := open(ns)
	if err != nil {
		return nil, fmt.Errorf("conntrack: %w", err)
	}
	for _, group := range []int{groupNew, groupDestroy} {
		if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group); err != nil {
			_ = unix.Close(fd)
			return nil, fmt.Errorf("conntrack: events: %w", err)
		}
	}
	return &Listener{fd: fd, batch: newBatch()}, nil
}

func open(ns int) (int, error) {
	if ns != 0 {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		home, err := netns.Get()
		if err != nil {
			return 0, err
		}
		defer func() { _ = home.Close() }()
		if err := netns.Set(netns.NsHandle(ns)); err != nil {
			return 0, err
		}
		defer func() { _ = netns.Set(home) }()
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return 0, err
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
	}
	return fd, unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
}

// Run calls take with each event until the context ends, and a moment more. An
// event is overwritten when take returns. lost is called when the kernel had to
// drop some; how many it does not say.
//
// The socket is not given to Go's poller, nor to anybody who waits while events
// gather: each event would wake him, which costs more than all the rest.
func (l *Listener) Run(ctx context.Context, take func(*Event), lost func()) error {
	return l.each(ctx, func(m []byte, whole bool) {
		if _, err := parse(m, &l.event, take); err != nil || !whole {
			lost()
		}
	}, lost)
}

// Discard receives events and does not look at them, until the context ends: what
// that takes, nobody who wants them can save. It is for measurements.
func (l *Listener) Discard(ctx context.Context) error {
	return l.each(ctx, func([]byte, bool) {}, func() {})
}

func (l *Listener) each(ctx context.Context, take func(m []byte, whole bool), lost func()) error {
	defer func() { _ = unix.Close(l.fd) }()
	for ctx.Err() == nil {
		fds := []unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLIN}}
		if n, err := unix.Poll(fds, int(idleFor.Milliseconds())); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("conntrack: %w", err)
		} else if n < 1 {
			continue
		}
		if err := l.drain(take, lost); err != nil {
			return fmt.Errorf("conntrack: %w", err)
		}
		time.Sleep(batchFor)
	}
	return nil
}

// drain reads what has gathered.
func (l *Listener) drain(take func(m []byte, whole bool), lost func()) error {
	for {
		n, err := l.batch.receive(l.fd)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOBUFS):
			lost()
			continue
		case err != nil:
			return err
		}
		for i := range n {
			take(l.batch.message(i))
		}
	}
}

// Dump calls take with each connection that is in the table. The event is
// overwritten when take returns.
func Dump(ns int, take func(*Event)) error {
	fd, err := open(ns)
	if err != nil {
		return fmt.Errorf("conntrack: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.SetNonblock(fd, false); err != nil {
		return fmt.Errorf("conntrack: %w", err)
	}
	ask := make([]byte, headerSize)
	binary.NativeEndian.PutUint32(ask, headerSize)
	binary.NativeEndian.PutUint16(ask[4:], unix.NFNL_SUBSYS_CTNETLINK<<8|msgGet)
	binary.NativeEndian.PutUint16(ask[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	if err := unix.Sendto(fd, ask, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("conntrack: %w", err)
	}
	buffer := make([]byte, messageSize)
	var e Event
	for {
		n, _, err := unix.Recvfrom(fd, buffer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("conntrack: %w", err)
		}
		done, err := parse(buffer[:n], &e, take)
		if err != nil {
			return fmt.Errorf("conntrack: %w", err)
		}
		if done {
			return nil
		}
	}
}
