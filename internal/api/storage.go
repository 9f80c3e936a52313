package api

import (
	"context"
	"net/http"
)

// storageInUse is what a cluster occupies on its host's disk. All bytes are as they were measured last.
type storageInUse struct {
	SizeMiB        int64          `json:"storage_size_mib"` // that the cluster may use
	WritesBlocked  bool           `json:"writes_blocked"`   // because its data have reached that
	ExclusiveBytes int64          `json:"exclusive_bytes"`  // what would be free without the cluster
	SharedBytes    int64          `json:"shared_bytes"`     // what other clusters refer to as well
	History        historyStorage `json:"history"`          // what of that the history takes
	MeasuredAt     *string        `json:"measured_at"`      // null: not yet
}

type historyStorage struct {
	RestorePointsBytes int64 `json:"restore_points_bytes"` // what only they refer to, not the data
	WALBytes           int64 `json:"wal_bytes"`
}

// addSpace says of each cluster what it occupies, if that was measured.
func (s *server) addSpace(ctx context.Context, list []database) error {
	ids := make([]string, len(list))
	for i, d := range list {
		ids[i] = d.ID
	}
	known, err := s.fleet.Spaces(ctx, ids)
	for i, d := range list {
		if used, ok := known[d.ID]; ok {
			list[i].ExclusiveBytes, list[i].SharedBytes = new(used.OwnBytes()), &used.SharedBytes
		}
	}
	return err
}

func (s *server) getStorage(r *http.Request) (response, error) {
	c, err := s.cluster(r.Context(), r.PathValue("id"), false)
	if err != nil {
		return response{}, err
	}
	used, err := s.fleet.Space(r.Context(), c.ID)
	if err != nil {
		return response{}, err
	}
	answer := storageInUse{
		SizeMiB: c.StorageMiB, WritesBlocked: used.OverStorage,
		ExclusiveBytes: used.OwnBytes(), SharedBytes: used.SharedBytes,
		History: historyStorage{RestorePointsBytes: used.PointsBytes, WALBytes: used.WALBytes},
	}
	if !used.MeasuredAt.IsZero() {
		at := exact(used.MeasuredAt)
		answer.MeasuredAt = &at
	}
	return ok(map[string]any{"storage": answer})
}
