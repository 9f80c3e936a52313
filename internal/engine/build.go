package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// fileBuild, in a volume, names the build that its node was last started with.
const fileBuild = "node.build"

// configuration are the files in PGDATA that are the same in every node.
func configuration() map[string][]byte {
	return map[string][]byte{"postgresql.conf": postgresqlConf, "pg_hba.conf": pgHBAConf, "pg_ident.conf": pgIdentConf}
}

// Build names what a node is started with now: the engine, and the settings that take a start to get into force.
func (r *Root) Build() string {
	h := sha256.New()
	const anyPlan = 1 << 30
	for _, part := range [][]byte{postgresqlConf, pgHBAConf, pgIdentConf, []byte(Settings{MemoryBytes: anyPlan}.render())} {
		h.Write(part)
		h.Write([]byte{0})
	}
	return r.Version() + "-" + hex.EncodeToString(h.Sum(nil))[:8]
}

// Outdated says whether the node was last started with another build than the one there is now; then its next start is an update.
func (n *Node) Outdated() (bool, error) {
	text, err := os.ReadFile(filepath.Join(n.cfg.Volume, fileBuild))
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil // it was started before builds had names
	}
	if err != nil {
		return false, fmt.Errorf("read build of node %s: %w", n.cfg.ID, err)
	}
	return string(text) != n.cfg.Root.Build(), nil
}

// update makes the files of a volume those of the present build. Its node must not run: a configuration that is changed under it would come into force in parts.
func (r *Root) update(volume string) error {
	for file, text := range configuration() {
		if err := replaceFile(filepath.Join(volume, dirData, file), text); err != nil {
			return fmt.Errorf("write configuration: %w", err)
		}
	}
	if err := replaceFile(filepath.Join(volume, fileBuild), []byte(r.Build())); err != nil {
		return fmt.Errorf("write build: %w", err)
	}
	return nil
}

// replaceFile writes a file of the node's at once, so that a kill leaves the old one or the new one.
func replaceFile(path string, text []byte) error {
	if old, err := os.ReadFile(path); err == nil && string(old) == string(text) {
		return nil // as nearly always
	}
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		return err
	}
	if err := os.Chown(tmp, UserID, UserID); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
