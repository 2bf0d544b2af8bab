package translate

import (
	"fmt"
	"maps"
	"net/netip"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

func hostEndpoint(h *v3.HostEndpoint, r *reporter) model.Object {
	e := &model.Endpoint{
		ID:        verdict.EndpointID{Kind: verdict.Host, Name: h.Name},
		Node:      h.Spec.Node,
		Labels:    maps.Clone(h.Labels),
		Interface: h.Spec.InterfaceName,
		Profiles:  h.Spec.Profiles,
	}
	if e.Labels == nil {
		e.Labels = map[string]string{}
	}
	if h.Spec.Node == "" {
		r.add(problemf("host-endpoint-node", "spec.node", "node must be specified").hint("name the node that the interface is on"))
	}
	if h.Spec.InterfaceName == "" && len(h.Spec.ExpectedIPs) == 0 {
		r.add(problemf("host-endpoint-interface", "spec", "at least one of interfaceName or expectedIPs must be specified").
			hint("write interfaceName: \"*\" for all interfaces of the node"))
	}
	for i, text := range h.Spec.ExpectedIPs {
		a, err := netip.ParseAddr(text)
		if err != nil {
			r.add(problemf("address-syntax", fmt.Sprintf("spec.expectedIPs[%d]", i), "%q is not an address", text).
				hint("write a single IPv4 or IPv6 address without a prefix length"))
			continue
		}
		e.Addrs = append(e.Addrs, a.Unmap())
	}
	for i, p := range h.Spec.Ports {
		n, err := p.Protocol.Number()
		if err != nil || !verdict.HasPorts(n) {
			r.add(problemf("protocol-invalid", fmt.Sprintf("spec.ports[%d].protocol", i), "EndpointPort protocol does not support ports.").
				hint("use TCP, UDP or SCTP"))
			continue
		}
		if p.Port < 1 || p.Port > 65535 {
			r.add(problemf("port-invalid", fmt.Sprintf("spec.ports[%d].port", i), "port %d is not between 1 and 65535", p.Port))
			continue
		}
		e.Ports = append(e.Ports, model.NamedPort{Name: p.Name, Protocol: n, Port: uint16(p.Port)})
	}
	return e
}

func profile(p *v3.Profile, r *reporter) model.Object {
	out := &model.Profile{Name: p.Name, Labels: p.Spec.LabelsToApply}
	out.Rules[verdict.Ingress], out.Invalid[verdict.Ingress] = rules(p.Spec.Ingress, "spec.ingress", scope{}, r)
	out.Rules[verdict.Egress], out.Invalid[verdict.Egress] = rules(p.Spec.Egress, "spec.egress", scope{egress: true}, r)
	return out
}
