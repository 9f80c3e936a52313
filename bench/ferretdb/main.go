// Command ferretdb serves FerretDB on a PostgreSQL with DocumentDB, for the benchmark of Tine's gateway. It prints the address it
// listens on and ends with its standard input, so that it never outlives the benchmark.
//
// It runs as FerretDB is meant to be embedded, without authentication, which saves it work that Tine does: no log-in, no
// grants, and PostgreSQL checks no privilege of a superuser.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/FerretDB/FerretDB/v2/ferretdb"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "ferretdb:", err)
		os.Exit(1)
	}
}

func serve() error {
	postgres := flag.String("postgres", "", "URL of the PostgreSQL")
	state := flag.String("state", "", "directory for FerretDB's state")
	flag.Parse()
	if *postgres == "" || *state == "" {
		return errors.New("-postgres and -state are needed")
	}
	telemetry := false
	f, err := ferretdb.New(&ferretdb.Config{
		PostgreSQLURL: *postgres,
		ListenAddr:    "127.0.0.1:0",
		StateDir:      *state,
		LogOutput:     os.Stderr,
		Telemetry:     &telemetry,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	go func() { fmt.Println(f.MongoDBURI()) }()
	f.Run(ctx)
	return nil
}
