package gateway

import "time"

// Measurement is what the clients of a cluster have done since its gateway opened. What drivers ask to watch a server counts for nothing.
type Measurement struct {
	Connections             int // now
	Reads, Writes, Commands int64
	Busy                    time.Duration // of all of them together, from a command's arrival until its reply is ready
	Histogram               Histogram
}

// Histogram counts operations by how long they took.
type Histogram [latencies + 1]int64

// Measure returns what a cluster's clients have done; ok is false if its gateway is not open.
func (s *Server) Measure(clusterID string) (m Measurement, ok bool) {
	s.mu.Lock()
	c := s.clusters[clusterID]
	s.mu.Unlock()
	if c == nil {
		return m, false
	}
	m.Connections = c.connections()
	seen := map[*calls]bool{}
	for name, done := range c.meter.commands {
		if seen[done] || isHello(name) || name == "ping" {
			continue
		}
		seen[done] = true // spellings share theirs
		m.add(name, done)
	}
	return m, true
}

func (m *Measurement) add(command string, done *calls) {
	var runs int64
	for i := range done.buckets {
		n := done.buckets[i].Load()
		runs += n
		m.Histogram[i] += n
	}
	m.Busy += time.Duration(done.nanos.Load())
	switch command {
	case "find", "getMore", "aggregate", "count", "distinct":
		m.Reads += runs
	case "insert", "update", "delete", "findAndModify", "findandmodify", "bulkWrite":
		m.Writes += runs
	default:
		m.Commands += runs
	}
}

// Since is what was counted after an earlier histogram of the same gateway.
func (h Histogram) Since(before Histogram) Histogram {
	for i := range h {
		h[i] -= before[i]
	}
	return h
}

// Quantile is how long that share of the operations took at most: the bound of the bucket that holds the slowest of them. Zero without any; of what is
// beyond the last bound it is that bound.
func (h Histogram) Quantile(share float64) time.Duration {
	var total int64
	for _, n := range h {
		total += n
	}
	if total == 0 {
		return 0
	}
	bounds := latencyBounds()
	wanted, sum := share*float64(total), int64(0)
	for i, bound := range bounds {
		if sum += h[i]; float64(sum) >= wanted {
			return bound
		}
	}
	return bounds[latencies-1]
}
