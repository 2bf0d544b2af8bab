package compile

import (
	"reflect"
	"slices"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/selector"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// policy is what is kept of a policy.
type policy struct {
	object *model.Policy
	tier   *tier
	// number is another one for each content.
	number uint64
	needs  []selector.Requirement
	place  place
	rules  [2]*ruleset
}

// tier is a tier that exists or that a policy names.
type tier struct {
	name   string
	object *model.Tier // nil if it does not exist
	// number is another one for each content.
	number   uint64
	policies int
}

func (t *tier) ordered() model.OrderedTier {
	if t.object == nil {
		return model.OrderedTier{Tier: &model.Tier{Name: t.name}, Missing: true}
	}
	return model.OrderedTier{Tier: t.object}
}

func comparePolicies(a, b *policy) int {
	if a.tier == b.tier {
		return model.ComparePolicies(a.object, b.object)
	}
	return model.CompareTiers(a.tier.ordered(), b.tier.ordered())
}

func (c *Compiler) tierOf(name string) *tier {
	t := c.tiers[name]
	if t == nil {
		c.lastNumber++
		t = &tier{name: name, number: c.lastNumber}
		c.tiers[name] = t
	}
	return t
}

func (c *Compiler) putTier(name string, o *model.Tier) {
	if o == nil {
		for _, builtin := range model.BuiltinTiers() {
			if builtin.Name == name {
				o = builtin
			}
		}
	}
	t := c.tierOf(name)
	if !reflect.DeepEqual(t.object, o) {
		c.lastNumber++
		t.object, t.number = o, c.lastNumber
		for g := range c.localGroups {
			if slices.ContainsFunc(g.applied, func(p *policy) bool { return p.tier == t }) {
				c.dirtyGroups[g] = struct{}{}
			}
		}
	}
	c.dropTier(t)
}

func (c *Compiler) dropTier(t *tier) {
	if t.object == nil && t.policies == 0 {
		delete(c.tiers, t.name)
	}
}

func (c *Compiler) putPolicy(k model.Key, o *model.Policy) {
	old := c.policies[k]
	if old != nil {
		if o != nil && reflect.DeepEqual(old.object, o) {
			return
		}
		delete(c.policies, k)
		c.applyTo(old)
		if old.object.Selector != nil {
			c.bySelector.remove(old.place, old)
		}
		old.tier.policies--
		c.dropTier(old.tier)
	}
	if o == nil {
		return
	}
	c.lastNumber++
	p := &policy{object: o, tier: c.tierOf(o.Tier), number: c.lastNumber}
	p.tier.policies++
	c.policies[k] = p
	if o.Selector != nil {
		p.needs = o.Selector.Requirements()
		p.place = c.bySelector.file(p.needs, p)
	}
	c.applyTo(p)
}

// applyTo marks the groups that a policy applies to.
func (c *Compiler) applyTo(p *policy) {
	if p.object.Selector == nil || len(c.localGroups) == 0 {
		return
	}
	c.matching(p.object.Selector, p.needs, func(g *group) {
		if g.local.len() > 0 {
			c.dirtyGroups[g] = struct{}{}
		}
	})
}

// apply finds the policies that apply to a group, in their order. Groups to which
// the same apply share the list where they are looked at one after the other: on a
// node with many policies nearly all of them do.
func (c *Compiler) apply(g *group) {
	list := c.applying[:0]
	c.bySelector.candidates(g, func(p *policy) {
		if p.object.Selector.Matches(g) {
			list = append(list, p)
		}
	})
	slices.SortFunc(list, comparePolicies)
	c.applying = list
	if !slices.Equal(c.lastApplied, list) {
		c.lastApplied = slices.Clone(list)
	}
	g.applied = c.lastApplied
}

// profile is what is kept of a profile's rules; its labels are a parent's.
type profile struct {
	object *model.Profile
	number uint64
	rules  [2]*ruleset
}

func (c *Compiler) putProfile(name string, o *model.Profile) {
	k := parentKey{model.KindProfile, "", name}
	old := c.profiles[name]
	if old != nil && o != nil && reflect.DeepEqual(old.object, o) {
		return
	}
	delete(c.profiles, name)
	if o != nil {
		c.lastNumber++
		c.profiles[name] = &profile{object: o, number: c.lastNumber}
	}
	if p := c.parents[k]; p != nil {
		for g := range p.groups {
			c.dirtyGroups[g] = struct{}{}
		}
	}
	c.putParent(k, labelsOf(o, func() map[string]string { return o.Labels }), o != nil)
}

// ruleset is the rules of a policy, a profile or the failsafe ports in one
// direction, ready for peers; the local side is each program's own matter.
type ruleset struct {
	ops []op
	// free are the rules that any peer may match, byCondition the others, by
	// one condition that a peer must meet.
	free        []int32
	byCondition small[*condition, []int32]
	conditions  []*condition
	programs    set[*program]
	refs        int
	// local says that some rule asks something of the local address; named that
	// it asks for ports by name there, world that the answer depends on other
	// objects than the endpoint.
	local, named, world bool
	drop                func()
}

// op is one rule.
type op struct {
	action verdict.Action
	reason verdict.Reason
	rule   *model.Rule
	// step is the step that it leaves, alone; nil for failsafe ports.
	step []verdict.Step
	hash wayHash
	// never holds families, 0 for IPv4 and 1 for IPv6, that cannot match.
	never            [2]bool
	require, exclude []*condition
	src, dst         portTest
	// service is what a destination service's ports are known by.
	service *condition
	// asksNames is the condition of the destination's selector if the rule also
	// matches the domains of the network sets that it selects; nil if not.
	asksNames *condition
	// asks says that the rule asks something of its own address.
	asks bool
}

// portTest is what a rule asks of one side's port.
type portTest struct {
	// asked says that the rule names ports it wants; with none known, none
	// matches.
	asked bool
	// refused says that it names ports that it does not want.
	refused         bool
	named, notNamed *condition
	// names says that it names ports by name, local that it is the test of the
	// endpoint's own side.
	names, local bool
	// fixed are the ports that pass, if that depends on no name; nil for all.
	fixed []model.PortRange
}

// rulesOf returns the rules of a policy in a direction, which it readies the
// first time.
func (c *Compiler) rulesOf(p *policy, d verdict.Direction) *ruleset {
	if p.rules[d] == nil {
		step := verdict.Step{Tier: p.object.Tier, Policy: p.object.ID}
		p.rules[d] = c.ready(p.object.Rules[d], p.object.Invalid[d], step, verdict.ByRule, d)
		p.rules[d].drop = dropFrom(&p.rules[d])
	}
	return p.rules[d]
}

// dropFrom takes a rule set from where it is kept, if it is still there.
func dropFrom(at **ruleset) func() {
	rs := *at
	return func() {
		if *at == rs {
			*at = nil
		}
	}
}

func (c *Compiler) profileRules(p *profile, d verdict.Direction) *ruleset {
	if p.rules[d] == nil {
		step := verdict.Step{Profile: p.object.Name}
		p.rules[d] = c.ready(p.object.Rules[d], p.object.Invalid[d], step, verdict.ByProfile, d)
		p.rules[d].drop = dropFrom(&p.rules[d])
	}
	return p.rules[d]
}

func (c *Compiler) ready(rules []model.Rule, invalid bool, step verdict.Step, reason verdict.Reason, d verdict.Direction) *ruleset {
	rs := &ruleset{ops: make([]op, 0, max(1, len(rules)))}
	if invalid {
		step.Rule, step.Action = verdict.NoRule, verdict.ActionDeny
		rs.add(op{action: verdict.ActionDeny, reason: verdict.InvalidPolicy, rule: &model.Rule{}, step: []verdict.Step{step}})
	}
	for i := range rules {
		r := &rules[i]
		if invalid || r.HTTP && !c.settings.base.HTTPAsL4 {
			continue
		}
		step.Rule, step.Action = r.Index, r.Action
		rs.add(c.op(r, reason, []verdict.Step{step}, d))
	}
	rs.finish(d)
	return rs
}

func (rs *ruleset) add(o op) {
	if o.step != nil {
		o.hash = hashStep(&o.step[0])
	}
	rs.ops = append(rs.ops, o)
}

// op turns one rule's questions about peers into conditions.
func (c *Compiler) op(r *model.Rule, reason verdict.Reason, step []verdict.Step, d verdict.Direction) op {
	o := op{action: r.Action, reason: reason, rule: r, step: step}
	remote, local := remotePeer(r, d), localPeer(r, d)
	o.never = [2]bool{r.IPVersion == 6, r.IPVersion == 4}
	if len(remote.Nets) > 0 {
		o.require = append(o.require, c.network(remote.Nets))
	}
	if len(remote.Domains) > 0 {
		o.require = append(o.require, c.domains(remote.Domains))
	}
	if remote.Selector != nil {
		x := c.selected(remote.Selector)
		o.require = append(o.require, x)
		if d == verdict.Egress && r.Action == verdict.ActionAllow {
			o.asksNames = x
			c.askNames(x, 1)
		}
	}
	if remote.Nodes != nil {
		o.require = append(o.require, c.node(remote.Nodes))
	}
	if remote.NotSelector != nil {
		o.exclude = append(o.exclude, c.selected(remote.NotSelector))
	}
	if len(remote.NotNets) > 0 {
		o.exclude = append(o.exclude, c.network(remote.NotNets))
		o.noFamily(remote)
	}
	if s := remote.Service; s != nil && d == verdict.Ingress {
		o.require = append(o.require, c.service(*s, inService))
	} else if s != nil {
		o.service = c.service(*s, servesPort)
	}
	o.src, o.dst = testOf(&r.Source), testOf(&r.Destination)
	test, own := &o.dst, &o.src
	if d == verdict.Ingress {
		test, own = own, test
	}
	own.local = true
	if remote.NamedPorts != nil {
		test.named = c.named(remote.Selector, remote.NamedPorts)
	}
	if remote.NotNamedPorts != nil {
		test.notNamed = c.named(remote.Selector, remote.NotNamedPorts)
	}
	o.asks = restrictsAddress(local) || local.NamedPorts != nil || local.NotNamedPorts != nil
	return o
}

// noFamily rules out the families that a list of excluded networks has no
// network of: it kills the rule for them (semantics.md section 7).
func (o *op) noFamily(p *model.Peer) {
	has := [2]bool{}
	for _, n := range p.NotNets {
		has[table.Family(n.Addr())] = true
	}
	for f, ok := range has {
		o.never[f] = o.never[f] || !ok
	}
}

func testOf(p *model.Peer) portTest {
	t := portTest{
		asked: p.Ports != nil || p.NamedPorts != nil, refused: p.NotPorts != nil || p.NotNamedPorts != nil,
		names: p.NamedPorts != nil || p.NotNamedPorts != nil,
	}
	if !t.names {
		t.fixed = t.pass(p, nil, nil)
	}
	return t
}

// finish files the rules by condition.
func (rs *ruleset) finish(d verdict.Direction) {
	for i := range rs.ops {
		o := &rs.ops[i]
		for _, x := range o.all() {
			if !slices.Contains(rs.conditions, x) {
				rs.conditions = append(rs.conditions, x)
			}
		}
		switch {
		case len(o.require) > 0:
			rs.fileUnder(o.require[0], int32(i))
		case o.service != nil:
			rs.fileUnder(o.service, int32(i))
		default:
			rs.free = append(rs.free, int32(i))
		}
		if !o.asks {
			continue
		}
		rs.local = true
		p := localPeer(o.rule, d)
		rs.named = rs.named || p.NamedPorts != nil || p.NotNamedPorts != nil
		rs.world = rs.world || p.Selector != nil || p.NotSelector != nil || p.Nodes != nil
	}
	for _, x := range rs.conditions {
		x.users.put(rs, struct{}{})
	}
}

func (rs *ruleset) fileUnder(x *condition, i int32) {
	list, _ := rs.byCondition.get(x)
	rs.byCondition.put(x, append(list, i))
}

// all are the conditions that a rule asks for, with repetitions.
func (o *op) all() []*condition {
	list := slices.Concat(o.require, o.exclude)
	for _, x := range []*condition{o.service, o.src.named, o.src.notNamed, o.dst.named, o.dst.notNamed} {
		if x != nil {
			list = append(list, x)
		}
	}
	return list
}

// letGo gives up the conditions of rules that no program has any more.
func (c *Compiler) letGo(rs *ruleset) {
	for i := range rs.ops {
		if x := rs.ops[i].asksNames; x != nil {
			c.askNames(x, -1)
		}
		for _, x := range rs.ops[i].all() {
			if x.refs--; x.refs == 0 {
				c.idleConditions = append(c.idleConditions, x)
			}
		}
	}
	for _, x := range rs.conditions {
		x.users.remove(rs)
	}
	rs.drop()
}

func localPeer(r *model.Rule, d verdict.Direction) *model.Peer {
	if d == verdict.Egress {
		return &r.Source
	}
	return &r.Destination
}

func remotePeer(r *model.Rule, d verdict.Direction) *model.Peer {
	if d == verdict.Egress {
		return &r.Destination
	}
	return &r.Source
}

func restrictsAddress(p *model.Peer) bool {
	return len(p.Nets)+len(p.NotNets) > 0 || p.Selector != nil || p.NotSelector != nil || p.Nodes != nil
}
