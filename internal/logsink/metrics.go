package logsink

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tine/internal/store"
)

// metrics count what is delivered, a sink.
type metrics struct {
	entries  *prometheus.CounterVec
	requests *prometheus.CounterVec
	seconds  *prometheus.CounterVec
	gaps     *prometheus.CounterVec
}

func newMetrics() *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		opts := prometheus.CounterOpts{Namespace: "tine", Subsystem: "logsink", Name: name, Help: help}
		return prometheus.NewCounterVec(opts, append([]string{"cluster_id", "cluster", "sink_id"}, labels...))
	}
	return &metrics{
		entries:  counter("entries_total", "Log entries that the intake took (delivered) or will never take (lost).", "outcome"),
		requests: counter("requests_total", "Requests to the intake by how they ended: taken, later, refused, too_large, never.", "outcome"),
		seconds:  counter("request_seconds_total", "Time that requests to the intake took."),
		gaps:     counter("gaps_total", "How often logs were gone before the intake took them."),
	}
}

func (m *metrics) observe(sink store.ActiveLogSink, v verdict, entries int, took time.Duration) {
	names := [...]string{taken: "taken", later: "later", refused: "refused", tooLarge: "too_large", never: "never"}
	m.requests.WithLabelValues(sink.ClusterID, sink.ClusterName, sink.ID, names[v]).Inc()
	m.seconds.WithLabelValues(sink.ClusterID, sink.ClusterName, sink.ID).Add(took.Seconds())
	switch {
	case v == taken:
		m.entries.WithLabelValues(sink.ClusterID, sink.ClusterName, sink.ID, "delivered").Add(float64(entries))
	case v == never, v == tooLarge && entries == 1:
		m.entries.WithLabelValues(sink.ClusterID, sink.ClusterName, sink.ID, "lost").Add(float64(entries))
	}
}

func (m *metrics) gap(sink store.ActiveLogSink) {
	m.gaps.WithLabelValues(sink.ClusterID, sink.ClusterName, sink.ID).Inc()
}

func (m *metrics) vectors() []*prometheus.CounterVec {
	return []*prometheus.CounterVec{m.entries, m.requests, m.seconds, m.gaps}
}

func (m *metrics) forget(sinkID string) {
	for _, v := range m.vectors() {
		v.DeletePartialMatch(prometheus.Labels{"sink_id": sinkID})
	}
}

// Describe implements prometheus.Collector.
func (s *Service) Describe(ch chan<- *prometheus.Desc) {
	for _, v := range s.metrics.vectors() {
		v.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (s *Service) Collect(ch chan<- prometheus.Metric) {
	for _, v := range s.metrics.vectors() {
		v.Collect(ch)
	}
}
