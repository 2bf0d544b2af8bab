package analysis

import (
	"slices"

	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// Preview is what a change of policy would change: which new connections would
// be allowed that are not now, and which denied.
//
// What it tells is about pairs that policy is asked about. A pod and itself, a
// host and itself, and a host and the pods on it never change, also where both
// are in the groups of a Change; no Change is of such pairs alone. Of host
// endpoints only the Normal stage is compared: untracked, pre-DNAT and forward
// policies are not.
type Preview struct {
	// Groups are those that Changes name, by their index.
	Groups []PreviewGroup
	// Changes are the first of them, as many as were asked for.
	Changes []PreviewChange
	// Allowed and Denied count the pairs with something newly allowed or denied.
	Allowed, Denied int
	// Total is how many changes there are, told or not.
	Total int
	// Stages says that policies of other stages than Normal are among what
	// holds before or after, so that the comparison is not all there is.
	Stages bool
}

// PreviewGroup is endpoints, or addresses outside the cluster, that nothing
// in force tells apart, neither before nor after.
type PreviewGroup struct {
	Kind PreviewKind
	// Refs are references of commands.md in order; for addresses, ranges from
	// which those of endpoints and nodes are taken out.
	Refs []string
	// Example is the first of Refs, or one address.
	Example string
}

// PreviewKind is what sort of thing a group is of.
type PreviewKind string

// The kinds of groups.
const (
	PreviewPods      PreviewKind = "pods"
	PreviewHosts     PreviewKind = "host"
	PreviewAddresses PreviewKind = "addresses"
)

// PreviewChange is what changes between two groups in one sense.
type PreviewChange struct {
	// From and To are indices into Groups.
	From, To int
	// Verdict is the new one.
	Verdict verdict.Verdict
	Ports   []PreviewPorts
}

// PreviewPorts are ports that change for the same reason.
type PreviewPorts struct {
	Ports PortSpan
	// Policy is responsible for the new verdict; zero if none is.
	Policy verdict.PolicyID
	// Because and Before say in words what decides after, and what did before.
	Because, Before string
}

// PreviewOf returns what changes would do in a state whose compiler is given
// with its tables. The changes must be of objects that policy is made of, not of
// endpoints or nodes. The compiler is left as it was. At most limit changes are
// told.
func PreviewOf(s *model.State, c *compile.Compiler, before *table.Tables, limit int, changes ...model.Change) *Preview {
	undo := undoing(s, changes)
	c.Apply(changes...)
	after := c.Tables()
	c.Apply(undo...)
	return Compare(s, before, after, limit, changes...)
}

// undoing returns the changes that lead back to the state.
func undoing(s *model.State, changes []model.Change) []model.Change {
	var undo []model.Change
	for _, ch := range changes {
		back := model.Delete(ch.Key)
		for _, o := range s.Objects() {
			if o.Key() == ch.Key {
				back = model.Put(o)
			}
		}
		undo = append(undo, back)
	}
	return undo
}

// Compare compares the tables of a state with those of the state after the
// changes; see PreviewOf.
func Compare(s *model.State, before, after *table.Tables, limit int, changes ...model.Change) *Preview {
	x := &comparison{
		state: s, tables: [2]*table.Tables{before, after}, limit: limit, swept: map[sweepKey][]swept{}, told: map[toldKey]int{}, out: &Preview{},
	}
	for _, ch := range changes {
		if ch.Key.Kind == model.KindPolicy {
			x.edited = append(x.edited, verdict.PolicyID{Kind: ch.Key.PolicyKind, Namespace: ch.Key.Namespace, Name: ch.Key.Name})
		}
		if p, ok := ch.Object.(*model.Policy); ok {
			x.out.Stages = x.out.Stages || staged(p)
		}
	}
	for _, p := range s.Policies {
		x.out.Stages = x.out.Stages || staged(p)
	}
	x.parties = gather(s, x.tables, false).all
	x.prepare()
	for i := range x.parties {
		x.from(i)
	}
	return x.out
}

// staged reports whether a policy holds in another stage than Normal.
func staged(p *model.Policy) bool { return p.DoNotTrack || p.PreDNAT || p.ApplyOnForward }

// comparison is the work of one Compare.
type comparison struct {
	state   *model.State
	tables  [2]*table.Tables
	edited  []verdict.PolicyID
	limit   int
	parties []*party
	// sides and classes are the distinct ones of the parties, by direction and
	// family; facets have indices into them.
	sides   [2][2][]sidePair
	classes [2][]classPair
	// rows are those that one party's sides have for all classes, and all
	// sides for one party's class.
	swept map[sweepKey][]swept
	told  map[toldKey]int
	out   *Preview
}

// sidePair is what polices one side, before and after.
type sidePair struct {
	sets [2]*table.Set
	// free says that nothing polices it.
	free bool
}

type classPair [2]table.ClassID

// rowPair is what one side does to the other, before and after; both nil where
// nothing polices.
type rowPair struct {
	rows [2]*table.Row
	// ends are those of the rows' sets.
	ends [2]*table.Ends
	free bool
	// same says that nothing changes on this side.
	same bool
}

func (x *comparison) prepare() {
	var sides [2][2]map[sidePair]int
	var classes [2]map[classPair]int
	for family := range 2 {
		classes[family] = map[classPair]int{}
		for _, d := range verdict.Directions {
			sides[d][family] = map[sidePair]int{}
		}
	}
	for _, p := range x.parties {
		for family := range 2 {
			f := &p.facets[family]
			if !f.has {
				continue
			}
			f.classAt = indexed(classes[family], &x.classes[family], f.class)
			for _, d := range verdict.Directions {
				f.sideAt[d] = indexed(sides[d][family], &x.sides[d][family], f.sides[d])
			}
		}
	}
}

func indexed[K comparable](at map[K]int, list *[]K, k K) int {
	i, ok := at[k]
	if !ok {
		i = len(*list)
		at[k], *list = i, append(*list, k)
	}
	return i
}

// from compares what a party may reach before and after.
func (x *comparison) from(i int) {
	a := x.parties[i]
	var egress, ingress [2][]rowPair
	for family := range 2 {
		f := &a.facets[family]
		if !f.has {
			continue
		}
		for _, c := range x.classes[family] {
			egress[family] = append(egress[family], x.rowsOf(f.sides[verdict.Egress], c, family))
		}
		for _, s := range x.sides[verdict.Ingress][family] {
			ingress[family] = append(ingress[family], x.rowsOf(s, f.class, family))
		}
	}
	for _, b := range x.parties {
		family, ok := common(a, b)
		if !ok || a.kind == PreviewAddresses && b.kind == PreviewAddresses {
			continue
		}
		f := &b.facets[family]
		out, in := egress[family][f.classAt], ingress[family][f.sideAt[verdict.Ingress]]
		if out.same && in.same {
			continue
		}
		x.pair(a, b, out, in)
	}
}

// common returns the family that a connection is of: IPv4 if both have it, as
// model.State.Connect has it.
func common(a, b *party) (int, bool) {
	for family := range 2 {
		if a.facets[family].has && b.facets[family].has {
			return family, true
		}
	}
	return 0, false
}

func (x *comparison) rowsOf(s sidePair, c classPair, family int) rowPair {
	if s.free {
		return rowPair{free: true, same: true}
	}
	var p rowPair
	for i, t := range x.tables {
		if s.sets[i] == nil {
			continue // all is dropped
		}
		id, ok := s.sets[i].Rows[c[i]]
		if !ok {
			id = s.sets[i].Default[family]
		}
		p.rows[i], p.ends[i] = t.Rows[id], s.sets[i].Ends
	}
	b, a := p.rows[0], p.rows[1]
	p.same = b == a || b != nil && a != nil && b.Equal(a)
	return p
}

// pair tells what changes between two parties that may differ, by the rules of
// model.State.Connect.
func (x *comparison) pair(a, b *party, out, in rowPair) {
	switch {
	case exempt(a, b) != "":
	case a.kind == PreviewPods && b.kind == PreviewHosts && b.node != "":
		x.toHost(a, b, out, in)
	default:
		x.tell(whole(a), whole(b), x.sweep(out, in))
	}
}

// exempt says why policy is not asked about connections between two parties;
// empty if it is.
func exempt(a, b *party) string {
	switch {
	case a == b && a.kind == PreviewPods && len(a.refs) == 1:
		return "a connection of a pod to itself never leaves it"
	case a.kind == PreviewHosts && b.kind == PreviewHosts && a.home() != "" && a.home() == b.home():
		return "a connection of a host to itself never leaves it"
	case a.kind == PreviewHosts && b.kind == PreviewPods && b.allOn(a.home()):
		return "a node always reaches its own pods"
	}
	return ""
}

// toHost tells what changes between pods and one host: for those on it, their
// egress alone decides, or the setting that keeps them from it.
func (x *comparison) toHost(a, b *party, out, in rowPair) {
	var far, near []swept
	if !a.allOn(b.node) {
		far = x.sweep(out, in)
	}
	if a.someOn(b.node) && !b.closed {
		near = x.sweep(out, rowPair{free: true, same: true})
	}
	switch {
	case a.allOn(b.node):
		x.tell(whole(a), whole(b), near)
	case !a.someOn(b.node) || slices.Equal(far, near):
		x.tell(whole(a), whole(b), far)
	default:
		x.tell(part{a, b.node, true}, whole(b), near)
		x.tell(part{a, b.node, false}, whole(b), far)
	}
}

// part is a party, or those of it that are on a node or are not.
type part struct {
	party *party
	node  string
	on    bool
}

func whole(p *party) part { return part{party: p} }

type toldKey struct {
	party *party
	node  string
	on    bool
}

// tell adds what changes between two groups to the answer.
func (x *comparison) tell(a, b part, all []swept) {
	for _, v := range []verdict.Verdict{verdict.Allow, verdict.Deny} {
		var ports []PreviewPorts
		for _, s := range all {
			if s.verdict == v {
				ports = append(ports, s.PreviewPorts)
			}
		}
		if len(ports) == 0 {
			continue
		}
		if x.out.Total++; v == verdict.Allow {
			x.out.Allowed++
		} else {
			x.out.Denied++
		}
		if len(x.out.Changes) < x.limit {
			x.out.Changes = append(x.out.Changes, PreviewChange{From: x.group(a), To: x.group(b), Verdict: v, Ports: ports})
		}
	}
}

// group returns the index of a part in the answer, to which it is added if it
// is new there.
func (x *comparison) group(p part) int {
	k := toldKey(p)
	if i, ok := x.told[k]; ok {
		return i
	}
	g := PreviewGroup{Kind: p.party.kind, Example: p.party.example}
	for i, ref := range p.party.refs {
		if p.node == "" || (p.party.nodes[i] == p.node) == p.on {
			g.Refs = append(g.Refs, ref)
		}
	}
	if g.Example == "" || p.node != "" {
		g.Example = g.Refs[0]
	}
	x.told[k] = len(x.out.Groups)
	x.out.Groups = append(x.out.Groups, g)
	return x.told[k]
}
