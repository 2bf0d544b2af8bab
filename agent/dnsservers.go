package agent

import (
	"cmp"
	"context"
	"maps"
	"net/netip"
	"slices"
	"sync"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/tierwall/tierwall/model"
)

const dnsPort = 53

// dnsServers finds the addresses of the DNS servers that are trusted. Services are
// followed at the API: each by its name, since of all others nothing is needed.
type dnsServers struct {
	core kubernetes.Interface
	// found tells all addresses, sorted, whenever they change.
	found chan []netip.AddrPort

	mu sync.Mutex
	// wanted are those that are trusted now, and following how to cease to follow
	// one.
	wanted    []model.DNSServer
	following map[model.DNSServer]context.CancelFunc
	services  map[model.DNSServer]*corev1.Service
	slices    map[model.DNSServer]map[string]*discoveryv1.EndpointSlice
	said      []netip.AddrPort
}

func newDNSServers(core kubernetes.Interface) *dnsServers {
	return &dnsServers{core: core, found: make(chan []netip.AddrPort, 1), following: map[model.DNSServer]context.CancelFunc{},
		services: map[model.DNSServer]*corev1.Service{}, slices: map[model.DNSServer]map[string]*discoveryv1.EndpointSlice{}}
}

// trust says which servers are trusted from now on.
func (d *dnsServers) trust(ctx context.Context, servers []model.DNSServer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if slices.Equal(d.wanted, servers) && d.said != nil {
		return
	}
	d.wanted = slices.Clone(servers)
	for s, stop := range d.following {
		if !slices.Contains(servers, s) {
			stop()
			delete(d.following, s)
			delete(d.services, s)
			delete(d.slices, s)
		}
	}
	for _, s := range servers {
		if s.Service != "" && d.following[s] == nil && d.core != nil {
			inner, stop := context.WithCancel(ctx)
			d.following[s] = stop
			d.follow(inner, s)
		}
	}
	d.tell()
}

// follow hears of a service and of the endpoints behind it.
func (d *dnsServers) follow(ctx context.Context, s model.DNSServer) {
	run := func(resource string, client cache.Getter, options func(*metav1.ListOptions), example runtime.Object, h cache.ResourceEventHandler) {
		lw := cache.NewFilteredListWatchFromClient(client, resource, s.Namespace, options)
		_, c := cache.NewInformerWithOptions(cache.InformerOptions{ListerWatcher: lw, ObjectType: example, Handler: h})
		go c.RunWithContext(klog.NewContext(ctx, logr.Discard()))
	}
	run("services", d.core.CoreV1().RESTClient(), func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("metadata.name", s.Service).String()
	}, &corev1.Service{}, d.handler(ctx, func(o any, gone bool) {
		if svc, ok := o.(*corev1.Service); ok && !gone {
			d.services[s] = svc
		} else {
			delete(d.services, s)
		}
	}))
	run("endpointslices", d.core.DiscoveryV1().RESTClient(), func(o *metav1.ListOptions) {
		o.LabelSelector = discoveryv1.LabelServiceName + "=" + s.Service
	}, &discoveryv1.EndpointSlice{}, d.handler(ctx, func(o any, gone bool) {
		slice, ok := o.(*discoveryv1.EndpointSlice)
		if !ok {
			return
		}
		if d.slices[s] == nil {
			d.slices[s] = map[string]*discoveryv1.EndpointSlice{}
		}
		if d.slices[s][slice.Name] = slice; gone {
			delete(d.slices[s], slice.Name)
		}
	}))
}

// handler notes what came, unless it is not followed any more.
func (d *dnsServers) handler(ctx context.Context, note func(o any, gone bool)) cache.ResourceEventHandlerFuncs {
	take := func(o any, gone bool) {
		if last, ok := o.(cache.DeletedFinalStateUnknown); ok {
			o = last.Obj
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if ctx.Err() == nil {
			note(o, gone)
			d.tell()
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { take(o, false) },
		UpdateFunc: func(_, o any) { take(o, false) },
		DeleteFunc: func(o any) { take(o, true) },
	}
}

// tell sends the addresses if they are others than before. The loop may be behind:
// it needs only the last.
func (d *dnsServers) tell() {
	now := d.addresses()
	if d.said != nil && slices.Equal(now, d.said) {
		return
	}
	d.said = now
	select {
	case <-d.found:
	default:
	}
	d.found <- now
}

// addresses are those of all servers that are trusted, never nil.
func (d *dnsServers) addresses() []netip.AddrPort {
	all := map[netip.AddrPort]bool{}
	for _, s := range d.wanted {
		if s.Service == "" {
			all[netip.AddrPortFrom(s.Addr, cmp.Or(s.Port, dnsPort))] = true
			continue
		}
		addressesOf(s, d.services[s], d.slices[s], all)
	}
	list := slices.SortedFunc(maps.Keys(all), netip.AddrPort.Compare)
	if list == nil {
		return []netip.AddrPort{}
	}
	return list
}

// addressesOf are those by which clients ask a service: its own, with its first
// port or the one that is named, and those of its endpoints.
func addressesOf(s model.DNSServer, svc *corev1.Service, endpoints map[string]*discoveryv1.EndpointSlice, all map[netip.AddrPort]bool) {
	add := func(text string, port int32) {
		if a, err := netip.ParseAddr(text); err == nil && port > 0 && port < 1<<16 {
			all[netip.AddrPortFrom(a.Unmap(), uint16(port))] = true
		}
	}
	if svc == nil || len(svc.Spec.Ports) == 0 {
		return
	}
	port := cmp.Or(int32(s.Port), svc.Spec.Ports[0].Port)
	names := map[string]bool{}
	for _, p := range svc.Spec.Ports {
		names[p.Name] = names[p.Name] || p.Port == port // by TCP as well as by UDP
	}
	for _, ip := range append(slices.Clone(svc.Spec.ClusterIPs), svc.Spec.ClusterIP) {
		add(ip, port)
	}
	for _, slice := range endpoints {
		for _, p := range slice.Ports {
			if p.Port == nil || p.Name != nil && !names[*p.Name] {
				continue
			}
			for _, e := range slice.Endpoints {
				for _, a := range e.Addresses {
					add(a, *p.Port)
				}
			}
		}
	}
}
