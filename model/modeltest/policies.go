package modeltest

import (
	"net/netip"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// Policy returns a random policy of a random kind, scope and tier. A name may so
// be that of several policies, which then tie.
func (g *Gen) Policy(name string) *model.Policy {
	p := &model.Policy{ID: verdict.PolicyID{Kind: "GlobalNetworkPolicy", Name: name}, Tier: pick(g, tierNames), Order: g.order()}
	p.Selector = g.selector()
	scope := ""
	switch {
	case g.IntN(2) == 0:
		scope = pick(g, namespaces)
		p.ID.Kind, p.ID.Namespace = pick(g, []string{"NetworkPolicy", "KubernetesNetworkPolicy"}), scope
		p.Selector = selector.And(p.Selector, selector.Equal(model.LabelNamespace, scope))
	case g.IntN(4) == 0:
		p.ID.Kind = "ClusterNetworkPolicy"
	}
	p.Applies = [2]bool{g.IntN(4) > 0, g.IntN(4) > 0}
	p.Rules = [2][]model.Rule{g.service(g.rules(scope), verdict.Ingress), g.service(g.rules(scope), verdict.Egress)}
	if g.IntN(5) == 0 {
		p.DoNotTrack, p.PreDNAT, p.ApplyOnForward = g.IntN(4) == 0, g.IntN(4) == 0, g.IntN(4) > 0
	}
	p.Invalid = [2]bool{g.IntN(30) == 0, g.IntN(30) == 0}
	if g.IntN(30) == 0 {
		p.Selector = nil
	}
	return p
}

// staged returns a staged form, or the staged deletion, of a policy that may
// exist.
func (g *Gen) staged(name string) *model.StagedPolicy {
	p := g.Policy(name)
	if p.ID.Kind == "ClusterNetworkPolicy" { // has no staged form
		p.ID.Kind = "GlobalNetworkPolicy"
	}
	out := &model.StagedPolicy{Replaces: p.ID}
	p.ID.Kind = "Staged" + p.ID.Kind
	if out.ID = p.ID; g.IntN(3) > 0 {
		out.Policy = p
	}
	return out
}

// selector returns a selector of any form, up to two levels deep.
func (g *Gen) selector() *selector.Selector {
	switch g.IntN(7) {
	case 0:
		return selector.All()
	case 1:
		return selector.Or(g.comparison(), g.comparison())
	case 2:
		return selector.And(g.comparison(), g.comparison())
	case 3:
		return selector.Not(g.comparison())
	}
	return g.comparison()
}

// comparison returns a selector of one label, own or inherited.
func (g *Gen) comparison() *selector.Selector {
	k := pick(g, keys)
	if g.IntN(4) == 0 {
		k = pick(g, []string{model.PrefixNamespace, model.PrefixServiceAcct}) + k
	}
	v := pick(g, values)
	switch g.IntN(9) {
	case 0:
		return selector.Has(k)
	case 1:
		return selector.In(k, v, "c")
	case 2:
		return selector.NotIn(k, v, "c")
	case 3:
		return selector.MustParse(k + " != '" + v + "'")
	case 4:
		return selector.MustParse(k + pick(g, []string{" contains '", " starts with '", " ends with '"}) + v + "'")
	}
	return selector.Equal(k, v)
}

func (g *Gen) rules(scope string) []model.Rule {
	rules := make([]model.Rule, g.IntN(5))
	for i := range rules {
		r := &rules[i]
		if r.Index = i; i > 0 && g.IntN(6) == 0 {
			r.Index = rules[i-1].Index // as several that come from one of a Kubernetes policy
		}
		r.Action = pick(g, []verdict.Action{verdict.ActionAllow, verdict.ActionDeny, verdict.ActionPass, verdict.ActionLog})
		if g.IntN(8) == 0 {
			r.IPVersion = pick(g, []uint8{4, 6})
		}
		if g.IntN(2) == 0 {
			n := pick(g, protocols)
			r.Protocol = &n
		}
		if g.IntN(8) == 0 {
			n := pick(g, protocols)
			r.NotProtocol = &n
		}
		g.peer(&r.Source, scope)
		g.peer(&r.Destination, scope)
		if r.Protocol != nil && verdict.HasPorts(*r.Protocol) {
			g.ports(&r.Destination, 2)
			g.ports(&r.Source, 6)
		}
		g.names(&r.Destination, 8)
		g.names(&r.Source, 16)
		g.icmp(r)
		r.HTTP = g.IntN(20) == 0
		if g.IntN(20) == 0 {
			r.Annotations = map[string]string{"name": "some"}
		}
	}
	return rules
}

func (g *Gen) peer(p *model.Peer, scope string) {
	if g.IntN(2) == 0 {
		return
	}
	nets := func() (all []netip.Prefix) {
		for range 1 + g.IntN(2) {
			all = append(all, g.net())
		}
		return all
	}
	if g.IntN(3) == 0 {
		p.Nets = nets()
	}
	if g.IntN(6) == 0 {
		p.NotNets = nets()
	}
	if g.IntN(2) == 0 {
		p.Selector = g.selector()
		if scope != "" && g.IntN(2) == 0 {
			p.Selector = selector.And(p.Selector, selector.Equal(model.LabelNamespace, scope))
		}
	}
	if g.IntN(6) == 0 {
		p.NotSelector = g.selector()
	}
	if g.IntN(30) == 0 {
		p.Nodes = g.selector()
	}
}

func (g *Gen) ports(p *model.Peer, oneIn int) {
	list := func() (all []model.PortRange) {
		for range 1 + g.IntN(2) {
			from := pick(g, Ports)
			all = append(all, model.PortRange{From: from, To: from + uint16(g.IntN(2)*g.IntN(20))})
		}
		return all
	}
	if g.IntN(oneIn) == 0 {
		p.Ports = list()
	}
	if g.IntN(oneIn*3) == 0 {
		p.NotPorts = list()
	}
}

func (g *Gen) names(p *model.Peer, oneIn int) {
	if g.IntN(oneIn) == 0 {
		p.NamedPorts = []string{pick(g, portNames)}
	}
	if g.IntN(oneIn*2) == 0 {
		p.NotNamedPorts = []string{pick(g, portNames)}
	}
}

func (g *Gen) icmp(r *model.Rule) {
	match := func() *model.ICMPMatch {
		m := &model.ICMPMatch{}
		if g.IntN(4) > 0 {
			t := pick(g, icmpTypes)
			m.Type = &t
		}
		if m.Type != nil && g.IntN(2) == 0 {
			c := uint8(g.IntN(2))
			m.Code = &c
		}
		return m
	}
	if r.Protocol != nil && verdict.IsICMP(*r.Protocol) && g.IntN(2) == 0 {
		r.ICMP = match()
	}
	if g.IntN(10) == 0 {
		r.NotICMP = match()
	}
}

var icmpTypes = []uint8{0, 3, 8, 128, 254}

// service makes the remote side of a rule a service now and then.
func (g *Gen) service(rules []model.Rule, d verdict.Direction) []model.Rule {
	for i := range rules {
		p := &rules[i].Source
		if d == verdict.Egress {
			p = &rules[i].Destination
		}
		if g.IntN(8) == 0 {
			numbers, not := p.Ports, p.NotPorts
			*p = model.Peer{Service: &model.ServiceRef{Namespace: pick(g, namespaces), Name: pick(g, []string{"svc", "svc", "absent"})}}
			if d == verdict.Ingress { // a service as source may stand beside ports
				p.Ports, p.NotPorts = numbers, not
			}
		}
		g.allowDomains(&rules[i], d)
	}
	return rules
}

// Ports are the ports that rules and packets are made with.
var Ports = []uint16{1, 79, 80, 81, 443, 8080, 65515}
