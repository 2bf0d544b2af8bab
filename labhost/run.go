package labhost

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// maxLine bounds a request line: far above any real request, in bytes.
const maxLine = 64 << 10

// ErrRequest is returned by Run for a line that is not a Request.
var ErrRequest = errors.New("not a request")

// Run serves requests from in until its end, a line that is not a Request
// (ErrRequest), a write error on out, or the end of ctx. It then closes all
// servers and connections. End of input and end of ctx are no errors. The
// goroutine that reads in may outlive Run until its read returns.
func Run(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	h := &host{
		ctx:     ctx,
		fail:    cancel,
		out:     json.NewEncoder(out),
		servers: map[port]io.Closer{},
		conns:   map[uint64]*conn{},
	}
	defer h.close()
	go func() { cancel(h.read(in)) }()
	<-ctx.Done()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// host is the state of one process.
type host struct {
	ctx  context.Context
	fail context.CancelCauseFunc

	writing sync.Mutex // guards out
	out     *json.Encoder

	mu      sync.Mutex // guards what follows
	name    string
	servers map[port]io.Closer
	conns   map[uint64]*conn
	zone    zone   // what its DNS server says; nil for none
	last    uint64 // the last connection id given
	closed  bool
}

// port is what a server listens on.
type port struct {
	proto  Proto
	number uint16
}

// read serves requests until in ends; io.EOF is the regular end.
func (h *host) read(in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var r Request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return fmt.Errorf("%w: %w", ErrRequest, err)
		}
		go h.serve(r)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrRequest, err)
	}
	return io.EOF
}

// serve answers one request.
func (h *host) serve(r Request) {
	result, err := h.do(r)
	answer := Response{ID: r.ID, Result: result}
	if err != nil {
		answer.Error = err.Error()
	}
	h.writing.Lock()
	defer h.writing.Unlock()
	if err := h.out.Encode(answer); err != nil {
		h.fail(fmt.Errorf("write response: %w", err))
	}
}

func (h *host) do(r Request) (*Result, error) {
	switch r.Op {
	case OpName:
		h.mu.Lock()
		defer h.mu.Unlock()
		h.name = r.Name
		return nil, nil
	case OpListen:
		return nil, h.listen(port{r.Proto, r.Port})
	case OpUnlisten:
		return nil, h.unlisten(port{r.Proto, r.Port})
	case OpNames:
		return nil, h.serveNames(r.Records)
	case OpLookup:
		return h.lookup(r)
	case OpDial, OpOpen:
		if r.Domain != "" {
			return h.dialName(r)
		}
		return h.dial(r)
	case OpSend:
		return h.send(r)
	case OpClose:
		return nil, h.closeConn(r.Conn)
	}
	return nil, fmt.Errorf("unknown operation %q", r.Op)
}

// identity is the name to answer with.
func (h *host) identity() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.name
}

// close ends all servers and connections, and keeps new ones from starting.
func (h *host) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, s := range h.servers {
		_ = s.Close()
	}
	for _, c := range h.conns {
		_ = c.Close()
	}
}
