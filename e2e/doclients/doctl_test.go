//go:build doclients

package doclients

import (
	"context"
	"encoding/json"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/bson"

	"tine/e2e/harness"
)

// doctl runs DigitalOcean's command line against one address.
type doctl struct {
	t       *testing.T
	address string
	home    string
}

// newDoctl is a doctl whose answers are held against /openapi.yaml.
func newDoctl(t *testing.T) doctl {
	t.Helper()
	return doctl{t, inspected(t), t.TempDir()}
}

func (d doctl) command(args ...string) *exec.Cmd {
	return client(d.t, d.home, "doctl", append([]string{"--api-url", d.address}, args...)...)
}

// ok runs a command that must succeed and returns what it printed.
func (d doctl) ok(args ...string) string {
	d.t.Helper()
	out, err := d.command(args...).CombinedOutput()
	if err != nil {
		d.t.Fatalf("doctl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// has fails unless a command prints all these words.
func (d doctl) has(words []string, args ...string) {
	d.t.Helper()
	out := d.ok(args...)
	for _, word := range words {
		if !strings.Contains(out, word) {
			d.t.Errorf("doctl %s printed no %q:\n%s", strings.Join(args, " "), word, out)
		}
	}
}

// refused fails unless a command ends with an error that says this.
func (d doctl) refused(words string, args ...string) {
	d.t.Helper()
	out, err := d.command(args...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), words) || strings.Contains(string(out), "panic") {
		d.t.Errorf("doctl %s: %v\n%swant a refusal with %q", strings.Join(args, " "), err, out, words)
	}
}

// read runs a command and decodes its JSON.
func (d doctl) read(into any, args ...string) {
	d.t.Helper()
	cmd := d.command(append(args, "-o", "json")...)
	var notices strings.Builder
	cmd.Stderr = &notices
	out, err := cmd.Output()
	if err != nil {
		d.t.Fatalf("doctl %s: %v\n%s%s", strings.Join(args, " "), err, out, notices.String())
	}
	if err := json.Unmarshal(out, into); err != nil {
		d.t.Fatalf("doctl %s -o json: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// words are an argument list.
func words(line string) []string { return strings.Fields(line) }

func TestDoctlShowsTheAccountAndWhatThereIs(t *testing.T) {
	t.Parallel()
	d := newDoctl(t)
	for _, line := range []string{
		"account get", "account ratelimit", "projects list", "projects get default", "projects resources list default", "compute region list", "compute size list",
		"balance get", "billing-history list", "invoice list", "invoice get preview", "invoice summary preview", "databases list",
	} {
		d.ok(words(line)...)
		if line != "account ratelimit" {
			d.ok(append(words(line), "-o", "json")...)
		}
	}
	d.has([]string{"mongodb"}, words("databases options engines")...)
	d.has([]string{"nyc1", "[mongodb]"}, words("databases options regions")...)
	d.has([]string{"[6,7,8]"}, words("databases options versions")...)
	d.has([]string{"db-s-1vcpu-1gb", "[1]"}, words("databases options slugs --engine mongodb")...)
}

func TestDoctlIsRefusedInWords(t *testing.T) {
	t.Parallel()
	d := newDoctl(t)
	d.refused("engine must be mongodb", words("databases create other --engine pg")...)
	d.refused("num_nodes must be 1 in this release", words("databases create other --engine mongodb --version 8 --num-nodes 3")...)
	d.refused("region must be one of nyc1", words("databases create other --engine mongodb --version 8 --region fra1")...)
	d.refused("name must be 3 to 63 characters", words("databases create no_good --engine mongodb --version 8")...)
	d.refused(`there is no cluster with the id "none"`, words("databases get none")...)
	d.refused("Unable to authenticate you", words("databases list --access-token wrong")...)
}

// TestDoctl is the life of a cluster and its forks.
func TestDoctl(t *testing.T) {
	t.Parallel()
	d := newDoctl(t)
	out := d.ok(words("databases create doctl --engine mongodb --version 8 --region nyc1 --size db-s-1vcpu-1gb --num-nodes 1 --tag prod --wait")...)
	uri := regexp.MustCompile(`mongodb://doadmin:\S+`).FindString(out)
	if uri == "" || !strings.Contains(out, "online") {
		t.Fatalf("doctl create --wait printed no URI with a password:\n%s", out)
	}
	id := d.find("doctl")
	t.Run("cluster", func(t *testing.T) { doctl{t, d.address, d.home}.cluster(id) })
	t.Run("data", func(t *testing.T) { doctl{t, d.address, d.home}.data(id) })
	t.Run("firewall", func(t *testing.T) { doctl{t, d.address, d.home}.firewall(id) })
	t.Run("settings", func(t *testing.T) { doctl{t, d.address, d.home}.settings(id) })
	t.Run("tags", func(t *testing.T) { doctl{t, d.address, d.home}.tags(id) })
	t.Run("fork", func(t *testing.T) { doctl{t, d.address, d.home}.fork(id, uri) })
	t.Run("resize", func(t *testing.T) { doctl{t, d.address, d.home}.resize(id) })
	for _, name := range []string{"pool", "replica", "topics", "indexes"} {
		d.refused("operation is not supported for this cluster type", "databases", name, "list", id)
	}
	d.refused("operation is not supported for this cluster type", "databases", "sql-mode", "get", id)
	d.ok("databases", "delete", id, "-f")
	d.refused("404", "databases", "get", id)
}

// find returns the id of the cluster with that name.
func (d doctl) find(name string) string {
	d.t.Helper()
	for line := range strings.Lines(d.ok(words("databases list --format Name,ID --no-header")...)) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == name {
			return fields[1]
		}
	}
	d.t.Fatalf("doctl databases list has no %s", name)
	return ""
}

func (d doctl) cluster(id string) {
	var got []godo.Database
	d.read(&got, "databases", "get", id)
	if len(got) != 1 || got[0].Status != "online" || !slices.Equal(got[0].Tags, []string{"prod"}) || got[0].Connection.Password != "" {
		d.t.Errorf("get printed %+v", got)
	}
	d.has([]string{"mongodb://doadmin@", "doadmin"}, "databases", "connection", id)
	d.has([]string{"mongodb://doadmin@"}, "databases", "connection", id, "--private")
	var backups []godo.DatabaseBackup
	d.read(&backups, "databases", "backups", id)
	if len(backups) == 0 || backups[0].CreatedAt.IsZero() {
		d.t.Errorf("backups are %+v", backups)
	}
	d.has([]string{"cluster_create"}, "databases", "events", "list", id)
	d.has([]string{"BEGIN CERTIFICATE"}, "databases", "get-ca", id)
	d.has([]string{"do:dbaas:" + id}, words("projects resources list default")...)
	d.has([]string{id}, words("invoice get preview")...)
}

func (d doctl) data(id string) {
	var made []godo.DatabaseUser
	d.read(&made, "databases", "user", "create", id, "app")
	if len(made) != 1 || made[0].Password == "" {
		d.t.Fatalf("user create printed %+v", made)
	}
	var reset []godo.DatabaseUser
	d.read(&reset, "databases", "user", "reset", id, "app")
	if len(reset) != 1 || reset[0].Password == "" || reset[0].Password == made[0].Password {
		d.t.Errorf("user reset printed %+v", reset)
	}
	d.has([]string{"app", "normal"}, "databases", "user", "get", id, "app")
	d.has([]string{"doadmin", "primary", "app"}, "databases", "user", "list", id)
	d.ok("databases", "user", "delete", id, "app", "-f")
	d.refused(`there is no user "app"`, "databases", "user", "get", id, "app")
	d.ok("databases", "db", "create", id, "orders")
	d.has([]string{"defaultdb", "orders"}, "databases", "db", "list", id)
	d.has([]string{"orders"}, "databases", "db", "get", id, "orders")
	d.ok("databases", "db", "delete", id, "orders", "-f")
	d.refused(`there is no database "orders"`, "databases", "db", "get", id, "orders")
}

func (d doctl) firewall(id string) {
	d.ok("databases", "firewalls", "append", id, "--rule", "ip_addr:127.0.0.1")
	d.ok("databases", "firewalls", "append", id, "--rule", "tag:prod")
	var rules []godo.DatabaseFirewallRule
	d.read(&rules, "databases", "firewalls", "list", id)
	if len(rules) != 2 {
		d.t.Fatalf("rules are %+v, want two", rules)
	}
	d.ok("databases", "firewalls", "remove", id, "--uuid", rules[0].UUID)
	d.has([]string{"10.0.0.0/8", "127.0.0.1"}, "databases", "firewalls", "replace", id, "--rule", "ip_addr:10.0.0.0/8,ip_addr:127.0.0.1")
	d.refused("must be an IP address or a CIDR block", "databases", "firewalls", "replace", id, "--rule", "ip_addr:nonsense")
}

func (d doctl) settings(id string) {
	d.ok("databases", "maintenance-window", "update", id, "--day", "Tuesday", "--hour", "14:00")
	d.has([]string{"tuesday", "14:00:00"}, "databases", "maintenance-window", "get", id)
	d.ok("databases", "maintenance-window", "install", id)
	if err := shared.WaitOnline(d.t.Context(), id); err != nil {
		d.t.Fatal(err)
	}
	d.ok("databases", "configuration", "update", id, "-e", "mongodb", "--config-json", `{"default_read_concern":"majority","slow_op_threshold_ms":50}`)
	d.has([]string{"majority", "50"}, "databases", "configuration", "get", id, "-e", "mongodb")
	d.refused("config.verbosity must be between 0 and 5", "databases", "configuration", "update", id, "-e", "mongodb", "--config-json", `{"verbosity":9}`)
	d.ok("databases", "storage-autoscale", "update", id, "--enabled=true", "--threshold-percent=85", "--increment-gib=20")
	d.has([]string{"true", "85", "20"}, "databases", "storage-autoscale", "get", id)
}

func (d doctl) tags(id string) {
	d.ok(words("compute tag create blue")...)
	d.ok("compute", "tag", "apply", "blue", "--resource", "do:dbaas:"+id)
	d.has([]string{"blue", "prod"}, words("compute tag list")...)
	d.has([]string{"blue"}, words("compute tag get blue")...)
	d.has([]string{`"blue"`}, "databases", "get", id, "-o", "json")
	d.ok("compute", "tag", "remove", "blue", "--resource", "do:dbaas:"+id)
	d.ok(words("compute tag delete blue -f")...)
}

// fork forks as it is now and as it was, and looks at what is in the forks.
func (d doctl) fork(id, uri string) {
	source, err := harness.Connect(d.t.Context(), uri)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = source.Disconnect(context.WithoutCancel(d.t.Context())) })
	insert := func(n int) {
		if _, err := source.Database("shop").Collection("orders").InsertOne(d.t.Context(), bson.M{"_id": n}); err != nil {
			d.t.Fatal(err)
		}
	}
	insert(1)
	// doctl knows whole seconds only: the moment is the next one, and the second document comes after it.
	at := time.Now().Truncate(time.Second).Add(time.Second)
	for !time.Now().After(at) {
		continue
	}
	insert(2)
	d.holds(d.create("databases", "fork", "doctl-then", "--restore-from-cluster-id", id, "--restore-from-timestamp", at.UTC().Format("2006-01-02 15:04:05 +0000 UTC")), 1)
	d.holds(d.create("databases", "fork", "doctl-now", "--restore-from-cluster-id", id), 2)
	d.holds(d.create(words("databases create doctl-create --engine mongodb --version 8 --region nyc1 --storage-size-mib 30720 --restore-from-cluster-name doctl")...), 2)
	d.refused("backup_restore.backup_created_at must be between", "databases", "fork", "doctl-old", "--restore-from-cluster-id", id,
		"--restore-from-timestamp", "2020-01-01 00:00:00 +0000 UTC")
}

// create runs a command that makes a cluster and prints it, and waits until it is online.
func (d doctl) create(args ...string) godo.Database {
	d.t.Helper()
	var made []godo.Database
	d.read(&made, args...)
	if len(made) != 1 || made[0].Connection == nil || made[0].Connection.Password == "" {
		d.t.Fatalf("doctl %s printed %+v, want one cluster with its password", strings.Join(args, " "), made)
	}
	if err := shared.WaitOnline(d.t.Context(), made[0].ID); err != nil {
		d.t.Fatal(err)
	}
	return made[0]
}

// holds fails unless a cluster has that many documents, and destroys it.
func (d doctl) holds(c godo.Database, want int64) {
	d.t.Helper()
	connected, err := harness.Connect(d.t.Context(), c.Connection.URI)
	if err != nil {
		d.t.Fatal(err)
	}
	got, err := connected.Database("shop").Collection("orders").CountDocuments(d.t.Context(), bson.M{})
	if err != nil || got != want {
		d.t.Errorf("%s has %d documents, want %d: %v", c.Name, got, want, err)
	}
	_ = connected.Disconnect(d.t.Context())
	d.ok("databases", "delete", c.ID, "-f")
}

func (d doctl) resize(id string) {
	d.ok("databases", "resize", id, "--num-nodes", "1", "--size", "db-s-2vcpu-4gb", "--wait")
	d.refused("size must not be smaller than db-s-2vcpu-4gb", "databases", "resize", id, "--num-nodes", "1", "--size", "db-s-1vcpu-1gb")
	d.ok("databases", "resize", id, "--num-nodes", "1", "--size", "db-s-2vcpu-4gb", "--storage-size-mib", "122880", "--wait")
	d.has([]string{"db-s-2vcpu-4gb", "122880"}, "databases", "get", id)
	d.refused("region must be one of nyc1", "databases", "migrate", id, "--region", "fra1")
}

// Tine's own CA is all that doctl needs to speak TLS.
func TestDoctlSpeaksTLS(t *testing.T) {
	t.Parallel()
	d := doctl{t, shared.URL, t.TempDir()}
	d.refused("certificate signed by unknown authority", words("databases list")...)
	cmd := d.command("databases", "list")
	cmd.Env = append(cmd.Env, "SSL_CERT_FILE="+authority())
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "Engine") {
		t.Errorf("doctl with the CA: %v\n%s", err, out)
	}
}
