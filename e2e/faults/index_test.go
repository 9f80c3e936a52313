package faults

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tine/e2e/harness"
	"tine/internal/engine"
)

// kill -9 of a node in the middle of an index build: the build is finished by itself when the node is back, nothing is lost, and the index is used.
func TestCrashInTheMiddleOfAnIndexBuild(t *testing.T) {
	t.Parallel()
	const documents = 1000
	d := newDisk(t, "btrfs", 6_000, 4)
	d.start()
	source := d.make(harness.CreateRequest("prod"))
	coll := collection(t, source)
	docs := make([]any, documents)
	for i := range docs {
		docs[i] = bson.D{{Key: "_id", Value: i}, {Key: "n", Value: i}}
	}
	if _, err := coll.InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	release := holdUp(t, coll)
	built := make(chan error, 1)
	go func() {
		_, err := coll.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: bson.D{{Key: "n", Value: 1}}})
		built <- err
	}()
	d.awaitSQL("SELECT count(*) = 1 FROM pg_index WHERE NOT indisvalid")
	pid, err := d.tine.NodePID()
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	release()
	if err := <-built; err != nil {
		t.Logf("createIndexes ended with: %v", err)
	}
	if err := d.tine.WaitEvents(t.Context(), source.ID, "node_restart", 1); err != nil {
		t.Fatal(err)
	}
	d.awaitSQL("SELECT NOT EXISTS (SELECT FROM documentdb_api_catalog.documentdb_index_queue) AND NOT EXISTS (SELECT FROM pg_index WHERE NOT indisvalid) " +
		"AND EXISTS (SELECT FROM documentdb_api_catalog.collection_indexes WHERE index_is_valid AND (index_spec).index_name = 'n_1')")
	d.indexIsRight(source, documents)
}

// holdUp keeps index builds on a collection from their end, until release is called.
func holdUp(t *testing.T, coll *mongo.Collection) (release func()) {
	t.Helper()
	session, err := coll.Database().Client().StartSession()
	if err != nil {
		t.Fatal(err)
	}
	ctx := mongo.NewSessionContext(t.Context(), session)
	if err := session.StartTransaction(); err != nil {
		t.Fatal(err)
	}
	if _, err := coll.UpdateOne(ctx, bson.D{{Key: "_id", Value: 0}}, bson.D{{Key: "$set", Value: bson.D{{Key: "held", Value: true}}}}); err != nil {
		t.Fatal(err)
	}
	return func() {
		_ = session.AbortTransaction(ctx) // the node may be gone, and with it the transaction
		session.EndSession(ctx)
	}
}

// awaitSQL waits until a query of the only cluster's node answers yes.
func (d *disk) awaitSQL(query string) {
	d.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for {
		yes, err := d.askSQL(query)
		if yes {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			d.t.Fatalf("never so: %s (%v)\n%s", query, err, lastLines(d.tine.LogText()))
		}
	}
}

func (d *disk) askSQL(query string) (yes bool, err error) {
	all, err := filepath.Glob(filepath.Join(d.tine.DataDir(), "sockets", "*-*"))
	if err != nil || len(all) != 1 {
		return false, os.ErrNotExist
	}
	cfg, err := pgx.ParseConfig("host=node user=postgres dbname=postgres sslmode=disable")
	if err != nil {
		return false, err
	}
	cfg.DialFunc = engine.Dialer(all[0])
	cfg.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	c, err := pgx.ConnectConfig(d.t.Context(), cfg)
	if err != nil {
		return false, err
	}
	defer func() { _ = c.Close(d.t.Context()) }()
	err = c.QueryRow(d.t.Context(), query).Scan(&yes)
	return yes, err
}

// indexIsRight compares what the index on n finds with what there is.
func (d *disk) indexIsRight(source *godo.Database, documents int) {
	d.t.Helper()
	coll := collection(d.t, source)
	for _, i := range []int{0, 1, documents / 2, documents - 1} {
		var got bson.M
		if err := coll.FindOne(d.t.Context(), bson.D{{Key: "n", Value: i}}).Decode(&got); err != nil || got["_id"] != int32(i) {
			d.t.Errorf("document %d is found as %v: %v", i, got, err)
		}
	}
	if n, err := coll.CountDocuments(d.t.Context(), bson.D{{Key: "n", Value: bson.D{{Key: "$gte", Value: 0}}}}); err != nil || n != int64(documents) {
		d.t.Errorf("%d documents of %d are found: %v", n, documents, err)
	}
	var plan bson.M
	explain := bson.D{{Key: "explain", Value: bson.D{{Key: "find", Value: coll.Name()}, {Key: "filter", Value: bson.D{{Key: "n", Value: 5}}}}}, {Key: "verbosity", Value: "queryPlanner"}}
	raw, err := coll.Database().RunCommand(d.t.Context(), explain).Raw()
	if err != nil || bson.Unmarshal(raw, &plan) != nil {
		d.t.Fatal(err)
	}
	if stage := raw.Lookup("queryPlanner", "winningPlan", "inputStage", "stage").StringValue(); stage != "IXSCAN" {
		d.t.Errorf("the plan of a find is %v", raw)
	}
}
