package gateway

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// maxUsed is of how many collections the use is measured: anybody may name any number that do not exist.
const maxUsed = 10_000

// tallies is how much each collection has been used since the gateway opened the cluster.
type tallies struct {
	mu sync.Mutex
	of map[string]map[string]tally // by namespace and kind of work
}

// tally is a number of operations and the time that they took.
type tally struct {
	count int64
	took  time.Duration
}

// usageKinds are MongoDB's names for the kinds of work.
func usageKinds() []string {
	return []string{"total", "readLock", "writeLock", "queries", "getmore", "insert", "update", "remove", "commands"}
}

// usageKind is the kind of work that a command is, and whether that writes.
func usageKind(command string) (kind string, writes bool) {
	switch command {
	case "find":
		return "queries", false
	case "getMore":
		return "getmore", false
	case "insert", "update":
		return command, true
	case "delete":
		return "remove", true
	default:
		return "commands", strings.EqualFold(command, "findAndModify")
	}
}

// add counts a command that has ended.
func (u *tallies) add(r *request, took time.Duration) {
	ns := namespaceOf(r)
	if strings.HasSuffix(ns, ".$cmd") {
		return
	}
	kind, writes := usageKind(r.command)
	lock := "readLock"
	if writes {
		lock = "writeLock"
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	counted := u.of[ns]
	if counted == nil {
		if len(u.of) >= maxUsed {
			return
		}
		if u.of == nil {
			u.of = map[string]map[string]tally{}
		}
		counted = map[string]tally{}
		u.of[ns] = counted
	}
	for _, k := range []string{"total", lock, kind} {
		t := counted[k]
		counted[k] = tally{count: t.count + 1, took: t.took + took}
	}
}

// top tells how much each collection is used.
func top(_ context.Context, c *conn, _ *request) (bsoncore.Document, error) {
	return marshal(bson.D{{Key: "totals", Value: c.cluster.usage.totals()}, {Key: "ok", Value: 1.0}})
}

func (u *tallies) totals() bson.D {
	u.mu.Lock()
	defer u.mu.Unlock()
	names := make([]string, 0, len(u.of))
	for ns := range u.of {
		names = append(names, ns)
	}
	slices.Sort(names)
	all := bson.D{{Key: "note", Value: "all times in microseconds"}}
	for _, ns := range names {
		about := bson.D{}
		for _, kind := range usageKinds() {
			t := u.of[ns][kind]
			about = append(about, bson.E{Key: kind, Value: bson.D{{Key: "time", Value: t.took.Microseconds()}, {Key: "count", Value: t.count}}})
		}
		all = append(all, bson.E{Key: ns, Value: about})
	}
	return all
}
