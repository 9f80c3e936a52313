package gateway

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"tine/internal/gateway/mongoerr"
)

var _ prometheus.Collector = (*Server)(nil)

// Describe implements prometheus.Collector. It says nothing: which series there are depends on the clusters that are open.
func (s *Server) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector. The series of a cluster have its id and its name, and are gone when it is closed.
func (s *Server) Collect(ch chan<- prometheus.Metric) {
	s.mu.Lock()
	open := make([]*cluster, 0, len(s.clusters))
	for _, c := range s.clusters {
		open = append(open, c)
	}
	s.mu.Unlock()
	for _, c := range open {
		series{ch: ch, id: c.spec.ID, name: c.spec.Name}.cluster(c)
	}
}

// series sends the series of one cluster.
type series struct {
	ch       chan<- prometheus.Metric
	id, name string
}

// desc describes a metric whose own labels come after the cluster's.
func (s series) desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("tine_gateway_"+name, help, append([]string{"cluster_id", "cluster"}, labels...), nil)
}

func (s series) values(values []string) []string { return append([]string{s.id, s.name}, values...) }

func (s series) send(kind prometheus.ValueType, d *prometheus.Desc, v float64, values ...string) {
	s.ch <- prometheus.MustNewConstMetric(d, kind, v, s.values(values)...)
}

func (s series) counter(name, help string, v int64) {
	s.send(prometheus.CounterValue, s.desc(name, help), float64(v))
}

func (s series) gauge(name, help string, v int) {
	s.send(prometheus.GaugeValue, s.desc(name, help), float64(v))
}

func (s series) cluster(c *cluster) {
	s.commands(c.meter)
	s.connections(c)
	s.counter("slow_operations_total", "Operations that took as long as the cluster's threshold, or longer.", c.meter.slow.Load())
	s.gauge("cursors_open", "Cursors that are open.", c.cursors.count())
	s.counter("cursors_opened_total", "Cursors that were opened.", c.cursors.opened.Load())
	s.counter("cursors_timed_out_total", "Cursors that were closed because nobody asked for more.", c.cursors.timedOut.Load())
	s.shortcuts(c)
	s.counter("writes_replayed_total", "Numbered writes that came again and were answered with the reply of the first.", c.replayed.Load())
	s.counter("transactions_started_total", "Multi-document transactions that were started.", c.transactions.started.Load())
	s.counter("transactions_committed_total", "Transactions that were committed.", c.transactions.committed.Load())
	s.counter("transactions_aborted_total", "Transactions that were aborted, for whatever reason.", c.transactions.aborted.Load())
	s.counter("transactions_expired_total", "Transactions that were aborted because they had lived longer than they may.", c.transactions.expired.Load())
	s.gauge("transactions_open", "Transactions that are open.", c.transactions.open())
	s.backends(c.node)
}

// shortcuts sends how many reads were carried out without the engine's cursor, or by hash, and how many of those had to be carried out once more.
func (s series) shortcuts(c *cluster) {
	taken := s.desc("shortcut_reads_total", "Reads that were carried out in a faster way than the general one, by that way.", "way")
	s.send(prometheus.CounterValue, taken, float64(c.stats.points.Load()), "point")
	s.send(prometheus.CounterValue, taken, float64(c.stats.wholes.Load()), "whole")
	s.send(prometheus.CounterValue, taken, float64(c.stats.hashed.Load()), "hash")
	s.counter("shortcut_reads_repeated_total", "Reads that were tried in a faster way for nothing.", c.stats.repeated.Load())
}

// commands sends what the commands that have been used did.
func (s series) commands(m *meter) {
	count := s.desc("commands_total", "Commands by how they ended.", "command", "outcome")
	latency := s.desc("command_duration_seconds", "Time from a command's arrival until its reply is ready.", "command")
	used := map[*calls]bool{}
	for _, c := range m.commands {
		used[c] = true // spellings share theirs
	}
	used[m.unknown] = true
	for c := range used {
		buckets, total := c.cumulative()
		if total == 0 {
			continue
		}
		failed := min(uint64(c.failed.Load()), total) // it is counted after the run
		s.send(prometheus.CounterValue, count, float64(total-failed), c.name, "ok")
		s.send(prometheus.CounterValue, count, float64(failed), c.name, "error")
		seconds := float64(c.nanos.Load()) / 1e9
		s.ch <- prometheus.MustNewConstHistogram(latency, total, seconds, buckets, s.values([]string{c.name})...)
	}
	errs := s.desc("errors_total", "Commands that failed, by the name of the error's code.", "code")
	m.failures.Range(func(code, n any) bool {
		//nolint:errcheck // the map holds nothing else
		s.send(prometheus.CounterValue, errs, float64(n.(*atomic.Int64).Load()), code.(mongoerr.Code).String())
		return true
	})
}

// cumulative is the histogram as Prometheus wants it.
func (c *calls) cumulative() (buckets map[float64]uint64, total uint64) {
	buckets = make(map[float64]uint64, latencies)
	for i, bound := range latencyBounds() {
		total += uint64(c.buckets[i].Load())
		buckets[bound.Seconds()] = total
	}
	return buckets, total + uint64(c.buckets[latencies].Load())
}

func (s series) connections(c *cluster) {
	s.gauge("connections_open", "Connections of clients.", c.connections())
	s.gauge("connections_limit", "Connections that the cluster may have; 0 means any number.", c.settings().MaxConnections)
	s.counter("connections_accepted_total", "Connections that were served.", c.stats.accepted.Load())
	s.counter("failed_logins_total", "Log-ins that failed.", c.stats.failedLogins.Load())
	s.counter("tls_handshakes_failed_total", "TLS handshakes that came to nothing.", c.stats.handshakeFailures.Load())
	s.counter("received_bytes_total", "Bytes of messages that came in, as they came.", c.stats.bytesIn.Load())
	s.counter("sent_bytes_total", "Bytes of messages that went out, as they went.", c.stats.bytesOut.Load())
	refused := s.desc("connections_refused_total", "Connections that were closed before or instead of being served, by the reason.", "reason")
	for reason, n := range map[string]int64{
		"limit": c.stats.refused.Load(), "made_room": c.stats.evicted.Load(),
		"untrusted": c.stats.untrusted.Load(), "plaintext": c.stats.plaintext.Load(),
	} {
		s.send(prometheus.CounterValue, refused, float64(n), reason)
	}
}

// backends sends the connections to PostgreSQL by whose rights they have.
func (s series) backends(n *node) {
	d := s.desc("postgres_connections", "Connections to PostgreSQL.", "login", "state")
	for l, use := range n.usage() {
		s.send(prometheus.GaugeValue, d, float64(use.busy), l, "in_use")
		s.send(prometheus.GaugeValue, d, float64(use.idle), l, "idle")
	}
}

// usage is how many connections a login has.
type usage struct{ busy, idle int }

// usage counts the connections of each login, by the name of the role it has taken or, without one, its own.
func (n *node) usage() map[string]usage {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make(map[string]usage, len(n.mu.pools))
	for l, p := range n.mu.pools {
		name := l.role
		if name == "" {
			name = l.user
		}
		stat, sum := p.Stat(), all[name]
		all[name] = usage{busy: sum.busy + int(stat.AcquiredConns()), idle: sum.idle + int(stat.IdleConns())}
	}
	return all
}
