package testbed

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Connect opens TCP connections from the client to the server, one after the
// other, each whole and then reset, for some CPU time. It returns how many a
// second of it.
func (n *Node) Connect(port int, d time.Duration) (perSecond float64, err error) {
	listener, err := n.listen(port)
	if err != nil {
		return 0, err
	}
	defer func() { _ = unix.Close(listener) }()
	err = in(n.client, func() error {
		var count int
		took, err := spend(d, func() error {
			count++
			return connect(listener, port)
		})
		perSecond = float64(count) / took.Seconds()
		return err
	})
	return perSecond, err
}

// Refuses reports whether a new connection to a port of the server, which
// listens there, does not come about within some time.
func (n *Node) Refuses(port int, within time.Duration) (refused bool, err error) {
	listener, err := n.listen(port)
	if err != nil {
		return false, err
	}
	defer func() { _ = unix.Close(listener) }()
	err = in(n.client, func() error {
		c, err := socket(unix.SOCK_STREAM | unix.SOCK_NONBLOCK)
		if err != nil {
			return err
		}
		defer func() { _ = unix.Close(c) }()
		if err := unix.Connect(c, at(ServerAddr, port)); !errors.Is(err, unix.EINPROGRESS) {
			return err
		}
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(c), Events: unix.POLLOUT}}, int(within.Milliseconds()))
		refused = ready == 0
		return err
	})
	return refused, err
}

func connect(listener, port int) error {
	c, err := socket(unix.SOCK_STREAM)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(c) }()
	if err = reset(c); err != nil {
		return err
	}
	err = unix.Connect(c, at(ServerAddr, port))
	if errors.Is(err, unix.EINTR) {
		err = uninterrupted(func() error { return finished(c) })
	}
	if err != nil {
		return fmt.Errorf("connection to port %d: %w", port, err)
	}
	s := -1
	err = uninterrupted(func() (err error) {
		s, _, err = unix.Accept(listener)
		return err
	})
	if err != nil {
		return fmt.Errorf("connection to port %d: accept: %w", port, err)
	}
	return unix.Close(s)
}

// uninterrupted makes a call again that a signal of the runtime's own cut short.
func uninterrupted(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// finished waits for a connection that goes on by itself, after a signal.
func finished(c int) error {
	if _, err := unix.Poll([]unix.PollFd{{Fd: int32(c), Events: unix.POLLOUT}}, -1); err != nil {
		return err
	}
	code, err := unix.GetsockoptInt(c, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	return err
}

// senders is from how many source ports the flood comes.
const senders = 16

// Flood sends small UDP packets to a port of the server, which never answers:
// for conntrack each is new, so that each meets policy. It returns the CPU time
// of one. A packet that does not arrive costs less than one that does, so that
// the flood fails if any is missing.
func (n *Node) Flood(port int, d time.Duration) (each time.Duration, err error) {
	sink, err := n.bound(unix.SOCK_DGRAM, port) // nobody reads it: once full, it drops
	if err != nil {
		return 0, err
	}
	defer func() { _ = unix.Close(sink) }()
	err = in(n.client, func() error {
		var fds []int
		for range senders {
			c, err := socket(unix.SOCK_DGRAM)
			if err != nil {
				return err
			}
			defer func() { _ = unix.Close(c) }()
			if err := unix.Connect(c, at(ServerAddr, port)); err != nil {
				return err
			}
			fds = append(fds, c)
		}
		var count int
		before, err := n.received()
		if err != nil {
			return err
		}
		took, err := spend(d, func() error {
			count++
			_, err := unix.Write(fds[count%senders], []byte{0})
			return err
		})
		if err != nil {
			return err
		}
		after, err := n.received()
		if err == nil && after-before < uint64(count) {
			err = fmt.Errorf("%d of %d packets to port %d did not arrive", uint64(count)-(after-before), count, port)
		}
		each = took / time.Duration(count)
		return err
	})
	return each, err
}

// received is how many packets have left the node for the server.
func (n *Node) received() (uint64, error) {
	link, err := n.link.LinkByName(ServerInterface)
	if err != nil {
		return 0, err
	}
	return link.Attrs().Statistics.TxPackets, nil
}

// piece is how much a stream writes at once. It fits into the sockets' buffers,
// so that one thread can write and read in turn.
const piece = 128 << 10

// Stream carries bytes over one TCP connection from the client to the server for
// some CPU time, and returns the Gbit of one second of it.
func (n *Node) Stream(port int, d time.Duration) (gbits float64, err error) {
	listener, err := n.listen(port)
	if err != nil {
		return 0, err
	}
	defer func() { _ = unix.Close(listener) }()
	err = in(n.client, func() error {
		c, err := socket(unix.SOCK_STREAM)
		if err != nil {
			return err
		}
		defer func() { _ = unix.Close(c) }()
		if err := errors.Join(buffers(c), unix.Connect(c, at(ServerAddr, port))); err != nil {
			return err
		}
		s, _, err := unix.Accept(listener)
		if err != nil {
			return err
		}
		defer func() { _ = unix.Close(s) }()
		var total int
		out, back := make([]byte, piece), make([]byte, piece)
		took, err := spend(d, func() error {
			wrote, err := unix.Write(c, out)
			if err != nil {
				return err
			}
			total += wrote
			for wrote > 0 {
				got, err := unix.Read(s, back)
				if err != nil || got == 0 {
					return fmt.Errorf("the stream ended: %w", err)
				}
				wrote -= got
			}
			return nil
		})
		gbits = float64(total) * 8 / 1e9 / took.Seconds()
		return err
	})
	return gbits, err
}

func buffers(fd int) error {
	return errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 4*piece),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4*piece))
}

// spend repeats f until the thread has used d of CPU time, or ten times as long
// has passed, and returns what it used. The thread must be locked. The clock is
// asked seldom where f is quick.
func spend(d time.Duration, f func() error) (used time.Duration, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began, start := cpuTime(), time.Now()
	for batch := 1; ; {
		for range batch {
			if err := f(); err != nil {
				return 0, err
			}
		}
		used = cpuTime() - began
		if used >= d || time.Since(start) > 10*d {
			return used, nil
		}
		if used < d/20 {
			batch *= 2
		}
	}
}

// cpuTime is the CPU time of the thread.
func cpuTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic(err) // every kernel has that clock
	}
	return time.Duration(t.Nano())
}

// patience is how long a socket waits for what comes at once on an idle machine.
const patience = 10

func socket(kind int) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fd, err
	}
	t := unix.Timeval{Sec: patience}
	return fd, errors.Join(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &t), unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &t))
}

// bound is a socket at a port of the server.
func (n *Node) bound(kind, port int) (fd int, err error) {
	err = in(n.server, func() error {
		if fd, err = socket(kind); err != nil {
			return err
		}
		return errors.Join(
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
			unix.Bind(fd, at(ServerAddr, port)))
	})
	return fd, err
}

func (n *Node) listen(port int) (fd int, err error) {
	if fd, err = n.bound(unix.SOCK_STREAM, port); err != nil {
		return fd, err
	}
	return fd, errors.Join(buffers(fd), unix.Listen(fd, 128))
}

// ConnectFor opens TCP connections as Connect does, from several threads at once,
// for some time of the clock. It returns how many a second: what others take of
// the processors is missing from it.
func (n *Node) ConnectFor(port int, d time.Duration, threads int) (perSecond float64, err error) {
	counts, problems := make([]int, threads), make(chan error, threads)
	began := time.Now()
	for i := range threads {
		go func() {
			listener, err := n.listen(port + i)
			if err != nil {
				problems <- err
				return
			}
			err = in(n.client, func() error {
				for time.Since(began) < d {
					if err := connect(listener, port+i); err != nil {
						return err
					}
					counts[i]++
				}
				return nil
			})
			problems <- errors.Join(err, unix.Close(listener)) // the next may listen there
		}()
	}
	for range threads {
		err = errors.Join(err, <-problems)
	}
	sum := 0
	for _, c := range counts {
		sum += c
	}
	return float64(sum) / time.Since(began).Seconds(), err
}
