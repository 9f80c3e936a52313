package fleet_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tine/internal/catalog"
	"tine/internal/fleet"
	"tine/internal/store"
	"tine/internal/store/storetest"
)

// silent is a node that accepts questions and never answers.
type silent struct{ asked atomic.Int32 }

// Use implements fleet.Data.
func (s *silent) Use(ctx context.Context, _ store.Cluster, _ func(*pgx.Conn) error) error {
	s.asked.Add(1)
	<-ctx.Done()
	return errors.Join(errors.New("no answer"), ctx.Err())
}

func (s *silent) Look(ctx context.Context, c store.Cluster, do func(*pgx.Conn) error) error {
	return s.Use(ctx, c, do)
}

// UsersChanged implements fleet.Data.
func (*silent) UsersChanged(string) {}

// A node that hangs is asked once for all who come meanwhile, for a moment, and everybody gets what every cluster has.
func TestContentsOfANodeThatHangsKeepNobodyWaitingForLong(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	plans, err := catalog.Load("")
	if err != nil {
		t.Fatal(err)
	}
	hanging := &silent{}
	b := bundle{store: s, fleet: fleet.New(fleet.Config{
		Store: s, Data: hanging, Catalog: plans, Clock: func() time.Time { return now }, Host: "local", GatewayHost: "tine.example.com",
		Ports: store.PortRange{First: 28000, Last: 28019},
	})}
	c := b.create(t, request("prod"))
	if got := b.fleet.Contents(t.Context(), c); len(got.Users) != 1 || hanging.asked.Load() != 0 {
		t.Errorf("a cluster without data has %+v, and its node was asked %d times", got, hanging.asked.Load())
	}
	c.Status = store.StatusOnline
	var running sync.WaitGroup
	for range 20 {
		running.Go(func() {
			got := b.fleet.Contents(t.Context(), c)
			if len(got.Users) != 1 || got.Users[0].Name != "doadmin" || len(got.Databases) != 1 || got.Databases[0] != "defaultdb" {
				t.Errorf("contents are %+v", got)
			}
		})
	}
	running.Wait()
	if n := hanging.asked.Load(); n != 1 {
		t.Errorf("the node was asked %d times", n)
	}
}
