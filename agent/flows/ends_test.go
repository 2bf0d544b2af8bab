package flows

import (
	"net/netip"
	"testing"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

func pod(name, node string, addrs ...string) *model.Endpoint {
	e := &model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Pod, Namespace: "blue", Name: name}, Node: node, Labels: map[string]string{"app": name, "projectcalico.org/namespace": "blue"}}
	for _, a := range addrs {
		e.Addrs = append(e.Addrs, netip.MustParseAddr(a))
	}
	return e
}

func podKey(name string) model.Key {
	return model.Key{Kind: model.KindPod, Namespace: "blue", Name: name}
}

func set(namespace, name string, nets ...string) *model.NetworkSet {
	s := &model.NetworkSet{Namespace: namespace, Name: name}
	for _, n := range nets {
		s.Nets = append(s.Nets, netip.MustParsePrefix(n))
	}
	return s
}

// TestDirectory: who has an address is who had it last, pods before hosts before
// nodes before sets, and of sets the narrowest.
func TestDirectory(t *testing.T) {
	d := NewDirectory()
	is := func(addr, want string) {
		t.Helper()
		if got := d.At(netip.MustParseAddr(addr)); got.Shown() != want || got.Address.String() != addr {
			t.Errorf("%s is %s at %s, want %s", addr, got.Shown(), got.Address, want)
		}
	}
	is("10.0.0.1", "10.0.0.1")
	d.See(model.Put(pod("a", "n1", "10.0.0.1", "fd00::1")))
	is("10.0.0.1", "blue/a")
	is("fd00::1", "blue/a")
	if e := d.At(netip.MustParseAddr("10.0.0.1")); e.Labels != "app=a" || e.Node != "n1" {
		t.Errorf("%+v", e)
	}
	d.See(model.Put(pod("b", "n1", "10.0.0.1"))) // the address is used again within a moment
	is("10.0.0.1", "blue/b")
	d.See(model.Delete(podKey("a")))
	is("10.0.0.1", "blue/b")
	is("fd00::1", "fd00::1")
	d.See(model.Put(pod("b", "n1", "10.0.0.2")))
	is("10.0.0.1", "10.0.0.1")
	is("10.0.0.2", "blue/b")

	addr := netip.MustParseAddr("192.0.2.9")
	d.See(model.Put(set("", "wide", "192.0.2.0/24", "2001:db8::/32")))
	is("192.0.2.9", "192.0.2.9 (wide)")
	d.See(model.Put(set("blue", "narrow", "192.0.2.8/30")))
	is("192.0.2.9", "192.0.2.9 (blue/narrow)")
	is("192.0.2.1", "192.0.2.1 (wide)")
	is("2001:db8::7", "2001:db8::7 (wide)")
	d.See(model.Put(&model.Node{Name: "n1", Addrs: []netip.Addr{addr}}))
	is("192.0.2.9", "node:n1")
	d.See(model.Put(&model.Endpoint{ID: verdict.EndpointID{Kind: verdict.Host, Name: "h"}, Node: "n1", Addrs: []netip.Addr{addr}}))
	is("192.0.2.9", "hep:h")
	d.See(model.Delete(model.Key{Kind: model.KindHostEndpoint, Name: "h"}))
	d.See(model.Delete(model.Key{Kind: model.KindNode, Name: "n1"}))
	d.See(model.Put(set("blue", "narrow")))
	is("192.0.2.9", "192.0.2.9 (wide)")
	d.See(model.Delete(set("", "wide").Key()))
	is("192.0.2.9", "192.0.2.9")
	d.See(model.Delete(podKey("b")))
	if len(d.byAddr)+len(d.byKey)-1+len(d.bits)+len(d.nets) > 0 && len(d.byKey) > 1 {
		t.Errorf("left over: %+v", d)
	}
	if a, b := d.At(addr), d.At(addr); a != b {
		t.Error("equal questions have different answers")
	}
	for i := range maxOutside + 10 {
		d.At(netip.AddrFrom4([4]byte{198, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	if len(d.outside) > maxOutside {
		t.Errorf("%d strangers are remembered", len(d.outside))
	}
}
