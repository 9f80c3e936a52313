package gateway

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
)

const (
	// An empty document has five bytes: nothing was requested that is not there. In a collection that was not there either indexes are made at once, and nothing is requested.
	sqlCreateIndexes = "SELECT retval::bytea, ok, requests::bytea, CASE WHEN ok AND (length(requests::bytea) > 5 OR NOT EXISTS (SELECT FROM " + catalogOf +
		" AND collection_name = $4)) THEN " + emitMark + "$3::text) END FROM documentdb_api.create_indexes_background($1, $2::bytea)"
	sqlCreateIndexesNow = "SELECT documentdb_api_internal.create_indexes_non_concurrently($1, $2::bytea, true)::bytea, " + emitMark + "$3::text)"
	sqlBuildIndex       = "CALL documentdb_api_internal.build_index_concurrently(1)"
	// sqlForgetBuilder makes builds that ran in the node's last process, or in the fork's source, ones that nobody has begun. The engine takes a build for running as long as any
	// process has its builder's number. Numbers begin anew with each start of a node, so that one of its own processes may have it for good.
	sqlForgetBuilder = "UPDATE documentdb_api_catalog.documentdb_index_queue SET index_cmd_status = 1, global_pid = NULL " +
		"WHERE index_cmd_status = 2 AND start_time < pg_postmaster_start_time()"
	sqlIndexStatus = "SELECT retval::bytea, ok, complete FROM documentdb_api_internal.check_build_index_status($1::bytea)"
	sqlDropIndexes = "CALL documentdb_api.drop_indexes($1, $2::bytea, NULL)"

	// Status 1 is queued, 2 is running; 3 is to be tried again; 4 has failed for good.
	sqlIndexesQueued = "SELECT EXISTS (SELECT FROM documentdb_api_catalog.documentdb_index_queue WHERE index_cmd_status IN (1, 2, 3))"

	// resumeDelay keeps the search for unfinished builds out of the way of the first commands.
	resumeDelay = 2 * time.Second
	// maxResumeAttempts take longer than a transaction may last: a build waits for those that began before it.
	maxResumeAttempts = 300
	// firstBuildPause and lastBuildPause are the pauses between two looks at an index that somebody else builds.
	firstBuildPause = 5 * time.Millisecond
	lastBuildPause  = 500 * time.Millisecond
)

// asBuilder is the login for index builds; the user's right to order one has been checked by then.
func asBuilder() login { return login{user: indexLogin} }

// createIndexes queues indexes and returns when they are built.
func createIndexes(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	coll, err := r.collection()
	if err != nil {
		return nil, err
	}
	spec, err := indexSpec(r)
	if err != nil {
		return nil, err
	}
	args := []any{r.db, []byte(spec), markText(r.command, r.db+"."+coll, indexNames(r)...)}
	if r.txn != nil {
		return c.createIndexesNow(ctx, r, args)
	}
	args = append(args, coll)
	var (
		reply, requests []byte
		accepted        bool
	)
	err = c.cluster.node.queryRow(ctx, asBuilder(), sqlCreateIndexes, args, &reply, &accepted, &requests, nil)
	if err != nil {
		return nil, err
	}
	flat, err := flatten(reply)
	if err != nil {
		return nil, err
	}
	if len(requests) > 0 && !isEmptyDocument(bsoncore.Value{Type: bsoncore.TypeEmbeddedDocument, Data: requests}) {
		if err := c.awaitIndexes(ctx, requests); err != nil {
			c.cluster.buildLater() // what is still queued must not stay unbuilt
			return nil, err
		}
	}
	return flat, nil
}

// createIndexesNow builds indexes in the command's transaction. MongoDB takes them there for collections that are empty or were made in the
// same transaction; here any will do, and others that write to it wait.
func (c *conn) createIndexesNow(ctx context.Context, r *request, args []any) (bsoncore.Document, error) {
	var reply []byte
	if err := c.queryRow(ctx, r, sqlCreateIndexesNow, args, &reply, nil); err != nil {
		return nil, err
	}
	return flatten(reply)
}

// awaitIndexes builds what is queued until what was requested is built. No one else does: the engine's own workers, which
// look every two seconds, are off.
func (c *conn) awaitIndexes(ctx context.Context, requests []byte) error {
	wait := firstBuildPause
	for {
		if err := c.cluster.buildNext(ctx); err != nil {
			return err
		}
		var (
			status       []byte
			ok, complete bool
		)
		err := c.cluster.node.queryRow(ctx, asBuilder(), sqlIndexStatus, []any{requests}, &status, &ok, &complete)
		if err != nil {
			return err
		}
		if !ok {
			return indexFailure(status)
		}
		if complete {
			return nil
		}
		if !pause(ctx, wait) {
			return ctx.Err()
		}
		wait = min(2*wait, lastBuildPause)
	}
}

// buildNext builds one of the indexes that are queued and that nobody builds.
func (c *cluster) buildNext(ctx context.Context) error {
	if err := c.node.exec(ctx, asBuilder(), sqlForgetBuilder); err != nil {
		return err
	}
	return c.node.exec(ctx, asBuilder(), sqlBuildIndex)
}

// buildLater lets resumeIndexes look for unfinished builds.
func (c *cluster) buildLater() {
	select {
	case c.unbuilt <- struct{}{}:
	default:
	}
}

// resumeIndexes builds what is still queued when the node starts, or when a createIndexes was killed: whoever queued it no longer
// waits.
func (c *cluster) resumeIndexes(ctx context.Context) {
	for pause(ctx, resumeDelay) {
		c.whileAwake(func() { // else they are built after it wakes
			if err := c.buildQueued(ctx); err != nil && ctx.Err() == nil {
				c.log.Warn("resume index builds", slog.String("cause", cause(err)))
			}
		})
		select {
		case <-ctx.Done():
		case <-c.unbuilt:
		}
	}
}

// buildQueued builds until nothing is queued or running. It gives up after a while, because an idle node must not be
// asked for ever; the next createIndexes tries again.
func (c *cluster) buildQueued(ctx context.Context) error {
	wait := firstBuildPause
	for range maxResumeAttempts {
		var queued bool
		if err := c.node.queryRow(ctx, asBuilder(), sqlIndexesQueued, nil, &queued); err != nil || !queued {
			return err
		}
		if err := c.buildNext(ctx); err != nil {
			return err
		}
		if !pause(ctx, wait) {
			return ctx.Err()
		}
		wait = min(2*wait, lastBuildPause)
	}
	return errors.New("indexes are still queued")
}

// flatten takes the reply out of the envelope that a sharded cluster would need, and returns a failure as an error.
func flatten(reply bsoncore.Document) (bsoncore.Document, error) {
	fs, err := fields(reply)
	if err != nil {
		return nil, err
	}
	shards, err := subFields(find(fs, "raw"))
	if err != nil {
		return reply, nil //nolint:nilerr // there is no envelope
	}
	inner, err := subFields(find(shards, "defaultShard"))
	if err != nil {
		return reply, nil //nolint:nilerr // there is no envelope
	}
	if has(find(inner, "code")) {
		return nil, packedFailure(inner)
	}
	return build(inner, []string{"ok"}, appendOK), nil
}

func indexFailure(status bsoncore.Document) error {
	fs, err := fields(status)
	if err != nil {
		return err
	}
	if has(find(fs, "raw")) {
		_, err := flatten(status)
		return err
	}
	return packedFailure(fs)
}

// packedFailure reads an error whose code is a packed state.
func packedFailure(fs []field) error {
	packed, _ := asInt64(find(fs, "code"))
	message, _ := find(fs, "errmsg").StringValueOK()
	return mongoerr.FromState(mongoerr.Unpack(int32(packed)), message, nil)
}

func appendOK(dst []byte) []byte { return bsoncore.AppendDoubleElement(dst, "ok", 1) }

// indexSpec is the command with wildcard indexes marked as unordered: as ordered ones they break $elemMatch and
// $graphLookup on their collection.
func indexSpec(r *request) (bsoncore.Document, error) {
	list, err := subFields(r.field("indexes"))
	if err != nil {
		return r.spec("commitQuorum"), nil //nolint:nilerr // the engine says what is wrong
	}
	specs := make([][]byte, 0, len(list))
	for _, f := range list {
		index, err := subFields(f.value)
		if err != nil {
			return nil, err
		}
		specs = append(specs, unordered(index, f.value.Data))
	}
	return r.specWith(func(dst []byte) []byte { return appendDocuments(dst, "indexes", specs) }, "indexes", "commitQuorum"), nil
}

func unordered(index []field, raw []byte) []byte {
	key, err := subFields(find(index, "key"))
	if err != nil || !hasWildcard(key) {
		return raw
	}
	return build(index, []string{"storageEngine"}, func(dst []byte) []byte {
		off := bsoncore.AppendBooleanElement(nil, "enableOrderedIndex", false)
		return bsoncore.BuildDocumentElement(dst, "storageEngine", off)
	})
}

func hasWildcard(key []field) bool {
	for _, f := range key {
		if f.key == "$**" || strings.HasSuffix(f.key, ".$**") {
			return true
		}
	}
	return false
}

func listIndexes(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	if _, err := r.collection(); err != nil {
		return nil, err
	}
	page, err := c.firstPage(ctx, r, prepared{"list_indexes", sqlListIndexes}, r.spec())
	if err != nil {
		return nil, err
	}
	return withoutStorageEngine(page)
}

// withoutStorageEngine takes out of a page of indexes the option by which the engine marks them, which is not MongoDB's.
func withoutStorageEngine(page bsoncore.Document) (bsoncore.Document, error) {
	return rewritePage(page, "", func(index []field) []byte { return build(index, []string{"storageEngine"}, nil) })
}

// rewritePage changes the documents of a cursor's first page, and its namespace unless that is "". What change returns
// takes the place of a document, if it is not nil.
func rewritePage(page bsoncore.Document, namespace string, change func([]field) []byte) (bsoncore.Document, error) {
	fs, err := fields(page)
	if err != nil {
		return nil, err
	}
	cur, err := subFields(find(fs, "cursor"))
	if err != nil {
		return nil, err
	}
	batch, err := subFields(find(cur, "firstBatch"))
	if err != nil {
		return nil, err
	}
	docs := make([][]byte, 0, len(batch))
	for _, f := range batch {
		about, err := subFields(f.value)
		if err != nil {
			return nil, err
		}
		changed := change(about)
		if changed == nil {
			changed = f.value.Data
		}
		docs = append(docs, changed)
	}
	replaced := []string{"firstBatch"}
	if namespace != "" {
		replaced = append(replaced, "ns")
	}
	changed := build(cur, replaced, func(dst []byte) []byte {
		if namespace != "" {
			dst = bsoncore.AppendStringElement(dst, "ns", namespace)
		}
		return appendDocuments(dst, "firstBatch", docs)
	})
	return build(fs, []string{"cursor"}, func(dst []byte) []byte {
		return bsoncore.AppendDocumentElement(dst, "cursor", changed)
	}), nil
}

func dropIndexes(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	coll, err := r.collection()
	if err != nil {
		return nil, err
	}
	spec := r.spec()
	if r.command != "dropIndexes" {
		spec = r.specWith(nil, r.command)
		fs := []field{{raw: bsoncore.AppendStringElement(nil, "dropIndexes", coll), key: "dropIndexes"}}
		rest, err := fields(spec)
		if err != nil {
			return nil, err
		}
		spec = build(append(fs, rest...), nil, nil)
	}
	// A CALL stands alone, so that its mark is a transaction of its own, right before.
	if err := c.exec(ctx, r, sqlMark, markText("dropIndexes", r.db+"."+coll, indexNames(r)...)); err != nil {
		return nil, err
	}
	var reply []byte
	// A CALL cannot cast what it returns; in the binary format it is BSON.
	args := []any{pgx.QueryResultFormats{pgx.BinaryFormatCode}, r.db, []byte(spec)}
	if err := c.queryRow(ctx, r, sqlDropIndexes, args, &reply); err != nil {
		return nil, err
	}
	fs, err := fields(reply)
	if err != nil {
		return nil, err
	}
	if n, ok := asInt64(find(fs, "nIndexesWas")); ok {
		return marshal(bson.D{{Key: "nIndexesWas", Value: int32(n)}, {Key: "ok", Value: 1.0}})
	}
	return reply, nil
}
