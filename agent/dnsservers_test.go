package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

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

// TestFollow: a service is asked for by its name, its slices by their label, and
// what the API says of them is found.
func TestFollow(t *testing.T) {
	svc := corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "kube-dns", ResourceVersion: "1"},
		Spec: corev1.ServiceSpec{ClusterIP: "10.96.0.10", Ports: []corev1.ServicePort{{Name: "dns", Port: 53}}}}
	name, port := "dns", int32(5353)
	slice := discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "kube-dns-x", ResourceVersion: "1"},
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.244.0.2"}}}, Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &port}}}
	lists := map[string]any{
		"/api/v1/namespaces/kube-system/services metadata.name=kube-dns ": corev1.ServiceList{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceList"}, ListMeta: metav1.ListMeta{ResourceVersion: "1"}, Items: []corev1.Service{svc}},
		"/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices  kubernetes.io/service-name=kube-dns": discoveryv1.EndpointSliceList{
			TypeMeta: metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSliceList"}, ListMeta: metav1.ListMeta{ResourceVersion: "1"}, Items: []discoveryv1.EndpointSlice{slice}},
	}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		list, ok := lists[r.URL.Path+" "+q.Get("fieldSelector")+" "+q.Get("labelSelector")]
		switch {
		case !ok:
			http.NotFound(w, r)
		case q.Get("sendInitialEvents") != "":
			http.Error(w, "not supported", http.StatusUnprocessableEntity)
		case q.Get("watch") != "":
			<-r.Context().Done()
		default:
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(list)
		}
	}))
	t.Cleanup(api.Close)
	core, err := kubernetes.NewForConfig(&rest.Config{Host: api.URL})
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop) // before the server waits for its requests
	d := newDNSServers(core)
	d.trust(ctx, []model.DNSServer{{Namespace: "kube-system", Service: "kube-dns"}})
	want := []netip.AddrPort{netip.MustParseAddrPort("10.96.0.10:53"), netip.MustParseAddrPort("10.244.0.2:5353")}
	for limit := time.After(20 * time.Second); ; {
		select {
		case got := <-d.found:
			if slices.Equal(got, want) {
				return
			}
		case <-limit:
			t.Fatalf("found %v, want %v", d.said, want)
		}
	}
}
