package agent

import (
	"net/netip"
	"slices"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// webhookPort is the name of the port at which the pods of Tierwall's server
// answer admission, as the chart has it.
const webhookPort = "webhook"

// turn says where Tierwall's server is from now on.
func (a *agent) turn(to receiver) {
	a.reporter.turn(to)
	a.needs.setServer(to)
}

// serverNeeds are the connections of Tierwall's server, if it is a pod here:
// without them policies can only be deleted any more, and nobody hears of this or
// any other node. What a node asks of a pod of its
// own is always let in.
func (a *agent) serverNeeds() []need {
	at := a.needs.server.Load()
	if at == nil {
		return nil
	}
	ids := a.places.byAddr[at.Addr()]
	if len(ids) != 1 {
		return nil
	}
	pod := a.places.pods[ids[0]]
	from := func(remote netip.Addr, port uint16) way {
		return way{direction: verdict.Ingress, pod: pod.ID,
			packet: verdict.Packet{Src: remote, Dst: at.Addr(), Protocol: verdict.TCP, SrcPort: 40000, DstPort: port}}
	}
	var list []need
	if backends := a.needs.backends.Load(); backends != nil {
		for _, api := range *backends {
			if api.Addr().Is4() != at.Addr().Is4() {
				continue
			}
			list = append(list, need{what: "the API server, for Tierwall's server, at " + api.String(), ways: []way{{direction: verdict.Egress, pod: pod.ID,
				packet: verdict.Packet{Src: at.Addr(), Dst: api.Addr(), Protocol: verdict.TCP, SrcPort: 40000, DstPort: api.Port()}}}})
			for _, p := range pod.Ports {
				if p.Name == webhookPort && p.Protocol == verdict.TCP && !slices.Contains(a.guard.nodes[a.Node], api.Addr()) {
					list = append(list, need{what: "admission by Tierwall's server, from the API server at " + api.Addr().String(), ways: []way{from(api.Addr(), p.Port)}})
				}
			}
		}
	}
	for name, addrs := range a.guard.nodes {
		for _, addr := range addrs {
			if name != a.Node && addr.Is4() == at.Addr().Is4() {
				list = append(list, need{what: "reports of other nodes to Tierwall's server", ways: []way{from(addr, at.Port())}})
			}
		}
	}
	return list
}

// see notes the addresses of a node.
func (g *guard) see(c model.Change) {
	if g.nodes == nil {
		g.nodes = map[string][]netip.Addr{}
	}
	if n, ok := c.Object.(*model.Node); ok {
		g.nodes[c.Key.Name] = n.Addrs
	} else {
		delete(g.nodes, c.Key.Name)
	}
}
