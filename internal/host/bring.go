package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"tine/internal/engine"
	"tine/internal/history"
	"tine/internal/store"
)

// bringSteps are the names of the steps of bringing a fork from another pool, in order.
func bringSteps() []string { return []string{"state", "send", "volume"} }

// stateOf is the volume that a fork is made from, in both pools; draftOf is that volume until it is complete.
func stateOf(c store.Cluster) string { return transitOf(c.ID) + "/state" }
func draftOf(c store.Cluster) string { return transitOf(c.ID) + "/draft" }

// sentFrom says whether a fork is made from another pool than its own, and from which: that of its source, or the one in which an earlier attempt has put its state.
func (m *making) sentFrom(src store.Cluster) (from Pool, elsewhere bool, err error) {
	for name, pool := range m.cfg.Pools {
		if name == m.cluster.Pool {
			continue
		}
		if there, err := pool.Storage.Exists(stateOf(m.cluster)); err != nil || there {
			return pool, true, err
		}
	}
	return m.pool(src), src.Pool != m.cluster.Pool, nil
}

// bring makes the fork's volume from a source in another pool: the state is put aside there, sent, and copied. An attempt after an interruption goes on with the state
// that was put aside, and sends what is not here yet.
func (m *making) bring(ctx context.Context, src store.Cluster, from Pool) error {
	record := store.Transfer{ClusterID: m.cluster.ID, FromRegion: src.Region, ToRegion: m.cluster.Region, ToPool: m.cluster.Pool}
	x, end, err := m.beginTransfer(ctx, record, from, m.pool(m.cluster), src.ID)
	if err != nil {
		return err
	}
	defer end()
	if there, err := from.Storage.Exists(stateOf(m.cluster)); err != nil {
		return err
	} else if !there {
		x.KeptBytes = 0 // of an attempt that failed
	}
	do := map[string]func(context.Context) error{
		"state": func(ctx context.Context) error { return m.putAside(ctx, src, from) },
		"send": func(ctx context.Context) error {
			size, err := from.Storage.SendSize(stateOf(m.cluster), "")
			if err != nil {
				return err
			}
			if err := x.expect(ctx, size-x.KeptBytes); err != nil {
				return err
			}
			return x.send(ctx, stateOf(m.cluster), "")
		},
		"volume": func(ctx context.Context) error {
			return x.to.Storage.Clone(ctx, stateOf(m.cluster), volumeOf(m.cluster))
		},
	}
	return m.runSteps(ctx, "transfer", inOrder(bringSteps(), do))
}

// recoveryFile says, beside the state of a fork at a moment, how to recover it.
const recoveryFile = "recovery.json"

// putAside makes the state of the source that the fork is made from, in the source's pool, unless an earlier attempt has.
func (m *making) putAside(ctx context.Context, src store.Cluster, pool Pool) error {
	file := pool.Storage.VolumePath(transitOf(m.cluster.ID) + "/" + recoveryFile)
	if there, err := pool.Storage.Exists(stateOf(m.cluster)); err != nil || there {
		if err == nil {
			err = m.recall(ctx, src, file)
		}
		return err
	}
	if err := pool.Storage.Delete(ctx, draftOf(m.cluster)); err != nil {
		return err
	}
	if err := m.copySource(ctx, src, draftOf(m.cluster)); err != nil {
		return err
	}
	text, err := json.Marshal(m.restored)
	if err != nil {
		return fmt.Errorf("encode recovery: %w", err)
	}
	if err := writeDurably(file, text); err != nil {
		return err
	}
	if err := pool.Storage.Snapshot(ctx, draftOf(m.cluster), stateOf(m.cluster)); err != nil {
		return err
	}
	return pool.Storage.Delete(ctx, draftOf(m.cluster))
}

// recall reads how to recover a state that an earlier attempt has put aside.
func (m *making) recall(ctx context.Context, src store.Cluster, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read recovery: %w", err)
	}
	var restored history.Restored
	if err = json.Unmarshal(text, &restored); err == nil && restored.Recovery == (engine.Recovery{}) {
		err = errors.New("it was put aside by an earlier release of Tine")
	}
	if err != nil {
		return fmt.Errorf("read recovery: %w", errors.Join(err, os.Remove(file)))
	}
	m.restored, m.recovery = restored, restored.Recovery
	m.from, m.past = m.liveSource(ctx, src), m.history(src)
	return nil
}
