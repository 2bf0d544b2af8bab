package evaluate

import (
	"fmt"
	"net/netip"
	"strings"

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
	if miss := w.peerMiss("source", &r.Source, p.Src, p.SrcPort); miss != "" {
		return miss
	}
	return w.peerMiss("destination", &r.Destination, p.Dst, p.DstPort)
}

func (w *walker) peerMiss(side string, e *model.Peer, a netip.Addr, port uint16) string {
	switch {
	case len(e.Nets) > 0 && !contains(e.Nets, a):
		return w.sayf("%s %s is not in nets %s", side, a, prefixes(e.Nets))
	case len(e.NotNets) > 0 && !hasFamily(e.NotNets, a):
		return w.sayf("%s notNets %s has no network of the family of %s, so the rule does not match it", side, prefixes(e.NotNets), a)
	case contains(e.NotNets, a):
		return w.sayf("%s %s is in notNets %s", side, a, prefixes(e.NotNets))
	case e.Selector != nil && !w.oracle.selected(e.Selector, a):
		return w.sayf("%s %s is not among what %s selects", side, a, e.Selector)
	case e.NotSelector != nil && w.oracle.selected(e.NotSelector, a):
		return w.sayf("%s %s is among what notSelector %s selects", side, a, e.NotSelector)
	}
	if e.Ports == nil && e.NotPorts == nil {
		return ""
	}
	switch {
	case !verdict.HasPorts(w.packet.Protocol):
		return w.sayf("%s has no ports in protocol %s", side, verdict.ProtocolName(w.packet.Protocol))
	case e.Ports != nil && !inRanges(e.Ports, port):
		return w.sayf("%s port %d is not in %s", side, port, ranges(e.Ports))
	case inRanges(e.NotPorts, port):
		return w.sayf("%s port %d is in notPorts %s", side, port, ranges(e.NotPorts))
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

func prefixes(nets []netip.Prefix) string {
	words := make([]string, len(nets))
	for i, n := range nets {
		words[i] = n.String()
	}
	return strings.Join(words, ", ")
}

func ranges(rs []model.PortRange) string {
	words := make([]string, len(rs))
	for i, r := range rs {
		words[i] = r.String()
	}
	return strings.Join(words, ", ")
}
