package replay

import (
	"cmp"
	"fmt"
	"iter"
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

// Replayer answers for one pair of states. It must not be used by several at
// once.
type Replayer struct {
	places places
	// bySourcePort says that policy asks for the source's port somewhere.
	bySourcePort bool
	known        map[question]answer
}

// question is what a decision depends on. Flows between other ends of the same
// kinds have the same answer.
type question struct {
	source, destination kindID
	// noEgress and noIngress say that an end is not asked.
	noEgress, noIngress bool
	protocol            uint8
	from, to            uint16 // ports
}

// answer is what the states say: what holds, and what would.
type answer [2]sides

// maxKnown bounds what is remembered; deciding again costs little.
const maxKnown = 1 << 18

// New compares what holds with what would. Both states must have the same
// endpoints.
func New(now, then *model.State) *Replayer {
	r := &Replayer{known: map[question]answer{}}
	r.places = newPlaces(now, [2]*table.Tables{tablesOf(now), tablesOf(then)})
	for _, t := range r.places.tables {
		for _, row := range t.Rows {
			r.bySourcePort = r.bySourcePort || slices.ContainsFunc(row.Protocols, func(p table.Protocol) bool { return len(p.Bands) > 1 })
		}
	}
	return r
}

// tablesOf compiles a state as a whole.
func tablesOf(s *model.State) *table.Tables {
	c := compile.New(compile.Options{})
	var changes []model.Change
	for _, o := range s.Objects() {
		changes = append(changes, model.Put(o))
	}
	c.Apply(changes...)
	return c.Tables()
}

// Staged compares what is enforced in a state with what would be if everything
// staged were.
func Staged(s *model.State) *Replayer { return New(s, s.Pending()) }

// Pending returns what would be of a flow; nil if both states decide alike and by
// the same way, or if an end is not known.
func (r *Replayer) Pending(f *flow.Record) *flow.Pending {
	from, to, a, ok := r.answer(f)
	if !ok || a[0].same(a[1]) {
		return nil
	}
	out := &flow.Pending{Verdict: flow.Verdict(a[1].verdict())}
	if f.Egress != nil {
		out.Egress = decisionOf(a[1].egress, from)
	}
	if f.Ingress != nil || f.Egress == nil {
		out.Ingress = decisionOf(a[1].ingress, to)
	}
	return out
}

// group is what changes are put together by.
type group struct {
	source, destination, protocol, icmp string
	port                                uint16
	verdict                             verdict.Verdict
}

// counted is a change, with its connections by who told of them.
type counted struct {
	Change
	by map[flow.Reporter]uint64
}

func (c *counted) add(f *flow.Record) {
	c.by[f.Reporter] += f.Connections
	if f.Last.After(c.Last) {
		c.Last = f.Last
	}
	if len(c.Flows) < Evidence {
		c.Flows = append(c.Flows, *f)
	}
}

// Run reads flows and sums up what would change. A record is not kept after the
// next one is asked for.
func (r *Replayer) Run(flows iter.Seq2[*flow.Record, error]) (*Report, error) {
	groups := map[group]*counted{}
	out := &Report{Denied: []Change{}, Allowed: []Change{}}
	for f, err := range flows {
		if err != nil {
			return nil, err
		}
		if f.Connections == 0 || f.Logged != nil {
			continue
		}
		from, to, a, ok := r.answer(f)
		switch {
		case !ok:
			out.Unknown += f.Connections
			continue
		case a[0].verdict() == a[1].verdict():
			out.Unchanged += f.Connections
			continue
		}
		k := group{from.group, to.group, f.Protocol, f.ICMP, f.Port, a[1].verdict()}
		g := groups[k]
		if g == nil {
			g = &counted{changeOf(k, from, to, a), map[flow.Reporter]uint64{}}
			groups[k] = g
		}
		g.add(f)
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
			return cmp.Or(cmp.Compare(b.Connections, a.Connections), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Destination, b.Destination),
				cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port), cmp.Compare(a.ICMP, b.ICMP))
		})
	}
	return out, nil
}

// changeOf begins a change with the decisions of the end at which it differs.
func changeOf(k group, from, to *place, a answer) Change {
	c := Change{Source: k.source, Destination: k.destination, Protocol: k.protocol, Port: k.port, ICMP: k.icmp}
	if denies(a[0].egress) != denies(a[1].egress) {
		c.Before, c.After = decisionOf(a[0].egress, from), decisionOf(a[1].egress, from)
	} else {
		c.Before, c.After = decisionOf(a[0].ingress, to), decisionOf(a[1].ingress, to)
	}
	return c
}

// answer decides a flow in both states, once for all that are alike. It reports
// false if an end is gone that nothing is like.
func (r *Replayer) answer(f *flow.Record) (from, to *place, a answer, ok bool) {
	from, to = r.places.of(f.Source), r.places.of(f.Destination)
	if !from.found || !to.found || from.is4 != to.is4 {
		return from, to, a, false
	}
	q := question{source: from.kind, destination: to.kind, protocol: protocolOf(f.Protocol), to: f.Port}
	if r.bySourcePort {
		q.from = f.SourcePort
	}
	if verdict.HasPorts(q.protocol) && q.from == 0 {
		q.from = 32768 // one of several
	}
	if t, c, found := strings.Cut(f.ICMP, "/"); found {
		a, _ := strconv.ParseUint(t, 10, 8)
		b, _ := strconv.ParseUint(c, 10, 8)
		q.to = verdict.ICMPKey(uint8(a), uint8(b))
	}
	if f.Source.Node != "" && f.Source.Node == f.Destination.Node { // semantics.md section 11
		switch {
		case isHost(f.Source):
			q.noEgress, q.noIngress = true, true
		case isHost(f.Destination):
			q.noIngress = true
		}
	}
	if a, ok = r.known[q]; !ok {
		a = r.decide(q)
		if len(r.known) >= maxKnown {
			clear(r.known)
		}
		r.known[q] = a
	}
	return from, to, a, true
}

func isHost(e flow.End) bool { return e.Kind == flow.Host || e.Kind == flow.Node }

// decide asks both states.
func (r *Replayer) decide(q question) (a answer) {
	from, to := r.places.kinds[q.source], r.places.kinds[q.destination]
	for i, t := range r.places.tables {
		if s := from.sets[i][verdict.Egress]; s != nil && !q.noEgress {
			a[i].egress = s.Ends.Full(t.RowOf(s, to.classes[i], to.family).Decide(q.protocol, q.from, q.to))
		}
		if s := to.sets[i][verdict.Ingress]; s != nil && !q.noIngress {
			a[i].ingress = s.Ends.Full(t.RowOf(s, from.classes[i], from.family).Decide(q.protocol, q.from, q.to))
		}
	}
	return a
}

// sides are the decisions of a connection's ends; nil where none is asked.
type sides struct{ egress, ingress *table.Decision }

func denies(d *table.Decision) bool { return d != nil && d.Verdict == verdict.Deny }

func (s sides) same(o sides) bool { return same(s.egress, o.egress) && same(s.ingress, o.ingress) }

func same(a, b *table.Decision) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(b)
}

func (s sides) verdict() verdict.Verdict {
	if denies(s.egress) || denies(s.ingress) {
		return verdict.Deny
	}
	return verdict.Allow
}

// decisionOf writes a decision as that of an end.
func decisionOf(d *table.Decision, at *place) *flow.Decision {
	if d == nil {
		return nil
	}
	return &flow.Decision{Endpoint: at.id.String(), Trace: d.Trace()}
}

// protocolOf reads what verdict.ProtocolName writes; 0 for what it does not.
func protocolOf(name string) uint8 {
	switch name {
	case "TCP":
		return verdict.TCP
	case "UDP":
		return verdict.UDP
	}
	for _, n := range []uint8{verdict.ICMP, verdict.ICMPv6, verdict.SCTP, verdict.UDPLite} {
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
