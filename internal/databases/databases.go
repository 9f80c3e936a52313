// Package databases is what a cluster's databases are asked and told by others than the gateway: the API lists, makes and drops them.
//
// It works on a connection to the cluster's node as tine_gateway, which takes the role of users' work, and knows nothing of who asks. A
// superuser would not do: the engine makes a collection on a connection of its own as the same user, which superusers may not have.
package databases

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// What a change can fail with, besides the node.
var (
	ErrNotFound = errors.New("there is no such database")
	ErrExists   = errors.New("there is a database of that name")
)

// takeRole makes the connection one for users' work; it stays so.
func takeRole(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, "SET ROLE tine_writer"); err != nil {
		return fmt.Errorf("take role: %w", err)
	}
	return nil
}

// List returns the names of all databases but those that a MongoDB server keeps for itself, in alphabetical order.
func List(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	if err := takeRole(ctx, conn); err != nil {
		return nil, err
	}
	spec, err := bson.Marshal(bson.D{{Key: "listDatabases", Value: 1}, {Key: "nameOnly", Value: true}})
	if err != nil {
		return nil, fmt.Errorf("list databases: %w", err)
	}
	var reply []byte
	if err := conn.QueryRow(ctx, "SELECT documentdb_api.list_databases($1::bytea)::bytea", spec).Scan(&reply); err != nil {
		return nil, fmt.Errorf("list databases: %w", err)
	}
	var list struct {
		Databases []struct {
			Name string `bson:"name"`
		} `bson:"databases"`
	}
	if err := bson.Unmarshal(reply, &list); err != nil {
		return nil, fmt.Errorf("list databases: %w", err)
	}
	names := []string{}
	for _, db := range list.Databases {
		if !slices.Contains(System(), db.Name) {
			names = append(names, db.Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// System returns the names of the databases that a MongoDB server keeps for itself.
func System() []string { return []string{"admin", "config", "local"} }

// Create makes an empty database: one exists once it has had a collection, and stays until it is dropped. ErrExists if there is one.
func Create(ctx context.Context, conn *pgx.Conn, name string) error {
	names, err := List(ctx, conn)
	if err != nil {
		return err
	}
	if slices.Contains(names, name) {
		return ErrExists
	}
	for _, sql := range []string{
		"SELECT documentdb_api.create_collection($1, 'init')", "SELECT documentdb_api.drop_collection($1, 'init')",
	} {
		if _, err := conn.Exec(ctx, sql, name); err != nil {
			return fmt.Errorf("create database: %w", err)
		}
	}
	return nil
}

// Drop removes a database with all that is in it. ErrNotFound if there is none.
func Drop(ctx context.Context, conn *pgx.Conn, name string) error {
	names, err := List(ctx, conn)
	if err != nil {
		return err
	}
	if !slices.Contains(names, name) {
		return ErrNotFound
	}
	if _, err := conn.Exec(ctx, "SELECT documentdb_api.drop_database($1)", name); err != nil {
		return fmt.Errorf("drop database: %w", err)
	}
	return nil
}
