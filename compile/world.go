package compile

import (
	"net/netip"
	"reflect"
	"slices"

	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// endpoint is what is kept of an endpoint, wherever it is.
type endpoint struct {
	group *group
	// addr is its first address, more are the others; invalid and nil for none.
	addr netip.Addr
	more *[]netip.Addr
	// place is where it stands in the group's list.
	place int32
	local *local
}

func (e *endpoint) addrs(f func(netip.Addr)) {
	if e.addr.IsValid() {
		f(e.addr)
	}
	if e.more != nil {
		for _, a := range *e.more {
			f(a)
		}
	}
}

// slice is what is kept of an EndpointSlice: a part of a service.
type slice struct {
	source
	object *model.EndpointSlice
}

// put takes one change over into what is known, and marks what it concerns.
func (c *Compiler) put(ch model.Change) {
	k := ch.Key
	switch k.Kind {
	case model.KindNamespace:
		o, _ := ch.Object.(*model.Namespace)
		c.putParent(parentKey{k.Kind, "", k.Name}, labelsOf(o, func() map[string]string { return o.Labels }), o != nil)
	case model.KindServiceAccount:
		o, _ := ch.Object.(*model.ServiceAccount)
		c.putParent(parentKey{k.Kind, k.Namespace, k.Name}, labelsOf(o, func() map[string]string { return o.Labels }), o != nil)
	case model.KindProfile:
		o, _ := ch.Object.(*model.Profile)
		if builtin := model.DefaultAllowProfile(); o == nil && k.Name == builtin.Name {
			o = builtin
		}
		c.putProfile(k.Name, o)
	case model.KindPod, model.KindHostEndpoint:
		o, _ := ch.Object.(*model.Endpoint)
		c.putEndpoint(k, o)
	case model.KindNetworkSet, model.KindGlobalNetworkSet:
		o, _ := ch.Object.(*model.NetworkSet)
		c.putNetworkSet(k, o)
	case model.KindLearned:
		o, _ := ch.Object.(*model.Learned)
		c.putLearned(domain.Name(k.Name), o)
	case model.KindNode:
		o, _ := ch.Object.(*model.Node)
		c.putNode(k, o)
	case model.KindTier:
		o, _ := ch.Object.(*model.Tier)
		c.putTier(k.Name, o)
	case model.KindPolicy:
		o, _ := ch.Object.(*model.Policy)
		c.putPolicy(k, o)
	case model.KindConfiguration:
		o, _ := ch.Object.(*model.Configuration)
		c.putConfiguration(k.Name, o)
	case model.KindEndpointSlice:
		o, _ := ch.Object.(*model.EndpointSlice)
		c.putSlice(k, o)
	}
}

func labelsOf[T any](o *T, labels func() map[string]string) map[string]string {
	if o == nil {
		return nil
	}
	return labels()
}

func endpointID(k model.Key) verdict.EndpointID {
	if k.Kind == model.KindHostEndpoint {
		return verdict.EndpointID{Kind: verdict.Host, Name: k.Name}
	}
	return verdict.EndpointID{Kind: verdict.Pod, Namespace: k.Namespace, Name: k.Name}
}

func (c *Compiler) putEndpoint(k model.Key, o *model.Endpoint) {
	id := endpointID(k)
	name := nameOf(id)
	i, known := c.byID[name]
	if o == nil {
		if known {
			c.removeEndpoint(name, i)
		}
		return
	}
	g := c.groupOf(c.groupKeyOf(o))
	if known {
		if e := &c.endpoints[i]; e.group == g && e.has(o.Addrs) {
			c.putLocal(i, o)
			return
		}
		c.detach(i)
	} else {
		i = c.newEndpoint()
		c.byID[name] = i
	}
	c.attach(i, g, o.Addrs)
	c.putLocal(i, o)
}

func (c *Compiler) groupKeyOf(o *model.Endpoint) (sort, map[string]string, []parentKey, []model.NamedPort) {
	c.above = c.above[:0]
	if o.ID.Kind == verdict.Pod {
		c.above = append(c.above, parentKey{model.KindNamespace, "", o.ID.Namespace})
		if o.ServiceAccount != "" {
			c.above = append(c.above, parentKey{model.KindServiceAccount, o.ID.Namespace, o.ServiceAccount})
		}
		return pods, o.Labels, c.above, o.Ports
	}
	for _, name := range o.Profiles {
		c.above = append(c.above, parentKey{model.KindProfile, "", name})
	}
	return hosts, o.Labels, c.above, o.Ports
}

func (e *endpoint) has(addrs []netip.Addr) bool {
	n := 0
	same := true
	e.addrs(func(a netip.Addr) {
		same = same && n < len(addrs) && addrs[n] == a
		n++
	})
	return same && n == len(addrs)
}

func (c *Compiler) newEndpoint() int32 {
	if n := len(c.freeEndpoints); n > 0 {
		i := c.freeEndpoints[n-1]
		c.freeEndpoints = c.freeEndpoints[:n-1]
		return i
	}
	c.endpoints = append(c.endpoints, endpoint{})
	return int32(len(c.endpoints) - 1)
}

func (c *Compiler) removeEndpoint(id endpointName, i int32) {
	c.dropLocal(i)
	c.detach(i)
	c.endpoints[i] = endpoint{}
	c.freeEndpoints = append(c.freeEndpoints, i)
	delete(c.byID, id)
}

// attach makes an endpoint a member of a group with its addresses.
func (c *Compiler) attach(i int32, g *group, addrs []netip.Addr) {
	e := &c.endpoints[i]
	e.group, e.place = g, int32(len(g.endpoints))
	g.endpoints = append(g.endpoints, i)
	e.addr, e.more = netip.Addr{}, nil
	if len(addrs) > 0 {
		e.addr = addrs[0]
	}
	if len(addrs) > 1 {
		rest := slices.Clone(addrs[1:])
		e.more = &rest
	}
	e.addrs(func(a netip.Addr) {
		c.claim(a, i)
		c.touchedAddr(g, a)
	})
}

func (c *Compiler) detach(i int32) {
	e := &c.endpoints[i]
	g := e.group
	e.addrs(func(a netip.Addr) {
		c.unclaim(a, i)
		c.touchedAddr(g, a)
	})
	last := g.endpoints[len(g.endpoints)-1]
	g.endpoints[e.place] = last
	c.endpoints[last].place = e.place
	g.endpoints = g.endpoints[:len(g.endpoints)-1]
	if e.local != nil {
		c.leaveLocal(g, e.local)
	}
	e.group = nil
	c.maybeEmpty = append(c.maybeEmpty, g)
}

// touchedAddr says that an address came to a group or left it.
func (c *Compiler) touchedAddr(g *group, a netip.Addr) {
	if len(g.atoms) > 0 || g.laid {
		c.space.dirtyHosts[a] = struct{}{}
	}
	c.claimChanged(a)
}

// claim notes which endpoint has an address; few addresses have two.
func (c *Compiler) claim(a netip.Addr, i int32) {
	if _, taken := c.byAddr.get(a); taken {
		c.shared[a] = append(c.shared[a], i)
		return
	}
	c.byAddr.put(a, i)
}

func (c *Compiler) unclaim(a netip.Addr, i int32) {
	others := c.shared[a]
	if first, _ := c.byAddr.get(a); first != i {
		at := slices.Index(others, i)
		c.shared[a] = slices.Delete(others, at, at+1)
	} else if len(others) > 0 {
		c.byAddr.put(a, others[len(others)-1])
		c.shared[a] = others[:len(others)-1]
	} else {
		c.byAddr.remove(a)
	}
	if len(c.shared[a]) == 0 {
		delete(c.shared, a)
	}
}

// having calls f with every endpoint that has the address.
func (c *Compiler) having(a netip.Addr, f func(*endpoint)) {
	i, ok := c.byAddr.get(a)
	if !ok {
		return
	}
	f(&c.endpoints[i])
	for _, j := range c.shared[a] {
		f(&c.endpoints[j])
	}
}

// atomsAt appends the atoms of the endpoints that have the address.
func (c *Compiler) atomsAt(list []*atom, a netip.Addr) []*atom {
	i, ok := c.byAddr.get(a)
	if !ok {
		return list
	}
	list = append(list, c.endpoints[i].group.atoms...)
	for _, j := range c.shared[a] {
		list = append(list, c.endpoints[j].group.atoms...)
	}
	return list
}

// groupAt returns the group of the endpoint that alone has the address; nil if
// none has it, or several.
func (c *Compiler) groupAt(a netip.Addr) *group {
	i, ok := c.byAddr.get(a)
	if !ok || len(c.shared[a]) > 0 {
		return nil
	}
	return c.endpoints[i].group
}

func (c *Compiler) putNetworkSet(k model.Key, o *model.NetworkSet) {
	was := c.lists[k]
	if o == nil {
		c.putDomains(k, was, nil, nil)
		c.putList(k, nil, nil)
		return
	}
	c.above = c.above[:0]
	if o.Namespace != "" {
		c.above = append(c.above, parentKey{model.KindNamespace, "", o.Namespace})
	}
	g := c.groupOf(networkSets, o.Labels, c.above, nil)
	c.putDomains(k, was, g, o.Domains)
	c.putList(k, g, o.Nets)
}

func (c *Compiler) putNode(k model.Key, o *model.Node) {
	if o == nil {
		c.putList(k, nil, nil)
		return
	}
	var nets []netip.Prefix
	for _, a := range o.Addrs {
		nets = append(nets, netip.PrefixFrom(a, a.BitLen()))
	}
	c.putList(k, c.groupOf(nodes, o.Labels, nil, nil), nets)
}

// putList makes an object with networks a member of a group; nil takes it out.
func (c *Compiler) putList(k model.Key, g *group, nets []netip.Prefix) {
	was := c.lists[k]
	if was == g && g != nil {
		old := g.lists[k]
		gone, come := edits(old, nets)
		if len(gone)+len(come) == 0 {
			return
		}
		g.lists[k] = nets
		if g.laid {
			for _, n := range come {
				c.space.lay(n, &g.source)
			}
			for _, n := range gone {
				c.space.lift(n, &g.source)
			}
		}
		c.setsChanged()
		return
	}
	if was != nil {
		if was.laid {
			for _, n := range was.lists[k] {
				c.space.lift(n, &was.source)
			}
		}
		delete(was.lists, k)
		delete(c.lists, k)
		c.maybeEmpty = append(c.maybeEmpty, was)
	}
	if g != nil {
		if g.lists == nil {
			g.lists = map[model.Key][]netip.Prefix{}
		}
		g.lists[k], c.lists[k] = nets, g
		if g.laid {
			for _, n := range nets {
				c.space.lay(n, &g.source)
			}
		} else if len(g.atoms) > 0 {
			c.changed(&g.source)
		}
	}
	c.setsChanged()
}

// edits returns which networks one list has and the other has not, quickly if
// the lists differ in one place.
func edits(old, now []netip.Prefix) (gone, come []netip.Prefix) {
	for len(old) > 0 && len(now) > 0 && old[0] == now[0] {
		old, now = old[1:], now[1:]
	}
	for len(old) > 0 && len(now) > 0 && old[len(old)-1] == now[len(now)-1] {
		old, now = old[:len(old)-1], now[:len(now)-1]
	}
	return old, now
}

func (c *Compiler) putSlice(k model.Key, o *model.EndpointSlice) {
	was := c.slices[k]
	if was != nil && o != nil && reflect.DeepEqual(was.object, o) {
		return
	}
	if was != nil {
		for _, a := range slices.Clone(was.atoms) {
			c.part(&was.source, a)
		}
		delete(c.slices, k)
		ref := model.ServiceRef{Namespace: was.object.Namespace, Name: was.object.Service}
		if delete(c.services[ref], was); len(c.services[ref]) == 0 {
			delete(c.services, ref)
		}
	}
	if o == nil {
		return
	}
	s := &slice{object: o}
	s.slice = s
	c.slices[k] = s
	ref := model.ServiceRef{Namespace: o.Namespace, Name: o.Service}
	if c.services[ref] == nil {
		c.services[ref] = map[*slice]struct{}{}
	}
	c.services[ref][s] = struct{}{}
	for _, sort := range []conditionSort{inService, servesPort} {
		if x := c.conditions[serviceKey(ref, sort)]; x != nil {
			c.joinService(s, x)
		}
	}
}

// lay puts the networks of a source whose atoms changed into the space, takes
// them out, or marks them.
func (c *Compiler) lay(s *source) {
	wanted := len(s.atoms) > 0
	each := func(f func(netip.Prefix)) {
		for _, n := range s.nets {
			f(n)
		}
		if s.slice != nil {
			for _, a := range s.slice.object.Addrs {
				f(netip.PrefixFrom(a, a.BitLen()))
			}
		}
		if s.group != nil {
			for _, list := range s.group.lists {
				for _, n := range list {
					f(n)
				}
			}
		}
	}
	switch {
	case wanted && s.laid:
		each(c.space.mark)
	case wanted:
		each(func(n netip.Prefix) { c.space.lay(n, s) })
	case s.laid:
		each(func(n netip.Prefix) { c.space.lift(n, s) })
	}
	if g := s.group; g != nil && (wanted || s.laid) {
		for _, i := range g.endpoints {
			c.endpoints[i].addrs(func(a netip.Addr) { c.space.dirtyHosts[a] = struct{}{} })
		}
		c.names.lookAt(g)
	}
	s.laid, s.changed = wanted, false
}
