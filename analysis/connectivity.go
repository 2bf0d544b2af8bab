package analysis

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// Connectivity says which new connections are allowed between groups of ends. It
// may be used by several at once.
//
// Of host endpoints only the Normal stage is looked at; Stages says whether there
// are policies of others.
type Connectivity struct {
	// Groups are pods of one namespace, hosts, and addresses outside the cluster
	// that nothing in force tells apart, in this order.
	Groups []ConnectivityGroup
	// Stages says that policies of other stages than Normal hold too.
	Stages bool

	g     *gathering
	byRef map[string]int

	mu    sync.Mutex
	swept map[sweepKey][]swept
}

// ConnectivityGroup is one of the groups.
type ConnectivityGroup struct {
	PreviewGroup
	// Namespace is that of pods; empty for others.
	Namespace string
	// Labels are those that all its members have; nil for addresses.
	Labels map[string]string
}

// Reach is what becomes of connections between two groups on some ports.
type Reach struct {
	Ports   PortSpan
	Verdict verdict.Verdict
	// Policy is responsible; zero if none is.
	Policy verdict.PolicyID
	// Because says in words what decided: what denied, or all that allowed.
	Because string
	// Node is where pods of the source are told apart: this is of those that are on
	// it, or with Elsewhere of those that are not. Empty means that this is of all.
	Node      string
	Elsewhere bool
}

// Of says in words of which pods of the source this is; empty for all.
func (r Reach) Of() string {
	switch {
	case r.Node == "":
		return ""
	case r.Elsewhere:
		return "from pods that are not on " + r.Node
	}
	return "from pods on " + r.Node
}

// NewConnectivity returns the connectivity of a state by its tables.
func NewConnectivity(s *model.State, t *table.Tables) *Connectivity {
	c := &Connectivity{g: gather(s, [2]*table.Tables{t, t}, true), byRef: map[string]int{}, swept: map[sweepKey][]swept{}}
	labels := map[string]map[string]string{}
	for id, e := range s.Endpoints {
		labels[id.String()] = e.Labels
	}
	for i, p := range c.g.all {
		g := ConnectivityGroup{PreviewGroup: PreviewGroup{Kind: p.kind, Refs: p.refs, Example: p.example}, Namespace: p.namespace}
		if p.kind != PreviewAddresses {
			g.Example, g.Labels = p.refs[0], maps.Clone(labels[p.refs[0]])
		}
		for _, ref := range p.refs {
			c.byRef[ref] = i
			maps.DeleteFunc(g.Labels, func(k, v string) bool { return labels[ref][k] != v })
		}
		c.Groups = append(c.Groups, g)
	}
	for _, p := range s.Policies {
		c.Stages = c.Stages || staged(p)
	}
	return c
}

// Group returns the index of the group that an end is in: a reference as Connect
// takes it, or an address. It is false if there is none.
func (c *Connectivity) Group(ref string) (int, bool) {
	if i, ok := c.byRef[ref]; ok {
		return i, true
	}
	a, err := netip.ParseAddr(ref)
	if err != nil {
		return 0, false
	}
	p := c.g.byKey[c.g.outsideKey(a.Unmap())]
	if p == nil {
		return 0, false
	}
	i, ok := c.byRef[p.refs[0]]
	return i, ok
}

// Between returns what becomes of connections from one group to another, on all
// protocols and ports, which are told once each, or with on only what it is part
// of. Where policy is not asked about them, there is none, and the text says why.
func (c *Connectivity) Between(from, to int, on *Port) ([]Reach, string) {
	all, family, why := c.between(from, to)
	if on == nil {
		return all, why
	}
	protocol, number := on.protocol(family == 0)
	return slices.DeleteFunc(all, func(r Reach) bool { return !r.Ports.covers(protocol, number) }), why
}

func (c *Connectivity) between(from, to int) (all []Reach, family int, why string) {
	a, b := c.g.all[from], c.g.all[to]
	family, ok := common(a, b)
	switch why := exempt(a, b); {
	case a.kind == PreviewAddresses && b.kind == PreviewAddresses:
		return nil, family, "neither end is in the cluster"
	case why != "":
		return nil, family, why
	case !ok:
		return nil, family, "one end has IPv4 addresses only and the other IPv6"
	}
	source, target := &a.facets[family], &b.facets[family]
	out, in := c.row(source.sides[verdict.Egress], target.class, family), c.row(target.sides[verdict.Ingress], source.class, family)
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.kind != PreviewPods || b.kind != PreviewHosts || !a.someOn(b.node) {
		return c.sweep(out, in), family, ""
	}
	own := []Reach{{Ports: PortSpan{Protocol: AnyProtocol, To: 65535, SourceTo: 65535}, Verdict: verdict.Deny, Because: "the setting defaultEndpointToHostAction, which keeps pods from their own node"}}
	if !b.closed {
		own = c.sweep(out, rowPair{free: true})
	}
	if a.allOn(b.node) {
		return own, family, ""
	}
	for i := range own {
		own[i].Node = b.node
	}
	far := c.sweep(out, in)
	for i := range far {
		far[i].Node, far[i].Elsewhere = b.node, true
	}
	return append(far, own...), family, ""
}

func (c *Connectivity) row(s sidePair, class classPair, family int) rowPair {
	return (&comparison{tables: c.g.tables}).rowsOf(s, class, family)
}

// sweep asks two sides about all ports.
func (c *Connectivity) sweep(out, in rowPair) []Reach {
	k := sweepKey{out, in}
	found, ok := c.swept[k]
	if !ok {
		found = sweepPorts([]*table.Row{out.rows[0], in.rows[0]}, func(span PortSpan, protocol uint8) (swept, bool) { return decided(out, in, span, protocol), true })
		c.swept[k] = found
	}
	all := make([]Reach, 0, len(found))
	for _, s := range found {
		all = append(all, Reach{Ports: s.Ports, Verdict: s.verdict, Policy: s.Policy, Because: s.Because})
	}
	return all
}

// decided is what both sides together do with one protocol and a span of ports.
func decided(out, in rowPair, span PortSpan, protocol uint8) swept {
	s := swept{verdict: verdict.Allow, PreviewPorts: PreviewPorts{Ports: span}}
	var allowing, denying []string
	for i, side := range []rowPair{out, in} {
		if side.free {
			continue
		}
		d := side.decide(0, span, protocol)
		because := []string{"egress", "ingress"}[i] + ": " + NewSide("", d.Trace()).Because()
		policy := responsible(d.Trace(), nil)
		if d.Verdict != verdict.Allow {
			if denying = append(denying, because); s.verdict == verdict.Allow {
				s.verdict, s.Policy = verdict.Deny, policy
			}
			continue
		}
		if allowing = append(allowing, because); s.verdict == verdict.Allow && !policy.IsZero() {
			s.Policy = policy
		}
	}
	switch {
	case len(denying) > 0:
		s.Because = strings.Join(denying, "; ")
	case len(allowing) > 0:
		s.Because = strings.Join(allowing, "; ")
	default:
		s.Because = "nothing is enforced at either end"
	}
	return s
}

// covers reports whether a span has a destination port, or key of ICMP, of a
// protocol.
func (p PortSpan) covers(protocol uint8, port uint16) bool {
	if p.Protocol == AnyProtocol {
		return !strings.Contains(p.Except, string([]byte{protocol}))
	}
	return p.Protocol == int(protocol) && p.From <= port && port <= p.To
}
