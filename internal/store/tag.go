package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Tag is a word by which clusters can be found.
type Tag struct {
	Name     string
	Clusters int    // that have it
	Latest   string // id of the newest cluster that has it; empty if none has
}

const tagColumns = `t.name, (SELECT count(*) FROM tine.clusters c WHERE c.tags @> ARRAY[t.name] AND c.status <> 'destroying'),
	coalesce((SELECT c.id::text FROM tine.clusters c WHERE c.tags @> ARRAY[t.name] AND c.status <> 'destroying'
		ORDER BY c.created_at DESC, c.id LIMIT 1), '')`

// CreateTag makes a tag, if there is none of that name yet.
func (s *Store) CreateTag(ctx context.Context, name string) error {
	if _, err := s.pool.Exec(ctx, "INSERT INTO tine.tags (name) VALUES ($1) ON CONFLICT DO NOTHING", name); err != nil {
		return fmt.Errorf("create tag %s: %w", name, err)
	}
	return nil
}

// Tags returns all tags by name.
func (s *Store) Tags(ctx context.Context) ([]Tag, error) { return s.tags(ctx, "true") }

// Tag returns the tag of that name; ErrNotFound if there is none.
func (s *Store) Tag(ctx context.Context, name string) (Tag, error) {
	if !isText(name) {
		return Tag{}, fmt.Errorf("read tag %q: %w", name, ErrNotFound)
	}
	list, err := s.tags(ctx, "t.name = $1", name)
	if err != nil {
		return Tag{}, err
	}
	if len(list) == 0 {
		return Tag{}, fmt.Errorf("read tag %q: %w", name, ErrNotFound)
	}
	return list[0], nil
}

func (s *Store) tags(ctx context.Context, where string, args ...any) ([]Tag, error) {
	rows, err := s.pool.Query(ctx, "SELECT "+tagColumns+" FROM tine.tags t WHERE "+where+" ORDER BY t.name", args...)
	if err != nil {
		return nil, fmt.Errorf("read tags: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t Tag, err error) {
		err = row.Scan(&t.Name, &t.Clusters, &t.Latest)
		return t, err
	})
	if err != nil {
		return nil, fmt.Errorf("read tags: %w", err)
	}
	return list, nil
}

// DeleteTag takes a tag from all clusters and forgets it; ErrNotFound if there is none.
func (s *Store) DeleteTag(ctx context.Context, name string) error {
	if !isText(name) {
		return fmt.Errorf("delete tag %q: %w", name, ErrNotFound)
	}
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "DELETE FROM tine.tags WHERE name = $1", name)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return ErrNotFound
		}
		if err := lockClusters(ctx, tx, "tags @> ARRAY[$1::text]", name); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE tine.clusters SET tags = array_remove(tags, $1) WHERE tags @> ARRAY[$1::text]", name)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete tag %s: %w", name, err)
	}
	return nil
}

// TagClusters gives a tag that exists to clusters, all or none. ErrNotFound if there is no such tag, or not each of the clusters.
func (s *Store) TagClusters(ctx context.Context, name string, ids []string) error {
	return s.changeTags(ctx, name, ids, `UPDATE tine.clusters SET tags = ARRAY(SELECT DISTINCT unnest(tags || $1::text) ORDER BY 1)
		WHERE id = ANY($2) AND status <> 'destroying'`)
}

// UntagClusters takes a tag from clusters, all or none. ErrNotFound as with TagClusters.
func (s *Store) UntagClusters(ctx context.Context, name string, ids []string) error {
	return s.changeTags(ctx, name, ids, `UPDATE tine.clusters SET tags = array_remove(tags, $1::text)
		WHERE id = ANY($2) AND status <> 'destroying'`)
}

func (s *Store) changeTags(ctx context.Context, name string, ids []string, sql string) error {
	different := map[string]bool{}
	for _, id := range ids {
		if !isUUID(id) {
			return fmt.Errorf("tag cluster %q: %w", id, ErrNotFound)
		}
		different[id] = true
	}
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		var found string
		row := tx.QueryRow(ctx, "SELECT name FROM tine.tags WHERE name = $1 FOR KEY SHARE", name)
		if err := row.Scan(&found); isNoRows(err) {
			return ErrNotFound
		} else if err != nil {
			return err
		}
		if err := lockClusters(ctx, tx, "id = ANY($1)", ids); err != nil {
			return err
		}
		changed, err := tx.Exec(ctx, sql, name, ids)
		if err != nil {
			return err
		}
		if int(changed.RowsAffected()) != len(different) {
			return ErrNotFound
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("change tag %s: %w", name, err)
	}
	return nil
}

// lockClusters locks several clusters in the one order in which everybody does: two transactions that each had one would wait for the other's.
func lockClusters(ctx context.Context, tx pgx.Tx, where string, arg any) error {
	_, err := tx.Exec(ctx, "SELECT FROM tine.clusters WHERE "+where+" ORDER BY id FOR UPDATE", arg)
	return err
}

// rememberTags makes the tags of a new cluster exist.
func rememberTags(ctx context.Context, tx pgx.Tx, tags []string) error {
	_, err := tx.Exec(ctx, "INSERT INTO tine.tags (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING", tags)
	return err
}
