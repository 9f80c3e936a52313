package gateway

import (
	"errors"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// errBulkReply says that the engine's replies are not those of the calls that it got.
var errBulkReply = errors.New("the replies to a bulkWrite do not fit its operations")

// bulkResult is the reply to a bulkWrite, as it grows.
type bulkResult struct {
	errorsOnly, ordered bool

	results                                                [][]byte
	failed, inserted, matched, modified, upserted, deleted int64
}

// read takes the engine's replies, which stand one after the other. An ordered bulkWrite has none for the calls after one that failed.
func (b *bulkResult) read(calls []bulkCall, replies []byte) error {
	for _, call := range calls {
		if len(replies) == 0 && b.ordered && b.failed > 0 {
			return nil
		}
		length, _, ok := bsoncore.ReadLength(replies)
		if !ok || length < emptyDocument || int(length) > len(replies) {
			return errBulkReply
		}
		if err := b.add(call, replies[:length]); err != nil {
			return err
		}
		replies = replies[length:]
	}
	return nil
}

// add takes the reply to one call.
func (b *bulkResult) add(call bulkCall, reply []byte) error {
	fs, err := fields(reply)
	if err != nil {
		return err
	}
	failures, err := byIndex(find(fs, "writeErrors"))
	if err != nil {
		return err
	}
	ids, err := byIndex(find(fs, "upserted"))
	if err != nil {
		return err
	}
	n, _ := asInt64(find(fs, "n"))
	modified, _ := asInt64(find(fs, "nModified"))
	b.count(call, n, modified, int64(len(ids)))
	for i := range call.count {
		failure, hasFailed := failures[int64(i)]
		switch {
		case hasFailed:
			if err := b.fail(call, call.first+i, failure); err != nil {
				return err
			}
			if b.ordered {
				return nil
			}
		case b.errorsOnly:
		case call.kind == "insert":
			b.results = append(b.results, success(call, call.first+i, 1, 0, bsoncore.Value{}))
		default: // a call of its own
			b.results = append(b.results, success(call, call.first+i, n, modified, ids[int64(i)]))
		}
	}
	return nil
}

func (b *bulkResult) count(call bulkCall, n, modified, upserted int64) {
	switch call.kind {
	case "insert":
		b.inserted += n
	case "update":
		b.matched += n - upserted
		b.modified += modified
		b.upserted += upserted
	case "delete":
		b.deleted += n
	}
}

// fail adds an operation that failed.
func (b *bulkResult) fail(call bulkCall, place int, failure bsoncore.Value) error {
	doc, err := decodeWriteError(failure)
	if err != nil {
		return err
	}
	about, err := fields(doc)
	if err != nil {
		return err
	}
	index, dst := bsoncore.AppendDocumentStart(nil)
	dst = bsoncore.AppendDoubleElement(dst, "ok", 0)
	dst = bsoncore.AppendInt32Element(dst, "idx", int32(place))
	for _, f := range about {
		if f.key != "index" {
			dst = append(dst, f.raw...)
		}
	}
	dst = bsoncore.AppendInt32Element(dst, "n", 0)
	if call.kind == "update" {
		dst = bsoncore.AppendInt32Element(dst, "nModified", 0)
	}
	dst, _ = bsoncore.AppendDocumentEnd(dst, index) // fails for a wrong index only
	b.results = append(b.results, dst)
	b.failed++
	return nil
}

// success is an operation that was carried out.
func success(call bulkCall, place int, n, modified int64, upserted bsoncore.Value) []byte {
	b := bsoncore.NewDocumentBuilder().AppendDouble("ok", 1).AppendInt32("idx", int32(place)).AppendInt32("n", int32(n))
	if call.kind == "update" {
		b.AppendInt32("nModified", int32(modified))
	}
	if fs, err := subFields(upserted); err == nil {
		b.AppendDocument("upserted", bsoncore.NewDocumentBuilder().AppendValue("_id", find(fs, "_id")).Build())
	}
	return b.Build()
}

// byIndex reads an array of documents that say to which operation of the call they belong.
func byIndex(list bsoncore.Value) (map[int64]bsoncore.Value, error) {
	if !has(list) {
		return nil, nil
	}
	entries, err := subFields(list)
	if err != nil {
		return nil, err
	}
	all := make(map[int64]bsoncore.Value, len(entries))
	for _, e := range entries {
		fs, err := subFields(e.value)
		if err != nil {
			return nil, err
		}
		index, _ := asInt64(find(fs, "index"))
		all[index] = e.value
	}
	return all, nil
}

// document is the reply.
func (b *bulkResult) document() bsoncore.Document {
	index, dst := bsoncore.AppendDocumentStart(nil)
	cursor, dst := bsoncore.AppendDocumentElementStart(dst, "cursor")
	dst = bsoncore.AppendInt64Element(dst, "id", 0)
	dst = appendDocuments(dst, "firstBatch", b.results)
	dst = bsoncore.AppendStringElement(dst, "ns", adminDatabase+".$cmd.bulkWrite")
	dst, _ = bsoncore.AppendDocumentEnd(dst, cursor) // fails for a wrong index only
	for _, sum := range []struct {
		name string
		n    int64
	}{
		{"nErrors", b.failed},
		{"nInserted", b.inserted},
		{"nMatched", b.matched},
		{"nModified", b.modified},
		{"nUpserted", b.upserted},
		{"nDeleted", b.deleted},
	} {
		dst = bsoncore.AppendInt32Element(dst, sum.name, int32(sum.n))
	}
	dst, _ = bsoncore.AppendDocumentEnd(appendOK(dst), index)
	return dst
}
