package gateway

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tine/internal/gateway/mongoerr"
)

// unknownCommand is the name under which commands are counted that do not exist: what strangers send must not become a label.
const unknownCommand = "unknown"

// meter counts what a cluster's clients do. Counting is an atomic addition; names and labels are for who reads it.
type meter struct {
	commands map[string]*calls // by every spelling; not changed any more
	unknown  *calls
	failures sync.Map // *atomic.Int64 by mongoerr.Code, of which there is a limited number
	slow     atomic.Int64
}

// calls count the runs of one command.
type calls struct {
	name    string
	failed  atomic.Int64
	nanos   atomic.Int64 // of all runs together
	buckets [latencies + 1]atomic.Int64
}

// latencies is how many bounds latencyBounds has.
const latencies = 18

// latencyBounds are the upper bounds of the buckets of a latency histogram; a last bucket has the rest.
func latencyBounds() [latencies]time.Duration {
	const us, ms, s = time.Microsecond, time.Millisecond, time.Second
	return [latencies]time.Duration{
		100 * us, 250 * us, 500 * us,
		1 * ms, 2500 * us, 5 * ms, 10 * ms, 25 * ms, 50 * ms, 100 * ms, 250 * ms, 500 * ms,
		1 * s, 2500 * ms, 5 * s, 10 * s, 30 * s, 60 * s,
	}
}

// newMeter makes a meter for the commands of a table. Spellings that differ in their letters' case alone are one command.
func newMeter(table map[string]command) *meter {
	m := &meter{commands: make(map[string]*calls, len(table)), unknown: &calls{name: unknownCommand}}
	folded := map[string]*calls{}
	for _, name := range slices.Sorted(maps.Keys(table)) { // upper case comes first: isMaster before ismaster
		key := strings.ToLower(name)
		if folded[key] == nil {
			folded[key] = &calls{name: name}
		}
		m.commands[name] = folded[key]
	}
	return m
}

// of returns the calls of a command.
func (m *meter) of(command string) *calls {
	if c := m.commands[command]; c != nil {
		return c
	}
	return m.unknown
}

// observe counts a run and how it ended.
func (m *meter) observe(command string, taken time.Duration, failed *mongoerr.Error) {
	c := m.of(command)
	bounds := latencyBounds()
	i := 0
	for i < latencies && taken > bounds[i] {
		i++
	}
	c.buckets[i].Add(1)
	c.nanos.Add(int64(taken))
	if failed != nil {
		c.failed.Add(1)
		m.fail(failed.Code)
	}
}

func (m *meter) fail(code mongoerr.Code) {
	n, known := m.failures.Load(code)
	if !known {
		n, _ = m.failures.LoadOrStore(code, new(atomic.Int64))
	}
	n.(*atomic.Int64).Add(1) //nolint:errcheck // the map holds nothing else
}
