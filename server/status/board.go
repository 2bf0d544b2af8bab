package status

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v3 "github.com/tierwall/tierwall/api/v3"
	"github.com/tierwall/tierwall/report"
)

// silentAfter is how long a node may be silent before it counts as such.
const silentAfter = 3 * report.Heartbeat

// node is what is known of a node.
type node struct {
	name     string
	instance string
	sequence uint64
	versions map[string]uint64
	// bit is its place in the sets of nodes; policies is how many of them it is in.
	bit, policies int
	cuts          map[string]string
	// learned are the addresses that names were learned to have, unreported how
	// many more the node knows.
	learned    map[report.Address]report.Learned
	unreported int
	err        string
	warning    string
	behind     *time.Time
	drift      uint64
	heard      time.Time // zero if never
	inAPI      bool
	state      string
	since      time.Time
}

// policy is what is known of a policy.
type policy struct {
	object     metav1.Object
	kind       string
	generation int64
	// version is the resource version at which the generation was first seen: a
	// node that has come so far has the generation.
	version uint64
	have    *metav1.Condition
	// started is when the generation was first seen.
	started time.Time
	// nextWrite is the time before which no progress is written.
	nextWrite time.Time
}

// board is what is known of all of them. It is not safe for concurrent use.
type board struct {
	now      func() time.Time
	nodes    map[string]*node
	policies map[string]*policy
	// at are the nodes where a policy applies, by policy.
	at map[string]*nodeSet
	// byBit are the nodes by their places; nil for a place that is free.
	byBit []*node
	// line has, by kind, when which policy was last changed.
	line map[string]*line
	// changed are the policies whose condition may be another now; all of them
	// if everything is.
	changed    map[string]bool
	everything bool
	// quiet is the time before which no progress of any policy is written.
	quiet    time.Time
	nodesNew bool
	// namesNew says that another node knows a name, or knows another address.
	namesNew bool
}

func newBoard(now func() time.Time) *board {
	return &board{now: now, nodes: map[string]*node{}, policies: map[string]*policy{}, at: map[string]*nodeSet{}, line: map[string]*line{}, changed: map[string]bool{}}
}

func (b *board) nodeOf(name string) *node {
	n := b.nodes[name]
	if n == nil {
		n = &node{name: name, versions: map[string]uint64{}, bit: b.place(), learned: map[report.Address]report.Learned{}}
		b.nodes[name] = n
		b.byBit[n.bit] = n
	}
	return n
}

// take takes a report; false if it does not follow on what is known.
func (b *board) take(r report.Report) bool {
	n := b.nodeOf(r.Node)
	if !r.Full && (n.instance != r.Instance || r.Sequence != n.sequence+1) {
		return false
	}
	if r.Full {
		b.leaveAll(n)
		n.instance = r.Instance
	}
	n.sequence = r.Sequence
	for _, p := range r.Applies {
		b.changed[p] = true
		if b.at[p] == nil {
			b.at[p] = &nodeSet{}
		}
		if b.at[p].put(n.bit) {
			n.policies++
		}
	}
	for _, p := range r.Gone {
		b.leave(n, p)
	}
	for p := range n.cuts {
		b.changed[p] = true
	}
	for p := range r.Cuts {
		b.changed[p] = true
	}
	n.cuts = r.Cuts
	b.learn(n, r)
	for kind, text := range r.Versions {
		if v, err := strconv.ParseUint(text, 10, 64); err == nil && n.versions[kind] != v {
			b.passed(kind, n.versions[kind], v)
			n.versions[kind] = v
		}
	}
	n.err, n.warning, n.behind, n.drift = r.Error, r.Warning, r.Behind, r.Drift
	if n.heard.IsZero() || n.state == report.Silent {
		b.everything = true // it counts from now on
	}
	n.heard = b.now()
	b.nodesNew = true
	return true
}

// warns reports whether a report says that a policy cuts something that it is not
// known to cut.
func (b *board) warns(r report.Report) bool {
	n := b.nodes[r.Node]
	for p, cut := range r.Cuts {
		if n == nil || n.cuts[p] != cut {
			return true
		}
	}
	return false
}

// place is a free place in the sets of nodes.
func (b *board) place() int {
	i := slices.Index(b.byBit, nil)
	if i < 0 {
		b.byBit = append(b.byBit, nil)
		return len(b.byBit) - 1
	}
	return i
}

// leave says that a policy applies to nothing on a node any more.
func (b *board) leave(n *node, p string) {
	b.changed[p] = true
	set := b.at[p]
	if set == nil || !set.drop(n.bit) {
		return
	}
	n.policies--
	if set.n == 0 {
		delete(b.at, p)
	}
}

func (b *board) leaveAll(n *node) {
	for p, set := range b.at {
		if set.has(n.bit) {
			b.leave(n, p)
		}
	}
}

// forget takes a node out.
func (b *board) forget(n *node) {
	b.leaveAll(n)
	b.byBit[n.bit] = nil
	delete(b.nodes, n.name)
	b.everything, b.nodesNew = true, true
	b.namesNew = b.namesNew || len(n.learned) > 0
}

// passed marks the policies that a node has reached, or left behind.
func (b *board) passed(kind string, from, to uint64) {
	if l := b.line[kind]; l != nil {
		for _, key := range l.between(min(from, to), max(from, to)) {
			b.changed[key] = true
		}
	}
}

// putNodes says which nodes there are.
func (b *board) putNodes(names map[string]bool) {
	for name := range names {
		b.nodeOf(name)
	}
	for name, n := range b.nodes {
		if n.inAPI == names[name] {
			continue
		}
		n.inAPI = names[name]
		b.everything, b.nodesNew = true, true
		if !n.inAPI {
			b.forget(n)
		}
	}
}

// putPolicy notes a policy as the API has it.
func (b *board) putPolicy(kind string, o metav1.Object, conditions []metav1.Condition) {
	key := kind + "/" + o.GetNamespace() + "/" + o.GetName()
	version, _ := strconv.ParseUint(o.GetResourceVersion(), 10, 64)
	p := &policy{object: o, kind: kind, generation: o.GetGeneration(), version: version, started: b.now()}
	if old := b.policies[key]; old != nil && old.object.GetUID() == o.GetUID() && old.generation == p.generation && old.version <= version {
		p.version, p.started, p.nextWrite = old.version, old.started, old.nextWrite
	}
	for i := range conditions {
		if conditions[i].Type == v3.ConditionProgrammed {
			p.have = &conditions[i]
		}
	}
	b.policies[key] = p
	b.changed[key] = true
	if b.line[kind] == nil {
		b.line[kind] = &line{}
	}
	b.line[kind].put(p.version, key, func(key string) uint64 {
		if p := b.policies[key]; p != nil {
			return p.version
		}
		return 0
	})
}

func (b *board) dropPolicy(key string) {
	delete(b.policies, key)
	delete(b.changed, key)
}

// age finds the nodes that have fallen silent.
func (b *board) age() {
	for _, n := range b.nodes {
		state := b.stateOf(n)
		if state == report.Silent && !n.inAPI {
			b.forget(n) // neither a node nor an agent of that name is there
			continue
		}
		if state != n.state {
			b.namesNew = b.namesNew || len(n.learned) > 0 // of silent ones nothing is told
			if state == report.Silent || state == report.NoAgent {
				b.everything = true
			}
			n.state, n.since = state, b.now()
			if state == report.IsBehind {
				n.since = *n.behind
			}
			b.nodesNew = true
		}
	}
}

func (b *board) stateOf(n *node) string {
	switch {
	case n.heard.IsZero():
		return report.NoAgent
	case b.now().Sub(n.heard) > silentAfter:
		return report.Silent
	case n.behind != nil:
		return report.IsBehind
	}
	return report.InStep
}

// list returns the nodes, by name.
func (b *board) list() []report.Node {
	list := make([]report.Node, 0, len(b.nodes))
	for _, name := range slices.Sorted(maps.Keys(b.nodes)) {
		n := b.nodes[name]
		list = append(list, report.Node{Name: name, State: n.state, Since: n.since.UTC().Truncate(time.Second), Error: n.err, Warning: n.warning, Policies: n.policies, Drift: n.drift})
	}
	return list
}

// The reasons of the condition Programmed.
const (
	reasonProgrammed = "Programmed"
	reasonPending    = "Pending"
	reasonNoNode     = "SelectsNothing"
	reasonSilent     = "NodesSilent"
	reasonCuts       = "CutsNode"
)

// wanted is the condition Programmed of a policy: "n of m nodes", where m are
// those on which it selects something, as far as is known, and n those of them
// that have it. It is true if every node has come so far. r is the standing of
// the nodes in its kind.
func (b *board) wanted(key string, p *policy, r *roll) metav1.Condition {
	c := metav1.Condition{Type: v3.ConditionProgrammed, ObservedGeneration: p.generation, Status: metav1.ConditionFalse}
	have, late, silent := 0, r.late(p.version), r.silentBefore(p.version)
	selected := b.at[key].len()
	for bit := range b.at[key].all() {
		if b.byBit[bit].has(p) {
			have++
		}
	}
	c.Message = fmt.Sprintf("%d of %d nodes", have, selected)
	switch {
	case late > 0:
		c.Reason = reasonPending
		c.Message += fmt.Sprintf("; %d of %d have not told yet", late, len(b.nodes))
	case len(silent) > 0:
		c.Reason = reasonSilent
		c.Message += fmt.Sprintf("; nothing is heard of %s", some(silent, 5))
	default:
		c.Status, c.Reason = metav1.ConditionTrue, reasonProgrammed
		if selected == 0 {
			c.Reason = reasonNoNode
		}
	}
	var cuts []string
	for _, n := range r.cutting {
		if cut := n.cuts[key]; cut != "" {
			cuts = append(cuts, "node "+n.name+": "+cut)
		}
	}
	if len(cuts) > 0 {
		c.Reason = reasonCuts
		c.Message += "; it cuts what nodes need themselves: " + some(cuts, 3)
	}
	return c
}

// some lists the first of them, sorted.
func some(list []string, n int) string {
	slices.Sort(list)
	if len(list) <= n {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:n], ", "), len(list)-n)
}

// write is a condition that is due.
type write struct {
	key, kind string
	object    metav1.Object
	condition metav1.Condition
}

const (
	// patience is how long a change may take before "not yet" is written.
	patience = time.Second
	// progress is how often progress of a slow one is written.
	progress = 5 * time.Second
	// progressPace is how long the writing of one policy's progress keeps that of
	// others back, and progressBatch how many are written at once: where thousands
	// are under way, as after a start, their outcomes are what counts.
	progressPace  = 50 * time.Millisecond
	progressBatch = 20
)

// due returns the conditions to be written now, and marks them as written;
// those that wait stay marked as changed.
func (b *board) due() []write {
	if b.everything {
		b.everything = false
		for key := range b.policies {
			b.changed[key] = true
		}
	}
	var list []write
	underWay := 0
	rolls := map[string]*roll{}
	for _, key := range slices.Sorted(maps.Keys(b.changed)) {
		p := b.policies[key]
		if p == nil {
			delete(b.changed, key)
			continue
		}
		if rolls[p.kind] == nil {
			rolls[p.kind] = b.roll(p.kind)
		}
		want := b.wanted(key, p, rolls[p.kind])
		if same(p.have, want) {
			delete(b.changed, key)
			continue
		}
		now := b.now()
		if want.Reason == reasonPending && (now.Sub(p.started) < patience || now.Before(p.nextWrite) || now.Before(b.quiet) || underWay == progressBatch) {
			continue
		}
		delete(b.changed, key)
		if want.Reason == reasonPending {
			underWay++
			p.nextWrite = now.Add(progress)
			b.changed[key] = true
		}
		want.LastTransitionTime = metav1.NewTime(now.Truncate(time.Second))
		if p.have != nil && p.have.Status == want.Status && !p.have.LastTransitionTime.IsZero() {
			want.LastTransitionTime = p.have.LastTransitionTime
		}
		p.have = &want
		list = append(list, write{key, p.kind, p.object, want})
	}
	if underWay > 0 {
		b.quiet = b.now().Add(time.Duration(underWay) * progressPace)
	}
	return list
}

func same(have *metav1.Condition, want metav1.Condition) bool {
	return have != nil && have.Status == want.Status && have.Reason == want.Reason && have.Message == want.Message &&
		have.ObservedGeneration == want.ObservedGeneration
}
