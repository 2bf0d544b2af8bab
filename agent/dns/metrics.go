package dns

import "github.com/prometheus/client_golang/prometheus"

// metrics are what a learner counts. docs/metrics.md says what each one means.
type metrics struct {
	answers    *prometheus.CounterVec
	refused    *prometheus.CounterVec
	held       prometheus.Histogram
	late       prometheus.Counter
	lost       prometheus.Counter
	damaged    prometheus.Counter
	fileErrors prometheus.Counter
	names      prometheus.Gauge
	addresses  prometheus.Gauge
	full       prometheus.Gauge
}

// What came of an answer.
const (
	learned    = "learned"
	renewed    = "renewed"
	nothing    = "nothing"
	unasked    = "unasked"
	malformed  = "malformed"
	unfollowed = "unfollowed"
)

// Why an address was not learned.
const (
	refusedAddress = "address"
	refusedName    = "per-name"
	refusedAll     = "full"
)

func newMetrics() *metrics {
	const namespace, subsystem = "tierwall", "agent_dns"
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help})
	}
	by := func(name, help, label string, values ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, []string{label})
		for _, v := range values {
			c.WithLabelValues(v)
		}
		return c
	}
	return &metrics{
		answers: by("answers_total", "Answers of trusted DNS servers, by what came of them.", "outcome", learned, renewed, nothing, unasked, malformed, unfollowed),
		refused: by("refused_total", "Addresses of names that were not learned, or had to make room, by reason.", "reason", refusedAddress, refusedName, refusedAll),
		held: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Subsystem: subsystem, Name: "held_seconds",
			Help: "How long answers were held back until the kernel knew what they say.", Buckets: prometheus.ExponentialBuckets(0.0001, 2, 15)}),
		late:       counter("late_total", "Answers that went on before the kernel knew what they say, since it took too long."),
		lost:       counter("lost_total", "Times that packets or copies of queries from the kernel could not be read in time. The packets went on."),
		damaged:    counter("file_damaged_lines_total", "Lines of the file of learned names that could not be read."),
		fileErrors: counter("file_errors_total", "Writes to the file of learned names that failed."),
		names:      gauge("names", "Domain names of which an address is known."),
		addresses:  gauge("addresses", "Pairs of a domain name and an address that are known."),
		full:       gauge("full", "1 if new addresses are refused since there are too many."),
	}
}

// register hands them to who collects; nil is nobody.
func (m *metrics) register(r prometheus.Registerer) {
	if r != nil {
		r.MustRegister(m.answers, m.refused, m.held, m.late, m.lost, m.damaged, m.fileErrors, m.names, m.addresses, m.full)
	}
}
