package translate

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
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

// service translates a service that finds its endpoints by labels; nil for
// others. A port without a target is its own target; a target by name is left
// out.
func service(s *corev1.Service) model.Object {
	if len(s.Spec.Selector) == 0 {
		return nil
	}
	out := &model.Service{Namespace: s.Namespace, Name: s.Name, Selector: s.Spec.Selector}
	for _, p := range s.Spec.Ports {
		target := p.TargetPort.IntVal
		if p.TargetPort.StrVal != "" || p.Port < 1 || p.Port > 65535 || target < 0 || target > 65535 {
			continue
		}
		if target == 0 {
			target = p.Port
		}
		out.Ports = append(out.Ports, model.TargetPort{Protocol: kubernetesProtocol(p.Protocol), Port: uint16(p.Port), Target: uint16(target)})
	}
	return out
}
