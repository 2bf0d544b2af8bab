package flows

import (
	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

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
	w, known := c.explain(d)
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !known {
		c.disagreed++
	}
	k.way = c.one(w)
	if w := c.count(k, p.SrcPort, now); w != nil {
		w.out.Add(flow.Volume{Packets: 1, Bytes: d.Bytes})
	}
}

// stop is where on its way a packet may have been denied, or logged.
type stop struct {
	id        verdict.EndpointID
	stage     verdict.Stage
	direction verdict.Direction
}

// stops is a way that is put together.
type stops []stop

func (l *stops) add(id verdict.EndpointID, stage verdict.Stage, dir verdict.Direction) {
	if id.Kind != verdict.NoEndpoint {
		*l = append(*l, stop{id, stage, dir})
	}
}

// stops lists where the packet met policy, in its order.
func (c *Collector) stops(d Denial) (list stops) {
	if d.Stage != verdict.Normal {
		list.add(d.In, d.Stage, verdict.Ingress)
		list.add(d.Out, d.Stage, verdict.Egress)
		return list
	}
	from, _ := c.book.PodAt(d.Packet.Src)
	to, _ := c.book.PodAt(d.Packet.Dst)
	switch {
	case d.FromHost:
		list.add(d.Out, verdict.Normal, verdict.Egress)
	case d.ToHost && from.Kind == verdict.NoEndpoint:
		list.add(d.In, verdict.Normal, verdict.Ingress)
	case d.ToHost:
		list.add(from, verdict.Normal, verdict.Egress)
	default:
		list.add(d.In, verdict.Forward, verdict.Ingress)
		list.add(from, verdict.Normal, verdict.Egress)
		list.add(to, verdict.Normal, verdict.Ingress)
		list.add(d.Out, verdict.Forward, verdict.Egress)
	}
	return list
}

// explain finds the decision that denied: the first on the packet's way that
// does, as the tables are. If none does, they have just changed, and it is the
// first that did a moment ago. It reports false if none did either.
func (c *Collector) explain(d Denial) (w way, known bool) {
	list := c.stops(d)
	for _, lately := range []bool{false, true} {
		w = way{}
		for _, s := range list {
			found := c.book.Lookup(s.id, s.stage, s.direction, d.Packet)
			if lately {
				if was := c.book.Denied(s.id, s.stage, s.direction, d.Packet); was != nil {
					found = was
				}
			}
			if found == nil {
				continue
			}
			w.met(s, found)
			if found.Verdict == verdict.Deny {
				return w, true
			}
		}
	}
	w = way{ingress: at{decision: &table.Decision{}, stage: d.Stage}}
	if len(list) > 0 {
		w.ingress.host = hostOf(list[len(list)-1].id)
	}
	return w, false
}

// met adds the next decision on a packet's way. Where a pod and a host endpoint
// have decided in one direction, the place is that of who denies, and else the
// pod's.
func (w *way) met(s stop, d *table.Decision) {
	to, own := w.side(s.direction), at{d, hostOf(s.id), s.stage}
	switch {
	case to.decision == nil:
	case d.Verdict == verdict.Deny, s.stage == verdict.Normal:
		w.host = *to
	default:
		w.host = own
		return
	}
	*to = own
}
