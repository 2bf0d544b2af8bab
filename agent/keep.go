package agent

import (
	"net/netip"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// keep takes a change over if it is about what the agent itself needs.
func (a *agent) keep(c model.Change) {
	a.recorder.see(c)
	switch c.Key.Kind {
	case model.KindNode:
		a.guard.see(c)
		if c.Key.Name != a.Node {
			return
		}
	case model.KindPod, model.KindHostEndpoint:
		e, _ := c.Object.(*model.Endpoint)
		if e != nil && e.Node != a.Node {
			c.Object, e = nil, nil // it may have been here before
		}
		a.places.put(endpointID(c.Key), e)
	case model.KindEndpointSlice:
		a.keepBackend(c)
		return
	case model.KindTier, model.KindPolicy, model.KindProfile:
	default:
		return
	}
	a.near.Apply(c)
	a.watcher.unchecked = true
}

// keepBackend notes who answers for the API server's own service.
func (a *agent) keepBackend(c model.Change) {
	s, _ := c.Object.(*model.EndpointSlice)
	if c.Key.Namespace != "default" || s != nil && s.Service != "kubernetes" {
		return
	}
	a.near.Apply(c)
	var list []netip.AddrPort
	for _, s := range a.near.EndpointSlices {
		for _, addr := range s.Addrs {
			for _, p := range s.Ports {
				list = append(list, netip.AddrPortFrom(addr, p.Port))
			}
		}
	}
	a.needs.setBackends(list)
}

func endpointID(k model.Key) verdict.EndpointID {
	if k.Kind == model.KindHostEndpoint {
		return verdict.EndpointID{Kind: verdict.Host, Name: k.Name}
	}
	return verdict.EndpointID{Kind: verdict.Pod, Namespace: k.Namespace, Name: k.Name}
}
