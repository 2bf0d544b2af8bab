package sctp

import (
	"bytes"
	"crypto/rand"
	"errors"
	"net"
	"strconv"
	"sync"
)

// SCTPAddr is a port at addresses.
type SCTPAddr struct {
	IPAddrs []net.IPAddr
	Port    int
}

// String implements net.Addr.
func (a *SCTPAddr) String() string {
	host := ""
	if len(a.IPAddrs) > 0 {
		host = a.IPAddrs[0].String()
	}
	return net.JoinHostPort(host, strconv.Itoa(a.Port))
}

// Network implements net.Addr.
func (a *SCTPAddr) Network() string { return "sctp" }

// ResolveSCTPAddr reads HOST:PORT; no host means every address.
func ResolveSCTPAddr(_, text string) (*SCTPAddr, error) {
	a, err := net.ResolveTCPAddr("tcp", text)
	if err != nil {
		return nil, err
	}
	out := &SCTPAddr{Port: a.Port}
	if a.IP != nil && !a.IP.IsUnspecified() {
		out.IPAddrs = []net.IPAddr{{IP: a.IP, Zone: a.Zone}}
	}
	return out, nil
}

func network(a *net.IPAddr) string {
	if a != nil && a.IP.To4() == nil {
		return "ip6:132"
	}
	return "ip4:132"
}

// receive hands on what comes to a port, until the link ends.
func receive(link net.PacketConn, port uint16, take func(packet, net.Addr)) error {
	b := make([]byte, 65536)
	for {
		n, from, err := link.ReadFrom(b)
		if err != nil {
			return err
		}
		if p, err := parse(b[:n]); err == nil && p.to == port {
			take(p, from)
		}
	}
}

// DialSCTP makes an association.
func DialSCTP(_ string, _, to *SCTPAddr) (*SCTPConn, error) {
	if len(to.IPAddrs) == 0 {
		return nil, errors.New("sctp: no address to connect to")
	}
	peer := &to.IPAddrs[0]
	link, err := net.ListenIP(network(peer), nil)
	if err != nil {
		return nil, err
	}
	c := newConn(link, peer, uint16(32768+random()%28000), uint16(to.Port))
	c.own = true
	go func() {
		c.end(receive(link, c.from, func(p packet, from net.Addr) {
			if p.tag == c.ownTag && p.from == c.to && from.(*net.IPAddr).IP.Equal(peer.IP) {
				c.take(p)
			}
		}))
	}()
	h := hello{tag: c.ownTag, tsn: c.tsn + 1}
	if err := c.insist(c.established, 0, chunk{chunkInit, 0, h.marshal()}); err != nil {
		return nil, err
	}
	if err := c.insist(c.cookieAcked, c.peerTag, chunk{chunkCookieEcho, 0, c.cookie}); err != nil {
		return nil, err
	}
	return c, nil
}

// SCTPListener takes associations that others make.
type SCTPListener struct {
	port  uint16
	links []net.PacketConn
	ready chan *SCTPConn
	done  chan struct{}
	once  sync.Once

	mu    sync.Mutex
	conns map[string]*SCTPConn
}

// ListenSCTP listens on a port of every address.
func ListenSCTP(_ string, on *SCTPAddr) (*SCTPListener, error) {
	l := &SCTPListener{port: uint16(on.Port), ready: make(chan *SCTPConn, 64), done: make(chan struct{}), conns: map[string]*SCTPConn{}}
	var problems []error
	for _, network := range []string{"ip4:132", "ip6:132"} {
		link, err := net.ListenIP(network, nil)
		if err != nil {
			problems = append(problems, err) // a node may have one family only
			continue
		}
		l.links = append(l.links, link)
		go func() {
			_ = receive(link, l.port, func(p packet, from net.Addr) { l.take(link, p, from) })
		}()
	}
	if len(l.links) == 0 {
		return nil, errors.Join(problems...)
	}
	return l, nil
}

// take takes a packet that came to the port.
func (l *SCTPListener) take(link net.PacketConn, p packet, from net.Addr) {
	if len(p.chunks) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	key := net.JoinHostPort(from.String(), strconv.Itoa(int(p.from)))
	c := l.conns[key]
	switch first := p.chunks[0]; {
	case first.kind == chunkInit:
		h, err := parseHello(first.value)
		if err != nil {
			return
		}
		if c == nil || c.peerTag != h.tag { // not the same once more
			c = newConn(link, from, l.port, p.from)
			c.peerTag, c.last, c.cookie = h.tag, h.tsn-1, []byte(rand.Text())
			l.conns[key] = c
		}
		answer := hello{tag: c.ownTag, tsn: c.tsn + 1, cookie: c.cookie}
		_ = c.send(c.peerTag, chunk{chunkInitAck, 0, answer.marshal()})
	case c == nil || p.tag != c.ownTag:
	case first.kind == chunkCookieEcho:
		if !bytes.Equal(first.value, c.cookie) {
			return
		}
		select {
		case c.established <- struct{}{}:
			l.ready <- c
		default: // it is there already
		}
		_ = c.send(c.peerTag, chunk{kind: chunkCookieAck})
		c.take(packet{chunks: p.chunks[1:]})
	default:
		c.take(p)
	}
}

// AcceptSCTP returns the next association.
func (l *SCTPListener) AcceptSCTP() (*SCTPConn, error) {
	select {
	case c := <-l.ready:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close ends listening.
func (l *SCTPListener) Close() error {
	l.once.Do(func() {
		close(l.done)
		for _, link := range l.links {
			_ = link.Close()
		}
	})
	return nil
}
