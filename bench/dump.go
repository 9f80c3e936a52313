package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tine/e2e/harness"
)

// compareDump reads everything and writes it to a new cluster.
func (b *bench) compareDump(ctx context.Context, src *source) (c comparison, err error) {
	for i := range b.opts.PeerRuns {
		b.progress("dump and restore through the gateway, %d of %d", i+1, b.opts.PeerRuns)
		tine, err := b.measureFork(ctx, src, time.Time{})
		if err != nil {
			return c, err
		}
		made, all, err := b.dumpOnce(ctx, src)
		if err != nil {
			return c, fmt.Errorf("dump and restore: %w", err)
		}
		c.add(all-made, all, tine.found)
	}
	return c, nil
}

// dumpOnce measures the making of a cluster alone, and all of it.
func (b *bench) dumpOnce(ctx context.Context, src *source) (made, all time.Duration, err error) {
	begin := time.Now()
	s, cluster, err := b.makeOnce(ctx, harness.CreateRequest(b.newName("restored")))
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, b.tine.Remove(ctx, cluster.ID)) }()
	client, err := mongo.Connect(options.Client().ApplyURI(cluster.Connection.URI))
	if err != nil {
		return 0, 0, fmt.Errorf("connect: %w", err)
	}
	defer func() { err = errors.Join(err, client.Disconnect(ctx)) }()
	if err := copyDocuments(ctx, documents(src.client), documents(client)); err != nil {
		return 0, 0, err
	}
	if err := find(ctx, cluster.Connection.URI); err != nil {
		return 0, 0, err
	}
	return s.found, time.Since(begin), nil
}

func copyDocuments(ctx context.Context, from, to *mongo.Collection) error {
	batches := make(chan []bson.Raw)
	return parallel(ctx, func(ctx context.Context, writer int) error {
		if writer == 0 { // the reader
			defer close(batches)
			return readDocuments(ctx, from, batches)
		}
		for docs := range batches {
			if _, err := to.InsertMany(ctx, docs, options.InsertMany().SetOrdered(false)); err != nil {
				return fmt.Errorf("insert: %w", err)
			}
		}
		return nil
	})
}

func readDocuments(ctx context.Context, from *mongo.Collection, batches chan<- []bson.Raw) error {
	cursor, err := from.Find(ctx, bson.D{}, options.Find().SetBatchSize(batch))
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	defer func() { _ = cursor.Close(ctx) }()
	var docs []bson.Raw
	for cursor.Next(ctx) {
		docs = append(docs, append(bson.Raw(nil), cursor.Current...))
		if len(docs) < batch {
			continue
		}
		if err := send(ctx, batches, docs); err != nil {
			return err
		}
		docs = nil
	}
	if err := cursor.Err(); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if len(docs) == 0 {
		return nil
	}
	return send(ctx, batches, docs)
}

func send(ctx context.Context, batches chan<- []bson.Raw, docs []bson.Raw) error {
	select {
	case batches <- docs:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
