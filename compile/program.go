package compile

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// program is what is to be asked, in order, of a packet of the endpoints that
// share it, with everything about their own side already answered. It becomes
// a table.Set.
type program struct {
	id        table.SetID
	key       string
	direction verdict.Direction
	kind      verdict.EndpointKind
	stage     verdict.Stage
	// applied are the policies that apply, by tier.
	applied *table.Ends

	parts []part
	// place finds a rule set among the parts; nil if these are few.
	place map[*ruleset]int32
	// free are the rules that any peer may match.
	free []candidate
	// ends are the steps at the ends of the tiers, which leave out which policies
	// applied; endHash[i] is the hash of the first i of them, denies[i] the first
	// tier from i on whose end denies.
	ends    []verdict.Step
	endHash []wayHash
	denies  []int32
	// final decides what nothing did, after its step if it has one.
	final      verdict.Reason
	finalAllow bool
	finalStep  []verdict.Step

	// from is the program that an endpoint had before that has this now, as long
	// as the change goes on that made it; nil for none.
	from *program

	defaults [2]*row
	rows     small[*class, *row]
	// come and gone are the classes that got or lost a row of their own in the
	// present change. A class's row never changes: it follows from the program
	// and the class's atoms, and with others of these it would be another.
	come, gone []*class
	refs       int
	fresh      bool
	// seen is the last question that it was found for.
	seen uint64
}

// part is a rule set in its place in a program.
type part struct {
	*ruleset
	// tier counts the program's tiers from 0; failsafe ports are before, at -1,
	// profiles after.
	tier int32
	// passDenies is set for profiles, where Pass is Deny.
	passDenies bool
	// skip says which rules do not match the local side; nil for none.
	skip []bool
	// own are the ports that the local side has by the names in a rule.
	own map[int32]ownPorts
}

type ownPorts struct{ named, notNamed []model.ServicePort }

// candidate is a rule that may match.
type candidate struct {
	part, index int32
}

func compareCandidates(a, b candidate) int {
	return cmp.Or(cmp.Compare(a.part, b.part), cmp.Compare(a.index, b.index))
}

// maker puts a program together and writes down what tells it from others.
type maker struct {
	c         *Compiler
	local     *local
	stage     verdict.Stage
	direction verdict.Direction
	addr      netip.Addr
	key       []byte
	parts     []part
	tiers     []*tier
	applied   [][]verdict.PolicyID // by tier
	// world and named are those of the rule sets.
	world, named bool
}

// programOf returns the program of an endpoint in a stage and direction for one
// of its own addresses, with one more reference.
func (c *Compiler) programOf(l *local, stage verdict.Stage, d verdict.Direction, addr netip.Addr) *program {
	m := &c.maker
	*m = maker{c: c, local: l, stage: stage, direction: d, addr: addr, key: m.key[:0], parts: m.parts[:0], tiers: m.tiers[:0], applied: m.applied[:0]}
	m.key = append(m.key, byte(l.id.Kind), byte(stage), byte(d))
	if l.id.Kind == verdict.Host && stage.HasFailsafe() {
		m.note('f', c.settingsFor(l.node).number)
		m.part(c.failsafe(l.node, d), -1, false)
	}
	for _, p := range l.group.applied {
		if p.object.Applies[d] && p.object.In(stage) {
			m.policy(p)
		}
	}
	if l.id.Kind == verdict.Host && stage == verdict.Normal {
		for i, name := range l.profiles {
			if p := c.profiles[name]; p != nil {
				m.note('p', p.number)
				m.part(c.profileRules(p, d), int32(len(m.tiers)+i), true)
			}
		}
	} else if l.id.Kind == verdict.Pod && len(m.tiers) > 0 {
		m.key = append(append(m.key, 'n'), l.id.Namespace...)
	}
	l.world, l.named = l.world || m.world, l.named || m.named
	p := c.programs[string(m.key)]
	if p == nil {
		p = m.make()
		c.programs[p.key] = p
	}
	p.refs++
	return p
}

func (m *maker) note(what byte, number uint64) {
	m.key = binary.BigEndian.AppendUint64(append(m.key, what), number)
}

func (m *maker) policy(p *policy) {
	if n := len(m.tiers); n == 0 || m.tiers[n-1] != p.tier {
		m.tiers = append(m.tiers, p.tier)
		m.applied = append(m.applied, nil)
		m.note('t', p.tier.number)
	}
	n := len(m.tiers) - 1
	m.applied[n] = append(m.applied[n], p.object.ID)
	m.note('r', p.number)
	m.part(m.c.rulesOf(p, m.direction), int32(n), false)
}

// part adds a rule set, and notes how the local side comes out in it.
func (m *maker) part(rs *ruleset, tier int32, passDenies bool) {
	p := part{ruleset: rs, tier: tier, passDenies: passDenies}
	if rs.local {
		m.world, m.named = m.world || rs.world, m.named || rs.named
		for i := range rs.ops {
			m.ask(&p, int32(i))
		}
	}
	m.parts = append(m.parts, p)
}

func (m *maker) ask(p *part, i int32) {
	o := &p.ops[i]
	if !o.asks {
		return
	}
	side := localPeer(o.rule, m.direction)
	if !m.c.addressMatches(side, m.addr) {
		if p.skip == nil {
			p.skip = make([]bool, len(p.ops))
		}
		p.skip[i] = true
		m.note('-', uint64(i))
		return
	}
	own := ownPorts{m.c.ownPorts(side, side.NamedPorts, m.addr), m.c.ownPorts(side, side.NotNamedPorts, m.addr)}
	if own.named == nil && own.notNamed == nil {
		return
	}
	if p.own == nil {
		p.own = map[int32]ownPorts{}
	}
	p.own[i] = own
	m.note('o', uint64(i))
	for _, list := range [][]model.ServicePort{own.named, own.notNamed} {
		for _, port := range list {
			m.key = append(m.key, port.Protocol, byte(port.Port>>8), byte(port.Port))
		}
		m.key = append(m.key, 0)
	}
}

// make builds the program that was written down.
func (m *maker) make() *program {
	c := m.c
	p := &program{
		id: table.SetID(c.setIDs.take()), key: string(m.key), direction: m.direction, kind: m.local.id.Kind, stage: m.stage,
		parts: slices.Clone(m.parts), fresh: true,
	}
	for i := range p.parts {
		rs := p.parts[i].ruleset
		if len(p.parts) > few {
			p.put(rs, int32(i))
		}
		rs.refs++
		rs.programs.put(p, struct{}{})
		for _, index := range rs.free {
			p.free = append(p.free, candidate{int32(i), index})
		}
	}
	m.ends(p)
	if p.kind == verdict.Pod {
		p.final, p.finalAllow = verdict.NoPolicyApplies, true
		if len(m.tiers) > 0 {
			p.final = verdict.ByProfile
			p.finalStep = []verdict.Step{{Profile: "kns." + m.local.id.Namespace, Action: verdict.ActionAllow}}
		}
	} else {
		p.final, p.finalAllow = verdict.ByHostDefault, m.stage != verdict.Normal
	}
	c.freshPrograms = append(c.freshPrograms, p)
	return p
}

func (p *program) put(rs *ruleset, at int32) {
	if p.place == nil {
		p.place = make(map[*ruleset]int32, len(p.parts))
	}
	p.place[rs] = at
}

// placeOf returns where a rule set stands among the parts.
func (p *program) placeOf(rs *ruleset) (at int32, ok bool) {
	if p.place != nil {
		at, ok = p.place[rs]
		return at, ok
	}
	i := slices.IndexFunc(p.parts, func(x part) bool { return x.ruleset == rs })
	return int32(i), i >= 0
}

// ends writes the ends of the tiers.
func (m *maker) ends(p *program) {
	n := len(m.tiers)
	p.ends, p.endHash, p.denies = make([]verdict.Step, n), make([]wayHash, n+1), make([]int32, n+1)
	applied := make([]table.End, n)
	for i, t := range m.tiers {
		end := verdict.Step{Tier: t.name, Rule: verdict.NoRule, Action: verdict.ActionDeny}
		if t.object != nil && t.object.Pass || m.stage.FallsThrough() {
			end.Action = verdict.ActionPass
		}
		p.ends[i] = end
		p.endHash[i+1] = p.endHash[i].then(hashStep(&end), &m.c.powers)
		applied[i] = table.End{Tier: t.name, Applied: m.applied[i]}
	}
	p.applied = table.NewEnds(applied)
	p.denies[n] = int32(n)
	for i := n - 1; i >= 0; i-- {
		p.denies[i] = p.denies[i+1]
		if p.ends[i].Action == verdict.ActionDeny {
			p.denies[i] = int32(i)
		}
	}
}

// release gives up a reference to a program.
func (c *Compiler) release(p *program) {
	if p.refs--; p.refs == 0 {
		c.idlePrograms = append(c.idlePrograms, p)
	}
}

// addressMatches answers a rule's question about an endpoint's own address.
func (c *Compiler) addressMatches(p *model.Peer, a netip.Addr) bool {
	in := func(nets []netip.Prefix) bool {
		return slices.ContainsFunc(nets, func(n netip.Prefix) bool { return n.Contains(a) })
	}
	sameFamily := func(n netip.Prefix) bool { return n.Addr().Is4() == a.Is4() }
	switch {
	case len(p.Nets) > 0 && !in(p.Nets),
		len(p.NotNets) > 0 && (in(p.NotNets) || !slices.ContainsFunc(p.NotNets, sameFamily)),
		p.Selector != nil && !c.isMember(p.Selector, a),
		p.Nodes != nil && !c.isNode(p.Nodes, a),
		p.NotSelector != nil && c.isMember(p.NotSelector, a):
		return false
	}
	return true
}
