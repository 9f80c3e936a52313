package fleet

import (
	"context"
	"fmt"
	"time"

	"tine/internal/store"
	"tine/internal/wal"
)

// Transaction is one in a cluster's history. Its Start is its id.
type Transaction = wal.Commit

// noLog is a Log without transactions.
type noLog struct{}

// Transactions implements Log.
func (noLog) Transactions(context.Context, store.Cluster, time.Time, int, bool) ([]Transaction, error) {
	return nil, nil
}

// Transaction implements Log.
func (noLog) Transaction(context.Context, store.Cluster, wal.LSN) (Transaction, bool, error) {
	return Transaction{}, false, nil
}

// Log is what clusters have in their write-ahead logs.
type Log interface {
	// Transactions returns up to count transactions before and up to count after a moment, oldest first; with marked set only
	// those that changed the schema.
	Transactions(ctx context.Context, c store.Cluster, at time.Time, count int, marked bool) ([]wal.Commit, error)
	// Transaction returns the transaction whose commit record begins at lsn, if there is one.
	Transaction(ctx context.Context, c store.Cluster, lsn wal.LSN) (t wal.Commit, found bool, err error)
}

// MostTransactions bounds how many transactions are listed on each side of a moment.
const MostTransactions = 1000

// The fields that say at which transaction a fork is made, in the API's words.
const (
	fieldBefore = "backup_restore.before_transaction"
	fieldAfter  = "backup_restore.after_transaction"
)

// TransactionsQuery says which transactions are listed.
type TransactionsQuery struct {
	Around time.Time // zero: now
	Count  int       // on each side; zero: 20
	// SchemaOnly leaves out those that did not change the schema.
	SchemaOnly bool
}

// Transactions returns the transactions around a moment of a cluster's history, oldest first.
func (f *Fleet) Transactions(ctx context.Context, id string, q TransactionsQuery) ([]wal.Commit, error) {
	const usual = 20
	c, err := f.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if !c.IsServed() {
		return nil, notServed(c)
	}
	if q.Count == 0 {
		q.Count = usual
	}
	if q.Count < 1 || q.Count > MostTransactions {
		return nil, invalid("count", "must be between 1 and %d; got %d", MostTransactions, q.Count)
	}
	now := f.cfg.Clock()
	if q.Around.IsZero() {
		q.Around = now
	}
	points, err := f.cfg.Store.RestorePoints(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	if q.Around, err = f.checkTime("around", c, points, q.Around, now); err != nil {
		return nil, err
	}
	return f.cfg.Log.Transactions(ctx, c, q.Around, q.Count, q.SchemaOnly)
}

// checkTransaction completes c if the request names a transaction.
func (f *Fleet) checkTransaction(ctx context.Context, source store.Cluster, points []store.RestorePoint, r CreateRequest, c *store.Cluster) error {
	field, text := fieldBefore, r.Source.Before
	if r.Source.After != "" {
		field, text = fieldAfter, r.Source.After
	}
	if text == "" {
		return nil
	}
	if r.Source.At != nil || r.Source.Before != "" && r.Source.After != "" {
		return invalid(field, "must be the only one of %s, %s and %s", fieldAt, fieldBefore, fieldAfter)
	}
	lsn, err := wal.ParseLSN(text)
	if err != nil || lsn == 0 {
		return invalid(field, "must be the id of a transaction, like 0/3A2F198; got %s", quote(text))
	}
	t, found, err := f.cfg.Log.Transaction(ctx, source, lsn)
	if err != nil {
		return err
	}
	if !found {
		return &Error{
			Kind: NotFound, Field: field,
			Message: fmt.Sprintf("%s must be a transaction in the history of %s; there is no %s", field, quote(source.Name), lsn),
		}
	}
	at, err := f.checkTime(field, source, points, t.At, r.ReceivedAt)
	if err != nil {
		return err
	}
	c.ForkAt, c.ForkLSN, c.ForkAfter = &at, uint64(t.Start), r.Source.After != ""
	return nil
}
