package host

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tine/internal/storage"
	"tine/internal/store"
)

// What is in a pool of somebody else is nobody's leftovers.
func TestPoolIsClaimedUnlessItHoldsClustersOfOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pool, err := storage.OpenPool(t.Context(), storage.PoolConfig{Path: filepath.Join(dir, "pool"), Image: filepath.Join(dir, "pool.img"), ImageSize: 512 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close(context.WithoutCancel(t.Context())) })
	h := &Host{log: slog.New(slog.DiscardHandler)}
	claim := func(o owner, refused string) {
		t.Helper()
		err := h.claim(t.Context(), Pool{Storage: pool}, o)
		if (err != nil) != (refused != "") || err != nil && !strings.Contains(err.Error(), refused) {
			t.Errorf("%s claims the pool: %v, want %q", o, err, refused)
		}
	}
	first := owner{Store: "monday", Host: "local", Pool: store.DefaultPool}
	others := []owner{{"tuesday", "local", store.DefaultPool}, {"monday", "other", store.DefaultPool}, {"monday", "local", "fra1"}}
	claim(others[0], "")
	if err := pool.Create(t.Context(), volumes+"/"+ControlNode); err != nil {
		t.Fatal(err)
	}
	claim(first, "") // no cluster's
	for _, made := range []string{volumes + "/node", "history/some/points/first"} {
		if err := pool.Create(t.Context(), made); err != nil {
			t.Fatal(err)
		}
		for _, o := range others {
			claim(o, "holds clusters of "+first.String())
		}
		claim(first, "")
		if err := pool.Delete(t.Context(), made); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(pool.Path(), ownerFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	claim(others[1], "")
	claim(first, "holds clusters of "+others[1].String())
}
