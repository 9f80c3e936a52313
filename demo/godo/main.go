// Command godo forks a cluster of Tine with DigitalOcean's client for Go: godo SOURCE NAME [TIME]. It takes the API's address and the
// token from TINE_API and TINE_TOKEN, and prints the fork's URI when it is online.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/digitalocean/godo"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("usage: godo SOURCE NAME [TIME]")
	}
	client := godo.NewFromToken(os.Getenv("TINE_TOKEN"))
	if err := godo.SetBaseURL(os.Getenv("TINE_API"))(client); err != nil {
		return err
	}
	restore := &godo.DatabaseBackupRestore{DatabaseName: args[0]}
	if len(args) > 2 {
		restore.BackupCreatedAt = args[2] // RFC 3339, to the microsecond; without it the fork is of the latest
	}
	fork, _, err := client.Databases.Create(ctx, &godo.DatabaseCreateRequest{
		Name: args[1], EngineSlug: "mongodb", Version: "8", NumNodes: 1, SizeSlug: "db-s-1vcpu-1gb", Region: "nyc1", BackupRestore: restore,
	})
	if err != nil {
		return err
	}
	uri := fork.Connection.URI // with doadmin's password, which no other answer has
	for fork.Status != "online" {
		time.Sleep(100 * time.Millisecond)
		if fork, _, err = client.Databases.Get(ctx, fork.ID); err != nil {
			return err
		}
	}
	fmt.Println(uri)
	return nil
}
