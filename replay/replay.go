package replay

import (
	"cmp"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tierwall/tierwall/compile"
	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// Report is what would change.
type Report struct {
	// Denied and Allowed are connections that would be newly so, those first that
	// there were most of.
	Denied  []Change `json:"denied"`
	Allowed []Change `json:"allowed"`
	// Unchanged counts connections that would be decided as they are now.
	Unchanged uint64 `json:"unchanged"`
	// Unknown counts connections of which an end is gone and has no like.
	Unknown uint64 `json:"unknown"`
}

// Change is connections between two groups of equal ends that would be decided
// otherwise.
type Change struct {
	// Source and Destination are the groups, as flow.End.Group writes them.
	Source      string `json:"source"`
	Destination string `json:"destination"`
	Protocol    string `json:"protocol"`
	// Port is 0 for protocols without; ICMP is "type/code".
	Port uint16 `json:"port"`
	ICMP string `json:"icmp,omitempty"`
	// Before and After are what decides now and then, at the end where it
	// differs.
	Before *flow.Decision `json:"before"`
	After  *flow.Decision `json:"after"`
	// Connections is how many there were; Last is when the last of them was.
	Connections uint64    `json:"connections"`
	Last        time.Time `json:"last"`
	// Flows are some of them.
	Flows []flow.Record `json:"flows"`
}

// Evidence is how many flows a Change has at most.
const Evidence = 3

// engine decides by the tables of one state.
type engine struct{ tables *table.Tables }

// newEngine compiles a state as a whole.
func newEngine(s *model.State) engine {
	c := compile.New(compile.Options{})
	var changes []model.Change
	for _, o := range s.Objects() {
		changes = append(changes, model.Put(o))
	}
	c.Apply(changes...)
	return engine{c.Tables()}
}

// Replayer answers for one pair of states. It must not be used by several at
// once.
type Replayer struct {
	now, then engine
	state     *model.State
	// alike are pods by namespace and labels; owner is who has an address.
	alike map[[2]string][]*model.Endpoint
	known map[tuple]answer
}

// tuple is what a decision depends on, and how far the node asked.
type tuple struct {
	source, destination flow.End
	protocol, icmp      string
	port                uint16
}

// answer is what the states say of a tuple.
type answer struct {
	ok            bool
	before, after verdict.Verdict
	// was and is are the decisions where they differ.
	was, is *flow.Decision
}

// New compares what holds with what would. Both states must have the same
// endpoints.
func New(now, then *model.State) *Replayer {
	r := &Replayer{now: newEngine(now), then: newEngine(then), state: now, alike: map[[2]string][]*model.Endpoint{}, known: map[tuple]answer{}}
	for _, e := range now.SortedEndpoints() {
		if e.ID.Kind == verdict.Pod {
			k := [2]string{e.ID.Namespace, flow.Labels(e.Labels)}
			r.alike[k] = append(r.alike[k], e)
		}
	}
	return r
}

// Staged compares what is enforced in a state with what would be if everything
// staged were.
func Staged(s *model.State) *Replayer { return New(s, s.Pending()) }

// Pending returns what would be of a flow; nil if both states decide alike and by
// the same way, or if an end is not known.
func (r *Replayer) Pending(f *flow.Record) *flow.Pending {
	p, from, to, ok := r.packet(f)
	if !ok {
		return nil
	}
	before, after := r.now.decide(p, from, to), r.then.decide(p, from, to)
	if before.egress.same(after.egress) && before.ingress.same(after.ingress) {
		return nil
	}
	out := &flow.Pending{Verdict: flow.Verdict(after.verdict())}
	if f.Egress != nil {
		out.Egress = after.egress.flow()
	}
	if f.Ingress != nil || f.Egress == nil {
		out.Ingress = after.ingress.flow()
	}
	return out
}

// Run reads flows and sums up what would change.
func (r *Replayer) Run(flows iter.Seq2[*flow.Record, error]) (*Report, error) {
	type group struct {
		source, destination, protocol, icmp string
		port                                uint16
		verdict                             verdict.Verdict
	}
	type counted struct {
		Change
		by map[flow.Reporter]uint64
	}
	groups := map[group]*counted{}
	out := &Report{Denied: []Change{}, Allowed: []Change{}}
	for f, err := range flows {
		if err != nil {
			return nil, err
		}
		if f.Connections == 0 {
			continue
		}
		a := r.answer(f)
		switch {
		case !a.ok:
			out.Unknown += f.Connections
			continue
		case a.before == a.after:
			out.Unchanged += f.Connections
			continue
		}
		k := group{f.Source.Group(), f.Destination.Group(), f.Protocol, f.ICMP, f.Port, a.after}
		g := groups[k]
		if g == nil {
			g = &counted{Change{Source: k.source, Destination: k.destination, Protocol: k.protocol, Port: k.port, ICMP: k.icmp, Before: a.was, After: a.is}, map[flow.Reporter]uint64{}}
			groups[k] = g
		}
		g.by[f.Reporter] += f.Connections
		if f.Last.After(g.Last) {
			g.Last = f.Last
		}
		if len(g.Flows) < Evidence {
			g.Flows = append(g.Flows, *f)
		}
	}
	for k, g := range groups {
		for _, n := range g.by { // both ends tell of the same connections
			g.Connections = max(g.Connections, n)
		}
		if k.verdict == verdict.Deny {
			out.Denied = append(out.Denied, g.Change)
		} else {
			out.Allowed = append(out.Allowed, g.Change)
		}
	}
	for _, list := range [][]Change{out.Denied, out.Allowed} {
		slices.SortFunc(list, func(a, b Change) int {
			return cmp.Or(cmp.Compare(b.Connections, a.Connections), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Destination, b.Destination), cmp.Compare(a.Port, b.Port), cmp.Compare(a.ICMP, b.ICMP))
		})
	}
	return out, nil
}

// answer decides a flow in both states, once for all that are alike.
func (r *Replayer) answer(f *flow.Record) answer {
	k := tuple{f.Source, f.Destination, f.Protocol, f.ICMP, f.Port}
	if a, ok := r.known[k]; ok {
		return a
	}
	var a answer
	if p, from, to, ok := r.packet(f); ok {
		before, after := r.now.decide(p, from, to), r.then.decide(p, from, to)
		a = answer{ok: true, before: before.verdict(), after: after.verdict()}
		if a.before != a.after {
			a.was, a.is = before.ingress.flow(), after.ingress.flow()
			if before.egress.denies() != after.egress.denies() {
				a.was, a.is = before.egress.flow(), after.egress.flow()
			}
		}
	}
	if len(r.known) > 1<<20 {
		clear(r.known)
	}
	r.known[k] = a
	return a
}

// packet returns the flow's first packet as it would be now, and who is asked
// about it at each end. It reports false if an end is gone that nothing is like.
func (r *Replayer) packet(f *flow.Record) (p verdict.Packet, from, to verdict.EndpointID, ok bool) {
	p.Protocol = protocolOf(f.Protocol)
	p.SrcPort, p.DstPort = f.SourcePort, f.Port
	if verdict.HasPorts(p.Protocol) && p.SrcPort == 0 {
		p.SrcPort = 32768 // one of several
	}
	if t, c, found := strings.Cut(f.ICMP, "/"); found {
		a, _ := strconv.ParseUint(t, 10, 8)
		b, _ := strconv.ParseUint(c, 10, 8)
		p.DstPort = verdict.ICMPKey(uint8(a), uint8(b))
	}
	if p.Src, from, ok = r.end(f.Source); !ok {
		return p, from, to, false
	}
	if p.Dst, to, ok = r.end(f.Destination); !ok {
		return p, from, to, false
	}
	host := func(e flow.End) bool { return e.Kind == flow.Host || e.Kind == flow.Node }
	if f.Source.Node != "" && f.Source.Node == f.Destination.Node { // semantics.md section 11
		switch {
		case host(f.Source):
			from, to = verdict.EndpointID{}, verdict.EndpointID{}
		case host(f.Destination):
			to = verdict.EndpointID{}
		}
	}
	return p, from, to, p.Src.Is4() == p.Dst.Is4()
}

// end finds an end as it is now: itself, or, if it is gone, one of its namespace
// with its labels.
func (r *Replayer) end(e flow.End) (netip.Addr, verdict.EndpointID, bool) {
	switch e.Kind {
	case flow.Host:
		id := verdict.EndpointID{Kind: verdict.Host, Name: e.Name}
		if r.state.Endpoints[id] == nil {
			id = verdict.EndpointID{}
		}
		return e.Address, id, true
	case flow.Pod:
		id := verdict.EndpointID{Kind: verdict.Pod, Namespace: e.Namespace, Name: e.Name}
		list := r.alike[[2]string{e.Namespace, e.Labels}]
		if now := r.state.Endpoints[id]; now != nil {
			list = append([]*model.Endpoint{now}, list...)
		}
		for _, now := range list {
			if slices.Contains(now.Addrs, e.Address) {
				return e.Address, now.ID, true
			}
		}
		for _, now := range list {
			for _, a := range now.Addrs {
				if a.Is4() == e.Address.Is4() {
					return a, now.ID, true
				}
			}
		}
		return netip.Addr{}, verdict.EndpointID{}, false
	}
	return e.Address, verdict.EndpointID{}, true
}

// side is the decision of one end, if one is asked there.
type side struct {
	decision *table.Decision
	id       verdict.EndpointID
}

// sides are those of a connection.
type sides struct{ egress, ingress side }

func (e engine) decide(p verdict.Packet, from, to verdict.EndpointID) (s sides) {
	if from.Kind != verdict.NoEndpoint {
		s.egress = side{e.tables.Lookup(from, verdict.Egress, p), from}
	}
	if to.Kind != verdict.NoEndpoint {
		s.ingress = side{e.tables.Lookup(to, verdict.Ingress, p), to}
	}
	return s
}

func (s side) denies() bool { return s.decision != nil && s.decision.Verdict == verdict.Deny }

func (s side) same(o side) bool {
	if s.decision == nil || o.decision == nil {
		return s.decision == o.decision
	}
	return s.decision.Equal(o.decision)
}

func (s side) flow() *flow.Decision {
	if s.decision == nil {
		return nil
	}
	return &flow.Decision{Endpoint: s.id.String(), Trace: s.decision.Trace()}
}

func (s sides) verdict() verdict.Verdict {
	if s.egress.denies() || s.ingress.denies() {
		return verdict.Deny
	}
	return verdict.Allow
}

// protocolOf reads what verdict.ProtocolName writes; 0 for what it does not.
func protocolOf(name string) uint8 {
	for _, n := range []uint8{verdict.TCP, verdict.UDP, verdict.ICMP, verdict.ICMPv6, verdict.SCTP, verdict.UDPLite} {
		if verdict.ProtocolName(n) == name {
			return n
		}
	}
	n, _ := strconv.ParseUint(name, 10, 8)
	return uint8(n)
}

// String says what a change is about: "blue {app=fe} to blue {app=be} on TCP/80".
func (c Change) String() string {
	port := c.Protocol
	switch {
	case c.ICMP != "":
		port += "/" + c.ICMP
	case c.Port != 0:
		port += fmt.Sprintf("/%d", c.Port)
	}
	return fmt.Sprintf("%s to %s on %s", c.Source, c.Destination, port)
}
