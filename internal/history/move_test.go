package history_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"tine/internal/history"
	"tine/internal/storage"
)

func TestArchivedLogIsCopiedToAnotherPool(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	other, err := storage.OpenPool(t.Context(), storage.PoolConfig{Path: filepath.Join(dir, "pool"), Image: filepath.Join(dir, "pool.img"), ImageSize: 512 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := other.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	c, from, to := newCluster(t), newHistory(history.Config{}), history.New(history.Config{Pool: other})
	wal := func(p *storage.Pool) string { return filepath.Join(p.Path(), "history", c.src.HistoryID, "wal") }
	write := func(name string, content []byte, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(wal(machine.pool), name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.WriteFile(path, content, mode), os.Chown(path, 26, 26)); err != nil {
			t.Fatal(err)
		}
	}
	const size = 1 << 20
	segment := append(bytes.Repeat([]byte{7}, 200_000), make([]byte, size-200_000)...)
	write("000000010000000000000001", segment, 0o640)
	write("000000010000000000000002", segment, 0o640)
	write("000000010000000000000003.tmp", segment, 0o600) // it is on its way into the archive
	if missing, err := from.MissingWAL(c.src.HistoryID, to); err != nil || missing != 2*size {
		t.Errorf("%d bytes are missing, %v", missing, err)
	}

	stop := errors.New("stop")
	passed := 0
	err = from.CopyWAL(t.Context(), c.src.HistoryID, to, func(_ context.Context, n int) error {
		if passed += n; passed > 300_000 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) {
		t.Fatalf("CopyWAL = %v, want the error of pace", err)
	}
	if there, _ := os.ReadDir(wal(other)); len(there) != 2 || there[1].Name() != "000000010000000000000002.tmp" {
		t.Errorf("after an interruption there are %v", there)
	}
	passed = 0
	for range 2 {
		if err := from.CopyWAL(t.Context(), c.src.HistoryID, to, func(_ context.Context, n int) error { passed += n; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if passed < 200_000 || passed > 270_000 {
		t.Errorf("%d bytes were copied, want those of one segment without its zeros", passed)
	}
	there, err := os.ReadDir(wal(other))
	if err != nil || len(there) != 2 {
		t.Fatalf("there are %v, %v", there, err)
	}
	for _, e := range there {
		path := filepath.Join(wal(other), e.Name())
		content, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(content, segment) {
			t.Errorf("%s is different: %v", e.Name(), err)
		}
		var st syscall.Stat_t
		if err := syscall.Stat(path, &st); err != nil || st.Uid != 26 || st.Mode&0o777 != 0o640 || st.Blocks*512 > 300_000 {
			t.Errorf("%s has owner %d, mode %o and %d blocks, %v", e.Name(), st.Uid, st.Mode, st.Blocks, err)
		}
	}
}
