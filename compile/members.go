package compile

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
)

// directory finds the addresses that a selector stands for (semantics.md
// section 6.3). Selectors are evaluated once for each distinct set of labels,
// not once for each endpoint.
type directory struct {
	groups []labelGroup
	cache  map[string][]netip.Prefix
	// services are the addresses of services, by service and port; all of them
	// are at anyPort.
	services map[model.ServiceRef]map[model.ServicePort][]netip.Addr
}

// anyPort is no port: protocol 0 has none.
var anyPort = model.ServicePort{}

// labelGroup is the networks of all objects with the same labels and the same
// named ports.
type labelGroup struct {
	labels model.Labels
	nets   []netip.Prefix
	ports  []model.NamedPort
}

// addressedPort is a port with the addresses that have it.
type addressedPort struct {
	model.ServicePort
	addrs []netip.Addr
}

func newDirectory(s *model.State) *directory {
	d := &directory{cache: map[string][]netip.Prefix{}, services: map[model.ServiceRef]map[model.ServicePort][]netip.Addr{}}
	byKey := map[string]int{}
	for _, e := range s.SortedEndpoints() {
		if len(e.Addrs) == 0 {
			continue
		}
		key := labelsKey(e) + portsKey(e.Ports)
		i, ok := byKey[key]
		if !ok {
			i = len(d.groups)
			byKey[key] = i
			d.groups = append(d.groups, labelGroup{labels: s.Labels(e), ports: e.Ports})
		}
		for _, a := range e.Addrs {
			d.groups[i].nets = append(d.groups[i].nets, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	for _, n := range s.SortedNetworkSets() {
		d.groups = append(d.groups, labelGroup{labels: s.SetLabels(n), nets: n.Nets})
	}
	for _, slice := range s.EndpointSlices {
		ref := model.ServiceRef{Namespace: slice.Namespace, Name: slice.Service}
		if d.services[ref] == nil {
			d.services[ref] = map[model.ServicePort][]netip.Addr{}
		}
		for _, port := range append(slices.Clip(slice.Ports), anyPort) {
			d.services[ref][port] = append(d.services[ref][port], slice.Addrs...)
		}
	}
	return d
}

func portsKey(ports []model.NamedPort) string {
	var b strings.Builder
	for _, p := range ports {
		fmt.Fprintf(&b, "\n:%s/%d/%d", p.Name, p.Protocol, p.Port)
	}
	return b.String()
}

// namedPorts returns the ports that the names stand for among the endpoints
// that s selects (all of them if it is nil), each once, with the addresses that
// have it, in the order of protocol and number.
func (d *directory) namedPorts(s *selector.Selector, names []string) []addressedPort {
	if len(names) == 0 {
		return nil
	}
	found := map[model.ServicePort][]netip.Addr{}
	for i := range d.groups {
		g := &d.groups[i]
		if len(g.ports) == 0 || s != nil && !s.Matches(g.labels) {
			continue
		}
		for _, p := range g.ports {
			if !slices.Contains(names, p.Name) {
				continue
			}
			key := model.ServicePort{Protocol: p.Protocol, Port: p.Port}
			for _, n := range g.nets {
				found[key] = append(found[key], n.Addr())
			}
		}
	}
	out := make([]addressedPort, 0, len(found))
	for port, addrs := range found {
		out = append(out, addressedPort{port, addrs})
	}
	slices.SortFunc(out, func(a, b addressedPort) int {
		return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port))
	})
	return out
}

// members returns the networks of everything that s selects, with repetitions.
func (d *directory) members(s *selector.Selector) []netip.Prefix {
	key := s.String()
	if nets, ok := d.cache[key]; ok {
		return nets
	}
	var nets []netip.Prefix
	for i := range d.groups {
		if s.Matches(d.groups[i].labels) {
			nets = append(nets, d.groups[i].nets...)
		}
	}
	d.cache[key] = nets
	return nets
}
