package server

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/tierwall/tierwall/report"
	"github.com/tierwall/tierwall/server/status"
)

// metrics are what a server counts. docs/metrics.md says what each one means.
type metrics struct {
	registry  *prometheus.Registry
	leader    prometheus.Gauge
	reviews   *prometheus.CounterVec
	review    prometheus.Histogram
	forwarded *prometheus.CounterVec
	// status is what hears the agents; nil while another server does.
	status atomic.Pointer[status.Status]
	nodes  *prometheus.Desc
}

func newMetrics() *metrics {
	const namespace, subsystem = "tierwall", "server"
	m := &metrics{
		registry: prometheus.NewRegistry(),
		leader:   prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: "leader", Help: "1 while this server hears the agents and writes status, else 0."}),
		reviews:  prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: "admission_reviews_total", Help: "Objects that the API server asked about, by outcome."}, []string{"outcome"}),
		review: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Subsystem: subsystem, Name: "admission_duration_seconds", Help: "How long the answers to the API server took.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9)}),
		forwarded: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: "forwarded_total", Help: "Questions about flows that were sent on to the server that leads, by outcome."}, []string{"outcome"}),
		nodes:     prometheus.NewDesc(prometheus.BuildFQName(namespace, subsystem, "nodes"), "Nodes by what is known of their agents; all 0 while another server leads.", []string{"state"}, nil),
	}
	for _, o := range []string{"allowed", "refused"} {
		m.reviews.WithLabelValues(o)
	}
	for _, o := range []string{"ok", "failed"} {
		m.forwarded.WithLabelValues(o)
	}
	m.registry.MustRegister(m.leader, m.reviews, m.review, m.forwarded, m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// reviewed counts an answer to the API server.
func (m *metrics) reviewed(allowed bool, took time.Duration) {
	outcome := "refused"
	if allowed {
		outcome = "allowed"
	}
	m.reviews.WithLabelValues(outcome).Inc()
	m.review.Observe(took.Seconds())
}

// Describe implements prometheus.Collector for the nodes.
func (m *metrics) Describe(out chan<- *prometheus.Desc) { out <- m.nodes }

// Collect implements prometheus.Collector.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	var counts map[string]int
	if s := m.status.Load(); s != nil {
		counts = s.Nodes()
	}
	for _, state := range []string{report.InStep, report.IsBehind, report.Silent, report.NoAgent} {
		out <- prometheus.MustNewConstMetric(m.nodes, prometheus.GaugeValue, float64(counts[state]), strings.ReplaceAll(state, " ", "_"))
	}
}
