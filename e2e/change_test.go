package e2e

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tine/e2e/harness"
)

// Whoever writes while the cluster is resized waits for a moment, and loses nothing that was acknowledged.
func TestResizeWhileSomebodyWrites(t *testing.T) {
	t.Parallel()
	cluster := makeCluster(t, shared, harness.CreateRequest(newName("grow")))
	numbers := connect(t, cluster).Database("d").Collection("c")
	insert(t, numbers, 0)

	ctx, stop := context.WithCancel(t.Context())
	written := make(chan int)
	go func() {
		n := 0
		defer func() { written <- n }()
		for ctx.Err() == nil {
			if _, err := numbers.InsertOne(t.Context(), bson.D{{Key: "n", Value: n + 1}}); err != nil {
				t.Error(err)
				return
			}
			n++
		}
	}()
	request := &godo.DatabaseResizeRequest{SizeSlug: "db-s-1vcpu-2gb", NumNodes: 1}
	if _, err := shared.API.Databases.Resize(t.Context(), cluster.ID, request); err != nil {
		t.Fatal(err)
	}
	err := shared.WaitOnline(t.Context(), cluster.ID)
	stop()
	count := <-written
	if err != nil {
		t.Fatal(err, lastLines(shared.LogText()))
	}
	if got, err := numbers.CountDocuments(t.Context(), bson.D{}); err != nil || got != int64(count)+1 {
		t.Errorf("the cluster has %d documents, want %d, %v", got, count+1, err)
	}
	var status struct {
		Connections struct {
			Available int32 `bson:"available"`
		} `bson:"connections"`
	}
	if err := serverStatus(t, numbers.Database()).Decode(&status); err != nil || status.Connections.Available <= 100 {
		t.Errorf("connections available: %d, %v; want those of the larger plan", status.Connections.Available, err)
	}
}

func serverStatus(t *testing.T, db *mongo.Database) *mongo.SingleResult {
	t.Helper()
	return db.Client().Database("admin").RunCommand(t.Context(), bson.D{{Key: "serverStatus", Value: 1}})
}

func TestUpgradePresentsTheLaterVersion(t *testing.T) {
	t.Parallel()
	request := harness.CreateRequest(newName("old"))
	request.Version = "6"
	cluster := makeCluster(t, shared, request)
	db := connect(t, cluster).Database("d")
	insert(t, db.Collection("c"), 1)
	if _, err := shared.API.Databases.UpgradeMajorVersion(t.Context(), cluster.ID, &godo.UpgradeVersionRequest{Version: "8"}); err != nil {
		t.Fatal(err)
	}
	for version := ""; !strings.HasPrefix(version, "8."); {
		var info struct {
			Version string `bson:"version"`
		}
		// Its connection may be the one that ends with the upgrade.
		if err := db.RunCommand(t.Context(), bson.D{{Key: "buildInfo", Value: 1}}).Decode(&info); err != nil && t.Context().Err() != nil {
			t.Fatal(err)
		}
		version = info.Version
	}
	wantNumbers(t, db.Collection("c"), 1)
}

// Who asks for what is in a cluster while its node is started again is told to come back, and not that something has failed.
func TestRequestsWhileTheNodeIsStartedAgain(t *testing.T) {
	t.Parallel()
	const patience = time.Minute
	cluster := makeCluster(t, shared, harness.CreateRequest(newName("again")))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := shared.API.Databases.InstallUpdate(ctx, cluster.ID); err != nil {
		t.Fatal(err)
	}
	for refused := false; ; {
		_, _, err := shared.API.Databases.ListDBs(ctx, cluster.ID, nil)
		if err == nil && refused {
			return // it was away, and is back
		}
		var answer *godo.ErrorResponse
		if errors.As(err, &answer) && answer.Response.StatusCode == http.StatusPreconditionFailed && strings.Contains(answer.Message, "its node does not answer just now") {
			refused = true
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// Each of DigitalOcean's settings does what it says, soon after the request and without a restart.
func TestConfigurationTakesEffect(t *testing.T) {
	t.Parallel()
	cluster := makeCluster(t, shared, harness.CreateRequest(newName("set")))
	client := connect(t, cluster)
	insert(t, client.Database("d").Collection("c"), 1)
	_, err := shared.API.Databases.UpdateMongoDBConfig(t.Context(), cluster.ID, &godo.MongoDBConfig{
		DefaultReadConcern: new("majority"), DefaultWriteConcern: new("1"), SlowOpThresholdMs: new(0),
		TransactionLifetimeLimitSeconds: new(1),
	})
	if err != nil {
		t.Fatal(err)
	}
	for level := ""; level != "majority"; {
		var defaults struct {
			Read struct {
				Level string `bson:"level"`
			} `bson:"defaultReadConcern"`
			Write struct {
				W any `bson:"w"`
			} `bson:"defaultWriteConcern"`
		}
		if err := client.Database("admin").RunCommand(t.Context(), bson.D{{Key: "getDefaultRWConcern", Value: 1}}).Decode(&defaults); err != nil {
			t.Fatal(err)
		}
		if level = defaults.Read.Level; level == "majority" && defaults.Write.W != int32(1) {
			t.Errorf("default write concern %v", defaults.Write.W)
		}
	}
	wantExpiry(t, client)
	if log := shared.LogText(); !strings.Contains(log, "slow operation") {
		t.Error("with a threshold of 0 every operation is slow, and none is in the log")
	}
}

// wantExpiry begins a transaction and waits until it has lived too long.
func wantExpiry(t *testing.T, client *mongo.Client) {
	t.Helper()
	session, err := client.StartSession()
	if err != nil {
		t.Fatal(err)
	}
	defer session.EndSession(t.Context())
	ctx := mongo.NewSessionContext(t.Context(), session)
	if err := session.StartTransaction(); err != nil {
		t.Fatal(err)
	}
	for {
		_, err := client.Database("d").Collection("c").CountDocuments(ctx, bson.D{})
		var failed mongo.CommandError
		if err == nil {
			continue
		}
		if !errors.As(err, &failed) || failed.Name != "NoSuchTransaction" && failed.Name != "TransactionExceededLifetimeLimitSeconds" {
			t.Errorf("the transaction ends with %v", err)
		}
		return
	}
}

// Terraform replaces a cluster so.
func TestANameIsFreeRightAfterItsClusterIsDestroyed(t *testing.T) {
	t.Parallel()
	name := newName("again")
	first, err := shared.Make(t.Context(), harness.CreateRequest(name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shared.API.Databases.Delete(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	if second := makeCluster(t, shared, harness.CreateRequest(name)); second.ID == first.ID {
		t.Errorf("the cluster is the old one: %s", second.ID)
	}
}
