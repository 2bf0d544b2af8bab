package agent

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/verdict"
)

// places says on which interfaces the node's endpoints are. It is kept up to
// date by what changes, and works in proportion to that.
type places struct {
	node string
	host *host
	// pods and hosts are the endpoints of this node.
	pods, hosts map[verdict.EndpointID]*model.Endpoint
	// byAddr are the pods that report an address.
	byAddr map[netip.Addr][]verdict.EndpointID
	// at is the outcome: interfaces by endpoint, sorted; none that is empty.
	at map[verdict.EndpointID][]string
	// podsOn counts the pods on an interface, hostOn is the host endpoint that
	// governs one.
	podsOn map[string]int
	hostOn map[string]verdict.EndpointID

	// gone are the pods that the API does not know any more and whose interface is
	// still there: it may be that their processes are, too.
	gone map[verdict.EndpointID]bool

	dirty     map[verdict.EndpointID]bool
	dirtyHost bool
}

func newPlaces(node string) *places {
	return &places{
		node: node, host: newHost(), pods: map[verdict.EndpointID]*model.Endpoint{}, hosts: map[verdict.EndpointID]*model.Endpoint{},
		byAddr: map[netip.Addr][]verdict.EndpointID{}, at: map[verdict.EndpointID][]string{}, podsOn: map[string]int{}, hostOn: map[string]verdict.EndpointID{},
		gone: map[verdict.EndpointID]bool{}, dirty: map[verdict.EndpointID]bool{},
	}
}

// put notes an endpoint; nil, or one of another node, is not here (any more).
func (p *places) put(id verdict.EndpointID, e *model.Endpoint) {
	if e != nil && e.Node != p.node {
		e = nil
	}
	all := p.pods
	if id.Kind == verdict.Host {
		all = p.hosts
	}
	old := all[id]
	if old == nil && e == nil {
		return
	}
	p.dirty[id] = true
	if id.Kind == verdict.Host {
		p.dirtyHost = true
	} else {
		p.index(id, old, e)
	}
	if e == nil {
		delete(all, id)
	} else {
		all[id] = e
	}
}

func (p *places) index(id verdict.EndpointID, old, now *model.Endpoint) {
	if old != nil {
		for _, a := range old.Addrs {
			left := slices.DeleteFunc(p.byAddr[a], func(o verdict.EndpointID) bool { return o == id })
			if p.byAddr[a] = left; len(left) == 0 {
				delete(p.byAddr, a)
			}
		}
	}
	if now != nil {
		for _, a := range now.Addrs {
			p.byAddr[a] = append(p.byAddr[a], id)
		}
	}
}

// take notes a report of the kernel.
func (p *places) take(e hostEvent) {
	t := p.host.take(e)
	p.dirtyHost = p.dirtyHost || t.links
	for _, a := range t.addrs {
		for _, id := range p.byAddr[a] {
			p.dirty[id] = true
		}
	}
	if t.all {
		for id := range p.pods {
			p.dirty[id] = true
		}
	}
	if t.all || t.links {
		for id := range p.gone {
			p.dirty[id] = true
		}
	}
}

// settle brings the outcome up to date and returns what changed in it: the
// interfaces by endpoint, none for one that has lost its last.
func (p *places) settle() map[verdict.EndpointID][]string {
	changed := map[verdict.EndpointID][]string{}
	for id := range p.dirty {
		if id.Kind == verdict.Pod {
			p.settlePod(changed, id)
		}
	}
	clear(p.dirty)
	if p.dirtyHost {
		p.settleHosts(changed)
		p.dirtyHost = false
	}
	return changed
}

func (p *places) settlePod(changed map[verdict.EndpointID][]string, id verdict.EndpointID) {
	e := p.pods[id]
	if e != nil {
		delete(p.gone, id)
		p.set(changed, id, p.interfacesOf(e))
		return
	}
	left := p.leftOf(id)
	if p.gone[id] = len(left) > 0; !p.gone[id] {
		delete(p.gone, id)
	}
	p.set(changed, id, left)
}

// leftOf are the interfaces that were those of a pod alone and are still there
// now that it is gone: the ends of pairs, which lead to a pod and to nothing else.
// They stay closed until they go: a pod that the API forgot before its process
// ended, as one that is deleted by force, would be free of policy.
func (p *places) leftOf(id verdict.EndpointID) []string {
	var left []string
	for _, name := range p.at[id] {
		if p.podsOn[name] == 1 && p.host.isPair(name) {
			left = append(left, name)
		}
	}
	return left
}

func (p *places) interfacesOf(e *model.Endpoint) []string {
	if e == nil {
		return nil
	}
	var names []string
	for _, a := range e.Addrs {
		if name := p.host.interfaceOf(a); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// set notes where an endpoint is now.
func (p *places) set(changed map[verdict.EndpointID][]string, id verdict.EndpointID, names []string) {
	old := p.at[id]
	if slices.Equal(old, names) {
		return
	}
	changed[id] = names
	if len(names) == 0 {
		delete(p.at, id)
	} else {
		p.at[id] = names
	}
	if id.Kind == verdict.Host {
		return
	}
	for _, name := range old {
		if p.podsOn[name]--; p.podsOn[name] == 0 {
			delete(p.podsOn, name)
			p.dirtyHost = true
		}
	}
	for _, name := range names {
		if p.podsOn[name]++; p.podsOn[name] == 1 {
			p.dirtyHost = true
		}
	}
}

// settleHosts gives every interface that leads to no pod to the host endpoint
// that governs it.
func (p *places) settleHosts(changed map[verdict.EndpointID][]string) {
	now := map[verdict.EndpointID][]string{}
	clear(p.hostOn)
	if len(p.hosts) > 0 {
		for _, index := range p.host.ordered() {
			name := p.host.links[index].name
			if p.podsOn[name] > 0 {
				continue
			}
			if e := governing(p.hosts, name, p.host.addrs[index]); e != nil {
				now[e.ID] = append(now[e.ID], name)
				p.hostOn[name] = e.ID
			}
		}
	}
	for id := range p.at {
		if id.Kind == verdict.Host && now[id] == nil {
			p.set(changed, id, nil)
		}
	}
	for id, names := range now {
		p.set(changed, id, names)
	}
}

// all returns the whole outcome, which the caller may keep.
func (p *places) all() map[verdict.EndpointID][]string { return maps.Clone(p.at) }

// unplaced are the pods of this node that no interface leads to, sorted.
func (p *places) unplaced() []verdict.EndpointID {
	var list []verdict.EndpointID
	for id := range p.pods {
		if len(p.at[id]) == 0 {
			list = append(list, id)
		}
	}
	slices.SortFunc(list, verdict.EndpointID.Compare)
	return list
}

// governing returns the host endpoint for an interface (semantics.md section
// 11): one that has its name, or that has no name and expects one of its
// addresses; else one for "*"; of several the lowest name.
func governing(hosts map[verdict.EndpointID]*model.Endpoint, name string, addrs []netip.Addr) *model.Endpoint {
	var named, star *model.Endpoint
	for _, e := range hosts {
		switch {
		case e.Interface == "*":
			star = lower(star, e)
		case e.Interface == name,
			e.Interface == "" && slices.ContainsFunc(e.Addrs, func(a netip.Addr) bool { return slices.Contains(addrs, a) }):
			named = lower(named, e)
		}
	}
	if named != nil {
		return named
	}
	return star
}

func lower(a, b *model.Endpoint) *model.Endpoint {
	if a == nil || b.ID.Name < a.ID.Name {
		return b
	}
	return a
}
