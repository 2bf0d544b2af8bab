package conntrack

import (
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// namespace makes a network namespace in which connections are tracked and
// counted, and runs f in it.
func namespace(t *testing.T, f func(ns int)) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	must(t, err)
	defer home.Close()
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	defer func() { must(t, netns.Set(home)) }()
	lo, err := netlink.LinkByName("lo")
	must(t, err)
	must(t, netlink.LinkSetUp(lo))
	nft := exec.Command("nft", "-f", "-")
	nft.Stdin = strings.NewReader("table inet t { chain c { type filter hook output priority 0; ct label set 3; }; }\n")
	if out, err := nft.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v %s", err, out)
	}
	must(t, os.WriteFile("/proc/sys/net/netfilter/nf_conntrack_acct", []byte("1"), 0))
	f(int(ns))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestEvents: a connection that is answered comes with its label and goes with
// what passed, and is in the table in between.
func TestEvents(t *testing.T) {
	namespace(t, func(ns int) {
		l, err := Listen(ns)
		must(t, err)
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		heard := make(chan Event, 100)
		ended := make(chan error, 1)
		go func() {
			ended <- l.Run(ctx, func(e *Event) { heard <- *e }, func() { t.Error("events were lost") })
		}()
		next := func() Event {
			t.Helper()
			select {
			case e := <-heard:
				return e
			case <-time.After(20 * time.Second):
				t.Fatal("no event")
			}
			panic("unreachable")
		}
		server, err := net.ListenPacket("udp", "127.0.0.1:0")
		must(t, err)
		defer server.Close()
		client, err := net.Dial("udp", server.LocalAddr().String())
		must(t, err)
		defer client.Close()
		_, err = client.Write([]byte("ask"))
		must(t, err)
		from := netip.MustParseAddrPort(client.LocalAddr().String())
		to := netip.MustParseAddrPort(server.LocalAddr().String())
		origin := Tuple{from.Addr(), to.Addr(), 17, from.Port(), to.Port()}
		come := next()
		if come.Gone || come.Origin != origin || come.Reply != (Tuple{to.Addr(), from.Addr(), 17, to.Port(), from.Port()}) || !come.HasLabel || come.Label[0] != 8 {
			t.Errorf("%+v", come)
		}
		_, err = server.WriteTo([]byte("answer"), client.LocalAddr())
		must(t, err)
		var found []Event
		must(t, Dump(ns, func(e *Event) { found = append(found, *e) }))
		if len(found) != 1 || found[0].ID != come.ID || !found[0].Seen || found[0].Label != come.Label || found[0].Out != (Count{1, 31}) || found[0].In != (Count{1, 34}) {
			t.Errorf("in the table: %+v", found)
		}
		must(t, netlink.ConntrackTableFlush(netlink.ConntrackTable))
		gone := next()
		if !gone.Gone || gone.ID != come.ID || gone.Origin != origin || gone.Out != (Count{1, 31}) || gone.In != (Count{1, 34}) {
			t.Errorf("%+v", gone)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestManyEvents: of many connections that come within a moment, each is told of
// once, and of its end.
func TestManyEvents(t *testing.T) {
	namespace(t, func(ns int) {
		l, err := Listen(ns)
		must(t, err)
		ctx, stop := context.WithCancel(context.Background())
		const many = 500
		come, gone := map[uint16]uint32{}, map[uint32]int{}
		server, err := net.ListenPacket("udp4", "127.0.0.1:0")
		must(t, err)
		defer server.Close()
		for range many {
			c, err := net.Dial("udp4", server.LocalAddr().String())
			must(t, err)
			defer c.Close()
			_, err = c.Write([]byte("x"))
			must(t, err)
		}
		must(t, netlink.ConntrackTableFlush(netlink.ConntrackTable))
		time.AfterFunc(20*time.Second, stop)
		must(t, l.Run(ctx, func(e *Event) {
			switch {
			case e.Gone:
				gone[e.ID]++
			default:
				come[e.Origin.SrcPort] = e.ID
			}
			if len(gone) >= many {
				stop()
			}
		}, func() { t.Error("events were lost") }))
		stop()
		if len(come) != many || len(gone) != many {
			t.Errorf("%d have come and %d are gone, of %d", len(come), len(gone), many)
		}
		for port, id := range come {
			if gone[id] != 1 {
				t.Errorf("the one of port %d was told to be gone %d times", port, gone[id])
			}
		}
	})
}

// FuzzParse: no message of any content makes it fail.
func FuzzParse(f *testing.F) {
	f.Add([]byte{24, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 4, 0, 1, 0})
	f.Fuzz(func(_ *testing.T, b []byte) {
		var e Event
		_, _ = parse(b, &e, func(*Event) {})
	})
}
