// Package exchange tests what two clusters go through that exchange their data while something fails.
package exchange

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/bson"

	"tine/e2e/harness"
	"tine/e2e/harness/suite"
)

// tine is the Tine of all tests. They run one after the other: some kill it.
var tine suite.Suite

func TestMain(m *testing.M) { os.Exit(tine.Awake(m, 8)) }

// member is a cluster with a user of its own, and one whose name the other cluster's has, too.
type member struct {
	*godo.Database
	own  string
	uris map[string]string // by user
}

const (
	shared  = "shared"
	doadmin = "doadmin"
)

// newMember makes a cluster in which data is its name.
func newMember(t *testing.T, name string) member {
	t.Helper()
	c := member{Database: tine.NewCluster(t, harness.CreateRequest(tine.NewName(name))), own: name, uris: map[string]string{}}
	c.uris[doadmin] = c.Connection.URI
	for _, user := range []string{name, shared} {
		made, _, err := tine.API.Databases.CreateUser(t.Context(), c.ID, &godo.DatabaseCreateUserRequest{Name: user})
		if err != nil {
			t.Fatal(err)
		}
		c.uris[user] = as(t, c.Connection.URI, user, made.Password)
	}
	client := tine.Connect(t, c.Connection.URI)
	if _, err := client.Database("d").Collection("c").InsertOne(t.Context(), bson.D{{Key: "_id", Value: name}}); err != nil {
		t.Fatal(err)
	}
	return c
}

func as(t *testing.T, uri, user, password string) string {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, password)
	return u.String()
}

// wantUsers fails unless all users of a cluster log in with their passwords and find the data there, and those of the other one do not.
func wantUsers(t *testing.T, c, other member, data string) {
	t.Helper()
	for user, uri := range c.uris {
		client, err := harness.Connect(t.Context(), uri)
		if err != nil {
			t.Errorf("%s of %s: %v", user, c.Name, err)
			continue
		}
		if err := client.Database("d").Collection("c").FindOne(t.Context(), bson.D{{Key: "_id", Value: data}}).Err(); err != nil {
			t.Errorf("%s of %s looks for the data of %s: %v", user, c.Name, data, err)
		}
		_ = client.Disconnect(t.Context())
	}
	for user, uri := range other.uris {
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatal(err)
		}
		password, _ := u.User.Password()
		if client, err := harness.Connect(t.Context(), as(t, c.Connection.URI, user, password)); err == nil {
			t.Errorf("%s of %s can log in to %s", user, other.Name, c.Name)
			_ = client.Disconnect(t.Context())
		}
	}
}

// swap asks for an exchange; the answer may be lost.
func swap(ctx context.Context, c, other member) error {
	return tine.Call(ctx, http.MethodPost, "/v2/databases/"+c.ID+"/swap", map[string]any{"with": other.Name}, nil)
}

func wait(t *testing.T, c member, event string, count int) {
	t.Helper()
	if err := tine.WaitEvents(t.Context(), c.ID, event, count); err != nil {
		t.Fatal(err, tine.LastLines())
	}
}

// refuseUsers has a cluster's node fail whoever changes its users, until allow is called.
func refuseUsers(t *testing.T, c member) (allow func()) {
	t.Helper()
	execute := func(sql string) {
		tine.OnNode(t, c.ID, func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
			return err
		})
	}
	execute(`CREATE FUNCTION tine.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused by a test'; END $$;
		CREATE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE ON tine.users EXECUTE FUNCTION tine.refuse()`)
	return func() { execute("DROP TRIGGER refuse ON tine.users; DROP FUNCTION tine.refuse") }
}
