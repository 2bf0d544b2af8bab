package compile

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// program is what is to be asked, in order, of a packet of the endpoints that
// share it, with everything about their own side already answered.
type program struct {
	set    *table.Set
	stages []stage
	// final decides what no stage did, after its step if it has one.
	final      verdict.Reason
	finalAllow bool
	finalStep  *verdict.Step
	// atoms are those that its rules ask of a peer's address, sorted.
	atoms []uint32
}

// stage is a tier, a profile or the failsafe ports: rules until one decides.
type stage struct {
	ops []op
	// passDenies is set for profiles, where Pass is Deny.
	passDenies bool
	// end is the step at the end of a tier; nil goes on without a word.
	end *verdict.Step
}

// op is one rule whose local side matches.
type op struct {
	action  verdict.Action
	step    *verdict.Step // nil for failsafe ports, which leave no step
	reason  verdict.Reason
	rule    *model.Rule
	remote  *model.Peer
	address addressTest
	// src and dst are what the rule asks of ports.
	src, dst portTest
	// service are the ports of a destination service, each with the atom of
	// the addresses that have it; only meaningful if the rule names one.
	service []knownPort
}

// applied is what applies to all endpoints with the same labels.
type applied struct {
	tiers    [2][]model.OrderedTier
	profiles []*model.Profile
}

// endpoint finds the programs of an endpoint and puts it into the tables.
func (b *build) endpoint(e *model.Endpoint) {
	a := b.applied(e)
	out := &table.Endpoint{ID: e.ID, Interface: e.Interface}
	for _, d := range verdict.Directions {
		for _, span := range b.localSpans(e, a, d) {
			span.Set = b.program(e, a, d, span.From).set.ID
			if n := len(out.Spans[d]); n > 0 && joins(out.Spans[d][n-1], span) && e.ID.Kind == verdict.Host {
				out.Spans[d][n-1].To = span.To
				continue
			}
			out.Spans[d] = append(out.Spans[d], span)
		}
	}
	b.out.Endpoints[e.ID] = out
}

func joins(a, b table.Span) bool {
	return a.Set == b.Set && a.To.Next() == b.From && a.To.Is4() == b.From.Is4()
}

// localSpans divides an endpoint's own addresses. A pod has those that it has;
// a host has all there are, divided where a rule in force speaks of them.
func (b *build) localSpans(e *model.Endpoint, a *applied, d verdict.Direction) []table.Span {
	var spans []table.Span
	if e.ID.Kind == verdict.Pod {
		addrs := slices.Clone(e.Addrs)
		slices.SortFunc(addrs, netip.Addr.Compare)
		for _, addr := range slices.Compact(addrs) {
			spans = append(spans, table.Span{From: addr, To: addr})
		}
		return spans
	}
	local := newAtoms(newInterner())
	ask := func(rules []model.Rule) {
		for i := range rules {
			p := localPeer(&rules[i], d)
			local.test(p)
			b.addressedPorts(local, p, p.NamedPorts)
			b.addressedPorts(local, p, p.NotNamedPorts)
		}
	}
	for _, t := range a.tiers[d] {
		for _, p := range t.Policies {
			ask(p.Rules[d])
		}
	}
	for _, p := range a.profiles {
		ask(p.Rules[d])
	}
	for _, r := range local.partition(b.directory).whole() {
		spans = append(spans, table.Span{From: r.from, To: r.to})
	}
	return spans
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

// applied evaluates the selectors of all policies, once for each distinct set
// of labels.
func (b *build) applied(e *model.Endpoint) *applied {
	key := labelsKey(e)
	if a := b.byLabels[key]; a != nil {
		return a
	}
	a := &applied{}
	labels := b.state.Labels(e)
	for _, t := range b.policies {
		var both [2][]*model.Policy
		for _, p := range t.Policies {
			if p.Selector == nil || !p.Selector.Matches(labels) {
				continue
			}
			for _, d := range verdict.Directions {
				if p.Applies[d] {
					both[d] = append(both[d], p)
				}
			}
		}
		for _, d := range verdict.Directions {
			if t.Policies = both[d]; len(both[d]) > 0 {
				a.tiers[d] = append(a.tiers[d], t)
			}
		}
	}
	for _, name := range e.Profiles {
		if p := b.state.Profiles[name]; p != nil && e.ID.Kind == verdict.Host {
			a.profiles = append(a.profiles, p)
		}
	}
	b.byLabels[key] = a
	return a
}

func labelsKey(e *model.Endpoint) string {
	keys := make([]string, 0, len(e.Labels))
	for k, v := range e.Labels {
		keys = append(keys, k+"="+v)
	}
	slices.Sort(keys)
	parts := []string{strconv.Itoa(int(e.ID.Kind)), e.ID.Namespace, e.ServiceAccount, strings.Join(e.Profiles, ",")}
	return strings.Join(append(parts, keys...), "\n")
}

// program returns the program of an endpoint for one of its own addresses.
func (b *build) program(e *model.Endpoint, a *applied, d verdict.Direction, local netip.Addr) *program {
	m := &maker{build: b, direction: d, local: local}
	m.key.WriteString(e.ID.Kind.String() + d.String())
	p := &program{}
	if e.ID.Kind == verdict.Host {
		p.stages = append(p.stages, m.failsafe())
	}
	for _, t := range a.tiers[d] {
		p.stages = append(p.stages, m.tier(t))
	}
	if e.ID.Kind == verdict.Pod {
		m.podEnd(p, e.ID.Namespace, len(a.tiers[d]) > 0)
	} else {
		for _, profile := range a.profiles {
			p.stages = append(p.stages, m.profile(profile))
		}
		p.final = verdict.ByHostDefault
	}
	id, first := b.compiler.ids.sets.id(m.key.String())
	if !first {
		return b.bySet[id]
	}
	p.set = &table.Set{ID: id, Direction: d, Kind: e.ID.Kind, Policies: policyIDs(a.tiers[d]), Rows: map[table.ClassID]table.RowID{}}
	p.compileTests(b, d)
	b.out.Sets[id] = p.set
	b.programs = append(b.programs, p)
	b.bySet[id] = p
	return p
}

func policyIDs(tiers []model.OrderedTier) []verdict.PolicyID {
	var ids []verdict.PolicyID
	for _, t := range tiers {
		for _, p := range t.Policies {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

// maker puts a program together and writes down what tells it from others.
type maker struct {
	build     *build
	direction verdict.Direction
	local     netip.Addr
	key       strings.Builder
}

func (m *maker) tier(t model.OrderedTier) stage {
	var st stage
	end := verdict.Step{Tier: t.Name, Rule: verdict.NoRule, Action: verdict.ActionDeny}
	if t.Pass {
		end.Action = verdict.ActionPass
	}
	m.note("\ntier", t.Name, end.Action.String())
	for _, p := range t.Policies {
		end.Applied = append(end.Applied, p.ID)
		m.note("policy", m.version(p.Key()))
		step := verdict.Step{Tier: t.Name, Policy: p.ID}
		st.ops = append(st.ops, m.ops(p.Rules[m.direction], p.Invalid[m.direction], step, verdict.ByRule)...)
	}
	st.end = &end
	return st
}

func (m *maker) profile(p *model.Profile) stage {
	m.note("\nprofile", p.Name, m.version(p.Key()))
	step := verdict.Step{Profile: p.Name}
	return stage{
		passDenies: true,
		ops:        m.ops(p.Rules[m.direction], p.Invalid[m.direction], step, verdict.ByProfile),
	}
}

// ops returns the rules whose local side matches, and notes which did.
func (m *maker) ops(rules []model.Rule, invalid bool, step verdict.Step, reason verdict.Reason) []op {
	if invalid {
		step.Rule, step.Action = verdict.NoRule, verdict.ActionDeny
		return []op{{action: verdict.ActionDeny, step: &step, reason: verdict.InvalidPolicy, rule: &model.Rule{}, remote: &model.Peer{}}}
	}
	var ops []op
	for i := range rules {
		r := &rules[i]
		if local := localPeer(r, m.direction); restrictsAddress(local) {
			if !m.build.addressMatches(local, m.local) {
				continue
			}
			m.note("local", strconv.Itoa(i))
		}
		if r.HTTP && !m.build.state.Settings.HTTPAsL4 {
			continue
		}
		s := step
		s.Rule, s.Action = r.Index, r.Action
		o := op{action: r.Action, step: &s, reason: reason, rule: r, remote: remotePeer(r, m.direction)}
		m.localPorts(&o)
		ops = append(ops, o)
	}
	return ops
}

// localPorts resolves the names of ports of the endpoint's own side.
func (m *maker) localPorts(o *op) {
	local, test := localPeer(o.rule, m.direction), &o.dst
	if m.direction == verdict.Egress {
		test = &o.src
	}
	test.named = m.ownPorts(local, local.NamedPorts)
	test.notNamed = m.ownPorts(local, local.NotNamedPorts)
}

// ownPorts are the ports that the endpoint itself has by the names.
func (m *maker) ownPorts(p *model.Peer, names []string) []knownPort {
	var out []knownPort
	for _, port := range m.build.directory.namedPorts(p.Selector, names) {
		if slices.Contains(port.addrs, m.local) {
			out = append(out, knownPort{ServicePort: port.ServicePort})
			m.note("port", verdict.ProtocolName(port.Protocol), strconv.Itoa(int(port.Port)))
		}
	}
	return out
}

// failsafe makes rules of the failsafe ports.
func (m *maker) failsafe() stage {
	ports := m.build.state.Settings.FailsafeIn
	if m.direction == verdict.Egress {
		ports = m.build.state.Settings.FailsafeOut
	}
	var st stage
	for _, f := range ports {
		m.note("failsafe", verdict.ProtocolName(f.Protocol), strconv.Itoa(int(f.Port)), f.Net.String())
		r := &model.Rule{Action: verdict.ActionAllow, Protocol: &f.Protocol}
		r.Destination.Ports = []model.PortRange{{From: f.Port, To: f.Port}}
		if remote := remotePeer(r, m.direction); f.Net.IsValid() {
			remote.Nets = []netip.Prefix{f.Net}
		}
		st.ops = append(st.ops, op{action: r.Action, reason: verdict.ByFailsafe, rule: r, remote: remotePeer(r, m.direction)})
	}
	return st
}

// podEnd is the end of every pod's program: the profile of its namespace,
// which allows all.
func (m *maker) podEnd(p *program, namespace string, applied bool) {
	p.finalAllow = true
	p.final = verdict.NoPolicyApplies
	if applied {
		m.note("\nnamespace", namespace)
		p.final = verdict.ByProfile
		p.finalStep = &verdict.Step{Profile: "kns." + namespace, Action: verdict.ActionAllow}
	}
}

func (m *maker) note(words ...string) { m.key.WriteString(strings.Join(words, " ") + ";") }

func (m *maker) version(k model.Key) string {
	return strconv.FormatUint(m.build.compiler.versions[k], 10) + k.PolicyKind + "/" + k.Namespace + "/" + k.Name
}
