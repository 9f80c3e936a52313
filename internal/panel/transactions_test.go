package panel_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"tine/internal/fleet"
	"tine/internal/store"
	"tine/internal/wal"
)

// drops is a log in which somebody dropped a collection half an hour ago, and wrote before and after that.
type drops struct{}

func (drops) list() []fleet.Transaction {
	return []fleet.Transaction{
		{Start: 0x100, At: now.Add(-40 * time.Minute)},
		{Start: 0x200, At: now.Add(-30 * time.Minute), Marks: []string{"drop shop.<orders>"}},
		{Start: 0x300, At: now.Add(-20 * time.Minute)},
	}
}

// Transactions implements fleet.Log.
func (d drops) Transactions(_ context.Context, _ store.Cluster, _ time.Time, _ int, marked bool) ([]fleet.Transaction, error) {
	if marked {
		return d.list()[1:2], nil
	}
	return d.list(), nil
}

// Transaction implements fleet.Log.
func (d drops) Transaction(_ context.Context, _ store.Cluster, lsn wal.LSN) (fleet.Transaction, bool, error) {
	for _, t := range d.list() {
		if t.Start == lsn {
			return t, true, nil
		}
	}
	return fleet.Transaction{}, false, nil
}

func TestTheDropIsFoundAndForkedBefore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	source := b.online(t, "backend")
	w := b.loggedIn(t, store.ScopeWrite)
	path := "/databases/" + source.ID
	w.get(t, path+"/history").want(t, http.StatusOK, path+"/transactions")
	page := w.get(t, path+"/transactions")
	page.want(t, http.StatusOK, "drop shop.<orders>", "0/200", path+"/fork?before=0%2f200", path+"/fork?after=0%2f200")
	page.wantWithout(t, "0/100")
	w.get(t, path+"/transactions?all=on&at=2026-08-10+11:30").want(t, http.StatusOK, "0/100", "0/200", "0/300")
	w.get(t, path+"/fork?before=0%2f200").want(t, http.StatusOK, `value="transaction" checked`, `value="0/200"`)
	w.post(t, path+"/fork", "state", "transaction", "side", "before", "transaction", " 0/200 ", "name", "undrop", "size", source.Size).want(t, http.StatusCreated)
	if c := b.named(t, "undrop"); c.ForkLSN != 0x200 || c.ForkAfter {
		t.Errorf("forked at %x, after it %v", c.ForkLSN, c.ForkAfter)
	}
	w.post(t, path+"/fork", "state", "transaction", "side", "after", "transaction", "0/300", "name", "with", "size", source.Size).want(t, http.StatusCreated)
	if c := b.named(t, "with"); c.ForkLSN != 0x300 || !c.ForkAfter {
		t.Errorf("forked at %x, after it %v", c.ForkLSN, c.ForkAfter)
	}
}

// Two forks at one drop are told apart, and nobody is surprised that one is gone later, or that what has expired is still there.
func TestAForkOfThePastSaysWhatItIs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	source := b.online(t, "backend")
	w := b.loggedIn(t, store.ScopeWrite)
	for side, says := range map[string]string{"before": "right before transaction", "after": "right after transaction"} {
		w.post(t, "/databases/"+source.ID+"/fork", "state", "transaction", "side", side, "transaction", "0/200", "name", side, "size", source.Size).want(t, http.StatusCreated, "Its TTL indexes delete nothing until they are turned on")
		fork := b.named(t, side)
		if err := b.fleet.SetExpiry(t.Context(), fork.ID, new(now.Add(48*time.Hour))); err != nil {
			t.Fatal(err)
		}
		w.get(t, "/databases/"+fork.ID).want(t, http.StatusOK, says+" <code>0/200</code>, as of 2026-08-10 11:30:00.250 UTC", "TTL indexes", "they delete nothing until they are turned on",
			"Expires", "2026-08-12 12:00 UTC: then it is destroyed with its data and its history")
	}
	w.get(t, "/databases/"+source.ID).wantWithout(t, "TTL indexes", "Expires")
}

func TestTransactionsThatCannotBeSayWhyNextToTheField(t *testing.T) {
	t.Parallel()
	b := setup(t)
	source := b.online(t, "backend")
	w := b.loggedIn(t, store.ScopeWrite)
	path := "/databases/" + source.ID
	for id, says := range map[string]string{"": "The transaction is missing.", "0/250": "The transaction must be a transaction in the history", "drop": "The transaction must be the id"} {
		b.wantUntouched(t, func() {
			w.post(t, path+"/fork", "state", "transaction", "transaction", id, "name", "copy", "size", source.Size).
				want(t, http.StatusUnprocessableEntity, says, `href="#transaction"`, `id="transaction"`)
		})
	}
	w.get(t, path+"/transactions?at=yesterday").want(t, http.StatusUnprocessableEntity, "The point in time must be a date and a time")
	w.get(t, path+"/transactions?at=2020-01-01+00:00").want(t, http.StatusUnprocessableEntity, "The point in time must be between")
	fresh := b.create(t, "fresh")
	w.get(t, "/databases/"+fresh.ID+"/transactions").want(t, http.StatusOK, "There is no restore point yet")
}
