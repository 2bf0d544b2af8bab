package main

import (
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
)

// TestNames runs the benchmarks of names as small as they go. How fast they are is
// no test's business; that no first connection fails, none is cut, and a kill loses
// and opens nothing, is.
func TestNames(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	e := namesEffort{lookups: 300, rate: 300, known: 1000, churn: 8 * time.Second, names: 60, ttl: 2}
	for _, b := range e.benchmarks() {
		figures, err := b.run(regexp.MustCompile(""))
		if err != nil {
			t.Fatalf("%s: %v", b.names, err)
		}
		if len(figures) != len(b.names) {
			t.Errorf("%d figures, %v are promised", len(figures), b.names)
		}
		for _, f := range figures {
			t.Logf("%s %v %s", f.Name, f.Value, f.Unit)
			if !strings.Contains(f.Name, "added") && f.Value != 0 {
				t.Errorf("%s: %v %s", f.Name, f.Value, f.Unit)
			}
		}
	}
}

// TestManyByTCP: a thousand addresses by TCP, in many segments, are all learned.
func TestManyByTCP(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	n, err := newNamesNode()
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.enforce(); err != nil {
		t.Fatal(err)
	}
	var answer *mdns.Msg
	err = n.InClient(func() error {
		c, err := net.DialTimeout("tcp4", dnsServer.String(), firstPacket)
		if err != nil {
			return err
		}
		defer c.Close()
		conn := &mdns.Conn{Conn: c}
		if err := conn.WriteMsg(new(mdns.Msg).SetQuestion(nameOf(1000, 1000), mdns.TypeA)); err != nil {
			return err
		}
		answer, err = conn.ReadMsg()
		return err
	})
	if err != nil || len(answer.Answer) != 1000 {
		t.Fatalf("%v, %v", answer, err)
	}
	for _, i := range []uint32{1000, 1500, 1999} {
		if err := n.reach(addressAt(i)); err != nil {
			t.Errorf("address %d: %v", i, err)
		}
	}
	if n.reach(addressAt(2000)) == nil {
		t.Error("an address that was not in the answer is open")
	}
}

// TestFragmented: an answer that is longer than a packet of the wire is learned
// whole.
func TestFragmented(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	n, err := newNamesNode()
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.enforce(); err != nil {
		t.Fatal(err)
	}
	r, err := n.resolver()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	addrs, _, err := r.ask(nameOf(500, 80))
	if err != nil || len(addrs) != 80 {
		t.Fatalf("%d addresses, %v", len(addrs), err)
	}
	for _, a := range []int{0, 40, 79} {
		if err := n.reach(addrs[a]); err != nil {
			t.Errorf("address %d: %v", a, err)
		}
	}
	if n.reach(addressAt(580)) == nil {
		t.Error("an address that was not in the answer is open")
	}
}
