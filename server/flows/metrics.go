package flows

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tierwall/tierwall/flow"
)

// metrics are what a store and its exporter count. docs/metrics.md says what
// each one means.
type metrics struct {
	received, stored, failed, repeated   prometheus.Counter
	lostDenied, lostEvents               prometheus.Counter
	lostRecords, lostLogged              prometheus.Counter
	deleted, damaged, missed             prometheus.Counter
	exported, exportRefused, exportTried prometheus.Counter
	lag                                  prometheus.Histogram
	queries                              *prometheus.HistogramVec
	all                                  []prometheus.Collector
}

// The questions that queries are told apart by.
const (
	queryPage     = "page"
	queryCounts   = "counts"
	queryTogether = "together"
)

// gauge is a value that is looked up when somebody asks.
type gauge struct {
	name, help string
	value      func() float64
}

func newMetrics(s *Store) *metrics {
	const namespace, subsystem = "tierwall", "server_flows"
	m := &metrics{}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help})
		m.all = append(m.all, c)
		return c
	}
	by := func(name, help, label string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, []string{label})
		m.all = append(m.all, c)
		return c
	}
	m.received = counter("received_total", "Records of flows in batches that agents sent, repeated ones included.")
	m.stored = counter("stored_total", "Records of flows that were written.")
	m.failed = counter("failed_batches_total", "Batches that could not be written; agents send them again.")
	m.repeated = counter("repeated_batches_total", "Batches that were there already.")
	lost := by("lost_total", "What agents saw and is in no record, by what it is.", "what")
	m.lostDenied, m.lostEvents, m.lostRecords = lost.WithLabelValues("denied"), lost.WithLabelValues("events"), lost.WithLabelValues("records")
	m.lostLogged = lost.WithLabelValues("logged")
	m.deleted = counter("deleted_total", "Records that were deleted, since they were too old or too many.")
	m.damaged = counter("damaged_total", "Files of the store that could not be read and were moved aside.")
	m.missed = counter("missed_total", "Records that readers who follow did not get, since they were too slow.")
	exported := by("exported_total", "Records that were sent on as OTLP logs, by outcome.", "outcome")
	m.exported, m.exportRefused = exported.WithLabelValues("ok"), exported.WithLabelValues("refused")
	m.exportTried = counter("export_failures_total", "Attempts to send records on that failed.")
	m.lag = prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Subsystem: subsystem, Name: "lag_seconds",
		Help:    "How old the newest record of a batch was when it was stored, by the clocks of the node and of the server.",
		Buckets: []float64{0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600}})
	m.queries = prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Subsystem: subsystem, Name: "query_duration_seconds",
		Help: "How long questions took, by what was asked for.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 8)}, []string{"query"})
	for _, q := range []string{queryPage, queryCounts, queryTogether} {
		m.queries.WithLabelValues(q)
	}
	m.all = append(m.all, m.lag, m.queries)
	for _, g := range []gauge{
		{"store_bytes", "Size of the store.", func() float64 { return float64(s.Stats().Bytes) }},
		{"store_files", "Files of the store.", func() float64 { return float64(s.Stats().Segments) }},
		{"oldest_timestamp_seconds", "When the oldest record was last counted, in Unix time; 0 for none.", func() float64 { return unix(s.oldest()) }},
		{"subscribers", "Readers who follow.", func() float64 { return float64(s.followers()) }},
	} {
		m.all = append(m.all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: g.name, Help: g.help}, g.value))
	}
	return m
}

// Collectors are the metrics of the store and of its exporter.
func (s *Store) Collectors() []prometheus.Collector { return s.metrics.all }

// took counts a batch that was stored.
func (m *metrics) took(b *flow.Batch, now time.Time) {
	m.stored.Add(float64(len(b.Records)))
	m.lostDenied.Add(float64(b.Lost.Denied))
	m.lostEvents.Add(float64(b.Lost.Connections))
	m.lostRecords.Add(float64(b.Lost.Records))
	m.lostLogged.Add(float64(b.Lost.Logged))
	if n := len(b.Records); n > 0 {
		m.lag.Observe(max(0, now.Sub(b.Records[n-1].Last).Seconds()))
	}
}

// asked notes how long a question took that began at a time.
func (m *metrics) asked(query string, began time.Time) {
	m.queries.WithLabelValues(query).Observe(time.Since(began).Seconds())
}

func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// oldest is when the oldest record was last counted; zero if there is none.
func (s *Store) oldest() time.Time {
	list, _ := s.snapshot()
	return oldestOf(list)
}

func oldestOf(list []segment) time.Time {
	for i := range list {
		if list[i].records > 0 {
			return list[i].first
		}
	}
	return time.Time{}
}

func (s *Store) leadsSince() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.since
}

func (s *Store) followers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.follow)
}
