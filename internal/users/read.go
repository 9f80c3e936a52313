package users

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// DB is a connection to the cluster's node, as superuser or as tine_gateway.
type DB interface {
	Begin(ctx context.Context) (pgx.Tx, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

const selectUsers = `
	SELECT u.name, u.id, u.custom_data,
		coalesce(array_agg(g.database_name ORDER BY g.database_name, g.role) FILTER (WHERE g.role IS NOT NULL), '{}'),
		coalesce(array_agg(g.role ORDER BY g.database_name, g.role) FILTER (WHERE g.role IS NOT NULL), '{}')
	FROM tine.users u LEFT JOIN tine.grants g ON g.user_name = u.name`

// List returns all users, in the order of their names.
func List(ctx context.Context, db DB) ([]User, error) {
	rows, err := db.Query(ctx, selectUsers+" GROUP BY u.name ORDER BY u.name")
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	all, err := pgx.CollectRows(rows, scanUser)
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	return all, nil
}

// Get returns a user, or ErrNotFound.
func Get(ctx context.Context, db DB, name string) (User, error) {
	rows, err := db.Query(ctx, selectUsers+" WHERE u.name = $1 GROUP BY u.name", name)
	if err != nil {
		return User{}, fmt.Errorf("read user: %w", err)
	}
	all, err := pgx.CollectRows(rows, scanUser)
	switch {
	case err != nil:
		return User{}, fmt.Errorf("read user: %w", err)
	case len(all) == 0:
		return User{}, ErrNotFound
	default:
		return all[0], nil
	}
}

func scanUser(row pgx.CollectableRow) (User, error) {
	var (
		u          User
		dbs, roles []string
	)
	if err := row.Scan(&u.Name, &u.ID, &u.CustomData, &dbs, &roles); err != nil {
		return User{}, err
	}
	for i, db := range dbs {
		u.Grants = append(u.Grants, Grant{Database: db, Role: Role(roles[i])})
	}
	return u, nil
}

// Verifiers returns the verifier of a user and that of the owner, "" for who has none. Both are read whoever the user is, so
// that it takes as long for one who does not exist.
func Verifiers(ctx context.Context, db DB, name string) (of, owner string, err error) {
	const sql = `SELECT coalesce((SELECT verifier FROM tine.users WHERE name = $1), ''),
		coalesce((SELECT verifier FROM tine.users WHERE name = $2), '')`
	if err := db.QueryRow(ctx, sql, name, Owner).Scan(&of, &owner); err != nil {
		return "", "", fmt.Errorf("read verifier: %w", err)
	}
	return of, owner, nil
}
