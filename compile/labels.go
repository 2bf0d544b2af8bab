package compile

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/model"
)

// pairID names a label with its value.
type pairID uint32

// pairs gives every label that something carries a small number, and knows
// which groups carry it.
type pairs struct {
	ids  map[pair]pairID
	list []pairEntry
	free []pairID
}

type pair struct{ key, value string }

type pairEntry struct {
	pair
	refs int
	// groups carry the pair. It may also hold groups that are gone or that do
	// not carry it any more: who asks must look. stale counts them.
	groups []*group
	stale  int
}

func newPairs() *pairs { return &pairs{ids: map[pair]pairID{}} }

// take returns the number of a label, which the caller gives back.
func (p *pairs) take(key, value string) pairID {
	id, ok := p.ids[pair{key, value}]
	switch {
	case ok:
	case len(p.free) > 0:
		id = p.free[len(p.free)-1]
		p.free = p.free[:len(p.free)-1]
		p.list[id] = pairEntry{pair: pair{key, value}}
		p.ids[p.list[id].pair] = id
	default:
		id = pairID(len(p.list))
		p.list = append(p.list, pairEntry{pair: pair{key, value}})
		p.ids[p.list[id].pair] = id
	}
	p.list[id].refs++
	return id
}

func (p *pairs) give(id pairID) {
	e := &p.list[id]
	if e.refs--; e.refs == 0 {
		delete(p.ids, e.pair)
		*e = pairEntry{}
		p.free = append(p.free, id)
	}
}

// enter and leave keep the groups that carry each pair.
func (p *pairs) enter(g *group, ids []pairID) {
	for _, id := range ids {
		p.list[id].groups = append(p.list[id].groups, g)
	}
}

func (p *pairs) leave(ids []pairID) {
	for _, id := range ids {
		e := &p.list[id]
		if e.stale++; e.stale*2 < len(e.groups) {
			continue
		}
		kept := e.groups[:0]
		for _, g := range e.groups {
			if _, ok := slices.BinarySearch(g.effective, id); ok && !g.gone {
				kept = append(kept, g)
			}
		}
		clear(e.groups[len(kept):])
		// a group that left and came back stands in the list twice
		slices.SortFunc(kept, func(a, b *group) int { return int(a.number) - int(b.number) })
		e.groups, e.stale = slices.Compact(kept), 0
	}
}

// parent is where labels are inherited from: a namespace, a service account or
// a profile.
type parent struct {
	kind   model.Kind
	labels map[string]string
	// inherited are the labels as the groups below have them.
	inherited []pairID
	groups    map[*group]struct{}
	// known says that the object itself is there.
	known bool
}

type parentKey struct {
	kind            model.Kind
	namespace, name string
}

// parentOf returns the parent at the key, which comes into being when it is
// first asked for.
func (c *Compiler) parentOf(k parentKey) *parent {
	p := c.parents[k]
	if p == nil {
		p = &parent{kind: k.kind, groups: map[*group]struct{}{}}
		c.parents[k] = p
		p.inherited = c.inheritedOf(k, nil)
	}
	return p
}

// inheritedOf are a parent's labels as its groups have them (semantics.md
// section 5). The name of a namespace or of an account is a label too, and
// wins, so that nobody passes for another by labelling his own.
func (c *Compiler) inheritedOf(k parentKey, labels map[string]string) []pairID {
	prefix := ""
	switch k.kind {
	case model.KindNamespace:
		prefix = model.PrefixNamespace
	case model.KindServiceAccount:
		prefix = model.PrefixServiceAcct
	}
	var out []pairID
	for key, value := range labels {
		if prefix == "" || key != model.LabelName {
			out = append(out, c.pairs.take(prefix+key, value))
		}
	}
	if prefix != "" {
		out = append(out, c.pairs.take(prefix+model.LabelName, k.name))
	}
	slices.Sort(out)
	return out
}

// putParent replaces the labels of a namespace, an account or a profile; nil
// with known false is one that does not exist.
func (c *Compiler) putParent(k parentKey, labels map[string]string, known bool) {
	p := c.parentOf(k)
	before := p.inherited
	p.labels, p.known = labels, known
	p.inherited = c.inheritedOf(k, labels)
	if !slices.Equal(before, p.inherited) {
		for g := range p.groups {
			c.relabel(g)
		}
	}
	for _, id := range before {
		c.pairs.give(id)
	}
	c.dropParent(k, p)
}

func (c *Compiler) dropParent(k parentKey, p *parent) {
	if p.known || len(p.groups) > 0 {
		return
	}
	for _, id := range p.inherited {
		c.pairs.give(id)
	}
	delete(c.parents, k)
}

// group is all objects that no selector can tell apart: of one sort, with the
// same labels of their own, the same parents and the same named ports.
// Selectors are evaluated once for each group.
type group struct {
	source
	key     string
	number  uint32
	gone    bool
	sort    sort
	own     []pairID
	parents []parentKey
	ports   []model.NamedPort
	// effective are the labels that selectors see, sorted.
	effective []pairID
	endpoints []int32
	// lists are the networks of the members that are network sets or nodes.
	lists map[model.Key][]netip.Prefix
	// domains are those that members allow, if they are network sets that do.
	domains map[model.Key][]domain.Pattern
	// local are the endpoints of the group that are compiled for.
	local   set[*local]
	applied []*policy
	labels  *pairs
	looked  uint64
}

// sort says what a group is made of.
type sort uint8

const (
	pods sort = iota
	hosts
	networkSets
	nodes
)

// Label implements selector.Labels.
func (g *group) Label(key string) (string, bool) {
	for _, id := range g.effective {
		if e := &g.labels.list[id]; e.key == key {
			return e.value, true
		}
	}
	return "", false
}

// groupOf finds the group for a sort, labels, parents and ports.
func (c *Compiler) groupOf(s sort, labels map[string]string, parents []parentKey, ports []model.NamedPort) *group {
	own := c.own[:0]
	for key, value := range labels {
		own = append(own, c.pairs.take(key, value))
	}
	slices.Sort(own)
	c.own = own
	k := c.key[:0]
	k = append(k, byte(s))
	for _, id := range own {
		k = binary.BigEndian.AppendUint32(k, uint32(id))
	}
	for _, p := range parents {
		k = append(k, '\n', byte(p.kind))
		k = append(append(append(k, p.namespace...), '/'), p.name...)
	}
	for _, p := range ports {
		k = append(append(k, '\t'), p.Name...)
		k = append(k, '/', p.Protocol, byte(p.Port>>8), byte(p.Port))
	}
	c.key = k
	if g := c.groups[string(k)]; g != nil {
		for _, id := range own {
			c.pairs.give(id)
		}
		return g
	}
	c.lastGroup++
	g := &group{
		key: string(k), number: c.lastGroup, sort: s, own: slices.Clone(own), parents: slices.Clone(parents),
		ports: slices.Clone(ports), labels: c.pairs,
	}
	g.group = g
	c.groups[g.key] = g
	for _, k := range parents {
		c.parentOf(k).groups[g] = struct{}{}
	}
	g.effective = c.effectiveOf(g)
	c.pairs.enter(g, g.effective)
	c.conditionsOf(g)
	return g
}

// effectiveOf are the labels that selectors see: its own win, and among
// parents the first.
func (c *Compiler) effectiveOf(g *group) []pairID {
	out := make([]pairID, 0, len(g.own)+8)
	add := func(ids []pairID) {
		for n, id := len(out), ids; len(id) > 0; id = id[1:] {
			taken := slices.ContainsFunc(out[:n], func(x pairID) bool { return c.pairs.list[x].key == c.pairs.list[id[0]].key })
			if !taken {
				out = append(out, id[0])
			}
		}
	}
	add(g.own)
	for _, k := range g.parents {
		add(c.parentOf(k).inherited)
	}
	slices.Sort(out)
	for _, id := range out {
		c.pairs.list[id].refs++
	}
	return slices.Clip(out)
}

// relabel takes over what the parents of a group have now.
func (c *Compiler) relabel(g *group) {
	before := g.effective
	g.effective = c.effectiveOf(g)
	var left, entered []pairID
	for _, id := range before {
		if _, ok := slices.BinarySearch(g.effective, id); !ok {
			left = append(left, id)
		}
	}
	for _, id := range g.effective {
		if _, ok := slices.BinarySearch(before, id); !ok {
			entered = append(entered, id)
		}
	}
	c.pairs.enter(g, entered)
	c.pairs.leave(left)
	for _, id := range before {
		c.pairs.give(id)
	}
	c.conditionsOf(g)
	c.dirtyGroups[g] = struct{}{}
	c.touchedGroup(g)
}

// shrunk lets a group go that has no member left.
func (c *Compiler) shrunk(g *group) {
	if len(g.endpoints)+len(g.lists) > 0 || g.gone {
		return
	}
	c.leaveConditions(g)
	g.gone = true
	delete(c.groups, g.key)
	c.pairs.leave(g.effective)
	for _, k := range g.parents {
		p := c.parentOf(k)
		delete(p.groups, g)
		c.dropParent(k, p)
	}
	for _, id := range g.own {
		c.pairs.give(id)
	}
	for _, id := range g.effective {
		c.pairs.give(id)
	}
}
