package gateway_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/wiremessage"

	"tine/internal/gateway/wire"
)

func TestDriverCompresses(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"snappy", "zlib", "zstd"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			coll := open(t, nil).database(t, options.Client().SetCompressors([]string{name})).Collection("c")
			text := strings.Repeat("compress me ", 100_000)
			docs := []any{bson.D{{Key: "_id", Value: 1}, {Key: "text", Value: text}}, bson.D{{Key: "_id", Value: 2}}}
			must(coll.InsertMany(t.Context(), docs))(t)
			var found []bson.M
			cur := must(coll.Find(t.Context(), bson.D{}, options.Find().SetBatchSize(1)))(t)
			if err := cur.All(t.Context(), &found); err != nil {
				t.Fatal(err)
			}
			if len(found) != 2 || found[0]["text"] != text {
				t.Errorf("found %d documents", len(found))
			}
		})
	}
}

// opCompressed wraps a message as the official driver does.
func opCompressed(tb testing.TB, by wire.Compressor, msg []byte) []byte {
	tb.Helper()
	data, err := driver.CompressPayload(msg[16:], driver.CompressionOpts{
		Compressor: wiremessage.CompressorID(by), ZlibLevel: 6, ZstdLevel: 6, UncompressedSize: int32(len(msg) - 16),
	})
	if err != nil {
		tb.Fatal(err)
	}
	out := wiremessage.AppendHeader(nil, 0, 8, 0, wiremessage.OpCompressed)
	out = wiremessage.AppendCompressedOriginalOpCode(out, wiremessage.OpMsg)
	out = wiremessage.AppendCompressedUncompressedSize(out, int32(len(msg)-16))
	out = wiremessage.AppendCompressedCompressorID(out, wiremessage.CompressorID(by))
	out = append(out, data...)
	binary.LittleEndian.PutUint32(out, uint32(len(out)))
	return out
}

// compressedCommand sends a command compressed and returns the reply's operation as it came, and the reply.
func (c *rawConn) compressedCommand(tb testing.TB, by wire.Compressor, doc bson.D) (wiremessage.OpCode, bsoncore.Document) {
	tb.Helper()
	if _, err := c.Write(opCompressed(tb, by, opMsg(0, body(tb, doc)))); err != nil {
		tb.Fatal(err)
	}
	frame, err := wire.ReadFrame(c, wire.MaxMessage)
	if err != nil {
		tb.Fatalf("read reply: %v", err)
	}
	op := frame.OpCode
	codecs := must(wire.NewCodecs(1))(tb)
	frame = must(codecs.Decompress(frame, wire.MaxMessage, []wire.Compressor{by}))(tb)
	return op, must(wire.ParseMsg(frame))(tb).Document
}

func TestReplyIsCompressedAsItsRequestUnlessItMustNotBe(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	hello := bson.D{{Key: "hello", Value: 1}, {Key: "compression", Value: bson.A{"zstd", "lz4", "snappy"}}, {Key: "$db", Value: "admin"}}
	ping := bson.D{{Key: "ping", Value: 1}, {Key: "$db", Value: "admin"}}
	c := g.dial(t)
	reply := c.command(t, hello)
	agreed, _ := reply.Lookup("compression").ArrayOK()
	if values, _ := agreed.Values(); len(values) != 2 || values[0].StringValue() != "zstd" || values[1].StringValue() != "snappy" {
		t.Fatalf("agreed on %v", agreed)
	}
	for _, by := range []wire.Compressor{wire.Zstd, wire.Snappy} {
		if op, reply := c.compressedCommand(t, by, ping); op != wiremessage.OpCompressed || reply.Lookup("ok").Double() != 1 {
			t.Errorf("%s: ping is answered by operation %d with %v", by, op, reply)
		}
		if op, _ := c.compressedCommand(t, by, hello); op != wiremessage.OpMsg {
			t.Errorf("%s: hello is answered by operation %d", by, op)
		}
	}
	if _, err := c.Write(opCompressed(t, wire.Zlib, opMsg(0, body(t, ping)))); err != nil {
		t.Fatal(err)
	}
	c.wantClosed(t, "a compressor that was not agreed on")
}

// Before log-in the limit of a message holds for what comes out of it, too.
func TestCompressionDoesNotGetAroundTheLimitBeforeLogIn(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	for _, by := range []wire.Compressor{wire.Snappy, wire.Zlib, wire.Zstd} {
		c := g.dial(t)
		c.command(t, bson.D{{Key: "hello", Value: 1}, {Key: "compression", Value: bson.A{by.String()}}, {Key: "$db", Value: "admin"}})
		large := bson.D{{Key: "ping", Value: 1}, {Key: "$db", Value: "admin"}, {Key: "x", Value: strings.Repeat("x", 64<<10)}}
		if _, err := c.Write(opCompressed(t, by, opMsg(0, body(t, large)))); err != nil {
			t.Fatal(err)
		}
		c.wantClosed(t, by.String())
	}
}
