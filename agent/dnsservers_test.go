package agent

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/tierwall/tierwall/model"
)

// TestAddressesOf: a service is asked by its own addresses and by those of its
// endpoints, each with the port of DNS there.
func TestAddressesOf(t *testing.T) {
	port := func(name string, n int32) discoveryv1.EndpointPort {
		return discoveryv1.EndpointPort{Name: &name, Port: &n}
	}
	svc := &corev1.Service{Spec: corev1.ServiceSpec{ClusterIP: "10.96.0.10", ClusterIPs: []string{"10.96.0.10", "fd00::10"},
		Ports: []corev1.ServicePort{{Name: "dns", Port: 53}, {Name: "dns-tcp", Port: 53}, {Name: "metrics", Port: 9153}}}}
	behind := map[string]*discoveryv1.EndpointSlice{"a": {
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.244.0.2"}}, {Addresses: []string{"10.244.0.3"}}},
		Ports:     []discoveryv1.EndpointPort{port("dns", 5353), port("dns-tcp", 5353), port("metrics", 9153)},
	}}
	headless := &corev1.Service{Spec: corev1.ServiceSpec{ClusterIP: "None", ClusterIPs: []string{"None"}, Ports: svc.Spec.Ports}}
	for _, c := range []struct {
		name   string
		port   uint16
		svc    *corev1.Service
		behind map[string]*discoveryv1.EndpointSlice
		want   string
	}{
		{"its first port", 0, svc, behind, "[10.96.0.10:53 10.244.0.2:5353 10.244.0.3:5353 [fd00::10]:53]"},
		{"another port", 9153, svc, behind, "[10.96.0.10:9153 10.244.0.2:9153 10.244.0.3:9153 [fd00::10]:9153]"},
		{"no endpoints yet", 0, svc, nil, "[10.96.0.10:53 [fd00::10]:53]"},
		{"headless", 0, headless, behind, "[10.244.0.2:5353 10.244.0.3:5353]"},
		{"not there", 0, nil, behind, "[]"},
	} {
		all := map[netip.AddrPort]bool{}
		addressesOf(model.DNSServer{Namespace: "kube-system", Service: "kube-dns", Port: c.port}, c.svc, c.behind, all)
		d := newDNSServers(nil)
		for a := range all {
			d.wanted = append(d.wanted, model.DNSServer{Addr: a.Addr(), Port: a.Port()})
		}
		if got := fmt.Sprint(d.addresses()); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestTrust: the loop hears of the last addresses, once, and of none as well.
func TestTrust(t *testing.T) {
	d := newDNSServers(nil)
	one, two := model.DNSServer{Addr: netip.MustParseAddr("192.0.2.1")}, model.DNSServer{Addr: netip.MustParseAddr("2001:db8::1"), Port: 5353}
	for _, list := range [][]model.DNSServer{{one}, {two, one}, {two, one}} {
		d.trust(t.Context(), list)
	}
	if got := <-d.found; !slices.Equal(got, []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("[2001:db8::1]:5353")}) {
		t.Errorf("%v", got)
	}
	d.trust(t.Context(), []model.DNSServer{one, two})
	select {
	case got := <-d.found:
		t.Errorf("told again: %v", got)
	default:
	}
	d.trust(t.Context(), nil)
	if got := <-d.found; got == nil || len(got) != 0 {
		t.Errorf("%v", got)
	}
}
