package flows

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
	"unique"

	"github.com/tierwall/tierwall/conntrack"
	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// Collector makes records of what the kernel tells. It may be used by several at
// once.
type Collector struct {
	node string
	tag  func() uint8
	book *Book
	ends *Directory
	now  func() time.Time
	// counts are the sums by rule; nil for none.
	counts *Counters
	// counted says that the kernel counts traffic.
	counted atomic.Bool

	mu   sync.Mutex
	open map[uint32]*open
	// ways are those that keys have in common, events the rules that logged.
	ways   map[way]*way
	events map[flow.Logged]*flow.Logged
	// window are the records that are being counted, in the order in which they
	// began, windows how many there were, and updates how many of this one tell of
	// connections that go on.
	window  map[key]*counted
	order   []*counted
	windows uint32
	updates int
	// dumps counts the dumps of the kernel's table.
	dumps uint32
	// lost is what no window has told yet, lostSoFar all.
	lost, lostSoFar flow.Loss
	// disagreed counts decisions that the tables do not bear out.
	disagreed uint64
}

// key is what connections have in common that are counted together.
type key struct {
	src, dst *flow.End
	way      *way
	service  unique.Handle[netip.AddrPort]
	port     uint16
	protocol uint8
	denied   bool
}

// way is what policy did: the decisions, and, of what a Log rule logged, the
// rule.
type way struct {
	egress, ingress, host at
	logged                *flow.Logged
}

// at is a decision and where it was made: at the pod that the end is, or at a
// host endpoint.
type at struct {
	decision *table.Decision
	host     string
	stage    verdict.Stage
}

const (
	// maxKeys is how many different records a window may have.
	maxKeys = 20_000
	// maxWays is how many ways are kept, so that equal ones are one, and of how
	// many rules that log.
	maxWays = 10_000
)

// untranslated is the service of connections that were sent to none.
var untranslated = unique.Make(netip.AddrPort{})

// unknown is a decision of which nothing is known but that it allowed.
var unknown = &table.Decision{Verdict: verdict.Allow}

// NewCollector returns a collector for a node. tag tells what is in the labels
// of connections that are this process's; counts takes the sums by rule, and may
// be nil.
func NewCollector(node string, tag func() uint8, b *Book, d *Directory, counts *Counters) *Collector {
	return &Collector{
		node: node, tag: tag, book: b, ends: d, now: time.Now, counts: counts,
		open: map[uint32]*open{}, ways: map[way]*way{}, events: map[flow.Logged]*flow.Logged{}, window: map[key]*counted{}, windows: 1,
	}
}

// Connection takes an event of conntrack.
func (c *Collector) Connection(e *conntrack.Event) {
	if e.Gone {
		c.ended(e)
		return
	}
	if !e.HasLabel {
		return
	}
	p := packetOf(e)
	w, ok := c.allowed(e, p)
	if !ok {
		return // no policy of this node was asked, or that of an agent before
	}
	k := key{src: c.ends.At(p.Src), dst: c.ends.At(p.Dst), protocol: p.Protocol, port: p.DstPort, service: untranslated}
	if e.Origin.Dst != p.Dst || e.Origin.DstPort != p.DstPort && !verdict.IsICMP(p.Protocol) {
		k.service = unique.Make(netip.AddrPortFrom(e.Origin.Dst, e.Origin.DstPort))
	}
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range [...]at{w.egress, w.ingress, w.host} {
		if a.decision != nil && a.decision != unknown && a.decision.Verdict == verdict.Deny {
			c.disagreed++
		}
	}
	k.way = c.one(w)
	if to := c.count(k, p.SrcPort, now); to != nil {
		c.opened(e.ID, to, k, p.SrcPort, now)
	}
}

// allowed reads what the kernel noted at a connection: a decision in each half of
// its labels, or in one. It reports false if there is none.
func (c *Collector) allowed(e *conntrack.Event, p verdict.Packet) (w way, found bool) {
	label, tag := dataplane.Label(e.Label), c.tag()
	var list [2]Noted
	n := 0
	for _, half := range verdict.Directions {
		m, ok := label.Mark(tag, half)
		if !ok {
			continue
		}
		list[n] = c.book.Noted(m, half, p, sentPacket(e))
		if list[n].Decision = list[n].allowed(); list[n].Decision == nil {
			list[n].Decision = unknown
		}
		n++
	}
	for _, s := range list[:n] { // pods' policies and hosts' own have their places
		if s.Stage == verdict.Normal {
			*w.side(s.Direction) = at{s.Decision, s.Owner.Name, s.Stage}
		}
	}
	for _, s := range list[:n] {
		if s.Stage == verdict.Normal || s.Stage == verdict.PreDNAT && s.Decision.Reason != verdict.ByRule {
			continue // before translation, what is not said is left to the next stage
		}
		to := w.side(s.Direction)
		if to.decision != nil {
			to = &w.host
		}
		*to = at{s.Decision, s.Owner.Name, s.Stage}
	}
	return w, w.egress.decision != nil || w.ingress.decision != nil
}

// side is the place of a direction's decision.
func (w *way) side(d verdict.Direction) *at {
	if d == verdict.Egress {
		return &w.egress
	}
	return &w.ingress
}

// one returns the way that equal ones are.
func (c *Collector) one(w way) *way {
	if known := c.ways[w]; known != nil {
		return known
	}
	if len(c.ways) >= maxWays {
		clear(c.ways) // those that are used stay with who uses them
	}
	c.ways[w] = &w
	return &w
}

// packetOf is the first packet as policy saw it: after the destination was
// translated, before the source is.
func packetOf(e *conntrack.Event) verdict.Packet {
	p := verdict.Packet{Src: e.Origin.Src, Dst: e.Reply.Src, Protocol: e.Origin.Protocol, SrcPort: e.Origin.SrcPort, DstPort: e.Reply.SrcPort}
	if verdict.IsICMP(p.Protocol) {
		p.SrcPort, p.DstPort = 0, e.Origin.DstPort
	}
	return p
}

// sentPacket is the first packet before anything was translated.
func sentPacket(e *conntrack.Event) verdict.Packet {
	p := packetOf(e)
	p.Dst, p.DstPort = e.Origin.Dst, e.Origin.DstPort
	return p
}

// Lost counts what was lost elsewhere.
func (c *Collector) Lost(l flow.Loss) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lose(l)
}

func (c *Collector) lose(l flow.Loss) {
	c.lost.Add(l)
	c.lostSoFar.Add(l)
}

// LostSoFar is all that was lost on the way to records.
func (c *Collector) LostSoFar() flow.Loss {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lostSoFar
}

// Disagreed is how many decisions were met that the tables do not bear out: an
// allowed connection that they deny, or a denial that no policy makes.
func (c *Collector) Disagreed() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.disagreed
}

// hostOf is the name of a host endpoint; empty for a pod.
func hostOf(id verdict.EndpointID) string {
	if id.Kind == verdict.Host {
		return id.Name
	}
	return ""
}

// idOf is the endpoint that an end is; the zero value for one that is none.
func idOf(e *flow.End) verdict.EndpointID {
	switch e.Kind {
	case flow.Pod:
		return verdict.EndpointID{Kind: verdict.Pod, Namespace: e.Namespace, Name: e.Name}
	case flow.Host:
		return verdict.EndpointID{Kind: verdict.Host, Name: e.Name}
	}
	return verdict.EndpointID{}
}
