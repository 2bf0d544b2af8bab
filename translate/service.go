package translate

import (
	"net/netip"

	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/tierwall/tierwall/model"
)

// endpointSlice translates some of a service's endpoints, ready or not; ports
// without a number, and endpoints that are names, are left out (semantics.md
// section 7).
func endpointSlice(s *discoveryv1.EndpointSlice) *model.EndpointSlice {
	out := &model.EndpointSlice{Namespace: s.Namespace, Name: s.Name, Service: s.Labels[discoveryv1.LabelServiceName]}
	for _, e := range s.Endpoints {
		for _, text := range e.Addresses {
			if a, err := netip.ParseAddr(text); err == nil {
				out.Addrs = append(out.Addrs, a.Unmap())
			}
		}
	}
	for _, p := range s.Ports {
		if p.Port == nil || *p.Port < 1 || *p.Port > 65535 {
			continue
		}
		port := model.ServicePort{Protocol: kubernetesProtocol(""), Port: uint16(*p.Port)}
		if p.Protocol != nil {
			port.Protocol = kubernetesProtocol(*p.Protocol)
		}
		out.Ports = append(out.Ports, port)
	}
	return out
}
