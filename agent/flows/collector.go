package flows

import (
	"fmt"
	"net/netip"
	"sync"
	"time"
	"unique"

	"github.com/tierwall/tierwall/conntrack"
	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

const (
	// maxOpen is how many open connections are remembered. The traffic of others
	// is not known when they end.
	maxOpen = 1 << 16
	// maxKeys is how many different records a window may have.
	maxKeys = 20_000
)

// Collector makes records of what the kernel tells. It may be used by several at
// once.
type Collector struct {
	node string
	tag  func() uint8
	book *Book
	ends *Directory
	now  func() time.Time

	mu   sync.Mutex
	open map[uint32]open
	// window are the records that are being counted, in the order in which they began.
	window map[key]*counted
	order  []*counted
	// lost is what no window has told yet, lostSoFar all.
	lost, lostSoFar flow.Loss
	// disagreed counts decisions that the tables do not bear out.
	disagreed uint64
}

// key is what connections have in common that are counted together.
type key struct {
	src, dst        *flow.End
	protocol        uint8
	denied          bool
	port            uint16
	service         unique.Handle[netip.AddrPort]
	egress, ingress at
}

// at is a decision and where it was made: at the pod that the end is, or at a
// host endpoint.
type at struct {
	decision *table.Decision
	host     string
	stage    verdict.Stage
}

// open is a connection that has not ended.
type open struct {
	key   key
	start int64 // in Unix nanoseconds
	sport uint16
}

// untranslated is the service of connections that were sent to none.
var untranslated = unique.Make(netip.AddrPort{})

// counted is a record in the making.
type counted struct {
	key         key
	start, last time.Time
	sport       uint16
	sports      bool // several
	connections uint64
	going       int // that began here and have not ended
	ended       int
	out, in     flow.Volume
}

// NewCollector returns a collector for a node. tag tells what is in the labels
// of connections that are this process's.
func NewCollector(node string, tag func() uint8, b *Book, d *Directory) *Collector {
	return &Collector{node: node, tag: tag, book: b, ends: d, now: time.Now, open: map[uint32]open{}, window: map[key]*counted{}}
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
	label, tag := dataplane.Label(e.Label), c.tag()
	p := packetOf(e)
	k := key{src: c.ends.At(p.Src), dst: c.ends.At(p.Dst), protocol: p.Protocol, port: p.DstPort, service: untranslated}
	found := false
	for dir, to := range map[verdict.Direction]*at{verdict.Egress: &k.egress, verdict.Ingress: &k.ingress} {
		m, ok := label.Mark(tag, dir)
		if !ok {
			continue
		}
		found = true
		var owner verdict.EndpointID
		if to.decision, owner = c.book.Decision(m, p); to.decision == nil {
			to.decision = unknown
		}
		to.host = owner.Name
	}
	if !found {
		return // no policy of this node was asked, or that of an agent before
	}
	if e.Origin.Dst != p.Dst || e.Origin.DstPort != p.DstPort && !verdict.IsICMP(p.Protocol) {
		k.service = unique.Make(netip.AddrPortFrom(e.Origin.Dst, e.Origin.DstPort))
	}
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range []at{k.egress, k.ingress} {
		if a.decision != nil && a.decision != unknown && a.decision.Verdict == verdict.Deny {
			c.disagreed++
		}
	}
	w := c.count(k, p, now)
	if w == nil {
		return
	}
	if len(c.open) >= maxOpen {
		return
	}
	w.going++
	c.open[e.ID] = open{k, now.UnixNano(), p.SrcPort}
}

// unknown is a decision of which nothing is known but that it allowed.
var unknown = &table.Decision{Verdict: verdict.Allow}

// packetOf is the first packet as policy saw it: after the destination was
// translated, before the source is.
func packetOf(e *conntrack.Event) verdict.Packet {
	p := verdict.Packet{Src: e.Origin.Src, Dst: e.Reply.Src, Protocol: e.Origin.Protocol, SrcPort: e.Origin.SrcPort, DstPort: e.Reply.SrcPort}
	if verdict.IsICMP(p.Protocol) {
		p.SrcPort, p.DstPort = 0, e.Origin.DstPort
	}
	return p
}

// ended counts what passed in a connection that is over.
func (c *Collector) ended(e *conntrack.Event) {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	o, ok := c.open[e.ID]
	if !ok {
		return
	}
	delete(c.open, e.ID)
	w := c.window[o.key]
	if w == nil {
		if w = c.begin(o.key, time.Unix(0, o.start)); w == nil {
			return
		}
		w.sport = o.sport
	}
	w.last = now
	w.ended++
	if w.going > 0 {
		w.going--
	}
	w.out.Add(flow.Volume{Packets: e.Out.Packets, Bytes: e.Out.Bytes})
	w.in.Add(flow.Volume{Packets: e.In.Packets, Bytes: e.In.Bytes})
}

// Denial is a packet that the kernel denied.
type Denial struct {
	Packet verdict.Packet
	// Bytes is its length.
	Bytes uint64
	// Stage is Untracked or PreDNAT; else Normal, which stands for Forward too.
	Stage verdict.Stage
	// In and Out are the host endpoints of the interfaces by which it came and
	// was to leave; zero for those that have none.
	In, Out verdict.EndpointID
	// FromHost and ToHost say that it was the node's own, or for the node.
	FromHost, ToHost bool
}

// Denied takes a denied packet.
func (c *Collector) Denied(d Denial) {
	p := d.Packet
	k := key{src: c.ends.At(p.Src), dst: c.ends.At(p.Dst), protocol: p.Protocol, port: p.DstPort, denied: true, service: untranslated}
	known := c.explain(d, &k)
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !known {
		c.disagreed++
	}
	if w := c.count(k, p, now); w != nil {
		w.ended++
		w.out.Add(flow.Volume{Packets: 1, Bytes: d.Bytes})
	}
}

// stop is where on its way a packet may have been denied.
type stop struct {
	id        verdict.EndpointID
	stage     verdict.Stage
	direction verdict.Direction
}

// way lists where the packet met policy, in its order.
func (c *Collector) way(d Denial) (list []stop) {
	add := func(id verdict.EndpointID, stage verdict.Stage, dir verdict.Direction) {
		if id.Kind != verdict.NoEndpoint {
			list = append(list, stop{id, stage, dir})
		}
	}
	if d.Stage != verdict.Normal {
		add(d.In, d.Stage, verdict.Ingress)
		add(d.Out, d.Stage, verdict.Egress)
		return list
	}
	from, _ := c.book.PodAt(d.Packet.Src)
	to, _ := c.book.PodAt(d.Packet.Dst)
	switch {
	case d.FromHost:
		add(d.Out, verdict.Normal, verdict.Egress)
	case d.ToHost && from.Kind == verdict.NoEndpoint:
		add(d.In, verdict.Normal, verdict.Ingress)
	case d.ToHost:
		add(from, verdict.Normal, verdict.Egress)
	default:
		add(from, verdict.Normal, verdict.Egress)
		add(to, verdict.Normal, verdict.Ingress)
		add(d.Out, verdict.Forward, verdict.Egress)
		add(d.In, verdict.Forward, verdict.Ingress)
	}
	return list
}

// explain finds the decision that denied: the first on the packet's way that
// does, as the tables are. If none does, they have just changed, and it is the
// first that did a moment ago. It reports false if none did either.
func (c *Collector) explain(d Denial, k *key) bool {
	way := c.way(d)
	for _, lately := range []bool{false, true} {
		k.egress, k.ingress = at{}, at{}
		for _, s := range way {
			found := c.book.Lookup(s.id, s.stage, s.direction, d.Packet)
			if lately {
				if was := c.book.Denied(s.id, s.stage, s.direction, d.Packet); was != nil {
					found = was
				}
			}
			if found == nil {
				continue
			}
			to := &k.ingress
			if s.direction == verdict.Egress {
				to = &k.egress
			}
			if found.Verdict == verdict.Deny || to.decision == nil {
				*to = at{found, hostOf(s.id), s.stage}
			}
			if found.Verdict == verdict.Deny {
				return true
			}
		}
	}
	k.egress, k.ingress = at{}, at{decision: &table.Decision{}, stage: d.Stage}
	if len(way) > 0 {
		k.ingress.host = hostOf(way[len(way)-1].id)
	}
	return false
}

// count adds a connection to its record. It returns nil, and counts it as lost,
// if the window has too many.
func (c *Collector) count(k key, p verdict.Packet, now time.Time) *counted {
	w := c.window[k]
	if w == nil {
		if w = c.begin(k, now); w == nil {
			return nil
		}
		w.sport = p.SrcPort
	}
	w.sports = w.sports || w.sport != p.SrcPort
	w.last = now
	w.connections++
	return w
}

func (c *Collector) begin(k key, start time.Time) *counted {
	if len(c.window) >= maxKeys {
		if k.denied {
			c.lose(flow.Loss{Denied: 1})
		} else {
			c.lose(flow.Loss{Connections: 1})
		}
		return nil
	}
	w := &counted{key: k, start: start, last: start}
	c.window[k] = w
	c.order = append(c.order, w)
	return w
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

// Take ends the window and returns its records, and what was lost since.
func (c *Collector) Take() ([]flow.Record, flow.Loss) {
	c.mu.Lock()
	order, lost := c.order, c.lost
	c.order, c.lost = nil, flow.Loss{}
	if len(c.window) > 0 {
		c.window = make(map[key]*counted, len(order))
	}
	c.mu.Unlock()
	records := make([]flow.Record, 0, len(order))
	for _, w := range order {
		records = append(records, w.record(c.node))
	}
	return records, lost
}

// Disagreed is how many decisions were met that the tables do not bear out: an
// allowed connection that they deny, or a denial that no policy makes.
func (c *Collector) Disagreed() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.disagreed
}

// Open is how many connections are remembered.
func (c *Collector) Open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}

func (w *counted) record(node string) flow.Record {
	k := w.key
	r := flow.Record{
		Node: node, Reporter: reporter(node, k.src, k.dst), Start: w.start.UTC().Round(0), Last: w.last.UTC().Round(0), Ended: w.going == 0,
		Source: *k.src, Destination: *k.dst, Protocol: verdict.ProtocolName(k.protocol),
		Verdict: flow.Verdict(verdict.Allow), Egress: k.egress.flow(k.src), Ingress: k.ingress.flow(k.dst),
		Connections: w.connections, Out: w.out, In: w.in,
	}
	if k.denied {
		r.Verdict = flow.Verdict(verdict.Deny)
	}
	switch {
	case verdict.IsICMP(k.protocol):
		r.ICMP = fmt.Sprintf("%d/%d", k.port>>8, k.port&255)
	case verdict.HasPorts(k.protocol):
		r.Port = k.port
		if !w.sports {
			r.SourcePort = w.sport
		}
	}
	if k.service != untranslated {
		r.Service = k.service.Value().String()
	}
	return r
}

// reporter tells which end is on the node.
func reporter(node string, src, dst *flow.End) flow.Reporter {
	switch node {
	case src.Node:
		return flow.BySource
	case dst.Node:
		return flow.ByDestination
	}
	return flow.ByNeither
}

// flow returns the decision as records have it, made at an end.
func (a at) flow(end *flow.End) *flow.Decision {
	if a.decision == nil {
		return nil
	}
	id := idOf(end)
	if a.host != "" {
		id = verdict.EndpointID{Kind: verdict.Host, Name: a.host}
	}
	return &flow.Decision{Endpoint: id.String(), Stage: a.stage, Trace: a.decision.Trace()}
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
