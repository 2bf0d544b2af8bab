package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// ProxyPort is where ProxyAPI listens: the usual port of an API server, which
// the failsafe rules of host endpoints leave open.
const ProxyPort = 6443

// ProxyAPI lets nodes, pods and external machines reach an address of the
// machine's own network, such as an API server on its loopback: it listens
// at FabricAddr and ProxyPort inside the lab, and passes connections on to
// target ("127.0.0.1:6443"). It works on TCP, so TLS goes through untouched: the
// target's certificate has to name FabricAddr. It ends with the lab.
func (l *Lab) ProxyAPI(ctx context.Context, target string) (addr string, err error) {
	return l.Proxy(ctx, ProxyPort, target)
}

// Proxy does what ProxyAPI does, at another port.
func (l *Lab) Proxy(ctx context.Context, port uint16, target string) (addr string, err error) {
	end, err := l.begin()
	if err != nil {
		return "", err
	}
	defer end()
	addr = netip.AddrPortFrom(FabricAddr(), port).String()
	var listener net.Listener
	err = inNetns(l.fabricNetns(), func() error {
		listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("proxy to %s: %w", target, err)
	}
	p := &proxy{target: target, listener: listener, conns: map[net.Conn]bool{}}
	p.running.Go(p.serve)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closers = append(l.closers, p.close)
	return addr, nil
}

// proxy passes connections on.
type proxy struct {
	target   string
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]bool
}

func (p *proxy) serve() {
	for {
		c, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond) // out of file descriptors: others may end
			continue
		}
		p.running.Go(func() { p.pass(c) })
	}
}

// pass connects a client with the target until both directions have ended.
func (p *proxy) pass(client net.Conn) {
	defer p.track(client)()
	target, err := net.DialTimeout("tcp", p.target, 5*time.Second)
	if err != nil {
		return // the client sees its connection close, as it would of the target's
	}
	defer p.track(target)()
	var both sync.WaitGroup
	both.Go(func() { stream(target, client) })
	both.Go(func() { stream(client, target) })
	both.Wait()
}

// stream copies one direction and passes its end on.
func stream(to, from net.Conn) {
	if _, err := io.Copy(to, from); err != nil {
		to.Close() // an end that is no regular end must not look like one
		return
	}
	to.(*net.TCPConn).CloseWrite()
}

// track registers a connection for close, and returns what ends it.
func (p *proxy) track(c net.Conn) (end func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = true
	if p.closed {
		c.Close()
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, c)
		c.Close()
	}
}

// close ends the listener and all connections, and waits for them.
func (p *proxy) close() error {
	err := p.listener.Close()
	p.mu.Lock()
	p.closed = true
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.running.Wait()
	return err
}
