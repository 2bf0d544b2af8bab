package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/tierwall/tierwall/labhost"
)

// Host is the process inside a machine or pod, ready to listen and dial. Its
// methods may be called concurrently: hundreds of dials at once are fine.
type Host struct {
	ref     string
	process *Process
	in      *os.File

	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan labhost.Response
}

// DialSpec is one connection to try.
type DialSpec struct {
	// Proto is labhost.TCP, labhost.UDP or, without a Port, labhost.ICMP.
	Proto labhost.Proto
	Addr  netip.Addr
	// Domain is a name to dial instead of Addr: Server is asked for its addresses,
	// and the first is dialled at once.
	Domain string
	Server netip.Addr
	Port   uint16
	// LocalAddr and LocalPort are the source; the kernel chooses what is zero.
	LocalAddr netip.Addr
	LocalPort uint16
	// Timeout bounds connect, question and answer together; zero or less means
	// labhost.DefaultTimeout.
	Timeout time.Duration
}

// DialResult is what a connection attempt found.
type DialResult = labhost.Result

// startHost starts the lab's helper in a namespace.
func startHost(ref, netns string, argv, env []string) (*Host, error) {
	inR, inW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		inR.Close()
		inW.Close()
		return nil, err
	}
	h := &Host{ref: ref, in: inW, waiting: map[uint64]chan labhost.Response{}}
	h.process, err = startProcess(command{argv: argv, env: env, netns: netns, stdin: inR, stdout: outW, stderr: os.Stderr})
	inR.Close()
	outW.Close()
	if err != nil {
		inW.Close()
		outR.Close()
		return nil, err
	}
	go h.read(outR)
	return h, nil
}

// read hands out responses until the process ends.
func (h *Host) read(out *os.File) {
	defer out.Close()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var r labhost.Response
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			break // not our helper: what waits is told that the process is of no use
		}
		h.mu.Lock()
		c := h.waiting[r.ID]
		delete(h.waiting, r.ID)
		h.mu.Unlock()
		if c != nil {
			c <- r
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.waiting {
		close(c)
	}
	h.waiting = nil
}

// do sends a request and waits for its response.
func (h *Host) do(ctx context.Context, q labhost.Request) (labhost.Response, error) {
	answer := make(chan labhost.Response, 1)
	if err := h.write(&q, answer); err != nil {
		return labhost.Response{}, fmt.Errorf("%s: %w", h.ref, err)
	}
	select {
	case r, ok := <-answer:
		if !ok {
			return r, fmt.Errorf("%s: %w", h.ref, errHostGone)
		}
		if r.Error != "" {
			return r, fmt.Errorf("%s: %s", h.ref, r.Error)
		}
		return r, nil
	case <-ctx.Done():
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.waiting, q.ID)
		return labhost.Response{}, ctx.Err()
	}
}

var errHostGone = errors.New("the process of this host has ended")

// write numbers a request, registers who waits for it, and sends it.
func (h *Host) write(q *labhost.Request, answer chan labhost.Response) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting == nil {
		return errHostGone
	}
	h.last++
	q.ID = h.last
	line, err := json.Marshal(q)
	if err != nil {
		return err
	}
	h.waiting[q.ID] = answer
	if _, err := h.in.Write(append(line, '\n')); err != nil {
		delete(h.waiting, q.ID)
		return fmt.Errorf("%w: %w", errHostGone, err)
	}
	return nil
}

// result is do for the operations that have a result.
func (h *Host) result(ctx context.Context, q labhost.Request) (DialResult, error) {
	r, err := h.do(ctx, q)
	if err != nil {
		return DialResult{}, err
	}
	if r.Result == nil {
		return DialResult{}, fmt.Errorf("%s: %s without a result", h.ref, q.Op)
	}
	return *r.Result, nil
}

func (s DialSpec) request(op labhost.Op) labhost.Request {
	return labhost.Request{Op: op, Proto: s.Proto, Addr: s.Addr, Domain: s.Domain, Server: s.Server, Port: s.Port, LocalAddr: s.LocalAddr, LocalPort: s.LocalPort, Timeout: s.Timeout}
}

// Ref is how the lab calls the host.
func (h *Host) Ref() string { return h.ref }

// Listen starts a server on all of the host's addresses. It answers with the
// host's Ref. Listening twice on one port is an error.
func (h *Host) Listen(ctx context.Context, proto labhost.Proto, port uint16) error {
	_, err := h.do(ctx, labhost.Request{Op: labhost.OpListen, Proto: proto, Port: port})
	return err
}

// Unlisten ends a server; its open connections go on.
func (h *Host) Unlisten(ctx context.Context, proto labhost.Proto, port uint16) error {
	_, err := h.do(ctx, labhost.Request{Op: labhost.OpUnlisten, Proto: proto, Port: port})
	return err
}

// Dial makes one connection, asks the server who it is, and closes. What became
// of the connection is in the result; the error is for attempts that could not
// be made at all.
func (h *Host) Dial(ctx context.Context, s DialSpec) (DialResult, error) {
	return h.result(ctx, s.request(labhost.OpDial))
}

// Lookup asks the DNS server at an address for a name's addresses, by UDP or TCP.
func (h *Host) Lookup(ctx context.Context, proto labhost.Proto, server netip.Addr, name string) (DialResult, error) {
	return h.result(ctx, labhost.Request{Op: labhost.OpLookup, Proto: proto, Server: server, Domain: name})
}

// Conn is a connection that stays open.
type Conn struct {
	host *Host
	id   uint64
}

// Open is Dial without the close. The connection is nil if the result is not
// Connected.
func (h *Host) Open(ctx context.Context, s DialSpec) (*Conn, DialResult, error) {
	r, err := h.result(ctx, s.request(labhost.OpOpen))
	if err != nil || !r.Connected() {
		return nil, r, err
	}
	return &Conn{host: h, id: r.Conn}, r, nil
}

// Send asks the server once more who it is, over the open connection. A timeout
// of zero or less means labhost.DefaultTimeout.
func (c *Conn) Send(ctx context.Context, timeout time.Duration) (DialResult, error) {
	return c.host.result(ctx, labhost.Request{Op: labhost.OpSend, Conn: c.id, Timeout: timeout})
}

// Close closes the connection. A second Close is an error.
func (c *Conn) Close(ctx context.Context) error {
	_, err := c.host.do(ctx, labhost.Request{Op: labhost.OpClose, Conn: c.id})
	return err
}

// prepare names the host and starts its servers.
func (h *Host) prepare(ctx context.Context, ports []Port) error {
	if _, err := h.do(ctx, labhost.Request{Op: labhost.OpName, Name: h.ref}); err != nil {
		return err
	}
	for _, p := range ports {
		if err := h.Listen(ctx, p.Proto, p.Number); err != nil {
			return err
		}
	}
	return nil
}

// stop ends the process: by the end of its input, and by force when that does
// not help within a second.
func (h *Host) stop() error {
	if err := h.in.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	select {
	case <-h.process.done:
		return nil
	case <-time.After(time.Second):
		return h.process.kill()
	}
}

// ServeHost is the helper's whole program: what the executable of Options.Exec
// does when it is called with HostArg. It returns the process's exit code.
func ServeHost(ctx context.Context, in io.Reader, out, errs io.Writer) int {
	if err := labhost.Run(ctx, in, out); err != nil {
		fmt.Fprintln(errs, "lab host:", err)
		return 1
	}
	return 0
}
