package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// storageInUse is what the API says of what a cluster occupies.
type storageInUse struct {
	WritesBlocked  bool  `json:"writes_blocked"`
	ExclusiveBytes int64 `json:"exclusive_bytes"`
	SharedBytes    int64 `json:"shared_bytes"`
	History        struct {
		RestorePointsBytes int64 `json:"restore_points_bytes"`
		WALBytes           int64 `json:"wal_bytes"`
	} `json:"history"`
	MeasuredAt *string `json:"measured_at"`
}

func (c *client) storageOf(ctx context.Context, id string) (s storageInUse, err error) {
	var answer struct {
		Storage *storageInUse `json:"storage"`
	}
	answer.Storage = &s
	err = c.call(ctx, http.MethodGet, clustersPath+"/"+url.PathEscape(id)+"/storage", nil, &answer)
	return s, err
}

// writes says that there are none, if that is so.
func (s storageInUse) writes() string {
	if s.WritesBlocked {
		return "blocked: the data have reached the plan's storage"
	}
	return ""
}

// disk is what the cluster occupies, empty before it was measured.
func (s storageInUse) disk() string {
	if s.MeasuredAt == nil {
		return ""
	}
	return megabytes(s.ExclusiveBytes) + " its own, " + megabytes(s.SharedBytes) + " shared with others"
}

// history is what of that the history takes.
func (s storageInUse) history() string {
	if s.MeasuredAt == nil {
		return ""
	}
	return megabytes(s.History.RestorePointsBytes) + " in restore points, " + megabytes(s.History.WALBytes) + " of write-ahead log"
}

func megabytes(bytes int64) string {
	const mb = 1e6
	return fmt.Sprintf("%.1f MB", float64(bytes)/mb)
}
