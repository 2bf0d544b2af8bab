package lab

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tierwall/tierwall/labhost"
)

// TestNames: a pod looks names up by UDP and TCP, of both families and by way of an
// alias, and dials what it finds; names can be replaced while the lab runs, and
// their addresses answer. Nothing is left of the pods' resolvers.
func TestNames(t *testing.T) {
	needRoot(t)
	addr := netip.MustParseAddr
	names := []labhost.Record{
		{Name: "www.example.com", Alias: "edge.example.net", TTL: 60},
		{Name: "edge.example.net", Addrs: []netip.Addr{addr("172.30.0.101"), addr("fd00:172:30::101")}, TTL: 60},
		{Name: "six.example.com", Addrs: []netip.Addr{addr("fd00:172:30::101")}, TTL: 60},
	}
	l, err := New(t.Context(), Spec{
		Name: testLab, Nodes: []Node{{Name: "node-1"}}, Pods: []Pod{{Namespace: "blue", Name: "fe-1", Node: "node-1"}},
		Externals: []External{{Name: "dns", Names: names, Ports: []Port{{labhost.TCP, 80}}}, {Name: "edge", Ports: web}}, Resolver: "dns",
	}, options(t))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h, err := l.Host("blue/fe-1")
	if err != nil {
		t.Fatal(err)
	}
	lookup := func(proto labhost.Proto, name string, want ...string) {
		t.Helper()
		r, err := h.Lookup(t.Context(), proto, l.Resolver(), name)
		if err != nil {
			t.Fatal(err)
		}
		var list []netip.Addr
		for _, w := range want {
			list = append(list, addr(w))
		}
		if !slices.Equal(r.Addrs, list) || r.Connected() != (len(want) > 0) {
			t.Errorf("%s by %s: %+v, want %v", name, proto, r, want)
		}
	}
	lookup(labhost.UDP, "www.example.com", "172.30.0.101", "fd00:172:30::101")
	lookup(labhost.TCP, "WWW.example.com", "172.30.0.101", "fd00:172:30::101")
	lookup(labhost.UDP, "six.example.com", "fd00:172:30::101")
	lookup(labhost.UDP, "no.example.com")
	dial := func(name, by string) {
		t.Helper()
		r, err := h.Dial(t.Context(), DialSpec{Proto: labhost.TCP, Domain: name, Server: l.Resolver(), Port: 80})
		if err != nil || r.By != by {
			t.Errorf("dial %s: %+v, %v, want an answer by %s", name, r, err, by)
		}
	}
	dial("www.example.com", "ext:edge")
	for range 2 { // the second takes back what the first lent
		if err := l.ServeNames(t.Context(), []labhost.Record{{Name: "new.example.com", Addrs: []netip.Addr{addr("172.30.0.200"), addr("172.30.0.101")}, TTL: 1}}); err != nil {
			t.Fatal(err)
		}
	}
	lookup(labhost.UDP, "new.example.com", "172.30.0.200", "172.30.0.101")
	lookup(labhost.UDP, "www.example.com")
	dial("new.example.com", "ext:dns")
	lent := addr("172.30.0.200")
	server, err := l.Host(l.LentTo(lent))
	if err != nil || l.LentTo(addr("172.30.0.101")) != "" {
		t.Fatalf("%v, and what edge has is lent to %q", err, l.LentTo(addr("172.30.0.101")))
	}
	if r, err := server.Dial(t.Context(), DialSpec{Proto: labhost.TCP, LocalAddr: lent, Addr: addr("172.30.0.101"), Port: 80}); err != nil || r.Seen.Addr() != lent {
		t.Errorf("from the lent address: %+v, %v", r, err)
	}
	dir := filepath.Join(resolverDir, l.Netns("blue/fe-1"))
	if b, err := os.ReadFile(filepath.Join(dir, "resolv.conf")); err != nil || string(b) != "nameserver 172.30.0.100\n" {
		t.Errorf("resolv.conf: %q, %v", b, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", dir, err)
	}
}
