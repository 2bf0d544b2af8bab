package labhost

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
)

// message is what a client sends and, filled in, gets back.
type message struct {
	// Token tells the attempts of a client apart.
	Token string `json:"token"`
	// By is the server's name, and Seen the client's address as it saw it.
	By   string         `json:"by,omitempty"`
	Seen netip.AddrPort `json:"seen,omitzero"`
}

// maxMessage bounds a message, in bytes: a name and an address.
const maxMessage = 4096

// listen starts a server. It is an error to listen twice on one port.
func (h *host) listen(p port) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return net.ErrClosed
	}
	if _, there := h.servers[p]; there {
		return fmt.Errorf("already listening on %s/%d", p.proto, p.number)
	}
	server, err := h.bind(p)
	if err != nil {
		return fmt.Errorf("listen on %s/%d: %w", p.proto, p.number, err)
	}
	h.servers[p] = server
	return nil
}

func (h *host) bind(p port) (io.Closer, error) {
	var config net.ListenConfig
	address := fmt.Sprintf(":%d", p.number)
	switch {
	case p.number == 0:
		return nil, errors.New("port 0 is not a port to listen on")
	case p.proto == TCP:
		l, err := config.Listen(context.Background(), "tcp", address)
		if err == nil {
			go h.acceptTCP(l)
		}
		return l, err
	case p.proto == UDP:
		c, err := config.ListenPacket(context.Background(), "udp", address)
		if err == nil {
			go h.answerUDP(c.(*net.UDPConn))
		}
		return c, err
	}
	return nil, fmt.Errorf("protocol %q cannot be listened on", p.proto)
}

// unlisten ends a server.
func (h *host) unlisten(p port) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	server, there := h.servers[p]
	if !there {
		return fmt.Errorf("not listening on %s/%d", p.proto, p.number)
	}
	delete(h.servers, p)
	return server.Close()
}

func (h *host) acceptTCP(l net.Listener) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			go h.answerTCP(c.(*net.TCPConn))
		}
	}
}

// answerTCP answers each line until the client closes or the process ends.
func (h *host) answerTCP(c *net.TCPConn) {
	defer c.Close()
	defer context.AfterFunc(h.ctx, func() { _ = c.Close() })()
	lines := bufio.NewScanner(c)
	lines.Buffer(nil, maxMessage)
	seen := peer(c.RemoteAddr())
	for lines.Scan() {
		answer, err := h.answer(lines.Bytes(), seen)
		if err != nil {
			return
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

func (h *host) answerUDP(c *net.UDPConn) {
	buffer := make([]byte, maxMessage)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error about an earlier answer
		}
		answer, err := h.answer(buffer[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
		if err == nil {
			_, _ = c.WriteToUDPAddrPort(answer, from) // a client that went away is no concern of the server
		}
	}
}

// answer is the line that goes back for what a client sent.
func (h *host) answer(line []byte, seen netip.AddrPort) ([]byte, error) {
	var m message
	if err := json.Unmarshal(line, &m); err != nil {
		return nil, err
	}
	m.By, m.Seen = h.identity(), seen
	out, err := json.Marshal(m)
	return append(out, '\n'), err
}

// peer is a socket address as a value, IPv4 as such; zero if it is none.
func peer(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.TCPAddr:
		p := a.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port())
	case *net.UDPAddr:
		p := a.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port())
	case *net.IPAddr:
		addr, _ := netip.AddrFromSlice(a.IP)
		return netip.AddrPortFrom(addr.Unmap(), 0)
	}
	return netip.AddrPort{}
}
