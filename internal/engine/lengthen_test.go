package engine

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"tine/internal/wal"
)

func TestLengthen(t *testing.T) {
	t.Parallel()
	const gib = 1 << 30
	of := func(number uint32) wal.Relation { return wal.Relation{Tablespace: 1663, Database: 5, Number: number} }
	for name, c := range map[string]struct {
		files    map[string]int64 // before
		relation wal.Relation
		pages    uint32
		want     map[string]int64
	}{
		"a file that is too short": {map[string]int64{"base/5/1": 8192}, of(1), 3, map[string]int64{"base/5/1": 3 * 8192}},
		"an empty file":            {map[string]int64{"base/5/1": 0}, of(1), 1, map[string]int64{"base/5/1": 8192}},
		"a file that is longer":    {map[string]int64{"base/5/1": 5 * 8192}, of(1), 3, map[string]int64{"base/5/1": 5 * 8192}},
		"no file":                  {map[string]int64{"base/5/1": 0}, of(2), 3, map[string]int64{"base/5/1": 0}},
		"a shared relation": {
			map[string]int64{"global/1": 0}, wal.Relation{Tablespace: 1664, Number: 1}, 2, map[string]int64{"global/1": 2 * 8192},
		},
		"another tablespace": {map[string]int64{"base/5/1": 0}, wal.Relation{Tablespace: 20000, Database: 5, Number: 1}, 2, map[string]int64{"base/5/1": 0}},
		"the second file of a relation": {
			map[string]int64{"base/5/1": gib, "base/5/1.1": 8192}, of(1), 131072 + 7, map[string]int64{"base/5/1": gib, "base/5/1.1": 7 * 8192},
		},
		"no further than the file that it ends in": {
			map[string]int64{"base/5/1": 8192}, of(1), 131072 + 7, map[string]int64{"base/5/1": gib},
		},
		"a last file that is full":          {map[string]int64{"base/5/1": gib}, of(1), 131072 + 7, map[string]int64{"base/5/1": gib}},
		"a relation that has become longer": {map[string]int64{"base/5/1": gib, "base/5/1.1": 0}, of(1), 9, map[string]int64{"base/5/1": gib, "base/5/1.1": 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			volume := t.TempDir()
			for file, size := range c.files {
				path := filepath.Join(volume, dirData, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, nil, 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Truncate(path, size); err != nil {
					t.Fatal(err)
				}
			}
			if err := Lengthen(volume, map[wal.Relation]uint32{c.relation: c.pages}); err != nil {
				t.Fatal(err)
			}
			for file, size := range c.want {
				info, err := os.Stat(filepath.Join(volume, dirData, file))
				if err != nil {
					t.Fatal(err)
				}
				if st, ok := info.Sys().(*syscall.Stat_t); !ok || info.Size() != size || st.Blocks != 0 {
					t.Errorf("%s has %d bytes, want %d, none of them on the disk", file, info.Size(), size)
				}
			}
		})
	}
}
