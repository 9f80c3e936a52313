package gateway

import (
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
)

// topology is what the cluster presents now, and the connections that wait for it to become something else.
type topology struct {
	process bson.ObjectID // tells this counter from that of a gateway before

	mu struct {
		sync.Mutex
		now     Topology
		counter int64
		waiting map[*conn]struct{}
	}
}

func newTopology(now Topology) *topology {
	t := &topology{process: bson.NewObjectID()}
	t.mu.now = now
	t.mu.waiting = map[*conn]struct{}{}
	return t
}

// get returns what there is now and its version.
func (t *topology) get() (Topology, int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.now, t.mu.counter
}

// isPrimary reports whether the node that the cluster is served from takes writes.
func (c *cluster) isPrimary() bool {
	return c.settings().Topology.self().Role == Primary
}

// reads reports whether a command reads data that a secondary may have an older state of. A getMore goes on where it began.
func (cmd command) reads() bool { return cmd.privilege == read || cmd.privilege == inspect }

// toleratesSecondary reports whether the client said that it would read from a secondary.
func (r *request) toleratesSecondary() bool {
	fs, err := subFields(r.field("$readPreference"))
	if err != nil {
		return false
	}
	mode, ok := find(fs, "mode").StringValueOK()
	return ok && mode != "primary"
}

// stamp is the reply for an error. One that says that the node changed its role carries the version of the topology. Without it a
// driver takes the server for unknown until its monitor, which waits for a change, hears of one; with it the driver sees that it
// knows this topology already, and tries again.
func (t *topology) stamp(e *mongoerr.Error) bsoncore.Document {
	doc := e.Document()
	if !e.Code.IsStateChange() {
		return doc
	}
	_, counter := t.get()
	version := bsoncore.NewDocumentBuilder().AppendObjectID("processId", t.process).AppendInt64("counter", counter).Build()
	doc = bsoncore.AppendDocumentElement(doc[:len(doc)-1], "topologyVersion", version)
	return bsoncore.UpdateLength(append(doc, 0), 0, int32(len(doc)+1))
}

// set presents another topology and wakes those who wait for one.
func (t *topology) set(next Topology) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.now.equal(next) {
		return
	}
	t.mu.now = next
	t.mu.counter++
	for c := range t.mu.waiting {
		_ = c.net.SetReadDeadline(past())
	}
}

// wake ends the waiting of all who wait for a change.
func (t *topology) wake() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.mu.waiting {
		_ = c.net.SetReadDeadline(past())
	}
}

// await returns when the version is another than counter, when d is over, or when the client sends something. An error says that the
// client is gone. Waiting is a read of the connection, so that it costs no more than being idle and ends with the connection;
// a change of topology ends it by the read's deadline.
func (t *topology) await(c *conn, counter int64, d time.Duration) error {
	if err := c.net.SetReadDeadline(time.Now().Add(d)); err != nil {
		return err
	}
	t.mu.Lock()
	changed := t.mu.counter != counter
	if !changed {
		t.mu.waiting[c] = struct{}{}
	}
	t.mu.Unlock()
	if changed {
		return nil
	}
	defer func() {
		t.mu.Lock()
		delete(t.mu.waiting, c)
		t.mu.Unlock()
	}()
	if err := c.reader.await(); err != nil && !isTimeout(err) {
		return err
	}
	return nil
}

// past is a deadline that ends a read at once.
func past() time.Time { return time.Unix(1, 0) }
