package flows

import (
	"fmt"
	"time"

	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/verdict"
)

// counted is a record in the making.
type counted struct {
	key         key
	start, last time.Time
	sport       uint16
	sports      bool // several
	// connections are packets, of what a Log rule logged.
	connections uint64
	going       int // that have not ended
	out, in     flow.Volume
}

// count adds a connection to its record. It returns nil, and counts it as lost,
// if the window has too many.
func (c *Collector) count(k key, sport uint16, now time.Time) *counted {
	w := c.window[k]
	if w == nil {
		if w = c.begin(k, now); w == nil {
			return nil
		}
		w.sport = sport
	}
	w.sports = w.sports || w.sport != sport
	w.last = now
	w.connections++
	return w
}

func (c *Collector) begin(k key, start time.Time) *counted {
	if len(c.window) >= maxKeys {
		switch {
		case k.way.logged != nil:
			c.lose(flow.Loss{Logged: 1})
		case k.denied:
			c.lose(flow.Loss{Denied: 1})
		default:
			c.lose(flow.Loss{Connections: 1})
		}
		return nil
	}
	w := &counted{key: k, start: start, last: start}
	c.window[k] = w
	c.order = append(c.order, w)
	return w
}

// Take ends the window and returns its records, and what was lost since.
func (c *Collector) Take() ([]flow.Record, flow.Loss) {
	c.mu.Lock()
	order, lost := c.order, c.lost
	c.order, c.lost = nil, flow.Loss{}
	c.updates = 0
	c.windows++
	if len(c.window) > 0 {
		c.window = make(map[key]*counted, len(order))
	}
	c.mu.Unlock()
	records := make([]flow.Record, 0, len(order))
	for _, w := range order {
		records = append(records, w.record(c.node))
		c.counts.add(&records[len(records)-1])
	}
	return records, lost
}

func (w *counted) record(node string) flow.Record {
	k := w.key
	if w.start.After(w.last) {
		w.start = w.last // the clock was set back meanwhile
	}
	r := flow.Record{
		Node: node, Reporter: reporter(node, k.src, k.dst), Start: w.start.UTC().Round(0), Last: w.last.UTC().Round(0), Ended: w.going == 0,
		Source: *k.src, Destination: *k.dst, Protocol: verdict.ProtocolName(k.protocol),
		Verdict: flow.Verdict(verdict.Allow), Egress: k.way.egress.flow(k.src), Ingress: k.way.ingress.flow(k.dst), Host: k.way.host.flow(k.dst),
		Connections: w.connections, Out: w.out, In: w.in,
	}
	if k.denied {
		r.Verdict = flow.Verdict(verdict.Deny)
	}
	if r.Host != nil && r.HostDirection() == verdict.Egress {
		r.Host = k.way.host.flow(k.src)
	}
	if l := k.way.logged; l != nil {
		own := *l
		own.Packets, r.Connections = w.connections, 0
		r.Logged = &own
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
