package sctp

import (
	"crypto/rand"
	"encoding/binary"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// again is how long an answer is waited for before a packet is sent once more.
const again = 500 * time.Millisecond

// SCTPConn is one end of an association.
type SCTPConn struct {
	link            net.PacketConn
	own             bool // the link is this association's alone
	peer            net.Addr
	from, to        uint16
	ownTag, peerTag uint32
	cookie          []byte // what the other end has to show, or we
	in              chan []byte
	acked, established, cookieAcked,
	ended chan struct{}
	endOnce sync.Once
	err     error

	mu       sync.Mutex
	tsn      uint32 // of the last message that was sent
	last     uint32 // of the last message that was received
	sequence uint16
	deadline time.Time
}

func newConn(link net.PacketConn, peer net.Addr, from, to uint16) *SCTPConn {
	return &SCTPConn{
		link: link, peer: peer, from: from, to: to, ownTag: random(), tsn: random() - 1,
		in: make(chan []byte, 64), acked: make(chan struct{}, 1), established: make(chan struct{}, 1), cookieAcked: make(chan struct{}, 1),
		ended: make(chan struct{}),
	}
}

func random() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // it does not fail
	return binary.BigEndian.Uint32(b[:]) | 1
}

func (c *SCTPConn) send(tag uint32, chunks ...chunk) error {
	_, err := c.link.WriteTo(packet{c.from, c.to, tag, chunks}.marshal(), c.peer)
	return err
}

// end ends the association; the first reason counts.
func (c *SCTPConn) end(err error) {
	c.endOnce.Do(func() {
		c.err = err
		close(c.ended)
		if c.own {
			_ = c.link.Close()
		}
	})
}

func sign(to chan struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// insist sends until the sign comes.
func (c *SCTPConn) insist(until <-chan struct{}, tag uint32, chunks ...chunk) error {
	for {
		select {
		case <-c.ended:
			return c.err
		default:
		}
		if err := c.send(tag, chunks...); err != nil {
			return err
		}
		select {
		case <-until:
			return nil
		case <-c.ended:
			return c.err
		case <-time.After(again):
		}
	}
}

// take takes a packet of the association.
func (c *SCTPConn) take(p packet) {
	for _, k := range p.chunks {
		switch k.kind {
		case chunkInitAck:
			h, err := parseHello(k.value)
			if err != nil || c.cookie != nil {
				continue
			}
			c.peerTag, c.last, c.cookie = h.tag, h.tsn-1, append([]byte{}, h.cookie...)
			sign(c.established)
		case chunkCookieAck:
			sign(c.cookieAcked)
		case chunkData:
			c.message(k.value)
		case chunkSack:
			c.mu.Lock()
			all := len(k.value) >= 4 && binary.BigEndian.Uint32(k.value) == c.tsn
			c.mu.Unlock()
			if all {
				sign(c.acked)
			}
		case chunkAbort:
			c.end(syscall.ECONNRESET)
		case chunkShutdown:
			_ = c.send(c.peerTag, chunk{kind: chunkShutdownAck})
			c.end(io.EOF)
		case chunkShutdownAck:
			_ = c.send(c.peerTag, chunk{kind: chunkShutdownComplete})
			c.end(io.EOF)
		}
	}
}

// message hands a message on, if it is the next one, and acknowledges it.
func (c *SCTPConn) message(value []byte) {
	if len(value) < 12 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if binary.BigEndian.Uint32(value) == c.last+1 {
		select {
		case c.in <- append([]byte{}, value[12:]...):
			c.last++
		default:
		}
	}
	_ = c.send(c.peerTag, sack(c.last))
}

// Write sends a message, and returns when the other end has it.
func (c *SCTPConn) Write(message []byte) (int, error) {
	c.mu.Lock()
	c.tsn++
	select {
	case <-c.acked: // of the one before, which came twice
	default:
	}
	k := data(c.tsn, c.sequence, message)
	c.sequence++
	c.mu.Unlock()
	err := c.insist(c.acked, c.peerTag, k)
	select {
	case <-c.ended:
		if c.err == io.EOF { // the other end has said all, and wants to hear no more
			err = nil
		}
	default:
	}
	if err != nil {
		return 0, err
	}
	return len(message), nil
}

// SetReadDeadline is the time at which reads give up; the zero time means never.
func (c *SCTPConn) SetReadDeadline(at time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = at
	return nil
}

// Read returns the next message, cut to the size of into.
func (c *SCTPConn) Read(into []byte) (int, error) {
	c.mu.Lock()
	var late <-chan time.Time
	if !c.deadline.IsZero() {
		late = time.After(time.Until(c.deadline))
	}
	c.mu.Unlock()
	select {
	case m := <-c.in:
		return copy(into, m), nil
	default:
	}
	select {
	case m := <-c.in:
		return copy(into, m), nil
	case <-late:
		return 0, os.ErrDeadlineExceeded
	case <-c.ended:
		return 0, c.err
	}
}

// Close ends the association, and does not wait long for the other end.
func (c *SCTPConn) Close() error {
	c.mu.Lock()
	last := binary.BigEndian.AppendUint32(nil, c.last)
	c.mu.Unlock()
	if err := c.send(c.peerTag, chunk{kind: chunkShutdown, value: last}); err == nil {
		select {
		case <-c.ended:
		case <-time.After(again):
		}
	}
	c.end(net.ErrClosed)
	return nil
}

// SCTPRemoteAddr is where the other end is.
func (c *SCTPConn) SCTPRemoteAddr(int) (*SCTPAddr, error) {
	return &SCTPAddr{IPAddrs: []net.IPAddr{*c.peer.(*net.IPAddr)}, Port: int(c.to)}, nil
}
