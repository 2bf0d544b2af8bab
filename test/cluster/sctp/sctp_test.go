package sctp

import (
	"errors"
	"os"
	"testing"
	"time"
)

// TestAssociation: messages go there and back, over IPv4 and IPv6.
func TestAssociation(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("raw sockets need root")
	}
	any, err := ResolveSCTPAddr("sctp", ":9003")
	if err != nil {
		t.Fatal(err)
	}
	l, err := ListenSCTP("sctp", any)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.AcceptSCTP()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				b := make([]byte, 100)
				n, err := c.Read(b)
				if err == nil {
					_, err = c.Write(append([]byte("you said "), b[:n]...))
				}
				if err != nil {
					t.Error(err)
				}
			}()
		}
	}()
	for _, host := range []string{"127.0.0.1:9003", "[::1]:9003"} {
		to, err := ResolveSCTPAddr("sctp", host)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		c, err := DialSCTP("sctp", nil, to)
		if err != nil {
			t.Fatal(host, err)
		}
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 100)
		n, err := c.Read(b)
		if err != nil || string(b[:n]) != "you said hello" {
			t.Errorf("%s: %q %v", host, b[:n], err)
		}
		c.Close()
		if took := time.Since(began); took > again {
			t.Errorf("%s: something was sent twice: %s", host, took)
		}
	}
}

func TestParse(t *testing.T) {
	p := packet{1, 2, 3, []chunk{{chunkInit, 0, hello{tag: 5, tsn: 7, cookie: []byte("abcde")}.marshal()}, {kind: chunkCookieAck}}}
	b := p.marshal()
	got, err := parse(b)
	if err != nil || got.from != 1 || got.to != 2 || got.tag != 3 || len(got.chunks) != 2 || got.chunks[1].kind != chunkCookieAck {
		t.Fatalf("%+v %v", got, err)
	}
	h, err := parseHello(got.chunks[0].value)
	if err != nil || h.tag != 5 || h.tsn != 7 || string(h.cookie) != "abcde" {
		t.Errorf("%+v %v", h, err)
	}
	for i := range b {
		wrong := append([]byte{}, b...)
		wrong[i] ^= 1
		if _, err := parse(wrong); !errors.Is(err, errPacket) {
			t.Errorf("byte %d is wrong, and that is not seen", i)
		}
	}
}
