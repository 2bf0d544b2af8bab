package compile

import (
	"fmt"
	"slices"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// portTest is what a rule asks of one side's port.
type portTest struct {
	// asked says that the rule names ports it wants; with none known, none
	// matches.
	asked bool
	// refused says that it names ports that it does not want.
	refused         bool
	numbers, not    []model.PortRange
	named, notNamed []knownPort
}

// knownPort is a port that a name or a service stands for, at the addresses of
// an atom; atom 0 is the endpoint's own address.
type knownPort struct {
	model.ServicePort
	atom uint32
}

// compilePorts turns what the rule asks of ports into tests; names of ports of
// the peer, and services, become atoms of the addresses that have them.
func (o *op) compilePorts(b *build, d verdict.Direction) {
	for _, side := range []struct {
		peer *model.Peer
		test *portTest
	}{{&o.rule.Source, &o.src}, {&o.rule.Destination, &o.dst}} {
		p, t := side.peer, side.test
		t.asked = p.Ports != nil || p.NamedPorts != nil
		t.refused = p.NotPorts != nil || p.NotNamedPorts != nil
		t.numbers, t.not = p.Ports, p.NotPorts
		if p == remotePeer(o.rule, d) {
			t.named = b.addressedPorts(b.atoms, p, p.NamedPorts)
			t.notNamed = b.addressedPorts(b.atoms, p, p.NotNamedPorts)
		}
	}
	switch s := o.remote.Service; {
	case s == nil:
	case d == verdict.Ingress:
		o.address.require = append(o.address.require, b.serviceAtom(*s, anyPort))
	default:
		for port := range b.directory.services[*s] {
			if port != anyPort {
				o.service = append(o.service, knownPort{port, b.serviceAtom(*s, port)})
			}
		}
	}
}

// addressedPorts are the ports that names stand for, with an atom of the
// addresses that have each.
func (b *build) addressedPorts(a *atoms, p *model.Peer, names []string) []knownPort {
	var out []knownPort
	for _, port := range b.directory.namedPorts(p.Selector, names) {
		among := "anything"
		if p.Selector != nil {
			among = p.Selector.String()
		}
		name := fmt.Sprintf("port %q %d/%d of %s", names, port.Protocol, port.Port, among)
		out = append(out, knownPort{port.ServicePort, a.id(atom{name: name, addrs: port.addrs})})
	}
	return out
}

// serviceAtom is the atom of the addresses of a service that have the port.
func (b *build) serviceAtom(s model.ServiceRef, port model.ServicePort) uint32 {
	name := fmt.Sprintf("service %s/%s %d/%d", s.Namespace, s.Name, port.Protocol, port.Port)
	return b.atoms.id(atom{name: name, addrs: b.directory.services[s][port]})
}

// protocols are those that the rule tells from all others.
func (o *op) protocols() []uint8 {
	var named []uint8
	for _, n := range []*uint8{o.rule.Protocol, o.rule.NotProtocol} {
		if n != nil {
			named = append(named, *n)
		}
	}
	if o.rule.Protocol == nil && o.asksPorts() {
		named = append(named, verdict.TCP, verdict.UDP, verdict.SCTP)
	}
	if o.rule.Protocol == nil && (o.rule.ICMP != nil || o.rule.NotICMP != nil) {
		named = append(named, verdict.ICMP, verdict.ICMPv6)
	}
	return named
}

func (o *op) asksPorts() bool {
	return o.src.asked || o.src.refused || o.dst.asked || o.dst.refused || o.toService()
}

// toService reports whether the rule asks for a service's ports.
func (o *op) toService() bool {
	return o.rule.Destination.Service != nil && o.remote == &o.rule.Destination
}

// ports returns the source and destination ports that the rule matches in a
// protocol for a peer in just the given atoms; nil lists mean all. It reports
// false if the rule does not match the protocol. A nil number stands for every
// protocol that no rule names.
func (o *op) ports(number *uint8, in []uint32) (src, dst []model.PortRange, ok bool) {
	r := o.rule
	if number == nil {
		return nil, nil, r.Protocol == nil && r.ICMP == nil && !o.asksPorts()
	}
	n := *number
	if r.Protocol != nil && *r.Protocol != n || r.NotProtocol != nil && *r.NotProtocol == n {
		return nil, nil, false
	}
	switch {
	case verdict.IsICMP(n):
		return nil, icmpPorts(r), !o.asksPorts()
	case r.ICMP != nil:
		return nil, nil, false
	case !verdict.HasPorts(n):
		return nil, nil, !o.asksPorts()
	}
	src, dst = o.src.ports(n, in), o.dst.ports(n, in)
	if o.toService() {
		dst = both(dst, numbersOf(o.service, n, in))
	}
	return src, dst, true
}

// ports returns the ports that pass the test; nil for all.
func (t *portTest) ports(n uint8, in []uint32) []model.PortRange {
	if !t.asked && !t.refused {
		return nil
	}
	wanted := []model.PortRange{allPorts}
	if t.asked {
		wanted = append(append([]model.PortRange{}, t.numbers...), numbersOf(t.named, n, in)...)
	}
	refused := append(slices.Clone(t.not), numbersOf(t.notNamed, n, in)...)
	out, _ := clip(allPorts, wanted, refused)
	if out == nil {
		out = []model.PortRange{} // none, not all
	}
	return out
}

// numbersOf are the ports of the protocol that addresses in the atoms have.
func numbersOf(known []knownPort, n uint8, in []uint32) []model.PortRange {
	var out []model.PortRange
	for _, k := range known {
		if k.Protocol != n {
			continue
		}
		if _, ok := slices.BinarySearch(in, k.atom); ok || k.atom == 0 {
			out = append(out, model.PortRange{From: k.Port, To: k.Port})
		}
	}
	return out
}

// both returns the ports that are in a, nil for all, and in b.
func both(a, b []model.PortRange) []model.PortRange {
	if a == nil {
		a = []model.PortRange{allPorts}
	}
	out := []model.PortRange{}
	for _, x := range a {
		if len(b) > 0 {
			in, _ := clip(x, b, nil)
			out = append(out, in...)
		}
	}
	return out
}

// icmpPorts are the types and codes that the rule matches, in the place of
// ports (verdict.ICMPKey); nil for all.
func icmpPorts(r *model.Rule) []model.PortRange {
	if r.ICMP == nil && r.NotICMP == nil {
		return nil
	}
	wanted := []model.PortRange{allPorts}
	if r.ICMP != nil {
		wanted = icmpKeys(r.ICMP)
	}
	var refused []model.PortRange
	if r.NotICMP != nil {
		refused = icmpKeys(r.NotICMP)
	}
	out, _ := clip(allPorts, wanted, refused)
	if out == nil {
		out = []model.PortRange{}
	}
	return out
}

func icmpKeys(m *model.ICMPMatch) []model.PortRange {
	if m.Type == nil && m.Code == nil {
		return []model.PortRange{allPorts}
	}
	var out []model.PortRange
	for t := range 256 {
		if m.Type != nil && int(*m.Type) != t {
			continue
		}
		from, to := verdict.ICMPKey(uint8(t), 0), verdict.ICMPKey(uint8(t), 255)
		if m.Code != nil {
			from = verdict.ICMPKey(uint8(t), *m.Code)
			to = from
		}
		out = append(out, model.PortRange{From: from, To: to})
	}
	return out
}

// split divides a box into what the ports match and the rest. nil lists mean
// all ports.
func split(x box, src, dst []model.PortRange) (hits, misses []box) {
	if src == nil && dst == nil {
		return []box{x}, nil
	}
	srcIn, srcOut := clip(x.src, src, nil)
	dstIn, dstOut := clip(x.dst, dst, nil)
	for _, s := range srcOut {
		misses = append(misses, box{src: s, dst: x.dst, way: x.way})
	}
	for _, s := range srcIn {
		for _, d := range dstOut {
			misses = append(misses, box{src: s, dst: d, way: x.way})
		}
		for _, d := range dstIn {
			hits = append(hits, box{src: s, dst: d, way: x.way})
		}
	}
	return hits, misses
}

// clip divides a range into the parts that are in ports and not in notPorts,
// and the others. nil ports means all.
func clip(within model.PortRange, ports, notPorts []model.PortRange) (in, out []model.PortRange) {
	edges := []int{int(within.From), int(within.To) + 1}
	for _, list := range [][]model.PortRange{ports, notPorts} {
		for _, p := range list {
			edges = append(edges, int(p.From), int(p.To)+1)
		}
	}
	slices.Sort(edges)
	edges = slices.Compact(edges)
	contains := func(list []model.PortRange, port int) bool {
		return slices.ContainsFunc(list, func(p model.PortRange) bool { return int(p.From) <= port && port <= int(p.To) })
	}
	add := func(to *[]model.PortRange, from, until int) {
		if n := len(*to); n > 0 && int((*to)[n-1].To) == from-1 {
			(*to)[n-1].To = uint16(until)
			return
		}
		*to = append(*to, model.PortRange{From: uint16(from), To: uint16(until)})
	}
	for i := 0; i+1 < len(edges); i++ {
		from, until := edges[i], edges[i+1]-1
		if from < int(within.From) || until > int(within.To) {
			continue
		}
		if (ports == nil || contains(ports, from)) && !contains(notPorts, from) {
			add(&in, from, until)
		} else {
			add(&out, from, until)
		}
	}
	return in, out
}
