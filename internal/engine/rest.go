package engine

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
)

// Wake is Start for somebody who waits: it returns as soon as the node takes connections, without making one, and before its CPU limit holds.
// The caller must call Limit afterwards.
func (n *Node) Wake(ctx context.Context) error {
	if err := n.run(ctx, n.settings(false), Recovery{}); err != nil {
		return err
	}
	err := n.poll(ctx, func() (bool, error) {
		if postmasterStatus(n.cfg.Volume) != "ready" {
			return false, nil
		}
		state, err := controlState(n.cfg.Volume)
		return state == stateInProduction, err
	})
	if err != nil {
		return fmt.Errorf("wait for node %s: %w", n.cfg.ID, err)
	}
	return nil
}

// Checkpoint is where a node's last checkpoint is in its log, as its control file has it.
type Checkpoint struct {
	LSN      uint64 // of the record; a node that was stopped in order has written nothing behind it
	Redo     uint64 // where recovery would begin
	Timeline uint32
}

// LastCheckpoint reads the last checkpoint of a volume. The layout is that of every version of PostgreSQL from 9.6 on: the record's position after
// the state and a time, then the place where its recovery would begin and the timeline.
func LastCheckpoint(volume string) (Checkpoint, error) {
	const position, redo, timeline = 32, 40, 48
	f, err := os.Open(filepath.Join(volume, dirData, "global", "pg_control"))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("read control file: %w", err)
	}
	defer func() { _ = f.Close() }()
	var b [timeline + 4]byte
	if _, err := f.ReadAt(b[:], 0); err != nil {
		return Checkpoint{}, fmt.Errorf("read control file: %w", err)
	}
	return Checkpoint{
		LSN: binary.LittleEndian.Uint64(b[position:]), Redo: binary.LittleEndian.Uint64(b[redo:]), Timeline: binary.LittleEndian.Uint32(b[timeline:]),
	}, nil
}
