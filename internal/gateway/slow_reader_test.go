package gateway_test

import (
	"net"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tine/internal/gateway"
)

const (
	slowBatches = 5
	slowBatch   = 8 // documents of 1 MB, more than the kernel buffers of a connection
)

// askAll asks for all batches of a cursor at once, and reads none: one request that may be answered by many replies, or many requests.
func (c *rawConn) askAll(tb testing.TB, db string, id int64, exhaust bool) {
	tb.Helper()
	more := body(tb, bson.D{{Key: "getMore", Value: id}, {Key: "collection", Value: "c"}, {Key: "batchSize", Value: slowBatch}, {Key: "$db", Value: db}})
	requests, flags := slowBatches, uint32(0)
	if exhaust {
		requests, flags = 1, exhaustAllowed
	}
	for range requests {
		if _, err := c.Write(opMsg(flags, more)); err != nil {
			tb.Fatal(err)
		}
	}
}

// A client that does not read has one batch in the gateway's memory: the next is not even asked of the node before that one is gone.
func TestSlowReaderHasOneBatchInMemory(t *testing.T) {
	t.Parallel()
	source, trust := ownCerts(t)
	fill := open(t, nil).database(t).Collection("c")
	docs := make([]any, slowBatches*slowBatch)
	for i := range docs {
		docs[i] = bson.D{{Key: "_id", Value: i}, {Key: "s", Value: strings.Repeat("x", 1<<20)}}
	}
	must(fill.InsertMany(t.Context(), docs))(t)
	db := fill.Database().Name()
	for _, secure := range []bool{false, true} {
		exhaust := secure
		g := openWith(t, gateway.Config{TLS: source.Config(), Plaintext: true}, nil)
		c := g.dial(t)
		const small = 64 << 10
		if tcp, ok := c.Conn.(*net.TCPConn); !ok || tcp.SetReadBuffer(small) != nil {
			t.Fatal("the receive buffer cannot be set")
		}
		if secure {
			c = c.shake(t, trust)
		}
		c.logIn(t)
		reply := c.command(t, bson.D{{Key: "find", Value: "c"}, {Key: "batchSize", Value: 0}, {Key: "$db", Value: db}})
		c.askAll(t, db, reply.Lookup("cursor", "id").Int64(), exhaust)

		// Another client reads all in the meantime, so that there was time for the first one's batches, too.
		other := g.client(t).Database(db).Collection("c")
		for i := range docs {
			if err := other.FindOne(t.Context(), bson.D{{Key: "_id", Value: i}}).Err(); err != nil {
				t.Fatal(err)
			}
		}
		if n := g.scrape(t)["commands_total{getMore,ok}"]; n > 1 {
			t.Errorf("TLS and exhaust %t: %v batches were fetched for a client that reads none", secure, n)
		}
		read := 0
		for read < len(docs) { // all of them come in the end
			batch, err := c.reply(t).Lookup("cursor", "nextBatch").Array().Values()
			if err != nil {
				t.Fatal(err)
			}
			read += len(batch)
		}
	}
}
