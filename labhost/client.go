package labhost

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// conn is one connection of this process to a server.
type conn struct {
	net.Conn
	// exchange sends a message and waits for its answer until the deadline
	// that is set on the connection.
	exchange func() (message, error)
	// busy lets one exchange happen at a time: an answer belongs to one message.
	busy sync.Mutex
}

// dial makes a connection, exchanges one message on it, and closes it unless
// the request is OpOpen and there was an answer.
func (h *host) dial(r Request) (*Result, error) {
	if err := checkDial(r); err != nil {
		return nil, err
	}
	start := time.Now()
	deadline := start.Add(timeout(r))
	c, err := connect(h.ctx, r, deadline)
	if err != nil {
		return &Result{Outcome: outcome(err, false), Detail: err.Error(), Duration: time.Since(start)}, nil
	}
	result := c.attempt(start, deadline)
	if r.Op == OpOpen && result.Connected() {
		result.Conn, err = h.keep(c)
		return result, err
	}
	_ = c.Close()
	return result, nil
}

func checkDial(r Request) error {
	switch {
	case !r.Addr.IsValid():
		return errors.New("no address to dial")
	case r.Proto == ICMP && r.Op == OpDial:
		return nil
	case r.Proto != TCP && r.Proto != UDP:
		return fmt.Errorf("protocol %q cannot be used for %s", r.Proto, r.Op)
	case r.Port == 0:
		return errors.New("port 0 is not a port to dial")
	}
	return nil
}

func timeout(r Request) time.Duration {
	if r.Timeout > 0 {
		return r.Timeout
	}
	return DefaultTimeout
}

// connect makes the socket for a request.
func connect(ctx context.Context, r Request, deadline time.Time) (*conn, error) {
	if r.Proto == ICMP {
		return connectICMP(r.Addr)
	}
	dialer := net.Dialer{Deadline: deadline}
	if local := netip.AddrPortFrom(r.LocalAddr, r.LocalPort); r.Proto == TCP && local != (netip.AddrPort{}) {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(local)
	} else if local != (netip.AddrPort{}) {
		dialer.LocalAddr = net.UDPAddrFromAddrPort(local)
	}
	raw, err := dialer.DialContext(ctx, string(r.Proto), netip.AddrPortFrom(r.Addr, r.Port).String())
	if err != nil {
		return nil, err
	}
	if tcp, ok := raw.(*net.TCPConn); ok && r.LocalPort != 0 {
		// Without this the port stays in TIME_WAIT and cannot be used again.
		if err := tcp.SetLinger(0); err != nil {
			_ = raw.Close()
			return nil, err
		}
	}
	reader := bufio.NewReaderSize(raw, maxMessage)
	return &conn{Conn: raw, exchange: func() (message, error) { return exchange(raw, reader) }}, nil
}

// attempt is one exchange, as a Result.
func (c *conn) attempt(start, deadline time.Time) *Result {
	c.busy.Lock()
	defer c.busy.Unlock()
	result := &Result{Outcome: Answered, Local: peer(c.LocalAddr())}
	_, connected := c.Conn.(*net.TCPConn)
	err := c.SetDeadline(deadline)
	var m message
	if err == nil {
		m, err = c.exchange()
	}
	if err != nil {
		result.Outcome, result.Detail = outcome(err, connected), err.Error()
	}
	result.By, result.Seen, result.Duration = m.By, m.Seen, time.Since(start)
	return result
}

// exchange sends a token as a line and reads lines until one has it.
func exchange(w io.Writer, r *bufio.Reader) (message, error) {
	token := rand.Text()
	line, err := json.Marshal(message{Token: token})
	if err != nil {
		return message{}, err
	}
	if _, err := w.Write(append(line, '\n')); err != nil {
		return message{}, err
	}
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return message{}, err
		}
		var m message
		if err := json.Unmarshal(line, &m); err != nil {
			return message{}, fmt.Errorf("the answer is not one of a lab host: %w", err)
		}
		if m.Token == token { // else: a late answer to an earlier datagram
			return m, nil
		}
	}
}

// keep registers an open connection and returns its id.
func (h *host) keep(c *conn) (uint64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		_ = c.Close()
		return 0, net.ErrClosed
	}
	h.last++
	h.conns[h.last] = c
	return h.last, nil
}

func (h *host) send(r Request) (*Result, error) {
	h.mu.Lock()
	c := h.conns[r.Conn]
	h.mu.Unlock()
	if c == nil {
		return nil, fmt.Errorf("no open connection %d", r.Conn)
	}
	start := time.Now()
	result := c.attempt(start, start.Add(timeout(r)))
	result.Conn = r.Conn
	return result, nil
}

func (h *host) closeConn(id uint64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.conns[id]
	if c == nil {
		return fmt.Errorf("no open connection %d", id)
	}
	delete(h.conns, id)
	return c.Close()
}

// outcome classifies the error of an attempt; connected says that a TCP
// handshake was completed before it.
func outcome(err error, connected bool) Outcome {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, syscall.ETIMEDOUT):
		if connected {
			return NoAnswer
		}
		return TimedOut
	case errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) && connected || errors.Is(err, syscall.EPIPE):
		return Closed
	case errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET):
		return Refused
	case errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EACCES):
		return Unreachable
	case errors.Is(err, syscall.EPERM):
		return Blocked
	}
	return Failed
}
