package agent

import (
	"context"
	"log/slog"
	"net"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tierwall/tierwall/agent/flows"
	"github.com/tierwall/tierwall/dataplane"
	"github.com/tierwall/tierwall/flow"
	"github.com/tierwall/tierwall/model"
	"github.com/tierwall/tierwall/table"
	"github.com/tierwall/tierwall/verdict"
)

// recorder tells the server what happened here. Its methods may be called on
// nil, which records nothing; those in lower case by the agent's loop alone.
type recorder struct {
	plane     dataplane.Recorder
	book      *flows.Book
	directory *flows.Directory
	collector *flows.Collector
	counters  *flows.Counters
	sender    *flows.Sender
	log       *slog.Logger
	runs      bool
	// unseen is the world as it came before the first tables were in the kernel,
	// which does not wait for its being written down here.
	unseen []model.Change

	mu sync.Mutex
	// hosts are the host endpoints by interface, names those of indexes that
	// were asked for.
	hosts map[string]verdict.EndpointID
	names map[uint32]string
}

// newRecorder returns nil if the dataplane leaves no traces.
func newRecorder(o Options, post flows.Post) *recorder {
	plane, ok := o.Dataplane.(dataplane.Recorder)
	if !ok || plane.Recording().Group == 0 {
		return nil
	}
	r := &recorder{plane: plane, book: flows.NewBook(), directory: flows.NewDirectory(), counters: flows.NewCounters(), log: o.Log, names: map[uint32]string{}}
	r.collector = flows.NewCollector(o.Node, func() uint8 { return plane.Recording().Tag }, r.book, r.directory, r.counters)
	r.sender = flows.NewSender(o.Node, post, o.Log)
	return r
}

// take learns a change of the tables, before the kernel does.
func (r *recorder) take(d *table.Delta) {
	if r != nil {
		r.book.Take(d)
	}
}

// see learns a change of the world.
func (r *recorder) see(c model.Change) {
	if r != nil {
		r.directory.See(c)
		r.counters.See(c)
	}
}

// logged takes what a Log rule logged.
func (r *recorder) logged(l flows.Logged) {
	if r != nil {
		r.collector.Logged(l)
	}
}

// unlogged counts what Log rules met and nobody logged.
func (r *recorder) unlogged(packets uint64) {
	if r != nil && packets > 0 {
		r.collector.Lost(flow.Loss{Logged: packets})
	}
}

// placed learns which interfaces endpoints have, when that changed.
func (r *recorder) placed(p *places, moved map[verdict.EndpointID][]string) {
	if r == nil {
		return
	}
	if len(moved) > 0 || !r.runs {
		hosts := make(map[string]verdict.EndpointID, len(p.hostOn))
		for name, id := range p.hostOn {
			hosts[name] = id
		}
		if e := governing(p.hosts, "", nil); e != nil && e.Interface == "*" {
			hosts["*"] = e.ID
		}
		r.mu.Lock()
		r.hosts = hosts
		clear(r.names)
		r.mu.Unlock()
	}
}

// start begins to listen, once the first tables are in the kernel.
func (r *recorder) start(ctx context.Context) {
	if r == nil || r.runs {
		return
	}
	r.runs = true
	for _, c := range r.unseen {
		r.directory.See(c)
	}
	r.unseen = nil
	if r.plane.Recording().Group == 0 {
		return // the kernel cannot, which the dataplane has said
	}
	go r.sender.Run(ctx)
	go func() {
		l := flows.Listener{Recorder: r.plane, HostAt: r.hostAt, Log: r.log}
		if err := l.Run(ctx, r.collector, r.sender.Put); err != nil {
			r.log.Error("flows are not recorded; policy is enforced all the same", "error", err)
		}
	}()
}

// hostAt returns the host endpoint of an interface.
func (r *recorder) hostAt(index uint32) verdict.EndpointID {
	if r == nil {
		return verdict.EndpointID{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.hosts) == 0 {
		return verdict.EndpointID{}
	}
	name, known := r.names[index]
	if !known {
		if i, err := net.InterfaceByIndex(int(index)); err == nil {
			name = i.Name
		}
		r.names[index] = name
	}
	if id, ok := r.hosts[name]; ok {
		return id
	}
	return r.hosts["*"]
}

// collectors are what the recorder counts.
func (r *recorder) collectors() []prometheus.Collector {
	if r == nil {
		return nil
	}
	counter := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "tierwall", Subsystem: "agent", Name: name, Help: help}, f)
	}
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "tierwall", Subsystem: "agent", Name: name, Help: help}, f)
	}
	lost := func(f func(flow.Loss) uint64) func() float64 {
		return func() float64 { return float64(f(r.collector.LostSoFar())) }
	}
	counted := func() float64 {
		if r.collector.Counted() {
			return 1
		}
		return 0
	}
	return []prometheus.Collector{
		r.counters,
		counter("flows_sent_total", "Records of flows that the server has taken.", func() float64 { sent, _, _ := r.sender.Counts(); return float64(sent) }),
		counter("flows_dropped_total", "Records of flows that were dropped since the server was away for too long.", func() float64 { _, dropped, _ := r.sender.Counts(); return float64(dropped) }),
		counter("flows_unrecorded_denials_total", "Denied packets that are in no record.", lost(func(l flow.Loss) uint64 { return l.Denied })),
		counter("flows_lost_events_total", "Times that the kernel dropped events of connections, and connections that found no place.", lost(func(l flow.Loss) uint64 { return l.Connections })),
		counter("flows_disagreements_total", "Decisions of the kernel that the tables do not bear out.", func() float64 { return float64(r.collector.Disagreed()) }),
		gauge("flows_waiting_bytes", "Flows that wait for the server.", func() float64 { _, _, waiting := r.sender.Counts(); return float64(waiting) }),
		gauge("flows_traffic_counted", "1 if the kernel counts bytes and packets of connections.", counted),
		gauge("flows_open_connections", "Open connections that are remembered.", func() float64 { return float64(r.collector.Open()) }),
	}
}
