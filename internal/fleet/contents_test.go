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

// patient is a node that takes every change and answers no question, and notes how long it would have had.
type patient struct{ had time.Duration }

// Use implements fleet.Data.
func (*patient) Use(context.Context, store.Cluster, func(*pgx.Conn) error) error { return nil }

// Look implements fleet.Data.
func (p *patient) Look(ctx context.Context, _ store.Cluster, _ func(*pgx.Conn) error) error {
	end, _ := ctx.Deadline()
	p.had = time.Until(end)
	return errors.New("busy")
}

// UsersChanged implements fleet.Data.
func (*patient) UsersChanged(string) {}

// Who has just made a database waits for a busy node to show it, longer than who just looks.
func TestContentsAfterAChangeAreWorthWaitingFor(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	plans, err := catalog.Load("")
	if err != nil {
		t.Fatal(err)
	}
	busy := &patient{}
	b := bundle{store: s, fleet: fleet.New(fleet.Config{
		Store: s, Data: busy, Catalog: plans, Clock: func() time.Time { return now }, Host: "local", GatewayHost: "tine.example.com",
		Ports: store.PortRange{First: 28000, Last: 28019},
	})}
	c, err := b.fleet.Get(t.Context(), b.online(t, request("prod")).ID)
	if err != nil {
		t.Fatal(err)
	}
	b.fleet.Contents(t.Context(), c)
	before := busy.had
	if err := b.fleet.CreateDatabase(t.Context(), c.ID, "shop"); err != nil {
		t.Fatal(err)
	}
	b.fleet.Contents(t.Context(), c)
	if before > time.Second || busy.had < time.Second {
		t.Errorf("the node had %v to answer, and %v after a change", before, busy.had)
	}
}
