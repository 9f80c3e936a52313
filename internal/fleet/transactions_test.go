package fleet_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"tine/internal/fleet"
	"tine/internal/store"
	"tine/internal/wal"
)

// commits is a write-ahead log with these transactions.
type commits []wal.Commit

// Transactions implements fleet.Log.
func (c commits) Transactions(_ context.Context, _ store.Cluster, _ time.Time, count int, _ bool) ([]wal.Commit, error) {
	return c[:min(count, len(c))], nil
}

// Transaction implements fleet.Log.
func (c commits) Transaction(_ context.Context, _ store.Cluster, lsn wal.LSN) (wal.Commit, bool, error) {
	for _, t := range c {
		if t.Start == lsn {
			return t, true, nil
		}
	}
	return wal.Commit{}, false, nil
}

func transactions() commits {
	return commits{{Start: 0x100, At: now.Add(-3 * time.Hour)}, {Start: 0x200, At: now.Add(-time.Hour)}, {Start: 0x300, At: now.Add(-time.Minute)}}
}

func TestForkAtATransaction(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.online(t, request("prod"), now.Add(-2*time.Hour))
	r := fleet.CreateRequest{Name: "undo", Source: &fleet.Source{Name: "prod", After: "0/200"}, Engine: "mongodb"}
	c := b.create(t, r)
	c, err := b.store.Cluster(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	if c.ForkLSN != 0x200 || !c.ForkAfter || c.ForkAt == nil || !c.ForkAt.Equal(now.Add(-time.Hour)) {
		t.Errorf("the fork is at %v, %x, after it %v", c.ForkAt, c.ForkLSN, c.ForkAfter)
	}
	r.Name, r.Source.After, r.Source.Before = "undo-2", "", "0/300"
	if c = b.create(t, r); c.ForkLSN != 0x300 || c.ForkAfter {
		t.Errorf("the fork is at %x, after it %v", c.ForkLSN, c.ForkAfter)
	}
}

func TestForksAtTransactionsThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.online(t, request("prod"), now.Add(-2*time.Hour))
	at := now.Add(-time.Hour)
	for name, test := range map[string]struct {
		source         fleet.Source
		kind           fleet.Kind
		field, message string
	}{
		"both sides": {
			fleet.Source{Before: "0/200", After: "0/200"},
			fleet.Invalid, "backup_restore.after_transaction",
			"backup_restore.after_transaction must be the only one of backup_restore.backup_created_at, backup_restore.before_transaction and backup_restore.after_transaction",
		},
		"a moment, too": {
			fleet.Source{Before: "0/200", At: &at},
			fleet.Invalid, "backup_restore.before_transaction",
			"backup_restore.before_transaction must be the only one of backup_restore.backup_created_at, backup_restore.before_transaction and backup_restore.after_transaction",
		},
		"no id": {
			fleet.Source{Before: "drop"},
			fleet.Invalid, "backup_restore.before_transaction",
			`backup_restore.before_transaction must be the id of a transaction, like 0/3A2F198; got "drop"`,
		},
		"none of the history": {
			fleet.Source{After: "0/250"},
			fleet.NotFound, "backup_restore.after_transaction",
			`backup_restore.after_transaction must be a transaction in the history of "prod"; there is no 0/250`,
		},
		"before the window": {
			fleet.Source{After: "0/100"},
			fleet.Invalid, "backup_restore.after_transaction",
			`backup_restore.after_transaction must be between 2026-08-10T10:00:00.25Z and 2026-08-10T12:00:00.25Z, the history of "prod"; got 2026-08-10T09:00:00.25Z`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.source.Name = "prod"
			b.refused(t, fleet.CreateRequest{Name: "undo", Source: &test.source, Engine: "mongodb"}, test.kind, test.field, test.message)
		})
	}
}

func TestTransactionsAreListedWithinBounds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, request("prod"), now.Add(-2*time.Hour))
	list, err := b.fleet.Transactions(t.Context(), c.ID, fleet.TransactionsQuery{Count: 2})
	if err != nil || len(list) != 2 {
		t.Errorf("%d are listed: %v", len(list), err)
	}
	for name, q := range map[string]fleet.TransactionsQuery{
		"too many":        {Count: fleet.MostTransactions + 1},
		"less than none":  {Count: -1},
		"in the future":   {Around: now.Add(time.Minute)},
		"before it began": {Around: now.Add(-3 * time.Hour)},
	} {
		_, err := b.fleet.Transactions(t.Context(), c.ID, q)
		if refusal, ok := errors.AsType[*fleet.Error](err); !ok || refusal.Kind != fleet.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
