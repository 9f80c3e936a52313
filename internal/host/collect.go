package host

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var _ prometheus.Collector = (*Host)(nil)

// restMetrics count what becomes of clusters that nobody uses.
type restMetrics struct {
	suspended   *prometheus.Desc
	suspensions prometheus.Counter
	failed      prometheus.Counter
	wakes       prometheus.Histogram
}

func newRestMetrics() restMetrics {
	return restMetrics{
		suspended: prometheus.NewDesc("tine_host_clusters_suspended", "Clusters whose nodes are stopped because nobody uses them.", nil, nil),
		suspensions: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tine_host_suspensions_total", Help: "Nodes that were stopped because nobody used their clusters.",
		}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tine_host_wakes_failed_total", Help: "Nodes of suspended clusters that could not be started at the first attempt.",
		}),
		wakes: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tine_host_wake_duration_seconds", Help: "Time from the beginning of a suspended node's start until its clients are let through.",
			Buckets: []float64{.1, .2, .3, .5, 1, 2, 5, 10, 30},
		}),
	}
}

// woken counts a wake.
func (m restMetrics) woken(took time.Duration, failed error) {
	if failed != nil {
		m.failed.Inc()
		return
	}
	m.wakes.Observe(took.Seconds())
}

// Describe implements prometheus.Collector.
func (h *Host) Describe(ch chan<- *prometheus.Desc) {
	ch <- h.rest.suspended
	h.rest.suspensions.Describe(ch)
	h.rest.failed.Describe(ch)
	h.rest.wakes.Describe(ch)
}

// Collect implements prometheus.Collector. The counters begin at zero with the process.
func (h *Host) Collect(ch chan<- prometheus.Metric) {
	h.mu.Lock()
	asleep := 0
	for _, r := range h.mu.running {
		if r.asleep {
			asleep++
		}
	}
	h.mu.Unlock()
	ch <- prometheus.MustNewConstMetric(h.rest.suspended, prometheus.GaugeValue, float64(asleep))
	h.rest.suspensions.Collect(ch)
	h.rest.failed.Collect(ch)
	h.rest.wakes.Collect(ch)
}
