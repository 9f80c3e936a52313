package storage

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The directory of data may be a link to another disk, and so may the pool's own.
func TestPoolBehindALink(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"the directory above": "link/pool", "one further up": "link/data/pool", "the pool's own": "link"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			must(t, os.Mkdir(filepath.Join(dir, "disk"), 0o700))
			must(t, os.Symlink(filepath.Join(dir, "disk"), filepath.Join(dir, "link")))
			cfg := PoolConfig{Path: filepath.Join(dir, path), Image: filepath.Join(dir, path+".img"), ImageSize: testSize}
			first := openTestPool(t, cfg)
			must(t, first.Create(t.Context(), "v"))
			must(t, first.Sync(t.Context()))
			second := openTestPool(t, cfg)
			wantExists(t, second, "v", true)
			must(t, second.Close(t.Context()))
			cfg.Path = filepath.Join(dir, strings.Replace(path, "link", "disk", 1))
			wantGone(t, cfg)
		})
	}
}
