package gateway_test

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tine/internal/gateway"
)

// logged is a log that can be read while it is written.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// lines returns those with all of the given parts.
func (l *logged) lines(parts ...string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []string
next:
	for line := range strings.Lines(l.text.String()) {
		for _, p := range parts {
			if !strings.Contains(line, p) {
				continue next
			}
		}
		found = append(found, line)
	}
	return found
}

// openLogged is open with a log of everything, in which every operation is slow.
func openLogged(t *testing.T) (*gw, *logged) {
	t.Helper()
	var lc net.ListenConfig
	ln := must(lc.Listen(t.Context(), "tcp", "127.0.0.1:0"))(t)
	log := new(logged)
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := gateway.NewServer(gateway.Config{
		Host: "127.0.0.1", Log: logger,
		Slow: func(clusterID string, _ time.Time, attrs []slog.Attr) {
			logger.LogAttrs(t.Context(), slog.LevelInfo, "told", append(attrs, slog.String("of", clusterID))...)
		},
	})
	cluster := gateway.Cluster{ID: "test", Name: "orders", Version: "8", SocketDir: socketDir(t), Settings: gateway.Settings{SlowOperation: 1}}
	if err := s.Open(t.Context(), cluster, ln); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(cluster.ID) })
	return &gw{server: s, addr: ln.Addr().String(), id: cluster.ID}, log
}

// What users store and type must not be found in a log, whatever happens to it.
func TestLogsHoldNoDocumentsAndNoPasswords(t *testing.T) {
	t.Parallel()
	const secret = "Kandinsky"
	g, log := openLogged(t)
	db := g.database(t, options.Client().SetAppName("the-shop"))
	coll := db.Collection("c")
	ctx := t.Context()
	doc := bson.D{{Key: "_id", Value: secret}, {Key: "v", Value: bson.D{{Key: "deep", Value: secret}}}}
	must(coll.InsertOne(ctx, doc))(t)
	filter := bson.D{{Key: "v.deep", Value: bson.D{{Key: "$in", Value: bson.A{secret, "x"}}}}}
	must(coll.UpdateOne(ctx, filter, bson.D{{Key: "$set", Value: bson.D{{Key: "w", Value: secret}}}}))(t)
	must(coll.Find(ctx, filter))(t)
	must(coll.Aggregate(ctx, mongo.Pipeline{{{Key: "$match", Value: filter}}, {{Key: "$group", Value: bson.D{{Key: "_id", Value: "$w"}}}}}))(t)
	must(coll.DeleteMany(ctx, bson.D{{Key: "w", Value: secret + "x"}}))(t)
	if err := coll.FindOneAndUpdate(ctx, filter, bson.D{{Key: "$inc", Value: bson.D{{Key: "w", Value: 1}}}}).Err(); err == nil {
		t.Error("a string was incremented")
	}
	if _, err := coll.InsertOne(ctx, doc); err == nil {
		t.Error("a second document of one _id was inserted")
	}
	for _, bad := range []bson.D{
		{{Key: "find", Value: "c"}, {Key: "filter", Value: bson.D{{Key: "$regex", Value: secret + "("}}}},
		{{Key: "createUser", Value: "u"}, {Key: "pwd", Value: secret}, {Key: "roles", Value: bson.A{"no such role"}}},
		{{Key: secret, Value: secret}},
	} {
		if err := db.RunCommand(ctx, bad).Err(); err == nil {
			t.Errorf("%v ran", bad)
		}
	}
	wrong := must(mongo.Connect(options.Client().ApplyURI(g.uri("doadmin", secret))))(t)
	if err := wrong.Ping(ctx, nil); err == nil {
		t.Error("a wrong password was taken")
	}
	_ = wrong.Disconnect(ctx)
	for _, unwanted := range []string{secret, password} {
		if lines := log.lines(unwanted); len(lines) > 0 {
			t.Errorf("the log has %q in %d lines, such as %s", unwanted, len(lines), lines[0])
		}
	}
	for _, parts := range [][]string{
		{`command=find`, `shape="filter: {v.deep: {$in: [?]}}"`, "returned=1", "user=doadmin", "app=the-shop", "connection_id=", "duration=", "cluster_id=test"},
		{`command=update`, `shape="q: {v.deep: {$in: [?]}}"`, "changed=1", "namespace=" + db.Name() + ".c"},
		{`command=aggregate`, `shape="pipeline: [{$match: {v.deep: {$in: [?]}}}, {$group: {_id: ?}}]"`},
		{`command=insert`, "changed=1"},
		{`command=delete`, `shape="q: {w: ?}"`, "changed=0"},
		{`command=findAndModify`, `shape="query: {v.deep: {$in: [?]}}"`, "code=14", "code_name=TypeMismatch"},
	} {
		if len(log.lines(append(parts, `level=INFO msg="slow operation"`)...)) == 0 {
			t.Errorf("no slow operation with %q in\n%s", parts, strings.Join(log.lines(strings.Split(parts[0], " ")[0]), ""))
		}
	}
	if len(log.lines("msg=told", "command=find", "of=test", "returned=1")) == 0 {
		t.Error("nobody was told of a slow find")
	}
	if lines := log.lines("slow operation", "command=hello"); len(lines) > 0 {
		t.Errorf("a hello is slow: %s", lines[0])
	}
}
