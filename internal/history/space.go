package history

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Space is where a history has its snapshots and how much its write-ahead log occupies.
type Space struct {
	Points   []string // volumes, oldest first
	WALBytes int64
}

// Space looks at what a history occupies. Its cost grows with the number of restore points and segments.
func (h *History) Space(ctx context.Context, src Source) (s Space, err error) {
	points, err := h.cfg.Records.RestorePoints(ctx, src.ClusterID)
	if err != nil {
		return s, err
	}
	for _, p := range points {
		s.Points = append(s.Points, p.Volume)
	}
	for _, dir := range []string{h.walDir(src.HistoryID), h.commitsDir(src.HistoryID)} {
		n, err := occupied(dir)
		if err != nil {
			return s, fmt.Errorf("space of history %s: %w", src.HistoryID, err)
		}
		s.WALBytes += n
	}
	return s, nil
}

// occupied is how much the files in a directory occupy; a missing one has none.
func occupied(dir string) (bytes int64, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		var st unix.Stat_t
		err := unix.Lstat(dir+"/"+e.Name(), &st)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("stat %s: %w", e.Name(), err)
		}
		const block = 512
		bytes += st.Blocks * block
	}
	return bytes, nil
}
