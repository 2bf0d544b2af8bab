package labhost

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// remote is a running host, spoken to in its protocol.
type remote struct {
	t    *testing.T
	in   io.WriteCloser
	done chan error

	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan Response
}

func start(t *testing.T, name string) *remote {
	t.Helper()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	r := &remote{t: t, in: inW, done: make(chan error, 1), waiting: map[uint64]chan Response{}}
	go func() { r.done <- Run(t.Context(), inR, outW) }()
	go func() {
		for lines := bufio.NewScanner(outR); lines.Scan(); {
			var a Response
			if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
				panic(err)
			}
			r.mu.Lock()
			c := r.waiting[a.ID]
			delete(r.waiting, a.ID)
			r.mu.Unlock()
			c <- a
		}
	}()
	t.Cleanup(func() { inW.Close() })
	if a := r.do(Request{Op: OpName, Name: name}); a.Error != "" {
		t.Fatal(a.Error)
	}
	return r
}

func (r *remote) do(q Request) Response {
	c := make(chan Response, 1)
	r.mu.Lock()
	r.last++
	q.ID = r.last
	r.waiting[q.ID] = c
	r.mu.Unlock()
	line, err := json.Marshal(q)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.in.Write(append(line, '\n')); err != nil {
		r.t.Fatal(err)
	}
	select {
	case a := <-c:
		return a
	case <-time.After(10 * time.Second):
		r.t.Error("no response to", string(line))
		return Response{Error: "no response", Result: &Result{}}
	}
}

// result is do for requests that must have a Result.
func (r *remote) result(q Request) Result {
	r.t.Helper()
	a := r.do(q)
	if a.Error != "" || a.Result == nil {
		r.t.Fatalf("%+v: error %q, result %v", q, a.Error, a.Result)
	}
	return *a.Result
}

// listen finds a free port and listens on it.
func (r *remote) listen(proto Proto) uint16 {
	r.t.Helper()
	port := freePort(r.t)
	if a := r.do(Request{Op: OpListen, Proto: proto, Port: port}); a.Error != "" {
		r.t.Fatal(a.Error)
	}
	return port
}

func freePort(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

var loopbacks = []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")}

func TestDialIsAnsweredByName(t *testing.T) {
	server, client := start(t, "blue/be-1"), start(t, "red/fe-1")
	for _, proto := range []Proto{TCP, UDP} {
		port := server.listen(proto)
		for _, addr := range loopbacks {
			got := client.result(Request{Op: OpDial, Proto: proto, Addr: addr, Port: port})
			if !got.Connected() || got.By != "blue/be-1" || got.Conn != 0 {
				t.Errorf("%s to %s: %+v, want an answer by blue/be-1", proto, addr, got)
			}
			if got.Seen != got.Local || got.Seen.Addr() != addr {
				t.Errorf("%s to %s: seen as %s, local %s: want the same, at %s", proto, addr, got.Seen, got.Local, addr)
			}
		}
	}
}

func TestLocalPortCanBeUsedAgain(t *testing.T) {
	server, client := start(t, "s"), start(t, "c")
	for _, proto := range []Proto{TCP, UDP} {
		port, local := server.listen(proto), freePort(t)
		for range 3 {
			got := client.result(Request{Op: OpDial, Proto: proto, Addr: loopbacks[0], Port: port, LocalPort: local})
			if !got.Connected() || got.Seen.Port() != local {
				t.Fatalf("%s: %+v, want an answer that saw port %d", proto, got, local)
			}
		}
	}
}

func TestOutcomes(t *testing.T) {
	client := start(t, "c")
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	stranger := listenOnce(t, func(c net.Conn) { io.WriteString(c, "hello\n"); time.Sleep(50 * time.Millisecond) })
	quitter := listenOnce(t, func(c net.Conn) { bufio.NewReader(c).ReadString('\n') })
	mute, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	free := freePort(t)
	for name, tc := range map[string]struct {
		proto Proto
		port  uint16
		want  Outcome
	}{
		"nothing listens, tcp":     {TCP, free, Refused},
		"nothing listens, udp":     {UDP, free, Refused},
		"accepted, never answered": {TCP, uint16(silent.Addr().(*net.TCPAddr).Port), NoAnswer},
		"udp into silence":         {UDP, uint16(mute.LocalAddr().(*net.UDPAddr).Port), TimedOut},
		"answer of a stranger":     {TCP, stranger, Failed},
		"closed without an answer": {TCP, quitter, Closed},
	} {
		t.Run(name, func(t *testing.T) {
			got := client.result(Request{Op: OpDial, Proto: tc.proto, Addr: loopbacks[0], Port: tc.port, Timeout: 200 * time.Millisecond})
			if got.Outcome != tc.want || got.Connected() || got.Detail == "" || got.By != "" {
				t.Errorf("%+v, want %q with a detail", got, tc.want)
			}
		})
	}
}

// listenOnce serves connections with f and returns the port.
func listenOnce(t *testing.T, f func(net.Conn)) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f(c)
			c.Close()
		}
	}()
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

func TestOpenConnectionLives(t *testing.T) {
	server, client := start(t, "s"), start(t, "c")
	for _, proto := range []Proto{TCP, UDP} {
		port := server.listen(proto)
		open := client.result(Request{Op: OpOpen, Proto: proto, Addr: loopbacks[0], Port: port})
		if !open.Connected() || open.Conn == 0 {
			t.Fatalf("%s: %+v, want an open connection", proto, open)
		}
		// For TCP the server's end must outlive its listener.
		if proto == TCP {
			if a := server.do(Request{Op: OpUnlisten, Proto: proto, Port: port}); a.Error != "" {
				t.Fatal(a.Error)
			}
			if got := client.result(Request{Op: OpDial, Proto: proto, Addr: loopbacks[0], Port: port}); got.Outcome != Refused {
				t.Errorf("dial after unlisten: %+v, want refused", got)
			}
		}
		for range 2 {
			got := client.result(Request{Op: OpSend, Conn: open.Conn})
			if !got.Connected() || got.By != "s" || got.Local != open.Local {
				t.Errorf("%s: %+v, want an answer by s on %s", proto, got, open.Local)
			}
		}
		if a := client.do(Request{Op: OpClose, Conn: open.Conn}); a.Error != "" {
			t.Error(a.Error)
		}
		if a := client.do(Request{Op: OpSend, Conn: open.Conn}); a.Error == "" {
			t.Errorf("%s: send on a closed connection: want an error, got %+v", proto, a)
		}
	}
}

func TestOpenConnectionSeesTheServerGo(t *testing.T) {
	server, client := start(t, "s"), start(t, "c")
	port := server.listen(TCP)
	open := client.result(Request{Op: OpOpen, Proto: TCP, Addr: loopbacks[0], Port: port})
	server.in.Close()
	if err := <-server.done; err != nil {
		t.Fatalf("Run after end of input: %v, want nil", err)
	}
	if got := client.result(Request{Op: OpSend, Conn: open.Conn}); got.Outcome != Closed {
		t.Errorf("%+v, want closed", got)
	}
	if got := client.result(Request{Op: OpDial, Proto: TCP, Addr: loopbacks[0], Port: port}); got.Outcome != Refused {
		t.Errorf("%+v, want refused: the server has ended", got)
	}
}

// TestLateAnswersAreSkipped: an answer to an earlier datagram is no answer.
func TestLateAnswersAreSkipped(t *testing.T) {
	client := start(t, "c")
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() {
		buffer := make([]byte, maxMessage)
		n, from, err := c.ReadFrom(buffer)
		if err != nil {
			return
		}
		c.WriteTo([]byte(`{"token":"of another time","by":"old"}`+"\n"), from)
		answer, _ := (&host{name: "new"}).answer(buffer[:n], netip.AddrPort{})
		c.WriteTo(answer, from)
	}()
	got := client.result(Request{Op: OpDial, Proto: UDP, Addr: loopbacks[0], Port: uint16(c.LocalAddr().(*net.UDPAddr).Port)})
	if got.By != "new" {
		t.Errorf("%+v, want the answer by new", got)
	}
}

func TestManyAtOnce(t *testing.T) {
	server, client := start(t, "s"), start(t, "c")
	ports := map[Proto]uint16{TCP: server.listen(TCP), UDP: server.listen(UDP)}
	var wg sync.WaitGroup
	for i := range 200 {
		proto := []Proto{TCP, UDP}[i%2]
		wg.Go(func() {
			a := client.do(Request{Op: OpDial, Proto: proto, Addr: loopbacks[i/2%2], Port: ports[proto], Timeout: 5 * time.Second})
			if a.Error != "" || !a.Result.Connected() {
				t.Errorf("dial %d: %+v", i, a)
			}
		})
	}
	wg.Wait()
}

func TestPing(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("a raw socket needs root, and this test runs as user", os.Getuid())
	}
	client := start(t, "c")
	for _, addr := range loopbacks {
		got := client.result(Request{Op: OpDial, Proto: ICMP, Addr: addr})
		if !got.Connected() || got.Local.Addr() != addr {
			t.Errorf("%s: %+v, want an answer", addr, got)
		}
	}
}

func TestRefusedRequests(t *testing.T) {
	client := start(t, "c")
	busy := client.listen(TCP)
	for want, q := range map[string]Request{
		`unknown operation ""`:           {},
		"no address to dial":             {Op: OpDial, Proto: TCP, Port: 1},
		"port 0 is not a port to dial":   {Op: OpDial, Proto: TCP, Addr: loopbacks[0]},
		`protocol "sctp" cannot be used`: {Op: OpDial, Proto: "sctp", Addr: loopbacks[0], Port: 1},
		`protocol "icmp" cannot be used`: {Op: OpOpen, Proto: ICMP, Addr: loopbacks[0]},
		"port 0 is not a port to listen": {Op: OpListen, Proto: TCP},
		"already listening on tcp":       {Op: OpListen, Proto: TCP, Port: busy},
		"cannot be listened on":          {Op: OpListen, Proto: ICMP, Port: 1},
		"not listening on udp":           {Op: OpUnlisten, Proto: UDP, Port: busy},
		"no open connection 7":           {Op: OpSend, Conn: 7},
		"no open connection 8":           {Op: OpClose, Conn: 8},
	} {
		if a := client.do(q); !strings.Contains(a.Error, want) || a.Result != nil {
			t.Errorf("%+v: error %q, want %q and no result", q, a.Error, want)
		}
	}
}

func TestRunEnds(t *testing.T) {
	if err := Run(t.Context(), strings.NewReader("not json\n"), io.Discard); !errors.Is(err, ErrRequest) {
		t.Errorf("malformed line: %v, want ErrRequest", err)
	}
	if err := Run(t.Context(), strings.NewReader(strings.Repeat("x", 2*maxLine)), io.Discard); !errors.Is(err, ErrRequest) {
		t.Errorf("endless line: %v, want ErrRequest", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, w := io.Pipe()
	defer w.Close()
	if err := Run(ctx, r, io.Discard); err != nil {
		t.Errorf("cancelled: %v, want nil", err)
	}
}

func TestRunEndsWhenNobodyReads(t *testing.T) {
	r, w := io.Pipe()
	r.Close()
	in, feed := io.Pipe()
	defer feed.Close()
	go io.WriteString(feed, `{"id":1,"op":"name"}`+"\n")
	if err := Run(t.Context(), in, w); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("%v, want the write error", err)
	}
}

// FuzzAnswer: what a client sends is answered with its token or not at all.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"token":"x"}`))
	f.Add([]byte(`{"token":"x","by":"liar","seen":"1.2.3.4:5"}`))
	f.Add([]byte(`[]`))
	h := &host{name: "me"}
	f.Fuzz(func(t *testing.T, line []byte) {
		var sent, got message
		invalid := json.Unmarshal(line, &sent)
		out, err := h.answer(line, netip.MustParseAddrPort("10.0.0.1:2"))
		if (err != nil) != (invalid != nil) {
			t.Fatalf("error %v for a line whose error is %v", err, invalid)
		}
		if err != nil {
			return
		}
		if err := json.Unmarshal(out, &got); err != nil || out[len(out)-1] != '\n' {
			t.Fatalf("answer %q: %v", out, err)
		}
		if got.Token != sent.Token || got.By != "me" || got.Seen.String() != "10.0.0.1:2" {
			t.Fatalf("answer %+v to %+v", got, sent)
		}
	})
}
