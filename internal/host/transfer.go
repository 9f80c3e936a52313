package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/riverqueue/river"

	"tine/internal/storage"
	"tine/internal/store"
)

// TransferConfig says how fast clusters are sent from one pool to another.
type TransferConfig struct {
	BytesPerSecond int64 // at most; 0 means DefaultTransferRate
}

const (
	// transfersAtOnce bounds how many clusters are sent at the same time; transferPatience is when a job that waits for its turn looks again.
	transfersAtOnce  = 2
	transferPatience = 500 * time.Millisecond
	// reportInterval is how often is recorded how far a transfer is.
	reportInterval = time.Second
	// syncEvery is after how many bytes the target is synced.
	syncEvery = 32 << 20
)

var (
	// errUnwanted says that a cluster is destroyed while something is sent of it.
	errUnwanted = errors.New("the cluster is being destroyed")
	// errStopping says that a transfer was interrupted by the end of the host's work. It goes on at the next start.
	errStopping = errors.New("the host is stopping")
)

// transit is where what is sent of a cluster waits, in both pools.
const transit = "transit"

func transitOf(clusterID string) string { return transit + "/" + clusterID }

// transfer is one job's sending of a cluster's volumes to another pool.
type transfer struct {
	*Host
	store.Transfer
	from, to Pool
	pacer    *pacer

	unsynced     int64     // bytes that were passed on since the target was synced
	reported     time.Time // when and how much was recorded last
	reportedSent int64
}

// beginTransfer takes a turn, and goes on with what is recorded of the transfer. Without a turn it returns an error that has the job wait.
func (h *Host) beginTransfer(ctx context.Context, t store.Transfer, from, to Pool, sourceID string) (_ *transfer, end func(), err error) {
	select {
	case h.transfers <- struct{}{}:
	default:
		return nil, nil, river.JobSnooze(transferPatience)
	}
	end = func() { <-h.transfers }
	if t, err = h.cfg.Store.BeginTransfer(ctx, t); err != nil {
		end()
		return nil, nil, err
	}
	x := &transfer{Host: h, Transfer: t, from: from, to: to, pacer: h.newPacer(sourceID), reported: time.Now()}
	x.SentBytes, x.reportedSent = t.KeptBytes, t.KeptBytes
	return x, end, nil
}

// send sends a volume, or what is different from parent. It goes on where an interruption left it.
func (x *transfer) send(ctx context.Context, volume, parent string) error {
	sending := storage.Sending{From: x.from.Storage, To: x.to.Storage, Volume: volume, As: volume, Parent: parent, Pace: x.pace}
	x.SentBytes = x.KeptBytes
	if parent == "" {
		kept, err := sending.Kept()
		if err != nil {
			return err
		}
		x.SentBytes += kept
		x.reportedSent = x.SentBytes
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(x.stop, func() { cancel(errStopping) })()
	begin, before := time.Now(), x.SentBytes
	if err := storage.Send(ctx, sending); err != nil {
		return err
	}
	x.log.DebugContext(ctx, "volume sent", "volume", volume, "parent", parent, "bytes", x.SentBytes-before,
		"duration", time.Since(begin), "rate", int64(x.pacer.limiter.Limit()))
	x.KeptBytes = x.SentBytes
	return x.report(ctx)
}

// pace holds a transfer back, and records how far it is.
func (x *transfer) pace(ctx context.Context, n int) error {
	if err := x.pacer.wait(ctx, n); err != nil {
		return err
	}
	x.SentBytes += int64(n)
	// What arrives is written to the disk little by little, or it would be all at once, when somebody waits for it.
	if x.unsynced += int64(n); x.unsynced >= syncEvery {
		x.unsynced = 0
		if err := x.to.Storage.Sync(ctx); err != nil {
			return err
		}
	}
	if time.Since(x.reported) < reportInterval {
		return nil
	}
	return x.report(ctx)
}

func (x *transfer) report(ctx context.Context) error {
	if passed := time.Since(x.reported); passed >= reportInterval {
		x.BytesPerSecond = int64(float64(x.SentBytes-x.reportedSent) / passed.Seconds())
		x.reported, x.reportedSent = time.Now(), x.SentBytes
	}
	x.TotalBytes = max(x.TotalBytes, x.SentBytes)
	wanted, err := x.cfg.Store.SetTransferProgress(ctx, x.Transfer)
	switch {
	case err != nil:
		return err
	case !wanted:
		return errUnwanted
	default:
		return x.checkRoom(x.ToPool)
	}
}

// expect sets the estimate of how much there is to send.
func (x *transfer) expect(ctx context.Context, rest int64) error {
	x.TotalBytes = x.KeptBytes + rest
	return x.report(ctx)
}

// dropTransit removes what is left of a cluster's transfers in all pools.
func (h *Host) dropTransit(ctx context.Context, clusterID string) error {
	for _, pool := range h.cfg.Pools {
		if err := pool.dropTransit(ctx, clusterID); err != nil {
			return err
		}
	}
	return nil
}

func (p Pool) dropTransit(ctx context.Context, clusterID string) error {
	dir := transitOf(clusterID)
	if err := p.Storage.ForgetSendings(ctx, dir+"/"); err != nil {
		return err
	}
	names, err := p.Storage.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := p.Storage.Delete(ctx, dir+"/"+name); err != nil {
			return fmt.Errorf("remove what was sent of cluster %s: %w", clusterID, err)
		}
	}
	if err := os.RemoveAll(p.Storage.VolumePath(dir)); err != nil {
		return fmt.Errorf("remove what was sent of cluster %s: %w", clusterID, err)
	}
	return nil
}

// removeOldTransit removes what transfers left that are not under way any more. It is for the start, before any are.
func (h *Host) removeOldTransit(ctx context.Context, pool Pool, clusters []store.Cluster) error {
	wanted := map[string]bool{}
	for _, c := range clusters {
		wanted[c.ID] = c.Status == store.StatusForking || c.Status == store.StatusMigrating
	}
	ids, err := pool.Storage.Sendings(transit + "/")
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(pool.Storage.VolumePath(transit))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("look for what was sent: %w", err)
	}
	for _, e := range entries {
		ids = append(ids, e.Name())
	}
	for _, id := range ids {
		id, _, _ = strings.Cut(id, "/")
		if wanted[id] {
			continue
		}
		if err := pool.dropTransit(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// writeDurably writes a file that is whole or not there, and on the disk.
func writeDurably(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
