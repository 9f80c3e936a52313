package engine

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// schemaFiles are the versions of the schema of a cluster's own data that follow golden.sql, which is version 1: a file
// NNNN_words.sql makes version NNNN of the one before it. To add a version is to add a file with the next number.
//
//go:embed schema/*.sql
var schemaFiles embed.FS

// ErrNewerSchema says that a node's data was made by a later Tine than this one.
var ErrNewerSchema = errors.New("the data was made by a later version of Tine")

// migration makes one version of the schema of the one before it.
type migration struct {
	version int
	name    string
	sql     string
}

// Migrate brings the schema of a node's own data (roles and the schema tine, not the users' collections) to the version
// that this Tine works with. conn is a connection as superuser. Each version is a transaction: what Migrate has done
// when it fails stays and is not done again. If there is nothing to do it costs one query.
//
// It must have succeeded before users come to a node that was started, adopted or forked: a fork has the schema that its
// source had at the time.
func Migrate(ctx context.Context, conn *pgx.Conn) error {
	all, err := migrations(schemaFiles)
	if err != nil {
		return err
	}
	return migrate(ctx, conn, all)
}

func migrate(ctx context.Context, conn *pgx.Conn, all []migration) error {
	version, err := schemaVersion(ctx, conn)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if newest := firstVersion + len(all); version > newest {
		return fmt.Errorf("migrate: the data has version %d of the schema, the newest known is %d: %w", version, newest, ErrNewerSchema)
	}
	for _, m := range all[version-firstVersion:] {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return m.apply(ctx, tx) })
		if err != nil {
			return fmt.Errorf("migrate to version %d (%s): %w", m.version, m.name, err)
		}
	}
	return nil
}

// firstVersion is golden.sql's.
const firstVersion = 1

// schemaVersion is the newest version that was applied.
func schemaVersion(ctx context.Context, conn *pgx.Conn) (int, error) {
	var version int
	row := conn.QueryRow(ctx, "SELECT max(version) FROM tine.migrations", pgx.QueryExecModeExec)
	err := row.Scan(&version)
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok && pe.Code == undefinedTable {
		return firstVersion, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read version of schema: %w", err)
	}
	return version, nil
}

// undefinedTable is a SQLSTATE.
const undefinedTable = "42P01"

// apply makes the version, unless somebody else has done so meanwhile.
func (m migration) apply(ctx context.Context, tx pgx.Tx) error {
	const table = `
		SELECT pg_advisory_xact_lock(hashtext('tine.migrations'));
		CREATE TABLE IF NOT EXISTS tine.migrations (
			version integer PRIMARY KEY,
			name    text NOT NULL,
			applied timestamptz NOT NULL DEFAULT now()
		)`
	if _, err := tx.Exec(ctx, table, pgx.QueryExecModeSimpleProtocol); err != nil {
		return err
	}
	const record = "INSERT INTO tine.migrations (version, name) VALUES ($1, $2) ON CONFLICT DO NOTHING"
	tag, err := tx.Exec(ctx, record, pgx.QueryExecModeExec, m.version, m.name)
	if err != nil || tag.RowsAffected() == 0 {
		return err
	}
	_, err = tx.Exec(ctx, m.sql, pgx.QueryExecModeSimpleProtocol)
	return err
}

// migrations reads the files, in the order of their numbers, which must be without gaps.
func migrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "schema/*.sql") // sorted
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	all := make([]migration, 0, len(names))
	for _, file := range names {
		number, name, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(file, "schema/"), ".sql"), "_")
		version, err := strconv.Atoi(number)
		if want := firstVersion + 1 + len(all); err != nil || len(number) != 4 || version != want {
			return nil, fmt.Errorf("read migrations: %s should begin with %04d_", file, want)
		}
		sql, err := fs.ReadFile(files, file)
		if err != nil {
			return nil, fmt.Errorf("read migrations: %w", err)
		}
		all = append(all, migration{version: version, name: name, sql: string(sql)})
	}
	return all, nil
}
