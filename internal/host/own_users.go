package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"tine/internal/store"
	"tine/internal/users"
)

// ownUsers are the users of a node that is about to get those of another cluster. They are in a file from before that until the node belongs to the other
// cluster, or has them back.
type ownUsers struct {
	ClusterID string // to which the node belongs
	Users     []users.Saved
}

// usersDir is where they are, below the data directory.
const usersDir = "users"

func (h *Host) ownUsersPath(nodeID string) string {
	return filepath.Join(h.cfg.DataDir, usersDir, nodeID+".json")
}

// putBack writes nothing if nothing has changed: a node that could not take the users of another cluster may not take these either.
func putBack(ctx context.Context, db users.DB, own []users.Saved) error {
	now, err := users.Save(ctx, db)
	if err != nil {
		return err
	}
	is, err := json.Marshal(now)
	if err != nil {
		return fmt.Errorf("encode users: %w", err)
	}
	was, err := json.Marshal(own)
	if err != nil || bytes.Equal(is, was) {
		return err
	}
	return users.PutBack(ctx, db, own)
}

// keepOwnUsers writes down the users that a cluster's node has.
func (h *Host) keepOwnUsers(c store.Cluster, saved []users.Saved) error {
	text, err := json.Marshal(ownUsers{ClusterID: c.ID, Users: saved})
	if err == nil {
		err = writeDurably(h.ownUsersPath(c.Node.ID), text)
	}
	if err != nil {
		return fmt.Errorf("keep users of cluster %s: %w", c.Name, err)
	}
	return nil
}

// settleUsers makes sure that a cluster's node has the cluster's own users: an exchange that was interrupted may have written others to it. Whoever opens the
// gateway must call it before.
func (h *Host) settleUsers(ctx context.Context, c store.Cluster) error {
	path := h.ownUsersPath(c.Node.ID)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var own ownUsers
	if err == nil {
		err = json.Unmarshal(text, &own)
	}
	if err == nil && own.ClusterID == c.ID { // else the exchange was carried out
		err = h.onNode(ctx, c, func(db users.DB) error { return putBack(ctx, db, own.Users) })
	}
	if err == nil {
		err = os.Remove(path)
	}
	if err != nil {
		return fmt.Errorf("settle users of cluster %s: %w", c.Name, err)
	}
	return nil
}
