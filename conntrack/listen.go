package conntrack

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
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
	batchFor = 5 * time.Millisecond
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
	file *os.File
	raw  interface {
		Read(func(fd uintptr) bool) error
	}
	buffer []byte
	event  Event
}

// Listen begins to hear. ns is a file descriptor of a network namespace; 0 is
// that of the caller.
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
	file := os.NewFile(uintptr(fd), "conntrack")
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &Listener{file: file, raw: raw, buffer: make([]byte, messageSize)}, nil
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

// Run calls take with each event, and pause after each batch of them, until the
// context ends. An event is overwritten when take returns. lost is called when
// the kernel had to drop some; how many it does not say.
func (l *Listener) Run(ctx context.Context, take func(*Event), pause, lost func()) error {
	stop := context.AfterFunc(ctx, func() { _ = l.file.Close() })
	defer stop()
	var failed error
	read := func(fd uintptr) bool {
		any := false
		for {
			n, _, err := unix.Recvfrom(int(fd), l.buffer, unix.MSG_DONTWAIT)
			switch {
			case errors.Is(err, unix.EAGAIN):
				return any
			case errors.Is(err, unix.EINTR):
				continue
			case errors.Is(err, unix.ENOBUFS):
				lost()
				any = true
				continue
			case err != nil:
				failed = err
				return true
			}
			any = true
			if _, err := parse(l.buffer[:n], &l.event, take); err != nil {
				lost()
			}
		}
	}
	for {
		err := l.raw.Read(read)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("conntrack: %w", err)
		case failed != nil:
			return fmt.Errorf("conntrack: %w", failed)
		}
		pause()
		time.Sleep(batchFor)
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
