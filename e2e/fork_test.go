package e2e

import (
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tine/e2e/harness"
)

// The main job: somebody drops a collection and wants it back.
func TestForkBringsADroppedCollectionBack(t *testing.T) {
	t.Parallel()
	source := makeCluster(t, shared, harness.CreateRequest(newName("prod")))
	orders := connect(t, source).Database("shop").Collection("orders")
	insert(t, orders, 1, 2, 3)
	before := now()
	if err := orders.Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	insert(t, orders, 9)

	fork := makeCluster(t, shared, harness.ForkRequest(source.Name, newName("back"), before))
	wantNumbers(t, connect(t, fork).Database("shop").Collection("orders"), 1, 2, 3)
	wantNumbers(t, orders, 9)
}

func TestForkAtLatestHoldsEveryWriteAcknowledgedBeforeTheRequest(t *testing.T) {
	t.Parallel()
	source := makeCluster(t, shared, harness.CreateRequest(newName("prod")))
	c := connect(t, source).Database("d").Collection("c")
	insert(t, c, 1, 2, 3)
	fork := makeCluster(t, shared, harness.ForkRequest(source.Name, newName("fork"), time.Time{}))
	wantNumbers(t, connect(t, fork).Database("d").Collection("c"), 1, 2, 3)
}

func TestForkAndSourceDoNotSeeEachOthersWrites(t *testing.T) {
	t.Parallel()
	source := makeCluster(t, shared, harness.CreateRequest(newName("prod")))
	inSource := connect(t, source).Database("d").Collection("c")
	insert(t, inSource, 1)
	fork := makeCluster(t, shared, harness.ForkRequest(source.Name, newName("fork"), time.Time{}))
	inFork := connect(t, fork).Database("d").Collection("c")
	insert(t, inSource, 2)
	insert(t, inFork, 3)
	wantNumbers(t, inSource, 1, 2)
	wantNumbers(t, inFork, 1, 3)
}

func TestForkHasAllDatabasesAndIndexes(t *testing.T) {
	t.Parallel()
	source := makeCluster(t, shared, harness.CreateRequest(newName("prod")))
	client := connect(t, source)
	insert(t, client.Database("one").Collection("c"), 1)
	insert(t, client.Database("two").Collection("c"), 2)
	index := options.Index().SetName("by_a").SetUnique(true)
	model := indexModel(bson.D{{Key: "a", Value: 1}}, index)
	if _, err := client.Database("one").Collection("c").Indexes().CreateOne(t.Context(), model); err != nil {
		t.Fatal(err)
	}
	fork := makeCluster(t, shared, harness.ForkRequest(source.Name, newName("fork"), time.Time{}))
	forked := connect(t, fork)
	names, err := forked.ListDatabaseNames(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"defaultdb", "one", "two"} {
		if !contains(names, want) {
			t.Errorf("the fork has databases %v, want %s among them", names, want)
		}
	}
	specs, err := forked.Database("one").Collection("c").Indexes().ListSpecifications(t.Context())
	if err != nil || len(specs) != 2 || specs[1].Name != "by_a" {
		t.Errorf("the fork has indexes %v, want _id_ and by_a: %v", specs, err)
	}
}

func TestForkHasAPasswordOfItsOwn(t *testing.T) {
	t.Parallel()
	source := makeCluster(t, shared, harness.CreateRequest(newName("prod")))
	fork := makeCluster(t, shared, harness.ForkRequest(source.Name, newName("fork"), time.Time{}))
	if source.Connection.Password == fork.Connection.Password {
		t.Fatal("source and fork have the same password")
	}
	connect(t, source)
	connect(t, fork)
	stale := *fork.Connection
	stale.Password = source.Connection.Password
	if client, err := harness.Connect(t.Context(), withPassword(t, fork.Connection.URI, stale.Password)); err == nil {
		_ = client.Disconnect(t.Context())
		t.Error("the source's password opens the fork")
	}
}

func TestForkOfAFork(t *testing.T) {
	t.Parallel()
	source := makeCluster(t, shared, harness.CreateRequest(newName("prod")))
	insert(t, connect(t, source).Database("d").Collection("c"), 1)
	at := now()
	for _, moment := range []time.Time{{}, at} {
		fork := makeCluster(t, shared, harness.ForkRequest(source.Name, newName("fork"), moment))
		c := connect(t, fork).Database("d").Collection("c")
		insert(t, c, 2)
		before := now()
		insert(t, c, 3)
		second := makeCluster(t, shared, harness.ForkRequest(fork.Name, newName("fork"), time.Time{}))
		wantNumbers(t, connect(t, second).Database("d").Collection("c"), 1, 2, 3)
		third := makeCluster(t, shared, harness.ForkRequest(fork.Name, newName("fork"), before))
		wantNumbers(t, connect(t, third).Database("d").Collection("c"), 1, 2)
	}
}

func TestForkLivesWhenItsSourceIsDestroyed(t *testing.T) {
	t.Parallel()
	source := makeCluster(t, shared, harness.CreateRequest(newName("prod")))
	insert(t, connect(t, source).Database("d").Collection("c"), 1)
	fork := makeCluster(t, shared, harness.ForkRequest(source.Name, newName("fork"), now()))
	if err := shared.Remove(t.Context(), source.ID); err != nil {
		t.Fatal(err)
	}
	c := connect(t, fork).Database("d").Collection("c")
	wantNumbers(t, c, 1)
	insert(t, c, 2)
	second := makeCluster(t, shared, harness.ForkRequest(fork.Name, newName("fork"), now()))
	wantNumbers(t, connect(t, second).Database("d").Collection("c"), 1, 2)
}

func TestForkMayHaveAnotherPlan(t *testing.T) {
	t.Parallel()
	source := makeCluster(t, shared, harness.CreateRequest(newName("prod")))
	insert(t, connect(t, source).Database("d").Collection("c"), 1)
	for _, size := range []string{"db-s-1vcpu-2gb", "db-s-1vcpu-1gb"} {
		r := harness.ForkRequest(source.Name, newName("fork"), now())
		r.SizeSlug = size
		source = makeCluster(t, shared, r)
		if source.SizeSlug != size {
			t.Errorf("the fork has plan %s, want %s", source.SizeSlug, size)
		}
		wantNumbers(t, connect(t, source).Database("d").Collection("c"), 1)
	}
}
