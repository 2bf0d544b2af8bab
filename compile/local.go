package compile

import (
	"net/netip"
	"slices"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// local is an endpoint that is compiled for.
type local struct {
	id       verdict.EndpointID
	node     string
	iface    string
	addrs    []netip.Addr // sorted, each once
	profiles []string
	group    *group // nil when it is gone
	// spans are by stage and direction; pods have those of the normal stage.
	spans [4][2][]span
	// world says that its programs depend on other objects, through a rule that
	// asks about its own side; named that they depend on the names of ports.
	world, named bool
}

// span is the program for a range of an endpoint's own addresses.
type span struct {
	from, to netip.Addr
	program  *program
}

// putLocal takes over what matters of an endpoint if it is compiled for.
func (c *Compiler) putLocal(i int32, o *model.Endpoint) {
	e := &c.endpoints[i]
	if c.options.Node != "" && o.Node != c.options.Node {
		c.dropLocal(i)
		return
	}
	addrs := slices.Clone(o.Addrs)
	slices.SortFunc(addrs, netip.Addr.Compare)
	addrs = slices.Compact(addrs)
	l := e.local
	if l != nil && l.group == e.group && l.iface == o.Interface && l.node == o.Node && slices.Equal(l.addrs, addrs) && slices.Equal(l.profiles, o.Profiles) {
		return
	}
	if l == nil {
		l = &local{id: o.ID}
		e.local, c.locals[l.id] = l, l
	}
	l.iface, l.node, l.addrs, l.profiles, l.group = o.Interface, o.Node, addrs, slices.Clone(o.Profiles), e.group
	if e.group.local.len() == 0 {
		c.localGroups[e.group] = struct{}{}
		c.dirtyGroups[e.group] = struct{}{}
	}
	e.group.local.put(l, struct{}{})
	c.dirtyLocals[l] = struct{}{}
}

func (c *Compiler) dropLocal(i int32) {
	e := &c.endpoints[i]
	if e.local == nil {
		return
	}
	c.leaveLocal(e.group, e.local)
	e.local.group = nil
	c.dirtyLocals[e.local] = struct{}{}
	delete(c.locals, e.local.id)
	e.local = nil
}

func (c *Compiler) leaveLocal(g *group, l *local) {
	if g.local.remove(l); g.local.len() == 0 {
		delete(c.localGroups, g)
		g.applied = nil
	}
}

// claimChanged marks the endpoints whose programs depend on who has the
// address.
func (c *Compiler) claimChanged(a netip.Addr) {
	c.worldChanged = true
	if c.namedLocals > 0 {
		c.having(a, func(e *endpoint) {
			if e.local != nil && e.local.named {
				c.dirtyLocals[e.local] = struct{}{}
			}
		})
	}
}

// touchedGroup is claimChanged for all addresses of a group.
func (c *Compiler) touchedGroup(g *group) {
	c.worldChanged = true
	if c.namedLocals > 0 {
		for _, i := range g.endpoints {
			c.endpoints[i].addrs(c.claimChanged)
		}
	}
}

func (c *Compiler) setsChanged() { c.worldChanged = true }

// settleLocal finds the programs of an endpoint anew.
func (c *Compiler) settleLocal(l *local) {
	before := l.spans
	wasWorld, wasNamed := l.world, l.named
	l.spans, l.world, l.named = [4][2][]span{}, false, false
	for _, stage := range verdict.Stages {
		for _, d := range verdict.Directions {
			if l.polices(stage, d) {
				l.spans[stage][d] = c.spansOf(l, stage, d)
			}
		}
	}
	for stage := range before {
		for _, d := range verdict.Directions {
			follow(l.spans[stage][d], before[stage][d])
			for _, s := range before[stage][d] {
				c.release(s.program)
			}
		}
	}
	if l.world != wasWorld {
		if l.world {
			c.watching[l] = struct{}{}
		} else {
			delete(c.watching, l)
		}
	}
	if l.named != wasNamed {
		c.namedLocals--
		if l.named {
			c.namedLocals += 2
		}
	}
}

// polices reports whether the endpoint has a program in a stage: always in the
// normal one, else if a policy of the stage applies (semantics.md section 11).
func (l *local) polices(s verdict.Stage, d verdict.Direction) bool {
	switch {
	case l.group == nil:
		return false
	case s == verdict.Normal:
		return true
	case l.id.Kind == verdict.Pod, s == verdict.PreDNAT && d == verdict.Egress, s == verdict.Untracked && l.iface == "*":
		return false
	}
	return slices.ContainsFunc(l.group.applied, func(p *policy) bool { return p.object.Applies[d] && p.object.In(s) })
}

// spansOf divides an endpoint's own addresses. A pod has those that it has; a
// host has all there are, divided where a rule in force speaks of them.
func (c *Compiler) spansOf(l *local, stage verdict.Stage, d verdict.Direction) []span {
	if l.id.Kind == verdict.Pod {
		spans := make([]span, 0, len(l.addrs))
		for _, a := range l.addrs {
			spans = append(spans, span{a, a, c.programOf(l, stage, d, a)})
		}
		return spans
	}
	var spans []span
	for _, r := range c.hostRanges(l, d) {
		p := c.programOf(l, stage, d, r.from)
		if n := len(spans); n > 0 && spans[n-1].program == p && spans[n-1].to.Next() == r.from && r.from.Is4() == spans[n-1].to.Is4() {
			spans[n-1].to = r.to
			p.refs--
			continue
		}
		spans = append(spans, span{r.from, r.to, p})
	}
	l.world = l.world || l.named // whose address is whose matters in all of them
	return spans
}

// hostRanges cuts all addresses at the borders of every network that a rule
// asks a host's own side about.
func (c *Compiler) hostRanges(l *local, d verdict.Direction) []span {
	var cuts []netip.Prefix
	for _, p := range l.group.applied {
		if p.object.Applies[d] {
			cuts = c.cuts(cuts, p.object.Rules[d], d)
		}
	}
	for _, name := range l.profiles {
		if p := c.profiles[name]; p != nil {
			cuts = c.cuts(cuts, p.object.Rules[d], d)
		}
	}
	var starts []netip.Addr
	for _, whole := range []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)} {
		starts = append(starts, whole.Addr())
	}
	for _, n := range cuts {
		starts = append(starts, n.Masked().Addr())
		if after := lastAddr(n.Masked()).Next(); after.IsValid() {
			starts = append(starts, after)
		}
	}
	slices.SortFunc(starts, netip.Addr.Compare)
	starts = slices.Compact(starts)
	spans := make([]span, len(starts))
	for i, a := range starts {
		spans[i].from = a
		if i+1 < len(starts) && starts[i+1].Is4() == a.Is4() {
			spans[i].to = starts[i+1].Prev()
		} else {
			spans[i].to = lastAddr(netip.PrefixFrom(a, 0))
		}
	}
	return spans
}

// cuts appends the networks that the rules ask the local side about.
func (c *Compiler) cuts(list []netip.Prefix, rules []model.Rule, d verdict.Direction) []netip.Prefix {
	for i := range rules {
		p := localPeer(&rules[i], d)
		list = append(append(list, p.Nets...), p.NotNets...)
		for _, s := range []*selector.Selector{p.Selector, p.NotSelector} {
			if s != nil {
				c.matching(s, s.Requirements(), func(g *group) { list = c.networksOf(list, g) })
			}
		}
		if p.Nodes != nil {
			c.matching(p.Nodes, p.Nodes.Requirements(), func(g *group) {
				if g.sort == nodes {
					list = appendNets(list, g)
				}
			})
		}
		if len(p.NamedPorts)+len(p.NotNamedPorts) == 0 {
			continue
		}
		s := p.Selector
		if s == nil {
			s = selector.All()
		}
		c.matching(s, s.Requirements(), func(g *group) {
			if len(g.ports) > 0 {
				list = c.networksOf(list, g)
			}
		})
	}
	return list
}

// networksOf appends the networks of a group's members.
func (c *Compiler) networksOf(list []netip.Prefix, g *group) []netip.Prefix {
	if g.sort == nodes {
		return list
	}
	for _, i := range g.endpoints {
		c.endpoints[i].addrs(func(a netip.Addr) { list = append(list, netip.PrefixFrom(a, a.BitLen())) })
	}
	return appendNets(list, g)
}

func appendNets(list []netip.Prefix, g *group) []netip.Prefix {
	for _, nets := range g.lists {
		list = append(list, nets...)
	}
	return list
}

// isMember reports whether the selector stands for the address (semantics.md
// section 6.3).
func (c *Compiler) isMember(s *selector.Selector, a netip.Addr) bool {
	found := false
	c.having(a, func(e *endpoint) { found = found || s.Matches(e.group) })
	if found || len(c.lists) == 0 {
		return found
	}
	c.matching(s, s.Requirements(), func(g *group) {
		if g.sort == networkSets && !found {
			for _, nets := range g.lists {
				found = found || slices.ContainsFunc(nets, func(n netip.Prefix) bool { return n.Contains(a) })
			}
		}
	})
	return found
}

// isNode reports whether a node that the selector selects has the address.
func (c *Compiler) isNode(s *selector.Selector, a netip.Addr) bool {
	found := false
	c.matching(s, s.Requirements(), func(g *group) {
		if g.sort == nodes && !found {
			for _, nets := range g.lists {
				found = found || slices.ContainsFunc(nets, func(n netip.Prefix) bool { return n.Contains(a) })
			}
		}
	})
	return found
}

// ownPorts are the ports that an address has by the names, among what the
// peer's selector selects, in the order of protocol and number.
func (c *Compiler) ownPorts(p *model.Peer, names []string, a netip.Addr) []model.ServicePort {
	var out []model.ServicePort
	if len(names) == 0 {
		return nil
	}
	c.having(a, func(e *endpoint) {
		if p.Selector != nil && !p.Selector.Matches(e.group) {
			return
		}
		for _, port := range e.group.ports {
			if slices.Contains(names, port.Name) {
				out = append(out, model.ServicePort{Protocol: port.Protocol, Port: port.Port})
			}
		}
	})
	slices.SortFunc(out, func(a, b model.ServicePort) int {
		return int(a.Protocol)<<16 + int(a.Port) - int(b.Protocol)<<16 - int(b.Port)
	})
	return slices.Compact(out)
}
