package live

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestOf: an address counts as long as a connection to it lives, by TCP and UDP,
// IPv4 and IPv6, and not when both sides have ended it.
func TestOf(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	runtime.LockOSThread() // and never unlocked: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"ip", "link", "set", "lo", "up"}, {"ip", "addr", "add", "192.0.2.1/32", "dev", "lo"}, {"ip", "addr", "add", "192.0.2.2/32", "dev", "lo"},
		{"ip", "addr", "add", "2001:db8::1/128", "dev", "lo", "nodad"},
		{"nft", "add table inet t; add chain inet t o { type filter hook output priority 0; }; add rule inet t o ct state new accept"},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
	}
	asked := map[netip.Addr]bool{}
	for _, a := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"} {
		asked[netip.MustParseAddr(a)] = true
	}
	check := func(when string, want ...string) {
		t.Helper()
		for until := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			got, err := Of(0, asked)
			if err != nil {
				t.Fatal(err)
			}
			ok := len(got) == len(want)
			for _, a := range want {
				ok = ok && got[netip.MustParseAddr(a)]
			}
			if ok {
				return
			}
			if time.Now().After(until) {
				t.Fatalf("%s: %v live, want %v", when, got, want)
			}
		}
	}
	check("at first")
	client, server := connect(t, "tcp", "192.0.2.1:7000")
	client6, server6 := connect(t, "tcp", "[2001:db8::1]:7000")
	check("connected", "192.0.2.1", "2001:db8::1")
	udp, err := net.Dial("udp", "192.0.2.2:9")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	if _, err := udp.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	check("with UDP", "192.0.2.1", "192.0.2.2", "2001:db8::1")
	for _, c := range []net.Conn{client, server} {
		c.Close()
	}
	check("after the end of one", "192.0.2.2", "2001:db8::1")
	client6.Close()
	server6.Close()
}

func connect(t *testing.T, network, at string) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen(network, at)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial(network, at); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return client, server
}
