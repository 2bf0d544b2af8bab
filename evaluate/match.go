package evaluate

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// miss says why the rule does not match the packet, in words; empty if it
// matches (semantics.md section 7). The words are only put together when all
// visits are asked for.
func (w *walker) miss(r *model.Rule) string {
	p := w.packet
	switch {
	case r.IPVersion == 4 && !p.Src.Is4(), r.IPVersion == 6 && p.Src.Is4():
		return w.sayf("the rule is for IPv%d", r.IPVersion)
	case r.Protocol != nil && *r.Protocol != p.Protocol:
		return w.sayf("the rule is for protocol %s", verdict.ProtocolName(*r.Protocol))
	case r.NotProtocol != nil && *r.NotProtocol == p.Protocol:
		return w.sayf("the rule is for protocols other than %s", verdict.ProtocolName(*r.NotProtocol))
	}
	if miss := w.icmpMiss(r); miss != "" {
		return miss
	}
	if r.HTTP && !w.oracle.state.Settings.HTTPAsL4 {
		return w.sayf("the rule asks for HTTP, which is not seen here")
	}
	if miss := w.addressMiss("source", &r.Source, p.Src, false); miss != "" {
		return miss
	}
	allowsNames := w.direction == verdict.Egress && r.Action == verdict.ActionAllow
	if miss := w.addressMiss("destination", &r.Destination, p.Dst, allowsNames); miss != "" {
		return miss
	}
	if miss := w.portMiss("source", &r.Source, p.Src, p.SrcPort); miss != "" {
		return miss
	}
	if miss := w.portMiss("destination", &r.Destination, p.Dst, p.DstPort); miss != "" {
		return miss
	}
	return w.serviceMiss(r)
}

// icmpMiss compares the type and code of ICMP messages.
func (w *walker) icmpMiss(r *model.Rule) string {
	icmpType, code := uint8(w.packet.DstPort>>8), uint8(w.packet.DstPort)
	hits := func(m *model.ICMPMatch) bool {
		return (m.Type == nil || *m.Type == icmpType) && (m.Code == nil || *m.Code == code)
	}
	isICMP := verdict.IsICMP(w.packet.Protocol)
	switch {
	case r.ICMP != nil && (!isICMP || !hits(r.ICMP)):
		return w.sayf("the ICMP type and code are not those of the rule")
	case r.NotICMP != nil && isICMP && hits(r.NotICMP):
		return w.sayf("the rule excludes this ICMP type and code")
	}
	return ""
}

// serviceMiss compares with the endpoints of services: addresses where the
// connection comes from, addresses and ports where it goes.
func (w *walker) serviceMiss(r *model.Rule) string {
	p := w.packet
	if s := r.Source.Service; s != nil && !w.oracle.inService(*s, p.Src, nil) {
		return w.sayf("source %s is not an endpoint of service %s/%s", p.Src, s.Namespace, s.Name)
	}
	port := model.ServicePort{Protocol: p.Protocol, Port: p.DstPort}
	if s := r.Destination.Service; s != nil && !w.oracle.inService(*s, p.Dst, &port) {
		return w.sayf("destination %s port %d is not an endpoint of service %s/%s", p.Dst, p.DstPort, s.Namespace, s.Name)
	}
	return ""
}

// addressMiss compares an address. names says that the selector stands also for
// the domains that network sets allow: in the destination of an egress Allow
// rule (semantics.md section 16).
func (w *walker) addressMiss(side string, e *model.Peer, a netip.Addr, names bool) string {
	switch {
	case len(e.Domains) > 0 && !w.oracle.hasName(e.Domains, a):
		return w.sayf("%s %s is not known as an address of %s", side, who{w.oracle, a}, patterns(e.Domains))
	case len(e.Nets) > 0 && !contains(e.Nets, a):
		return w.sayf("%s %s is not in nets %s", side, a, prefixes(e.Nets))
	case len(e.NotNets) > 0 && !hasFamily(e.NotNets, a):
		return w.sayf("%s notNets %s has no network of the family of %s, so the rule does not match it", side, prefixes(e.NotNets), a)
	case contains(e.NotNets, a):
		return w.sayf("%s %s is in notNets %s", side, a, prefixes(e.NotNets))
	case e.Selector != nil && !w.oracle.selected(e.Selector, a, names):
		return w.sayf("%s %s is not among what %s selects", side, who{w.oracle, a}, e.Selector)
	case e.Nodes != nil && !w.oracle.isNode(e.Nodes, a):
		return w.sayf("%s %s is no address of a node with %s", side, a, e.Nodes)
	case e.NotSelector != nil && w.oracle.selected(e.NotSelector, a, false):
		return w.sayf("%s %s is among what notSelector %s selects", side, who{w.oracle, a}, e.NotSelector)
	}
	return ""
}

func (w *walker) portMiss(side string, e *model.Peer, a netip.Addr, port uint16) string {
	wanted := e.Ports != nil || e.NamedPorts != nil
	if !wanted && e.NotPorts == nil && e.NotNamedPorts == nil {
		return ""
	}
	switch {
	case !verdict.HasPorts(w.packet.Protocol):
		return w.sayf("%s has no ports in protocol %s", side, verdict.ProtocolName(w.packet.Protocol))
	case wanted && !inRanges(e.Ports, port) && !w.oracle.named(e, e.NamedPorts, a, w.packet.Protocol, port):
		return w.sayf("%s port %d is not in %s", side, port, ports{e.Ports, e.NamedPorts})
	case inRanges(e.NotPorts, port), w.oracle.named(e, e.NotNamedPorts, a, w.packet.Protocol, port):
		return w.sayf("%s port %d is in notPorts %s", side, port, ports{e.NotPorts, e.NotNamedPorts})
	}
	return ""
}

func (w *walker) sayf(format string, args ...any) string {
	if !w.all {
		return "no match"
	}
	return fmt.Sprintf(format, args...)
}

func hasFamily(nets []netip.Prefix, a netip.Addr) bool {
	for _, n := range nets {
		if n.Addr().Is4() == a.Is4() {
			return true
		}
	}
	return false
}

func inRanges(rs []model.PortRange, port uint16) bool {
	for _, r := range rs {
		if r.From <= port && port <= r.To {
			return true
		}
	}
	return false
}

// prefixes, patterns, who and ports are texts that are put together only if they are printed.
type prefixes []netip.Prefix

func (p prefixes) String() string {
	words := make([]string, len(p))
	for i, n := range p {
		words[i] = n.String()
	}
	return strings.Join(words, ", ")
}

type patterns []domain.Pattern

func (p patterns) String() string {
	words := make([]string, len(p))
	for i, d := range p {
		words[i] = d.String()
	}
	return strings.Join(words, ", ")
}

type who struct {
	oracle *Oracle
	addr   netip.Addr
}

func (x who) String() string { return x.oracle.who(x.addr) }

type ports struct {
	ranges []model.PortRange
	names  []string
}

func (p ports) String() string {
	words := make([]string, len(p.ranges))
	for i, r := range p.ranges {
		words[i] = r.String()
	}
	return strings.Join(append(words, p.names...), ", ")
}
