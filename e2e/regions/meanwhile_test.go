package regions

import (
	"testing"

	"tine/e2e/harness"
)

// A fork that was begun while its source moves to another pool is made from where the source is then: it waits until the source has moved, and has looked before where it is.
func TestForkThatIsBegunInTheCutOfAMigration(t *testing.T) { //nolint:paralleltest // see tine
	for _, region := range []string{near, far} {
		t.Run("into "+region, func(t *testing.T) {
			c := newCluster(t, in(near, harness.CreateRequest(tine.NewName("moves"))))
			insert(t, c, 1)
			beginning, begin := tine.Hold(t, "NEW.phase = 'clear' AND OLD.phase <> 'clear'")
			moving, move := tine.Hold(t, "NEW.pool <> OLD.pool")
			made, _, err := tine.API.Databases.Create(t.Context(), in(region, harness.ForkRequest(c.Name, tine.NewName("fork"), now())))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { tine.Discard(t, made.ID) })
			beginning()
			migrate(t, c.ID, far)
			moving()
			begin()
			tine.WaitFor(t, "the fork to begin", func() bool { return tine.Phase(t, made.ID) == "clear" })
			move()
			for _, id := range []string{made.ID, c.ID} {
				if err := tine.WaitOnline(t.Context(), id); err != nil {
					t.Fatal(err, tine.LastLines())
				}
			}
			wantDocuments(t, connected(t, made), 1)
			wantDocuments(t, c, 1)
			wantNoTransit(t)
		})
	}
}

// Tine is stopped while the control plane's database takes long to record that a cluster has moved, and does not wait for the answer. The cluster has moved: whatever is written
// to it from then on is not written where it was.
func TestMigrationOfWhichNobodyKnowsWhetherItIsRecorded(t *testing.T) { //nolint:paralleltest // it stops Tine
	c := newCluster(t, in(near, harness.CreateRequest(tine.NewName("moves"))))
	insert(t, c, 1)
	moving, _ := tine.Hold(t, "NEW.pool <> OLD.pool")
	migrate(t, c.ID, far)
	moving()
	restart(t)
	insert(t, c, 2)
	if err := tine.WaitOnline(t.Context(), c.ID); err != nil {
		t.Fatal(err, tine.LastLines())
	}
	insert(t, c, 3)
	if s := stateOf(t, c.ID); s.Region != far {
		t.Errorf("the cluster is in %s", s.Region)
	}
	wantNothing(t, near)
	wantDocuments(t, c, 1, 2, 3)
	killNode(t, c, 4)
	wantDocuments(t, c, 1, 2, 3, 4)
}
