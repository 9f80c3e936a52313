package users

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Saved is a user with all that is known of it, to be carried into other data.
type Saved struct {
	User
	Verifier  *string // nil: it cannot log in
	CreatedAt time.Time
}

// Save reads all users.
func Save(ctx context.Context, db DB) ([]Saved, error) {
	rows, err := db.Query(ctx, `
		SELECT u.name, u.id, u.custom_data, u.verifier, u.created_at,
			coalesce(array_agg(g.database_name) FILTER (WHERE g.role IS NOT NULL), '{}'),
			coalesce(array_agg(g.role) FILTER (WHERE g.role IS NOT NULL), '{}')
		FROM tine.users u LEFT JOIN tine.grants g ON g.user_name = u.name GROUP BY u.name ORDER BY u.name`)
	if err != nil {
		return nil, fmt.Errorf("save users: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Saved, error) {
		var s Saved
		var dbs, roles []string
		err := row.Scan(&s.Name, &s.ID, &s.CustomData, &s.Verifier, &s.CreatedAt, &dbs, &roles)
		for i, db := range dbs {
			s.Grants = append(s.Grants, Grant{Database: db, Role: Role(roles[i])})
		}
		return s, err
	})
	if err != nil {
		return nil, fmt.Errorf("save users: %w", err)
	}
	return all, nil
}

// Carry brings the users of other data into these: each of them is then as it was there, and beside what it was granted there it has what it was
// granted here on single databases. Who is here and was not there stays, with his grants and without a password, so that nobody
// who was dropped can log in again by himself. It may be repeated. docs/decisions/0014-a-restore-keeps-the-users.md says why.
func Carry(ctx context.Context, db DB, saved []Saved) error {
	err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		names := make([]string, len(saved))
		for i, s := range saved {
			names[i] = s.Name
			if err := put(ctx, tx, s); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, "UPDATE tine.users SET verifier = NULL WHERE name <> ALL ($1) AND name <> $2", names, Owner)
		return err
	})
	if err != nil {
		return fmt.Errorf("carry users over: %w", err)
	}
	return nil
}

func put(ctx context.Context, tx pgx.Tx, s Saved) error {
	const sql = `INSERT INTO tine.users (name, id, verifier, custom_data, created_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (name) DO UPDATE SET id = excluded.id, verifier = excluded.verifier, custom_data = excluded.custom_data,
			created_at = excluded.created_at`
	if _, err := tx.Exec(ctx, sql, s.Name, s.ID, s.Verifier, s.CustomData, s.CreatedAt); err != nil {
		return err
	}
	const remove = "DELETE FROM tine.grants WHERE user_name = $1 AND database_name = $2 AND user_name <> $3"
	if _, err := tx.Exec(ctx, remove, s.Name, AllDatabases, Owner); err != nil {
		return err
	}
	return addGrants(ctx, tx, s.Name, s.Grants)
}

// PutBack makes the users what they were when they were saved here, and nothing else. It may be repeated.
func PutBack(ctx context.Context, db DB, saved []Saved) error {
	err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "DELETE FROM tine.users WHERE name <> $1", Owner); err != nil {
			return err
		}
		for _, s := range saved {
			if err := put(ctx, tx, s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("put users back: %w", err)
	}
	return nil
}

// Refresh gives all users but the owner other passwords, by their verifiers. Who has none there cannot log in until somebody gives him a password.
func Refresh(ctx context.Context, db DB, verifiers map[string]string) error {
	names, fresh := make([]string, 0, len(verifiers)), make([]string, 0, len(verifiers))
	for name, verifier := range verifiers {
		if err := checkVerifier(verifier); err != nil {
			return err
		}
		names, fresh = append(names, name), append(fresh, verifier)
	}
	err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE tine.users u
			SET verifier = (SELECT f.verifier FROM unnest($1::text[], $2::text[]) AS f (name, verifier) WHERE f.name = u.name)
			WHERE u.name <> $3`, names, fresh, Owner)
		return err
	})
	if err != nil {
		return fmt.Errorf("refresh passwords: %w", err)
	}
	return nil
}
