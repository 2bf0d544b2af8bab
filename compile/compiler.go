package compile

import (
	"net/netip"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// Options say what a compiler compiles.
type Options struct {
	// Node limits the tables to the endpoints on one node, as an agent needs
	// it. Empty compiles every endpoint, as an analysis needs it.
	Node string
}

// Compiler keeps what of a world matters for its tables, and the tables. It is
// not safe for concurrent use; the tables that it hands out are.
type Compiler struct {
	options  Options
	settings settings

	// the world
	pairs         *pairs
	parents       map[parentKey]*parent
	groups        map[string]*group
	byID          byName
	endpoints     []endpoint
	freeEndpoints []int32
	byAddr        byAddress
	shared        map[netip.Addr][]int32
	lists         map[model.Key]*group
	slices        map[model.Key]*slice
	services      map[model.ServiceRef]map[*slice]struct{}
	tiers         map[string]*tier
	policies      map[model.Key]*policy
	profiles      map[string]*profile

	// what is asked of it
	conditions  map[conditionKey]*condition
	byLabels    *index[*condition]
	bySelector  *index[*policy]
	space       *space
	names       *names
	locals      map[verdict.EndpointID]*local
	localGroups map[*group]struct{}
	watching    map[*local]struct{}
	namedLocals int

	// the tables
	programs  map[string]*program
	rows      map[string]*row
	decisions map[decisionKey]*decision
	published map[verdict.EndpointID]*table.Endpoint
	tables    *table.Tables // nil if they must be put together anew

	atomIDs, classIDs, setIDs, rowIDs, decisionIDs *idPool

	lastNumber, lastLook uint64
	lastGroup            uint32

	// what the present change concerns
	dirtyGroups    map[*group]struct{}
	dirtyLocals    map[*local]struct{}
	worldChanged   bool
	changedSources []*source
	maybeEmpty     []*group
	emptyAtoms     []*atom
	idlePrograms   []*program
	idleConditions []*condition
	idleRows       []*row
	freshPrograms  []*program
	freshRows      []*row
	edited         map[*program]struct{}

	// lastApplied is the list of policies that apply to the group that was looked at
	// last; it is never written to
	lastApplied []*policy

	// memory that is used again
	applying []*policy
	own      []pairID
	above    []parentKey
	key      []byte
	maker    maker
	builder  builder
	powers   powers
}

// New returns a compiler for an empty state.
func New(o Options) *Compiler {
	c := &Compiler{
		options: o, settings: newSettings(),
		pairs: newPairs(), parents: map[parentKey]*parent{}, groups: map[string]*group{},
		byID: byName{}, byAddr: newByAddress(), shared: map[netip.Addr][]int32{},
		lists: map[model.Key]*group{}, slices: map[model.Key]*slice{}, services: map[model.ServiceRef]map[*slice]struct{}{},
		tiers: map[string]*tier{}, policies: map[model.Key]*policy{}, profiles: map[string]*profile{},
		conditions: map[conditionKey]*condition{}, byLabels: newIndex[*condition](), bySelector: newIndex[*policy](),
		space: newSpace(), names: newNames(), locals: map[verdict.EndpointID]*local{}, localGroups: map[*group]struct{}{}, watching: map[*local]struct{}{},
		programs: map[string]*program{}, rows: map[string]*row{}, decisions: map[decisionKey]*decision{},
		published: map[verdict.EndpointID]*table.Endpoint{},
		atomIDs:   newIDs(1), classIDs: newIDs(uint64(table.FirstClass)), setIDs: newIDs(1), rowIDs: newIDs(1), decisionIDs: newIDs(1),
		dirtyGroups: map[*group]struct{}{}, dirtyLocals: map[*local]struct{}{}, edited: map[*program]struct{}{},
	}
	for _, t := range model.BuiltinTiers() {
		c.putTier(t.Name, t)
	}
	p := model.DefaultAllowProfile()
	c.putProfile(p.Name, p)
	return c
}

// Compile returns the tables of a state, once.
func Compile(s *model.State, o Options) *table.Tables {
	c := New(o)
	c.settings.base = s.Settings
	for _, all := range s.Objects() {
		c.put(model.Put(all))
	}
	c.settle()
	return c.Tables()
}

// Apply makes the changes, in order, and returns what they change in the
// tables. Changes that put what is there already are no changes.
func (c *Compiler) Apply(changes ...model.Change) *table.Delta {
	for _, ch := range changes {
		c.put(ch)
	}
	return c.settle()
}

// settle brings the tables up to date with the world and returns how they
// changed. What lost its last user is looked at only at the end, so that what
// is dropped and taken up again in one change stays as it is.
func (c *Compiler) settle() *table.Delta {
	for _, g := range c.maybeEmpty {
		c.shrunk(g)
	}
	c.settleLocals()
	c.dropPrograms()
	for len(c.changedSources)+len(c.names.changed) > 0 {
		c.settleNames()
		all := c.changedSources
		c.changedSources = nil
		for _, s := range all {
			c.lay(s)
		}
	}
	gone, come := c.space.settle(c, c.classIDs)
	c.settleRows()
	d := c.delta(gone, come)
	c.tidy()
	if !d.Empty() {
		c.tables = nil
	}
	return d
}

// settleLocals finds which policies apply to the groups, and which programs
// the endpoints have, where that may have changed.
func (c *Compiler) settleLocals() {
	for g := range c.dirtyGroups {
		if g.local.len() == 0 {
			continue
		}
		c.apply(g)
		for _, l := range g.local.entries {
			c.dirtyLocals[l.key] = struct{}{}
		}
	}
	if c.worldChanged {
		for l := range c.watching {
			c.dirtyLocals[l] = struct{}{}
		}
	}
	for l := range c.dirtyLocals {
		c.settleLocal(l)
	}
}

// dropPrograms lets go of what no endpoint has any more: programs, the rules
// that only they had, and the conditions that only those asked for.
func (c *Compiler) dropPrograms() {
	for _, p := range c.idlePrograms {
		if p.refs > 0 || c.programs[p.key] != p {
			continue
		}
		delete(c.programs, p.key)
		for i := range p.parts {
			rs := p.parts[i].ruleset
			rs.programs.remove(p)
			if rs.refs--; rs.refs == 0 {
				c.letGo(rs)
			}
		}
	}
	for _, x := range c.idleConditions {
		if x.refs == 0 && c.conditions[x.key] == x {
			c.deactivate(x)
		}
	}
}

// settleRows brings the programs' rows up to date with the classes that came
// and went, and gives new programs theirs.
func (c *Compiler) settleRows() {
	derived := map[*program]map[*class]struct{}{}
	for _, p := range c.freshPrograms {
		if p.refs == 0 {
			continue
		}
		if other, ok := c.derive(p); ok {
			derived[p] = other
			continue
		}
		for family := range p.defaults {
			p.defaults[family] = c.rowOf(p, family, nil)
		}
	}
	for _, k := range c.space.touched {
		if lives := k.shown > 0; lives != k.lived {
			c.interested(k, func(p *program) { c.setRow(p, k, lives) })
		}
	}
	for _, p := range c.freshPrograms {
		if p.refs == 0 {
			continue
		}
		if other, ok := derived[p]; ok {
			for k := range other {
				if k.shown > 0 && p.rows.find(k) < 0 {
					c.setRow(p, k, true)
				}
			}
			continue
		}
		for i := range p.parts {
			for _, x := range p.parts[i].conditions {
				for _, a := range x.atoms.entries {
					for _, k := range a.value.classes.entries {
						if k.key.shown > 0 && p.rows.find(k.key) < 0 {
							c.setRow(p, k.key, true)
						}
					}
				}
			}
		}
	}
	for _, p := range c.idlePrograms {
		if p.refs > 0 || p.defaults[0] == nil {
			continue
		}
		for _, r := range p.rows.entries {
			c.releaseRow(r.value)
		}
		for _, r := range p.defaults {
			c.releaseRow(r)
		}
		p.rows, p.defaults = small[*class, *row]{}, [2]*row{}
	}
}

// interested calls f with every program that has a rule that can tell the
// class from the rest.
func (c *Compiler) interested(k *class, f func(*program)) {
	c.lastLook++
	for _, a := range k.atoms {
		for _, rs := range a.users.entries {
			for _, p := range rs.key.programs.entries {
				if p.key.seen != c.lastLook {
					p.key.seen = c.lastLook
					f(p.key)
				}
			}
		}
	}
}

// setRow gives a program its row for a class that came, or takes it away.
func (c *Compiler) setRow(p *program, k *class, lives bool) {
	if !lives {
		if was, ok := p.rows.get(k); ok {
			p.rows.remove(k)
			c.releaseRow(was)
			p.gone = append(p.gone, k)
			c.edited[p] = struct{}{}
		}
		return
	}
	r := c.rowOf(p, k.family, k)
	if r == p.defaults[k.family] {
		c.releaseRow(r)
		return
	}
	p.rows.put(k, r)
	if !p.fresh {
		p.come = append(p.come, k)
		c.edited[p] = struct{}{}
	}
}

// tidy forgets what the change left without a user, and the change itself.
func (c *Compiler) tidy() {
	for _, r := range c.idleRows {
		if r.refs > 0 || c.rows[r.key] != r {
			continue
		}
		delete(c.rows, r.key)
		c.rowIDs.give(uint64(r.ID))
		for _, d := range r.decisions {
			if d.refs--; d.refs == 0 {
				c.forgetDecision(d)
			}
		}
	}
	for _, p := range c.idlePrograms {
		if p.refs == 0 && c.programs[p.key] != p && p.id != 0 {
			c.setIDs.give(uint64(p.id))
			p.id = 0
		}
	}
	for _, k := range c.space.touched {
		k.touched = false
		if k.held == 0 && k.shown == 0 {
			c.space.forget(k, c.classIDs)
		}
	}
	for _, a := range c.emptyAtoms {
		if there, _ := a.atoms.get(a.port); a.members == 0 && there == a {
			a.atoms.remove(a.port)
			c.atomIDs.give(uint64(a.id))
		}
	}
	for _, p := range c.freshPrograms {
		p.fresh, p.from = false, nil
	}
	for _, r := range c.freshRows {
		r.fresh = false
	}
	for p := range c.edited {
		p.come, p.gone = nil, nil
	}
	c.edited, c.dirtyGroups, c.dirtyLocals = emptied(c.edited), emptied(c.dirtyGroups), emptied(c.dirtyLocals)
	c.space.moved = emptied(c.space.moved)
	c.worldChanged = false
	c.space.touched, c.space.renamed = nil, nil
	c.maybeEmpty, c.emptyAtoms, c.idlePrograms, c.idleConditions = nil, nil, nil, nil
	c.idleRows, c.freshPrograms, c.freshRows = nil, nil, nil
}
