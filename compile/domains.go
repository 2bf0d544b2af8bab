package compile

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/tidwall/btree"

	"github.com/tierwall/tierwall/domain"
	"github.com/tierwall/tierwall/model"
)

// names are the domain names with known addresses, and the patterns in force.
type names struct {
	// known are sorted by their reversed labels, so that those under one name
	// are next to each other.
	known    *btree.BTreeG[*name]
	patterns *domain.Index[*pattern]
	// allowing are the groups with network sets that allow domains.
	allowing map[*group]struct{}
	// changed are the names whose atoms may have changed.
	changed []*name
}

// name is a source: what was learned of a domain name.
type name struct {
	source
	name     domain.Name
	reversed string
	// waits says that it is among the changed, gone that it is not known any more.
	waits, gone bool
}

// pattern is who asks for the names that match one pattern.
type pattern struct {
	// lists are the domains of rules, groups the network sets that allow the
	// pattern, with how many of the group do.
	lists  set[*condition]
	groups small[*group, int]
}

// allowedNames is the port of the atom in which a selector's condition has the
// addresses of the domains that the selected network sets allow: it is of no
// protocol.
var allowedNames = model.ServicePort{Port: 1}

func newNames() *names {
	options := btree.Options{NoLocks: true, Degree: 32}
	return &names{
		known:    btree.NewBTreeGOptions(func(a, b *name) bool { return a.reversed < b.reversed }, options),
		patterns: domain.NewIndex[*pattern](), allowing: map[*group]struct{}{},
	}
}

func (c *Compiler) putLearned(n domain.Name, o *model.Learned) {
	at := &name{name: n, reversed: n.Reversed()}
	was, _ := c.names.known.Get(at)
	if o == nil || len(o.Addrs) == 0 {
		if was != nil {
			was.gone = true
			c.names.known.Delete(was)
			for _, a := range slices.Clone(was.atoms) {
				c.part(&was.source, a)
			}
		}
		return
	}
	now := make([]netip.Prefix, len(o.Addrs))
	for i, a := range o.Addrs {
		now[i] = netip.PrefixFrom(a, a.BitLen())
	}
	if was == nil {
		at.nets = now
		c.names.known.Set(at)
		c.names.look(at)
		return
	}
	gone, come := edits(was.nets, now)
	if was.nets = now; was.laid {
		for _, p := range come {
			c.space.lay(p, &was.source)
		}
		for _, p := range gone {
			c.space.lift(p, &was.source)
		}
	}
}

// look says that the name's atoms may have changed.
func (s *names) look(n *name) {
	if !n.waits {
		n.waits = true
		s.changed = append(s.changed, n)
	}
}

// lookUnder says it of all names that a pattern matches.
func (s *names) lookUnder(p domain.Pattern) {
	under := p.Under().Reversed()
	s.known.Ascend(&name{reversed: under}, func(n *name) bool {
		if p.Matches(n.name) {
			s.look(n)
		}
		return strings.HasPrefix(n.reversed, under)
	})
}

// lookAt says it of all names that the sets of a group allow.
func (s *names) lookAt(g *group) {
	for _, list := range g.domains {
		for _, p := range list {
			s.lookUnder(p)
		}
	}
}

// pattern returns who asks for a pattern.
func (s *names) pattern(p domain.Pattern) *pattern {
	x, ok := s.patterns.Find(p)
	if !ok {
		x = &pattern{}
		s.patterns.Put(p, x)
	}
	return x
}

// drop forgets a pattern that nobody asks for any more.
func (s *names) drop(p domain.Pattern, x *pattern) {
	if x.lists.len()+x.groups.len() == 0 {
		s.patterns.Remove(p)
	}
	s.lookUnder(p)
}

// settleNames puts the names into the atoms in which they are now, and takes
// them out of the others.
func (c *Compiler) settleNames() {
	for _, n := range c.names.changed {
		if n.waits = false; n.gone {
			continue
		}
		want := c.atomsOf(n.name)
		for _, a := range slices.Clone(n.atoms) {
			if !slices.Contains(want, a) {
				c.part(&n.source, a)
			}
		}
		for _, a := range want {
			c.join(&n.source, a)
		}
	}
	c.names.changed = c.names.changed[:0]
}

// atomsOf are the atoms in which a name's addresses are: of the rules that name
// it, and of the selectors that find a network set which allows it and are asked
// for that.
func (c *Compiler) atomsOf(n domain.Name) (all []*atom) {
	c.names.patterns.Match(n, func(p *pattern) {
		for _, x := range p.lists.entries {
			all = append(all, c.atomOf(x.key, anyPort))
		}
		for _, g := range p.groups.entries {
			for _, a := range g.key.atoms {
				if a.key.sort == isSelected && a.named > 0 {
					all = append(all, c.atomOf(a.condition, allowedNames))
				}
			}
		}
	})
	return all
}

// putDomains takes over the domains that a network set allows; g is its group,
// was the one before. nil is none.
func (c *Compiler) putDomains(k model.Key, was, g *group, list []domain.Pattern) {
	var old []domain.Pattern
	if was != nil {
		old = was.domains[k]
	}
	if was == g && slices.Equal(old, list) {
		return
	}
	for _, p := range old {
		x := c.names.pattern(p)
		if n, _ := x.groups.get(was); n > 1 {
			x.groups.put(was, n-1)
		} else {
			x.groups.remove(was)
		}
		c.names.drop(p, x)
	}
	if len(old) > 0 {
		if delete(was.domains, k); len(was.domains) == 0 {
			delete(c.names.allowing, was)
		}
	}
	if g == nil || len(list) == 0 {
		return
	}
	if g.domains == nil {
		g.domains = map[model.Key][]domain.Pattern{}
	}
	g.domains[k], c.names.allowing[g] = list, struct{}{}
	for _, p := range list {
		x := c.names.pattern(p)
		n, _ := x.groups.get(g)
		x.groups.put(g, n+1)
		c.names.lookUnder(p)
	}
}

// askNames counts the rules that ask a selector's condition for the domains of
// what it selects.
func (c *Compiler) askNames(x *condition, rules int) {
	before := x.named
	if x.named += rules; (before > 0) == (x.named > 0) {
		return
	}
	a, ok := x.atoms.get(anyPort)
	if !ok {
		return
	}
	for g := range c.names.allowing {
		if _, selects := slices.BinarySearchFunc(g.atoms, a, compareAtoms); selects {
			c.names.lookAt(g)
		}
	}
}

// domains returns the condition of a rule's list of domains.
func (c *Compiler) domains(list []domain.Pattern) *condition {
	words := make([]string, len(list))
	for i, p := range list {
		words[i] = p.String()
	}
	slices.Sort(words)
	return c.condition(conditionKey{inDomains, strings.Join(slices.Compact(words), " ")}, func(x *condition) { x.domains = list })
}

// listen lets a new condition ask for its domains; silence takes that back.
func (c *Compiler) listen(x *condition) {
	for _, p := range x.domains {
		c.names.pattern(p).lists.put(x, struct{}{})
		c.names.lookUnder(p)
	}
}

func (c *Compiler) silence(x *condition) {
	for _, p := range x.domains {
		if at, ok := c.names.patterns.Find(p); ok { // else it stood in the list twice
			at.lists.remove(x)
			c.names.drop(p, at)
		}
	}
}
