package gateway_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tine/internal/gateway"
)

// gw is a gateway that serves the tests' node on a port of its own.
type gw struct {
	server *gateway.Server
	addr   string
	id     string
}

// open starts a gateway. change may alter the cluster before.
func open(tb testing.TB, change func(*gateway.Cluster)) *gw {
	tb.Helper()
	return openWith(tb, gateway.Config{}, change)
}

// openWith is open with a configuration.
func openWith(tb testing.TB, cfg gateway.Config, change func(*gateway.Cluster)) *gw {
	tb.Helper()
	return openOn(tb, "127.0.0.1", cfg, change)
}

// openOn is openWith on an address of this machine.
func openOn(tb testing.TB, host string, cfg gateway.Config, change func(*gateway.Cluster)) *gw {
	tb.Helper()
	var lc net.ListenConfig
	ln, err := lc.Listen(tb.Context(), "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		tb.Fatal(err)
	}
	cluster := gateway.Cluster{
		ID: "test", Name: "orders", Version: "8", SocketDir: socketDir(tb), Settings: gateway.Settings{MaxConnections: 500},
	}
	if change != nil {
		change(&cluster)
	}
	cfg.Host, cfg.Log = host, slog.New(slog.NewTextHandler(os.Stderr, nil))
	s := gateway.NewServer(cfg)
	if err := s.Open(tb.Context(), cluster, ln); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close(cluster.ID) })
	return &gw{server: s, addr: ln.Addr().String(), id: cluster.ID}
}

func (g *gw) uri(user, pw string) string {
	return fmt.Sprintf("mongodb://%s:%s@%s/admin?authSource=admin&replicaSet=orders&serverSelectionTimeoutMS=8000",
		user, strings.ReplaceAll(pw, " ", "%20"), g.addr)
}

// client connects as doadmin.
func (g *gw) client(tb testing.TB, opts ...*options.ClientOptions) *mongo.Client {
	tb.Helper()
	all := append([]*options.ClientOptions{options.Client().ApplyURI(g.uri("doadmin", password))}, opts...)
	c, err := mongo.Connect(all...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Disconnect(context.WithoutCancel(tb.Context())) })
	return c
}

// database returns an empty database of the test's own.
func (g *gw) database(tb testing.TB, opts ...*options.ClientOptions) *mongo.Database {
	tb.Helper()
	name := strings.NewReplacer("/", "_", " ", "_").Replace(tb.Name())
	db := g.client(tb, opts...).Database(name[:min(len(name), 50)])
	if err := db.Drop(tb.Context()); err != nil {
		tb.Fatalf("drop database: %v", err)
	}
	su := superuser(tb) // the test may end without its gateway
	tb.Cleanup(func() {
		if _, err := su.Exec(context.WithoutCancel(tb.Context()), "SELECT documentdb_api.drop_database($1)", db.Name()); err != nil {
			tb.Errorf("drop database: %v", err)
		}
	})
	return db
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}

func TestDriverInsertsAndFinds(t *testing.T) {
	t.Parallel()
	coll := open(t, nil).database(t).Collection("c")
	must(coll.InsertMany(t.Context(), []any{bson.D{{Key: "_id", Value: 1}, {Key: "a", Value: "x"}}, bson.D{{Key: "_id", Value: 2}}}))(t)
	var docs []bson.M
	cur := must(coll.Find(t.Context(), bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}})))(t)
	if err := cur.All(t.Context(), &docs); err != nil {
		t.Fatal(err)
	}
	if len(docs) != 2 || docs[0]["a"] != "x" {
		t.Fatalf("found %v", docs)
	}
}
