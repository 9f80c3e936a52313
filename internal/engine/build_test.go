package engine

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// A node that was started by an earlier Tine is outdated until its next start, which brings the settings of this one.
func TestStartBringsTheSettingsOfThisBuild(t *testing.T) {
	t.Parallel()
	place := newPlace(t)
	root := installedRoot(t)
	golden, err := root.BuildGolden(t.Context(), place.pool, place.runtime, filepath.Join(place.dir, "work"))
	noError(t, err)
	noError(t, place.pool.Clone(t.Context(), golden, "node"))
	n := NewNode(NodeConfig{
		ID: "old", Root: root, Runtime: place.runtime, Volume: place.pool.VolumePath("node"),
		SocketDir: filepath.Join(place.dir, "s"), LogPath: filepath.Join(place.dir, "log"),
	})
	t.Cleanup(func() { noError(t, n.Kill(context.WithoutCancel(t.Context()))) })

	// As a volume is that an earlier Tine has made.
	conf := filepath.Join(n.Volume(), dirData, "postgresql.conf")
	noError(t, os.WriteFile(conf, append(append([]byte{}, postgresqlConf...), "\ncheckpoint_timeout = 7min\n"...), 0o600))
	noError(t, own(conf, 0o600))
	noError(t, os.Remove(filepath.Join(n.Volume(), fileBuild)))
	wantOutdated(t, n, true)
	noError(t, n.Start(t.Context()))
	wantOutdated(t, n, false)
	conn, err := n.Connect(t.Context(), RoleSuperuser)
	noError(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	var timeout string
	noError(t, conn.QueryRow(t.Context(), "SHOW checkpoint_timeout").Scan(&timeout))
	if timeout != "15min" {
		t.Errorf("checkpoint_timeout is %s, want that of postgresql.conf", timeout)
	}
	noError(t, os.WriteFile(filepath.Join(n.Volume(), fileBuild), []byte("18.0-0.9-0123abcd"), 0o600))
	wantOutdated(t, n, true)
}

func wantOutdated(t *testing.T, n *Node, want bool) {
	t.Helper()
	got, err := n.Outdated()
	if err != nil || got != want {
		t.Errorf("outdated is %v, %v; want %v", got, err, want)
	}
}
