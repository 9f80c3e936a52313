package fleet

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tine/internal/store"
	"tine/internal/users"
)

// freshen gives a fork's users other passwords, if the request asks for that, and returns the users with them, doadmin first.
func (f *Fleet) freshen(ctx context.Context, r CreateRequest, c *store.Cluster) ([]User, error) {
	if !r.FreshPasswords {
		return nil, nil
	}
	if r.Source == nil {
		return nil, invalid("fresh_passwords", "must not be given without backup_restore: a new cluster has no users with old ones")
	}
	var all []users.User
	err := f.use(ctx, c.SourceID, func(ctx context.Context, conn *pgx.Conn) (err error) {
		all, err = users.List(ctx, conn)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read users of %s: %w", r.Source.label(), err)
	}
	c.FreshVerifiers = map[string]string{}
	described := describeAll(all)
	for i, u := range described {
		if u.Name == users.Owner {
			continue // has its own anyway
		}
		if described[i].Password, c.FreshVerifiers[u.Name], err = f.credentials(); err != nil {
			return nil, err
		}
	}
	return described, nil
}
