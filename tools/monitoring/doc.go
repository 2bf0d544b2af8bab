// Package monitoring tests the dashboard and the alert rules of the chart
// (charts/tierwall/monitoring), with Prometheus' own parser and engine: that every
// expression is one, that it names metrics and labels that docs/metrics.md lists,
// and that alerts come when they should and not else. It is a module of its own: the
// product does not depend on Prometheus.
package monitoring
