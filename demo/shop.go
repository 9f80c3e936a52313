package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// How much there is in the shop.
const (
	customerCount = 2_000
	productCount  = 500
	orderCount    = 20_000

	sampleOrder = 4711
)

// shop is a cluster with the demo's data, which is the same in every run.
type shop struct {
	client *mongo.Client
	db     *mongo.Database
}

func openShop(ctx context.Context, c cluster) (*shop, error) {
	client, err := mongo.Connect(options.Client().ApplyURI(c.URI))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", c.Name, err)
	}
	if err := client.Ping(ctx, nil); err != nil {
		return nil, errors.Join(fmt.Errorf("connect to %s: %w", c.Name, err), client.Disconnect(ctx))
	}
	return &shop{client, client.Database("shop")}, nil
}

func (s *shop) close(ctx context.Context) { _ = s.client.Disconnect(ctx) }

// fill writes all collections.
func (s *shop) fill(ctx context.Context) error {
	if err := s.fillCollection(ctx, "customers", customerCount, customer); err != nil {
		return err
	}
	if err := s.fillCollection(ctx, "products", productCount, product); err != nil {
		return err
	}
	if err := s.fillCollection(ctx, "orders", orderCount, order); err != nil {
		return err
	}
	_, err := s.db.Collection("orders").Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "customer", Value: 1}}})
	if err != nil {
		return fmt.Errorf("index the orders: %w", err)
	}
	return nil
}

func (s *shop) fillCollection(ctx context.Context, name string, count int, document func(number int) bson.D) error {
	const batch = 1_000
	for first := 0; first < count; first += batch {
		documents := make([]bson.D, 0, batch)
		for number := first; number < min(first+batch, count); number++ {
			documents = append(documents, document(number))
		}
		if _, err := s.db.Collection(name).InsertMany(ctx, documents); err != nil {
			return fmt.Errorf("fill %s: %w", name, err)
		}
	}
	return nil
}

func customer(number int) bson.D {
	return bson.D{
		{Key: "_id", Value: number},
		{Key: "name", Value: fmt.Sprintf("Customer %04d", number)},
		{Key: "email", Value: fmt.Sprintf("customer-%04d@example.com", number)},
	}
}

func product(number int) bson.D {
	return bson.D{
		{Key: "_id", Value: number},
		{Key: "name", Value: fmt.Sprintf("Product %03d", number)},
		{Key: "cents", Value: price(number)},
	}
}

// price of a product, in cents.
func price(product int) int { return 199 + product*37%9_800 }

func order(number int) bson.D {
	const steps, most = 7919, 4 // scatters customers, products and quantities without chance
	item := number * steps % productCount
	quantity := 1 + number%most
	return bson.D{
		{Key: "_id", Value: number},
		{Key: "customer", Value: number * steps % customerCount},
		{Key: "items", Value: bson.A{bson.D{{Key: "product", Value: item}, {Key: "quantity", Value: quantity}}}},
		{Key: "cents", Value: quantity * price(item)},
		{Key: "at", Value: time.Date(2026, 1, 1, 0, number, 0, 0, time.UTC)},
	}
}

// ledger is what the orders add up to.
type ledger struct{ count, cents int }

func (l ledger) money() string {
	const hundred = 100
	return fmt.Sprintf("$%s.%02d", thousands(l.cents/hundred), l.cents%hundred)
}

// orders counts and sums the orders, one by one in the cluster.
func (s *shop) orders(ctx context.Context) (ledger, error) {
	cursor, err := s.db.Collection("orders").Aggregate(ctx, mongo.Pipeline{{{Key: "$group", Value: bson.D{
		{Key: "_id", Value: nil},
		{Key: "count", Value: bson.D{{Key: "$sum", Value: 1}}},
		{Key: "cents", Value: bson.D{{Key: "$sum", Value: "$cents"}}},
	}}}})
	if err != nil {
		return ledger{}, fmt.Errorf("add up the orders: %w", err)
	}
	var sums []struct{ Count, Cents int }
	if err := cursor.All(ctx, &sums); err != nil {
		return ledger{}, fmt.Errorf("add up the orders: %w", err)
	}
	if len(sums) == 0 {
		return ledger{}, nil
	}
	return ledger{sums[0].Count, sums[0].Cents}, nil
}

// anOrder returns one of them as people read it.
func (s *shop) anOrder(ctx context.Context) (string, error) {
	raw, err := s.db.Collection("orders").FindOne(ctx, bson.D{{Key: "_id", Value: sampleOrder}}).Raw()
	if err != nil {
		return "", fmt.Errorf("find order %d: %w", sampleOrder, err)
	}
	text, err := bson.MarshalExtJSON(raw, false, false)
	if err != nil {
		return "", fmt.Errorf("show order %d: %w", sampleOrder, err)
	}
	return string(text), nil
}

// writeOrder adds an order.
func (s *shop) writeOrder(ctx context.Context) error {
	if _, err := s.db.Collection("orders").InsertOne(ctx, order(orderCount)); err != nil {
		return fmt.Errorf("write an order: %w", err)
	}
	return nil
}

func (s *shop) dropOrders(ctx context.Context) error {
	if err := s.db.Collection("orders").Drop(ctx); err != nil {
		return fmt.Errorf("drop the orders: %w", err)
	}
	return nil
}

// visitIDs returns the ids of all visits that are there.
func (s *shop) visitIDs(ctx context.Context) (map[string]bool, error) {
	cursor, err := s.visits().Find(ctx, bson.D{}, options.Find().SetProjection(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		return nil, fmt.Errorf("read the visits: %w", err)
	}
	var visits []struct {
		ID string `bson:"_id"`
	}
	if err := cursor.All(ctx, &visits); err != nil {
		return nil, fmt.Errorf("read the visits: %w", err)
	}
	there := make(map[string]bool, len(visits))
	for _, v := range visits {
		there[v.ID] = true
	}
	return there, nil
}

func (s *shop) visits() *mongo.Collection { return s.db.Collection("visits") }
