package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"tine/internal/storage"
	"tine/internal/store"
)

// SpaceConfig says when a pool that fills up is acted on; see the package comment. Each limit is how many per cent of the pool are free,
// of data or of metadata, whichever is scarcer. 0 means the default, which on a large pool is no more than an amount.
type SpaceConfig struct {
	TightBelow    int           // no new clusters; default 15, at most 100 GiB
	ShortBelow    int           // history is shortened; default 8, at most 50 GiB
	CriticalBelow int           // faster, and what else can give way does; default 3, at most 20 GiB
	Interval      time.Duration // between looks; default 5 s
	// AccountInterval is between measurements of what clusters occupy; default an hour.
	AccountInterval time.Duration
}

const (
	gib             = 1 << 30
	spaceInterval   = 5 * time.Second
	spaceRecordedIn = time.Minute // at the latest, if the level stays the same

	// recovered is how many times a limit must be free before its level ends, so that it does not begin anew at once.
	recovered = 1.25

	// How many restore points are deleted at a time, of all clusters together. More are deleted when the space of these has come back.
	shortBatch, criticalBatch = 8, 32
)

// limits are the shares of the pool below which each level begins.
type limits struct{ tight, short, critical float64 }

func (c SpaceConfig) interval() time.Duration {
	if c.Interval == 0 {
		return spaceInterval
	}
	return c.Interval
}

// Validate refuses limits that contradict each other.
func (c SpaceConfig) Validate() error {
	l := c.limits(gib)
	if l.critical <= 0 || l.critical > l.short || l.short > l.tight || l.tight >= 1 {
		return fmt.Errorf("limits of the pool's free space must be between 1 and 99 per cent and the later ones not higher than the earlier ones; got %d, %d and %d (0 is the default)",
			c.TightBelow, c.ShortBelow, c.CriticalBelow)
	}
	return nil
}

func (c SpaceConfig) limits(total int64) limits {
	share := func(percent, standard int, most int64) float64 {
		if percent != 0 {
			return float64(percent) / 100
		}
		return min(float64(standard)/100, float64(most)/float64(max(total, 1)))
	}
	return limits{
		tight:    share(c.TightBelow, 15, 100*gib),
		short:    share(c.ShortBelow, 8, 50*gib),
		critical: share(c.CriticalBelow, 3, 20*gib),
	}
}

// level is the level of a pool of which that share is free and which was at the level before.
func (l limits) level(before store.SpaceLevel, free float64) store.SpaceLevel {
	worst := false // the level before, or one of those after it, has been passed
	for _, step := range []struct {
		level store.SpaceLevel
		limit float64
	}{{store.SpaceCritical, l.critical}, {store.SpaceShort, l.short}, {store.SpaceTight, l.tight}} {
		worst = worst || step.level == before
		limit := step.limit
		if worst {
			limit *= recovered
		}
		if free < limit {
			return step.level
		}
	}
	return store.SpaceAmple
}

// full says whether data may not grow any more: a node that is told so goes on, and one that finds no space for its log stops.
func (l limits) full(before bool, free float64) bool {
	limit := l.critical / 2
	if before {
		limit *= recovered
	}
	return free < limit
}

// guard looks after the space of a pool. It is used by one goroutine.
type guard struct {
	*Host
	name      string
	pool      Pool
	level     store.SpaceLevel
	recorded  time.Time
	exhausted bool // there was nothing more to delete
	full      bool // no data may grow
}

// guardSpace looks at a pool again and again, until ctx ends.
func (h *Host) guardSpace(ctx context.Context, name string) {
	g := &guard{Host: h, name: name, pool: h.cfg.Pools[name], level: store.SpaceAmple}
	tick := time.NewTicker(h.cfg.Space.interval())
	defer tick.Stop()
	failing := false
	for {
		err := g.look(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			h.log.ErrorContext(ctx, "space could not be looked after; trying again", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look acts on what the pool has left now.
func (g *guard) look(ctx context.Context) error {
	deleting := 0
	if g.level == store.SpaceShort || g.level == store.SpaceCritical {
		var err error
		if deleting, err = g.pool.Storage.Reclaim(ctx); err != nil {
			return err
		}
	}
	s, err := g.pool.Storage.Space()
	if err != nil {
		return err
	}
	l := g.cfg.Space.limits(s.Total)
	level := l.level(g.level, s.FreeShare())
	if level != g.level {
		g.log.WarnContext(ctx, "the pool's space has another level", "pool", g.pool.Storage.Path(), "level", level, "before", g.level, "free_bytes", s.Free,
			"free_percent", int(100*s.FreeShare()))
		g.exhausted, g.recorded = false, time.Time{}
	}
	g.level = level
	if full := l.full(g.full, s.FreeShare()); full != g.full {
		g.full = full
		g.log.WarnContext(ctx, "writes that add to data are refused by all clusters in the pool, or no longer", "pool", g.pool.Storage.Path(), "refused", full, "free_bytes", s.Free)
		g.setFull(g.name, full)
	}
	// What gives way comes first: the store may be among those who have no space.
	err = g.act(ctx, s, deleting)
	if time.Since(g.recorded) < spaceRecordedIn {
		return err
	}
	record := store.HostSpace{
		Host: g.cfg.Name, Pool: g.name, Level: level, TotalBytes: s.Total, FreeBytes: s.Free, FreeShare: s.FreeShare(), RequiredShare: l.tight * recovered,
		MeasuredAt: time.Now(),
	}
	if level == store.SpaceAmple {
		record.RequiredShare = l.tight
	}
	if failed := g.cfg.Store.SetHostSpace(ctx, record); failed != nil {
		return errors.Join(err, failed)
	}
	g.recorded = time.Now()
	return err
}

// act does what the level asks for. While volumes that were deleted still have space, no more are: it would be in vain.
func (g *guard) act(ctx context.Context, s storage.Space, deleting int) error {
	if g.level == store.SpaceCritical {
		if err := MakeRoom(g.pool.Storage); err != nil {
			return err
		}
	}
	if deleting > 0 {
		return nil
	}
	switch g.level {
	case store.SpaceAmple:
		return makeReserve(g.pool.Storage, s.Total)
	case store.SpaceShort:
		return g.shorten(ctx, shortBatch)
	case store.SpaceCritical:
		return errors.Join(g.removeOldGolden(ctx, g.pool), g.shorten(ctx, criticalBatch))
	default:
		return nil
	}
}

// shorten deletes the oldest restore points of all clusters, and the WAL that only they needed: so all histories go back equally far.
func (g *guard) shorten(ctx context.Context, most int) error {
	points, err := g.cfg.Store.ExpendableRestorePoints(ctx, g.cfg.Name, g.name, most)
	if err != nil {
		return err
	}
	counts := make(map[string]int)
	for _, p := range points {
		counts[p.ClusterID]++
	}
	total := 0
	for id, count := range counts {
		n, err := g.shortenHistory(ctx, id, count)
		if err != nil {
			return err
		}
		total += n
	}
	if total > 0 {
		g.exhausted = false
		return nil
	}
	if !g.exhausted && len(points) == 0 {
		g.exhausted = true
		g.log.ErrorContext(ctx, "the pool is nearly full and there is no history left that could give way: add storage, or destroy clusters",
			"pool", g.pool.Storage.Path())
	}
	return nil
}

func (g *guard) shortenHistory(ctx context.Context, id string, most int) (int, error) {
	unlock, ok := g.tryLockCluster(id)
	if !ok {
		return 0, nil // something is done to the cluster; the next look is soon
	}
	defer unlock()
	c, err := g.cfg.Store.Cluster(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if c.Pool != g.name {
		return 0, nil // it has just left
	}
	n, begin, err := g.pool.History.Shorten(ctx, g.source(c, g.node(c)), most)
	if err != nil || n == 0 {
		return n, err
	}
	return n, g.cfg.Store.AddEvent(ctx, store.Event{
		ClusterID: c.ID, ClusterName: c.Name, Type: store.EventHistoryShortened,
		Message: fmt.Sprintf("The host's disk is nearly full, so the history was shortened: it now begins at %s.", begin.UTC().Format(time.RFC3339Nano)),
	})
}

// tryLockCluster is lockCluster for who does not wait.
func (h *Host) tryLockCluster(id string) (unlock func(), ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.operationLocked(id)
	return m.Unlock, m.TryLock()
}

// checkRoom fails if a cluster should not be made: fleet promised it when there was room, and what there is now is for those that are there.
func (h *Host) checkRoom(pool string) error {
	s, err := h.cfg.Pools[pool].Storage.Space()
	if err == nil && s.FreeShare() < h.cfg.Space.limits(s.Total).critical {
		err = fmt.Errorf("%d bytes are free: %w", s.Free, unix.ENOSPC)
	}
	return err
}

// outOfSpace says whether an operation failed because the pool is full. A node that could not write says so in its log alone, so the pool is asked, too.
func (h *Host) outOfSpace(pool string, cause error) bool {
	return errors.Is(cause, unix.ENOSPC) || errors.Is(h.checkRoom(pool), unix.ENOSPC)
}

// A pool keeps a file that holds nothing, so that there is something to give away when it is full: without any space at all, the control node could not
// even record what is deleted.
const (
	reserveFile  = "reserve"
	reserveMost  = 256 << 20
	reserveShare = 100 // the pool divided by it
)

// makeReserve makes the file if it is missing.
func makeReserve(pool *storage.Pool, total int64) error {
	path := filepath.Join(pool.Path(), reserveFile)
	if _, err := os.Stat(path); err == nil || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path+".tmp", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("make reserve: %w", err)
	}
	err = unix.Fallocate(int(f.Fd()), 0, 0, min(total/reserveShare, reserveMost))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("make reserve: %w", err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return fmt.Errorf("make reserve: %w", err)
	}
	return nil
}

// MakeRoom gives the reserve of a pool away if there is next to nothing else left. Whoever starts what needs space calls it first.
func MakeRoom(pool *storage.Pool) error {
	s, err := pool.Space()
	if err != nil {
		return err
	}
	if s.Free > min(s.Total/reserveShare, reserveMost) {
		return nil
	}
	if err := os.Remove(filepath.Join(pool.Path(), reserveFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("give reserve away: %w", err)
	}
	return nil
}
