package harness

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Suspended says whether a cluster's node is stopped because nobody needs it.
func (t *Tine) Suspended(ctx context.Context, id string) (bool, error) {
	r, err := t.API.NewRequest(ctx, http.MethodGet, "v2/databases/"+id, nil)
	if err != nil {
		return false, err
	}
	var root struct {
		Database struct {
			Suspended bool `json:"suspended"`
		} `json:"database"`
	}
	_, err = t.API.Do(ctx, r, &root)
	return root.Database.Suspended, err
}

// suspendPatience is far longer than a suspension takes.
const suspendPatience = time.Minute

// suspendAgain is longer than Tine tries to suspend a cluster.
const suspendAgain = 5 * time.Second

// Suspend has a cluster that nobody uses suspended, and returns when its row says that it is: its node may run for a moment more. It asks again if a late log-in
// of a client has woken the cluster.
func (t *Tine) Suspend(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, suspendPatience)
	defer cancel()
	var asked time.Time
	for {
		if done, err := t.Suspended(ctx, id); err != nil || done {
			return err
		}
		if time.Since(asked) > suspendAgain {
			if err := t.askToSuspend(ctx, id); err != nil {
				return err
			}
			asked = time.Now()
		}
		if err := sleep(ctx); err != nil {
			return fmt.Errorf("wait for cluster %s to be suspended: %w", id, err)
		}
	}
}

func (t *Tine) askToSuspend(ctx context.Context, id string) error {
	r, err := t.API.NewRequest(ctx, http.MethodPut, "v2/databases/"+id+"/suspension", map[string]bool{"now": true})
	if err != nil {
		return err
	}
	_, err = t.API.Do(ctx, r, nil)
	return err
}

// Nodes is how many clusters' nodes run.
func (t *Tine) Nodes() (running int, err error) {
	pids, err := filepath.Glob(filepath.Join(t.dataDir(), "sandbox", "containers", "*", "pid"))
	if err != nil {
		return 0, err
	}
	for _, path := range pids {
		if filepath.Base(filepath.Dir(path)) == "control" {
			continue
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it is just being removed
		}
		if err != nil {
			return 0, err
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err == nil && syscall.Kill(pid, 0) == nil {
			running++
		}
	}
	return running, nil
}
