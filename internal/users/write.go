package users

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Create makes a user. If it fails there is no such user, unless the node was lost meanwhile.
func Create(ctx context.Context, db DB, u User, verifier string) error {
	if err := errors.Join(CheckName(u.Name), checkGrants(u.Grants), checkVerifier(verifier)); err != nil {
		return err
	}
	err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		const insert = "INSERT INTO tine.users (name, verifier, custom_data) VALUES ($1, $2, $3)"
		if _, err := tx.Exec(ctx, insert, u.Name, verifier, u.CustomData); err != nil {
			return err
		}
		return addGrants(ctx, tx, u.Name, u.Grants)
	})
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok && pe.Code == uniqueViolation {
		return ErrExists
	}
	if err != nil {
		return fmt.Errorf("create user: %w", err)
	}
	return nil
}

// uniqueViolation is a SQLSTATE.
const uniqueViolation = "23505"

// Change is what is to be different. What is nil stays as it is.
type Change struct {
	Verifier   *string
	CustomData *[]byte
	Grants     *[]Grant // instead of all that there are
	Add        []Grant
	Remove     []Grant
}

func (c Change) touchesGrants() bool { return c.Grants != nil || len(c.Add)+len(c.Remove) > 0 }

// Update changes a user.
func Update(ctx context.Context, db DB, name string, c Change) error {
	if err := c.check(name); err != nil {
		return err
	}
	return change(ctx, db, name, "update user", func(tx pgx.Tx) error { return c.apply(ctx, tx, name) })
}

func (c Change) check(name string) error {
	if name == Owner && c.touchesGrants() {
		return ErrOwner
	}
	if c.Verifier != nil {
		if err := checkVerifier(*c.Verifier); err != nil {
			return err
		}
	}
	if c.Grants != nil {
		if err := checkGrants(*c.Grants); err != nil {
			return err
		}
	}
	return checkGrants(c.Add)
}

func (c Change) apply(ctx context.Context, tx pgx.Tx, name string) error {
	if c.Verifier != nil {
		if _, err := tx.Exec(ctx, "UPDATE tine.users SET verifier = $2 WHERE name = $1", name, *c.Verifier); err != nil {
			return err
		}
	}
	if c.CustomData != nil {
		if _, err := tx.Exec(ctx, "UPDATE tine.users SET custom_data = $2 WHERE name = $1", name, *c.CustomData); err != nil {
			return err
		}
	}
	add := c.Add
	if c.Grants != nil {
		if _, err := tx.Exec(ctx, "DELETE FROM tine.grants WHERE user_name = $1", name); err != nil {
			return err
		}
		add = append(add, *c.Grants...)
	}
	for _, g := range c.Remove {
		const remove = "DELETE FROM tine.grants WHERE user_name = $1 AND database_name = $2 AND role = $3"
		if _, err := tx.Exec(ctx, remove, name, g.Database, string(g.Role)); err != nil {
			return err
		}
	}
	return addGrants(ctx, tx, name, add)
}

func addGrants(ctx context.Context, tx pgx.Tx, name string, grants []Grant) error {
	dbs, roles := make([]string, len(grants)), make([]string, len(grants))
	for i, g := range grants {
		dbs[i], roles[i] = g.Database, string(g.Role)
	}
	const sql = `INSERT INTO tine.grants (user_name, database_name, role)
		SELECT $1, g.db, g.role FROM unnest($2::text[], $3::text[]) AS g (db, role) ON CONFLICT DO NOTHING`
	_, err := tx.Exec(ctx, sql, name, dbs, roles)
	return err
}

// Drop removes a user.
func Drop(ctx context.Context, db DB, name string) error {
	if name == Owner {
		return ErrOwner
	}
	return change(ctx, db, name, "drop user", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM tine.users WHERE name = $1", name)
		return err
	})
}

// DropAll removes all users but the owner, and returns how many there were.
func DropAll(ctx context.Context, db DB) (int64, error) {
	var n int64
	err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "DELETE FROM tine.users WHERE name <> $1", Owner)
		n = tag.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("drop users: %w", err)
	}
	return n, nil
}

// change runs do in a transaction that holds the user, who must exist.
func change(ctx context.Context, db DB, name, what string, do func(pgx.Tx) error) error {
	err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, "SELECT FROM tine.users WHERE name = $1 FOR UPDATE", name).Scan()
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		return do(tx)
	})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("%s: %w", what, err)
	}
	return err
}

var verifierForm = regexp.MustCompile(`^SCRAM-SHA-256\$[0-9]+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$`)

func checkVerifier(v string) error {
	if !verifierForm.MatchString(v) {
		return fmt.Errorf("%w: it is no SCRAM-SHA-256 verifier", ErrInvalid)
	}
	return nil
}
