package agent

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// metrics are what an agent counts. docs/metrics.md says what each one means.
type metrics struct {
	registry      *prometheus.Registry
	applies       *prometheus.CounterVec
	applyDuration prometheus.Histogram
	lastApply     prometheus.Gauge
	endpoints     prometheus.Gauge
	placed        prometheus.Gauge
	unplaced      prometheus.Gauge
	problems      prometheus.Gauge
	drift         prometheus.Counter
	hostResyncs   prometheus.Counter
	unlogged      prometheus.Counter
	cut           prometheus.Counter
	reports       *prometheus.CounterVec
}

// The outcomes that applies and reports are counted by.
const (
	outcomeOK     = "ok"
	outcomeFailed = "failed"
)

func newMetrics() *metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "tierwall", Subsystem: "agent", Name: name, Help: help})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "tierwall", Subsystem: "agent", Name: name, Help: help})
	}
	outcomes := func(name, help string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "tierwall", Subsystem: "agent", Name: name, Help: help}, []string{"outcome"})
		c.WithLabelValues(outcomeOK)
		c.WithLabelValues(outcomeFailed)
		return c
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		applies:  outcomes("applies_total", "Changes of the kernel's tables, by outcome."),
		applyDuration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "tierwall", Subsystem: "agent", Name: "apply_duration_seconds", Help: "Duration of the changes of the kernel's tables that worked.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16),
		}),
		lastApply:   gauge("last_apply_timestamp_seconds", "When the kernel's tables were last changed, in Unix time; 0 for never."),
		endpoints:   gauge("endpoints", "Endpoints of this node that policy is compiled for."),
		placed:      gauge("endpoints_placed", "Endpoints of this node whose interface is known."),
		unplaced:    gauge("pods_unplaced", "Pods of this node that no interface leads to."),
		problems:    gauge("problems", "Problems between objects, as far as this node sees them."),
		drift:       counter("drift_total", "Times that the kernel's tables were found changed by someone else and put right."),
		hostResyncs: counter("host_resyncs_total", "Times that reports of the kernel on interfaces and routes were lost, and all was read again."),
		unlogged:    counter("log_suppressed_total", "Packets that Log rules did not log because of their limit."),
		cut:         counter("connections_cut_total", "Open connections that were ended because policy denies them now."),
		reports:     outcomes("reports_total", "Reports to the server of what this node enforces, by outcome."),
	}
	m.registry.MustRegister(m.applies, m.applyDuration, m.lastApply, m.endpoints, m.placed, m.unplaced, m.problems, m.drift, m.hostResyncs, m.unlogged, m.cut,
		m.reports, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// applied counts a change of the kernel.
func (m *metrics) applied(took time.Duration, err error) {
	if err != nil {
		m.applies.WithLabelValues(outcomeFailed).Inc()
		return
	}
	m.applies.WithLabelValues(outcomeOK).Inc()
	m.applyDuration.Observe(took.Seconds())
	m.lastApply.SetToCurrentTime()
}
