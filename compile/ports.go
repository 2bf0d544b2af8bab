package compile

import (
	"slices"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

var allPorts = model.PortRange{From: 0, To: 65535}

// protocols marks those that the rule tells from all others.
func (o *op) protocols(named *[256]bool) {
	for _, n := range []*uint8{o.rule.Protocol, o.rule.NotProtocol} {
		if n != nil {
			named[*n] = true
		}
	}
	if o.rule.Protocol == nil && o.asksPorts() {
		named[verdict.TCP], named[verdict.UDP], named[verdict.SCTP] = true, true, true
	}
	if o.rule.Protocol == nil && (o.rule.ICMP != nil || o.rule.NotICMP != nil) {
		named[verdict.ICMP], named[verdict.ICMPv6] = true, true
	}
}

func (o *op) asksPorts() bool {
	return o.src.asked || o.src.refused || o.dst.asked || o.dst.refused || o.service != nil
}

// ports returns the source and destination ports that the rule matches in a
// protocol for a peer of a class; nil lists mean all, lists are sorted and
// disjoint. It reports false if the rule does not match the protocol. A nil
// number stands for every protocol that no rule names.
func (o *liveOp) ports(number *uint8, k *class) (src, dst []model.PortRange, ok bool) {
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
	src, dst = o.src.at(&r.Source, n, k, o.own), o.dst.at(&r.Destination, n, k, o.own)
	if o.service != nil {
		dst = both(dst, o.service.portsOf(k, n))
	}
	return src, dst, true
}

// at returns the ports that pass the test in a protocol, for a peer of a class
// and an endpoint with ports of its own; nil for all.
func (t *portTest) at(p *model.Peer, n uint8, k *class, own ownPorts) []model.PortRange {
	switch {
	case !t.names:
		return t.fixed
	case t.local:
		return t.pass(p, numbersOf(own.named, n), numbersOf(own.notNamed, n))
	}
	var named, notNamed []model.PortRange
	if t.named != nil {
		named = t.named.portsOf(k, n)
	}
	if t.notNamed != nil {
		notNamed = t.notNamed.portsOf(k, n)
	}
	return t.pass(p, named, notNamed)
}

// pass returns the ports that pass the test if these are what its names stand
// for; nil for all.
func (t *portTest) pass(p *model.Peer, named, notNamed []model.PortRange) []model.PortRange {
	if !t.asked && !t.refused {
		return nil
	}
	wanted := []model.PortRange{allPorts}
	if t.asked {
		wanted = merged(p.Ports, named)
	}
	return minus(wanted, merged(p.NotPorts, notNamed))
}

func numbersOf(ports []model.ServicePort, n uint8) []model.PortRange {
	var out []model.PortRange
	for _, p := range ports {
		if p.Protocol == n {
			out = append(out, model.PortRange{From: p.Port, To: p.Port})
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
	if r.NotICMP == nil {
		return wanted
	}
	return minus(wanted, icmpKeys(r.NotICMP))
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

// merged returns the ports of both lists, sorted and disjoint; never nil.
func merged(a, b []model.PortRange) []model.PortRange {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(x, y model.PortRange) int { return int(x.From) - int(y.From) })
	out := make([]model.PortRange, 0, len(all))
	for _, r := range all {
		if n := len(out); n > 0 && int(r.From) <= int(out[n-1].To)+1 {
			out[n-1].To = max(out[n-1].To, r.To)
		} else {
			out = append(out, r)
		}
	}
	return out
}

// minus returns what is in a and not in b, both sorted and disjoint; never
// nil.
func minus(a, b []model.PortRange) []model.PortRange {
	out := make([]model.PortRange, 0, len(a))
	for _, r := range a {
		from := int(r.From)
		for _, x := range b {
			if x.To < r.From || x.From > r.To {
				continue
			}
			if from < int(x.From) {
				out = append(out, model.PortRange{From: uint16(from), To: x.From - 1})
			}
			from = max(from, int(x.To)+1)
		}
		if from <= int(r.To) {
			out = append(out, model.PortRange{From: uint16(from), To: r.To})
		}
	}
	return out
}

// both returns what is in a, nil for all, and in b; never nil.
func both(a, b []model.PortRange) []model.PortRange {
	b = merged(b, nil)
	if a == nil {
		return b
	}
	return minus(a, minus([]model.PortRange{allPorts}, b))
}
