package gateway

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
)

// longestAwait bounds how long a hello waits, whatever the client says.
const longestAwait = 10 * time.Minute

// awaitTopology waits, if a hello names the topology that its client knows, for another one or until its time is over.
func (c *conn) awaitTopology(r *request) error {
	known, patience := r.field("topologyVersion"), r.field("maxAwaitTimeMS")
	switch {
	case !has(known) && !has(patience):
		return nil
	case !has(patience):
		return mongoerr.New(mongoerr.AwaitWithoutTime, "A request with a 'topologyVersion' must include 'maxAwaitTimeMS'")
	case !has(known):
		return mongoerr.New(mongoerr.AwaitWithoutTopology, "A request with 'maxAwaitTimeMS' must include a 'topologyVersion'")
	}
	ms, ok := asInt64(patience)
	if !ok || ms < 0 {
		return mongoerr.New(mongoerr.AwaitTimeNegative, "maxAwaitTimeMS must be a non-negative integer")
	}
	counter, ours, err := c.knownTopology(r, known)
	if err != nil || !ours {
		return err
	}
	return c.await(counter, min(time.Duration(ms)*time.Millisecond, longestAwait))
}

// knownTopology returns the version that the client has seen, and whether it is one of ours.
func (c *conn) knownTopology(r *request, v bsoncore.Value) (counter int64, ours bool, err error) {
	if r.repeated { // it has seen what we sent since
		return c.presented, true, nil
	}
	fs, err := subFields(v)
	if err != nil {
		return 0, false, mongoerr.New(mongoerr.TypeMismatch, "topologyVersion must be a document")
	}
	process, ok := find(fs, "processId").ObjectIDOK()
	if !ok {
		return 0, false, mongoerr.New(mongoerr.TypeMismatch, "topologyVersion.processId must be an ObjectId")
	}
	counter, ok = find(fs, "counter").Int64OK()
	if !ok || counter < 0 {
		return 0, false, mongoerr.New(mongoerr.TopologyNegative, "topologyVersion must have a non-negative counter")
	}
	if process != c.cluster.topology.process {
		return 0, false, nil
	}
	if _, now := c.cluster.topology.get(); counter > now {
		return 0, false, mongoerr.New(mongoerr.TopologyAhead,
			"Received a topology version with counter: %d which is greater than the server topology version counter: %d", counter, now)
	}
	return counter, true, nil
}

// await waits as an idle connection does, and may be closed like one.
func (c *conn) await(counter int64, d time.Duration) error {
	goOn := c.setBusy(false)
	var err error
	if goOn {
		err = c.cluster.topology.await(c, counter, d)
		goOn = c.setBusy(true)
	}
	if err == nil && goOn {
		return nil
	}
	_ = c.net.Close() // nobody waits for an answer
	return mongoerr.Wrap(err, mongoerr.ClientDisconnect, "the connection was closed")
}
