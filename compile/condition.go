package compile

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/verdict"
)

// condition is something that a rule in force asks of a peer's address. Equal
// questions of several rules are one condition.
type condition struct {
	key conditionKey
	// selector is what selects members; nil selects all where the sort allows
	// that (named ports).
	selector *selector.Selector
	names    []string // of ports
	nets     *source  // for lists of networks
	service  model.ServiceRef
	domains  []domain.Pattern

	place place
	// atoms are its answers: one for most, one a port for those that ask for
	// ports. Ports without addresses have none. Selectors may have another one,
	// allowedNames, if some rules (named) ask for it.
	atoms small[model.ServicePort, *atom]
	// users are the rule sets that ask.
	users set[*ruleset]
	refs  int
	named int
}

// conditionKey is equal for equal questions.
type conditionKey struct {
	sort conditionSort
	// text is what else there is to the question: selector, names, networks or
	// service.
	text string
}

type conditionSort uint8

const (
	isSelected conditionSort = iota // endpoints and network sets
	isNode
	hasPort // endpoints with a port of a name
	inNets
	inService
	servesPort
	inDomains
)

// anyPort is no port: protocol 0 has none.
var anyPort = model.ServicePort{}

// atom is a set of addresses that a rule can ask for.
type atom struct {
	id uint32
	*condition
	port model.ServicePort
	// members are the sources that are in it.
	members int
	// classes are those whose addresses are in it.
	classes set[*class]
}

func compareAtoms(a, b *atom) int { return cmp.Compare(a.id, b.id) }

// atomOf returns the condition's atom for a port.
func (c *Compiler) atomOf(x *condition, port model.ServicePort) *atom {
	a, ok := x.atoms.get(port)
	if !ok {
		a = &atom{id: uint32(c.atomIDs.take()), condition: x, port: port}
		x.atoms.put(port, a)
	}
	return a
}

// The conditions of the several sorts, each with its key.

func (c *Compiler) selected(s *selector.Selector) *condition {
	return c.condition(conditionKey{isSelected, s.String()}, func(x *condition) { x.selector = s })
}

func (c *Compiler) node(s *selector.Selector) *condition {
	return c.condition(conditionKey{isNode, s.String()}, func(x *condition) { x.selector = s })
}

func (c *Compiler) named(s *selector.Selector, names []string) *condition {
	among := ""
	if s != nil {
		among = s.String()
	}
	return c.condition(conditionKey{hasPort, fmt.Sprintf("%q %s", names, among)}, func(x *condition) { x.selector, x.names = s, names })
}

func (c *Compiler) network(nets []netip.Prefix) *condition {
	list := make([]netip.Prefix, len(nets))
	for i, n := range nets {
		list[i] = n.Masked()
	}
	slices.SortFunc(list, comparePrefixes)
	list = slices.Compact(list)
	var key strings.Builder
	for _, n := range list {
		key.WriteString(" " + n.String())
	}
	return c.condition(conditionKey{inNets, key.String()}, func(x *condition) { x.nets = &source{nets: list} })
}

func (c *Compiler) service(s model.ServiceRef, sort conditionSort) *condition {
	return c.condition(serviceKey(s, sort), func(x *condition) { x.service = s })
}

func serviceKey(s model.ServiceRef, sort conditionSort) conditionKey {
	return conditionKey{sort, s.Namespace + "/" + s.Name}
}

// condition returns the condition with the key, made by fill if it is new,
// with one more reference.
func (c *Compiler) condition(key conditionKey, fill func(*condition)) *condition {
	x := c.conditions[key]
	if x == nil {
		x = &condition{key: key}
		fill(x)
		c.conditions[key] = x
		c.activate(x)
	}
	x.refs++
	return x
}

// activate puts everything that a new condition selects into its atoms.
func (c *Compiler) activate(x *condition) {
	switch x.key.sort {
	case inNets:
		c.join(x.nets, c.atomOf(x, anyPort))
	case inDomains:
		c.listen(x)
	case inService, servesPort:
		for s := range c.services[x.service] {
			c.joinService(s, x)
		}
	case isSelected, isNode:
		needs := x.selector.Requirements()
		x.place = c.byLabels.file(needs, x)
		c.matching(x.selector, needs, func(g *group) { c.joinGroup(g, x) })
	case hasPort:
		s := x.selector
		if s == nil {
			s = selector.All()
		}
		needs := s.Requirements()
		x.place = c.byLabels.file(needs, x)
		c.matching(s, needs, func(g *group) { c.joinGroup(g, x) })
	}
}

// deactivate takes a condition away that no rule asks any more.
func (c *Compiler) deactivate(x *condition) {
	delete(c.conditions, x.key)
	if x.key.sort == isSelected || x.key.sort == isNode || x.key.sort == hasPort {
		c.byLabels.remove(x.place, x)
	}
	leave := func(s *source) {
		for _, e := range slices.Clone(x.atoms.entries) {
			c.part(s, e.value)
		}
	}
	switch x.key.sort {
	case inNets:
		leave(x.nets)
	case inDomains:
		c.silence(x)
	case inService, servesPort:
		for s := range c.services[x.service] {
			leave(&s.source)
		}
	case isSelected, isNode, hasPort:
		if x.selector != nil {
			c.matching(x.selector, x.selector.Requirements(), func(g *group) { leave(&g.source) })
			return
		}
		for _, g := range c.groups {
			leave(&g.source)
		}
	}
}

// joinGroup puts a group that the condition selects into its atoms.
func (c *Compiler) joinGroup(g *group, x *condition) {
	c.answers(g, x, func(a *atom) { c.join(&g.source, a) })
}

// answers calls f with the atoms in which a group is that the condition
// selects.
func (c *Compiler) answers(g *group, x *condition, f func(*atom)) {
	switch x.key.sort {
	case isSelected:
		if g.sort != nodes {
			f(c.atomOf(x, anyPort))
		}
	case isNode:
		if g.sort == nodes {
			f(c.atomOf(x, anyPort))
		}
	case hasPort:
		for _, p := range g.ports {
			if slices.Contains(x.names, p.Name) {
				f(c.atomOf(x, model.ServicePort{Protocol: p.Protocol, Port: p.Port}))
			}
		}
	}
}

// joinService puts a part of a service into a condition's atoms.
func (c *Compiler) joinService(s *slice, x *condition) {
	if x.key.sort == inService {
		c.join(&s.source, c.atomOf(x, anyPort))
		return
	}
	for _, p := range s.object.Ports {
		c.join(&s.source, c.atomOf(x, p))
	}
}

// conditionsOf puts a group that is new, or has other labels now, into the
// atoms that it belongs to, and takes it out of the others.
func (c *Compiler) conditionsOf(g *group) {
	var want []*atom
	c.byLabels.candidates(g, func(x *condition) {
		if x.selector == nil || x.selector.Matches(g) {
			c.answers(g, x, func(a *atom) { want = append(want, a) })
		}
	})
	for _, a := range slices.Clone(g.atoms) {
		if !slices.Contains(want, a) {
			c.part(&g.source, a)
		}
	}
	for _, a := range want {
		c.join(&g.source, a)
	}
}

func (c *Compiler) leaveConditions(g *group) {
	for _, a := range slices.Clone(g.atoms) {
		c.part(&g.source, a)
	}
}

// source is where addresses come from: a group of objects, a part of a
// service, a list of networks, a domain name. All its addresses are in the same atoms.
type source struct {
	// atoms are sorted by id.
	atoms []*atom
	group *group
	slice *slice
	// nets are the networks of a list.
	nets []netip.Prefix
	// laid says that its networks are in the space; changed that it waits to
	// be looked at.
	laid, changed bool
}

func (c *Compiler) join(s *source, a *atom) {
	i, found := slices.BinarySearchFunc(s.atoms, a, compareAtoms)
	if found {
		return
	}
	s.atoms = slices.Insert(s.atoms, i, a)
	a.members++
	c.changed(s)
}

func (c *Compiler) part(s *source, a *atom) {
	i, found := slices.BinarySearchFunc(s.atoms, a, compareAtoms)
	if !found {
		return
	}
	s.atoms = slices.Delete(s.atoms, i, i+1)
	c.changed(s)
	if a.members--; a.members == 0 {
		c.emptyAtoms = append(c.emptyAtoms, a)
	}
}

func (c *Compiler) changed(s *source) {
	if !s.changed {
		s.changed = true
		c.changedSources = append(c.changedSources, s)
	}
}

// portsOf are the ports of the protocol that a class has by a condition.
func (x *condition) portsOf(k *class, protocol uint8) []model.PortRange {
	if k == nil {
		return nil
	}
	var out []model.PortRange
	for _, a := range k.atoms {
		if a.condition == x && a.port.Protocol == protocol && verdict.HasPorts(protocol) {
			out = append(out, model.PortRange{From: a.port.Port, To: a.port.Port})
		}
	}
	return out
}
