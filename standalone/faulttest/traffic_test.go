package faulttest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// The ports of the server. What may reach which is in objects_test.go.
const (
	tcpOpen    = 80   // from the client
	tcpOutside = 82   // from the machine outside
	udpOpen    = 53   // from the client
	udpShut    = 9999 // ingress of the server denies it
	udpUnsent  = 9997 // egress of the client denies it
	tcpShut    = 9998 // ingress of the server denies it
)

// traffic is connections without end between three machines, all counted.
type traffic struct {
	t                       *testing.T
	client, server, outside machine
	stop, stopServing       context.CancelFunc
	running, serving        sync.WaitGroup

	allowed, refused      atomic.Int64 // connections that should come about, and did not
	denied, leaked        atomic.Int64 // packets and connections that should not arrive, and did
	open, cut, heartbeats atomic.Int64 // connections that should go on, and did not
	mu                    sync.Mutex
	said                  map[string]int
	began                 time.Time
}

// machine is a network namespace with an address.
type machine struct {
	ns   string
	addr netip.Addr
}

func (m machine) at(port uint16) netip.AddrPort { return netip.AddrPortFrom(m.addr, port) }

// in runs f on a thread in the machine's namespace. Sockets that f opens stay there.
func (m machine) in(f func()) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		ns, err := netns.GetFromName(m.ns)
		if err == nil {
			err = netns.Set(ns)
			_ = ns.Close()
		}
		if err == nil {
			f()
		}
		done <- err
	}()
	return <-done
}

// patience is how long an answer may take: packets that are lost are sent again
// after 1, 3 and 7 seconds by TCP, which does not count as refused, and a busy
// machine takes its time.
const patience = 20 * time.Second

// start begins all traffic and returns when it flows.
func startTraffic(t *testing.T, client, server, outside machine) *traffic {
	tr := &traffic{t: t, client: client, server: server, outside: outside, said: map[string]int{}, began: time.Now()}
	ctx, stop := context.WithCancel(context.Background())
	tr.stop = stop
	serve, stopServing := context.WithCancel(context.Background())
	tr.stopServing = stopServing
	t.Cleanup(func() { tr.end() })
	tr.serve(serve)
	for range 2 {
		tr.go_(client, func() { tr.connects(ctx, client, server.at(tcpOpen)) })
	}
	tr.go_(outside, func() { tr.connects(ctx, outside, server.at(tcpOutside)) })
	tr.go_(client, func() { tr.questions(ctx, server.at(udpOpen)) })
	for range 20 {
		tr.go_(client, func() { tr.holds(ctx, "tcp", server.at(tcpOpen)) })
	}
	for range 5 {
		tr.go_(client, func() { tr.holds(ctx, "udp", server.at(udpOpen)) })
		tr.go_(outside, func() { tr.holds(ctx, "tcp", server.at(tcpOutside)) })
	}
	tr.go_(client, func() { tr.floods(ctx, server.at(udpShut)) })
	tr.go_(client, func() { tr.floods(ctx, server.at(udpUnsent)) })
	tr.go_(outside, func() { tr.floods(ctx, server.at(udpShut)) })
	tr.go_(client, func() { tr.knocks(ctx, server.at(tcpShut)) })
	tr.go_(outside, func() { tr.knocks(ctx, server.at(tcpOpen)) })
	for limit := time.Now().Add(patience); tr.open.Load() < 30 || tr.allowed.Load() < 10; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("the traffic does not begin: %d open, %d allowed, %d refused; %v", tr.open.Load(), tr.allowed.Load(), tr.refused.Load(), tr.said)
		}
	}
	return tr
}

func (tr *traffic) go_(m machine, f func()) {
	tr.running.Go(func() {
		if err := m.in(f); err != nil {
			tr.say("namespace: %v", err)
		}
	})
}

// say keeps what went wrong, each thing once.
func (tr *traffic) say(format string, args ...any) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.said[fmt.Sprintf(format, args...)]++
}

// end lets what is on its way come to its end, and then the servers.
func (tr *traffic) end() {
	tr.stop()
	tr.running.Wait()
	tr.stopServing()
	tr.serving.Wait()
}

// result says what was counted, and fails the test if anything was wrong.
func (tr *traffic) result() {
	tr.t.Helper()
	tr.end()
	line := fmt.Sprintf("%s: %d denied, %d of them arrived; %d allowed, %d refused; %d open with %d answers, %d cut",
		time.Since(tr.began).Round(time.Second), tr.denied.Load(), tr.leaked.Load(), tr.allowed.Load(), tr.refused.Load(), tr.open.Load(), tr.heartbeats.Load(), tr.cut.Load())
	tr.t.Log(line)
	if tr.leaked.Load()+tr.refused.Load()+tr.cut.Load() > 0 {
		tr.t.Errorf("%s; %v", line, tr.said)
	}
	if tr.denied.Load() < 1000 || tr.allowed.Load() < 50 || tr.heartbeats.Load() < 100 {
		tr.t.Error("the test says little: " + line)
	}
}

// serve answers on the server's ports. Whatever arrives at those that are shut
// has leaked, and so has what comes from the wrong machine.
func (tr *traffic) serve(ctx context.Context) {
	tr.t.Helper()
	problem := tr.server.in(func() {
		for _, port := range []uint16{tcpOpen, tcpOutside, tcpShut} {
			l, err := net.Listen("tcp", tr.server.at(port).String())
			if err != nil {
				tr.t.Errorf("listen: %v", err)
				return
			}
			context.AfterFunc(ctx, func() { _ = l.Close() })
			tr.serving.Go(func() { tr.accept(l, port) })
		}
		for _, port := range []uint16{udpOpen, udpShut, udpUnsent} {
			c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(tr.server.at(port)))
			if err != nil {
				tr.t.Errorf("listen: %v", err)
				return
			}
			context.AfterFunc(ctx, func() { _ = c.Close() })
			tr.serving.Go(func() { tr.answer(c, port) })
		}
	})
	if problem != nil {
		tr.t.Fatal(problem)
	}
}

func (tr *traffic) accept(l net.Listener, port uint16) {
	want := map[uint16]netip.Addr{tcpOpen: tr.client.addr, tcpOutside: tr.outside.addr}[port]
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		if from := c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap(); from != want {
			tr.leaked.Add(1)
			tr.say("TCP from %s to port %d arrived", from, port)
		}
		go func() {
			defer c.Close()
			b := make([]byte, 1)
			for {
				if _, err := c.Read(b); err != nil {
					return
				}
				if _, err := c.Write(b); err != nil {
					return
				}
			}
		}()
	}
}

func (tr *traffic) answer(c *net.UDPConn, port uint16) {
	b := make([]byte, 64)
	for {
		n, from, err := c.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		if port != udpOpen || from.Addr().Unmap() != tr.client.addr {
			tr.leaked.Add(1)
			tr.say("UDP from %s to port %d arrived", from.Addr(), port)
			continue
		}
		_, _ = c.WriteToUDPAddrPort(b[:n], from)
	}
}

// connects opens connections that are allowed, one after the other.
func (tr *traffic) connects(ctx context.Context, from machine, to netip.AddrPort) {
	d := net.Dialer{Timeout: patience}
	for ctx.Err() == nil {
		c, err := d.Dial("tcp", to.String())
		if err == nil {
			err = roundTrip(c)
			_ = c.(*net.TCPConn).SetLinger(0) // no port is left waiting
			_ = c.Close()
		}
		if tr.allowed.Add(1); err != nil {
			tr.refused.Add(1)
			tr.say("from %s to %s: %v", from.addr, to, err)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func roundTrip(c net.Conn) error {
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write([]byte{'x'}); err != nil {
		return err
	}
	_, err := c.Read(make([]byte, 1))
	return err
}

// questions asks by UDP, each from a port of its own.
func (tr *traffic) questions(ctx context.Context, to netip.AddrPort) {
	for ctx.Err() == nil {
		c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
		if err == nil {
			_ = c.SetDeadline(time.Now().Add(patience))
			if _, err = c.Write([]byte{'x'}); err == nil {
				_, err = c.Read(make([]byte, 1))
			}
			_ = c.Close()
		}
		if tr.allowed.Add(1); err != nil {
			tr.refused.Add(1)
			tr.say("UDP question: %v", err)
		}
		time.Sleep(3 * time.Millisecond)
	}
}

// holds opens one connection and uses it until the end.
func (tr *traffic) holds(ctx context.Context, network string, to netip.AddrPort) {
	c, err := (&net.Dialer{Timeout: patience}).Dial(network, to.String())
	if err != nil {
		tr.say("open connection: %v", err)
		return
	}
	defer c.Close()
	for counted := false; ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		if err := roundTrip(c); err != nil {
			tr.cut.Add(1)
			tr.say("open %s connection to %s: %v", network, to, err)
			return
		}
		tr.heartbeats.Add(1)
		if !counted {
			tr.open.Add(1)
			counted = true
		}
	}
}

// floods sends datagrams that are denied, each as good as the first of a
// connection.
func (tr *traffic) floods(ctx context.Context, to netip.AddrPort) {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		tr.say("flood: %v", err)
		return
	}
	defer c.Close()
	for ctx.Err() == nil {
		for range 10 {
			if _, err := c.Write([]byte{'x'}); err == nil {
				tr.denied.Add(1)
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// knocks sends the first packet of TCP connections that are denied.
func (tr *traffic) knocks(ctx context.Context, to netip.AddrPort) {
	a := &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	for ctx.Err() == nil {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			tr.say("knock: %v", err)
			return
		}
		if err := unix.Connect(fd, a); errors.Is(err, unix.EINPROGRESS) {
			tr.denied.Add(1)
		}
		time.Sleep(3 * time.Millisecond) // the answer would come within it, and count at the server
		_ = unix.Close(fd)
	}
}
