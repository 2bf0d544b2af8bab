package testbed

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// every is how often a probe begins a connection.
	every = 200 * time.Microsecond
	// grace is how long a connection may take that is not denied. On an idle
	// machine it is there when connect returns; a denied one would come about
	// with the second packet at the earliest, after a second.
	grace = 50 * time.Millisecond
	// confirmed is how many verdicts in a row are believed.
	confirmed = 3
)

// Probe opens connections from the client to a port of the server, one each 200
// µs, and knows of each when it began and whether it was let through.
type Probe struct {
	attempts chan attempt
	stop     chan struct{}
	ended    chan error
}

type attempt struct {
	fd   int
	at   time.Time
	open bool
}

// Probe begins to probe a port.
func (n *Node) Probe(port int) (*Probe, error) {
	listener, err := n.listen(port)
	if err != nil {
		return nil, err
	}
	p := &Probe{attempts: make(chan attempt, 1<<16), stop: make(chan struct{}), ended: make(chan error, 1)}
	go func() {
		err := errors.Join(unix.SetNonblock(listener, true), in(n.client, func() error { return p.run(listener, port) }))
		p.ended <- errors.Join(err, unix.Close(listener))
	}()
	return p, nil
}

// Close ends the probing.
func (p *Probe) Close() error {
	close(p.stop)
	return <-p.ended
}

// run begins connections and tells what became of each, in order.
func (p *Probe) run(listener, port int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1000, 0, 0, 0) // else a nap of 200 µs takes 250
	var open []attempt
	defer func() {
		for _, a := range open {
			_ = unix.Close(a.fd)
		}
	}()
	for next := time.Now(); ; next = next.Add(every) {
		select {
		case <-p.stop:
			return nil
		default:
		}
		if late := time.Since(next); late < 0 {
			_ = unix.Nanosleep(&unix.Timespec{Nsec: -late.Nanoseconds()}, nil)
		} else if late > every {
			next = time.Now()
		}
		a, err := begin(port)
		if err != nil {
			return err
		}
		open = append(open, a)
		if err := takeAll(listener); err != nil {
			return err
		}
		for len(open) > 0 && (open[0].connected() || time.Since(open[0].at) > grace) {
			if err := p.finish(open[0]); err != nil {
				return err
			}
			open = open[1:]
		}
	}
}

func begin(port int) (a attempt, err error) {
	if a.fd, err = socket(unix.SOCK_STREAM | unix.SOCK_NONBLOCK); err != nil {
		return a, err
	}
	a.at = time.Now()
	err = errors.Join(reset(a.fd), unix.Connect(a.fd, at(ServerAddr, port)))
	if err != nil && !errors.Is(err, unix.EINPROGRESS) {
		_ = unix.Close(a.fd)
		return a, fmt.Errorf("connection to port %d: %w", port, err)
	}
	return a, nil
}

// connected reports whether the connection has come about.
func (a attempt) connected() bool {
	fds := []unix.PollFd{{Fd: int32(a.fd), Events: unix.POLLOUT}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n == 1 && fds[0].Revents&unix.POLLOUT != 0
}

func (p *Probe) finish(a attempt) error {
	a.open = a.connected()
	select {
	case p.attempts <- a:
	default:
		return errors.New("nobody asks what the probe found")
	}
	return unix.Close(a.fd)
}

// takeAll accepts the connections that came about and ends them, without a reset
// of its own: the client's must be the last packet. After one of the server's,
// conntrack takes the next SYN from the same port for part of the connection that
// was (nf_conntrack_proto_tcp.c, "Ignored packets"), and policy never sees it.
func takeAll(listener int) error {
	for {
		s, _, err := unix.Accept(listener)
		if errors.Is(err, unix.EAGAIN) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := unix.Close(s); err != nil {
			return err
		}
	}
}

// reset has a socket's connection end with a reset, which leaves nothing behind.
func reset(fd int) error {
	return unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}

// ErrUnchanged is returned (wrapped) by Until when the verdict stays what it was.
var ErrUnchanged = errors.New("the verdict did not change")

// Until waits until connections are let through, or are not, and returns when the
// first of those began that was after some time. Verdicts are believed when a few
// in a row agree. What was asked of one call is not told to the next.
func (p *Probe) Until(open bool, after time.Time, limit time.Duration) (first time.Time, err error) {
	timeout := time.After(limit)
	for agree := 0; agree < confirmed; {
		select {
		case a := <-p.attempts:
			switch {
			case a.at.Before(after):
			case a.open != open:
				agree = 0
			default:
				if agree++; agree == 1 {
					first = a.at
				}
			}
		case err := <-p.ended:
			p.ended <- err
			return first, fmt.Errorf("the probe ended: %w", err)
		case <-timeout:
			return first, fmt.Errorf("%w within %s: connections let through: %v, want %v", ErrUnchanged, limit, !open, open)
		}
	}
	return first, nil
}

// Passed drains what the probe has found, and returns how many connections were
// let through.
func (p *Probe) Passed() (n int) {
	for {
		select {
		case a := <-p.attempts:
			if a.open {
				n++
			}
		default:
			return n
		}
	}
}
