package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"tine/internal/history"
	"tine/internal/store"
)

// ownerFile, in a pool, says whose clusters it holds. What the store does not know is removed at the start: with another store, another name, or the pool of another region, that would be all of them.
const ownerFile = "owner.json"

type owner struct {
	Store string `json:"store"`
	Host  string `json:"host"`
	Pool  string `json:"pool"` // as in store.Cluster
}

func (o owner) String() string {
	text := fmt.Sprintf("the host %q with a database made at %s", o.Host, o.Store)
	if o.Pool != store.DefaultPool {
		text += " in the region " + o.Pool
	}
	return text
}

// claimPools makes the pools ours. It fails if one holds the data of clusters that belong to another store or host.
func (h *Host) claimPools(ctx context.Context) error {
	id, err := h.cfg.Store.Identity(ctx)
	if err != nil {
		return err
	}
	for name, pool := range h.cfg.Pools {
		if err := h.claim(ctx, pool, owner{Store: id, Host: h.cfg.Name, Pool: name}); err != nil {
			return err
		}
	}
	return nil
}

func (h *Host) claim(ctx context.Context, pool Pool, ours owner) error {
	path := filepath.Join(pool.Storage.Path(), ownerFile)
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read whose a pool is: %w", err)
	}
	var theirs owner
	if json.Unmarshal(text, &theirs) == nil && theirs != ours {
		holds, err := pool.holdsClusters()
		if err != nil {
			return err
		}
		if holds {
			return fmt.Errorf("the pool %s holds clusters of %s, and this is %s, to which they would be leftovers to be deleted: set host, database_url and pools as they were, or remove %s if they shall be",
				pool.Storage.Path(), theirs, ours, path)
		}
	}
	if theirs == ours {
		return nil
	}
	if text, err = json.Marshal(ours); err == nil {
		err = writeDurably(path, append(text, '\n'))
	}
	if err != nil { // a pool that is full must be started all the same
		h.log.ErrorContext(ctx, "it could not be noted whose the pool is", "pool", pool.Storage.Path(), "error", err)
	}
	return nil
}

// holdsClusters says whether there is anything of a cluster in a pool.
func (p Pool) holdsClusters() (bool, error) {
	nodes, err := p.Storage.List(volumes)
	if err != nil {
		return false, err
	}
	for _, node := range nodes {
		if node != ControlNode {
			return true, nil
		}
	}
	histories, err := os.ReadDir(p.Storage.VolumePath(history.Root))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("look for histories: %w", err)
	}
	return len(histories) > 0, nil
}
