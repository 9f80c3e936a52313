package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tine/e2e/harness"
)

// workday is how long the shop works.
const workday = 60 * time.Second

// work makes clusters, lets a shop work on one of them, and drops a collection. It returns the shop's id.
func work(ctx context.Context, tine *harness.Tine) (string, error) {
	request := harness.CreateRequest("shop")
	request.SizeSlug, request.Tags = "db-s-2vcpu-4gb", []string{"prod"}
	shop, err := tine.Make(ctx, request)
	if err != nil {
		return "", err
	}
	client, err := harness.Connect(ctx, shop.Connection.URI)
	if err != nil {
		return "", err
	}
	defer func() { _ = client.Disconnect(context.WithoutCancel(ctx)) }()
	request = harness.CreateRequest("analytics")
	request.Tags = []string{"reports"}
	if _, err := tine.Make(ctx, request); err != nil {
		return "", err
	}
	rules := []*godo.DatabaseFirewallRule{{Type: "ip_addr", Value: "127.0.0.1"}, {Type: "ip_addr", Value: "192.0.2.0/24"}}
	if _, err := tine.API.Databases.UpdateFirewallRules(ctx, shop.ID, &godo.DatabaseUpdateFirewallRulesRequest{Rules: rules}); err != nil {
		return "", err
	}
	if err := sell(ctx, client.Database("shop"), workday*3/4); err != nil {
		return "", err
	}
	for _, pair := range [][2]string{{"shop", "shop-staging"}, {"shop-staging", "shop-migration"}} {
		if _, err := tine.Make(ctx, harness.ForkRequest(pair[0], pair[1], time.Time{})); err != nil {
			return "", err
		}
	}
	if err := client.Database("shop").Collection("orders").Drop(ctx); err != nil {
		return "", err
	}
	return shop.ID, sell(ctx, client.Database("shop"), workday/4)
}

// sell writes in waves, as people buy, until the time is over.
func sell(ctx context.Context, db *mongo.Database, long time.Duration) error {
	for end := time.Now().Add(long); time.Now().Before(end); {
		wave := 1 + rand.IntN(8)
		for range wave * 20 {
			docs := make([]any, 1+rand.IntN(8*wave))
			for i := range docs {
				docs[i] = bson.D{
					{Key: "sku", Value: rand.IntN(5000)}, {Key: "price", Value: rand.Float64() * 100}, {Key: "note", Value: fmt.Sprintf("%0200d", rand.Int())},
				}
			}
			if _, err := db.Collection("orders").InsertMany(ctx, docs); err != nil {
				return err
			}
			if _, err := db.Collection("orders").CountDocuments(ctx, bson.D{{Key: "sku", Value: rand.IntN(5000)}}); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(rand.IntN(2500)) * time.Millisecond):
		}
	}
	return nil
}
