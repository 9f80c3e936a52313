package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tine/internal/catalog"
	"tine/internal/store"
)

// ResizeRequest asks for another plan, more storage, or both.
type ResizeRequest struct {
	Size       string
	NumNodes   int
	StorageMiB int64 // 0: what the cluster has, as far as the plan includes more
}

// Resize begins to change a cluster's plan and storage, and returns before it is done. Storage never shrinks, nor does a node: to
// have less, a cluster is forked into a smaller plan.
func (f *Fleet) Resize(ctx context.Context, id string, r ResizeRequest) error {
	return f.decide(ctx, id, func(c store.Cluster) error { return f.resize(ctx, c, r) })
}

func (f *Fleet) resize(ctx context.Context, c store.Cluster, r ResizeRequest) error {
	to := c
	to.Size, to.NumNodes, to.StorageMiB = r.Size, r.NumNodes, r.StorageMiB
	plan, known := f.cfg.Catalog.Plan(r.Size)
	if r.StorageMiB == 0 && known {
		to.StorageMiB = min(f.onStep(plan, c.StorageMiB), plan.MaxStorageMiB)
	}
	if err := f.checkAttributes(&to); err != nil {
		return err
	}
	if err := f.checkGrowth(c, to, plan); err != nil {
		return err
	}
	return f.reconfigure(ctx, c, to)
}

// checkGrowth refuses what would shrink.
func (f *Fleet) checkGrowth(c, to store.Cluster, plan catalog.Plan) error {
	now, _ := f.cfg.Catalog.Plan(c.Size)
	if plan.MemoryMiB < now.MemoryMiB || plan.VCPUs < now.VCPUs {
		return invalid("size", "must not be smaller than %s, which the cluster has; to have less, fork it into a smaller plan; got %s", now.Slug, quote(plan.Slug))
	}
	if to.StorageMiB < c.StorageMiB {
		return invalid("storage_size_mib", "must be at least %d, which the cluster has; storage never shrinks; got %d", c.StorageMiB, to.StorageMiB)
	}
	return nil
}

// Migrate begins to move a cluster to another region, and returns before it is done.
func (f *Fleet) Migrate(ctx context.Context, id, region string) error {
	return f.decide(ctx, id, func(c store.Cluster) error { return f.migrate(ctx, c, region) })
}

func (f *Fleet) migrate(ctx context.Context, c store.Cluster, region string) error {
	to := c
	to.Region = region
	if err := f.checkAttributes(&to); err != nil {
		return err
	}
	if region == c.Region {
		return invalid("region", "must be another one than %s, which the cluster is in", region)
	}
	if pool := f.poolOf(region); pool != c.Pool {
		if err := f.checkSpace(ctx, c.Host, pool); err != nil {
			return err
		}
		return f.changed(c, f.cfg.Store.BeginMigration(ctx, c, region, pool))
	}
	return f.reconfigure(ctx, c, to)
}

func (f *Fleet) reconfigure(ctx context.Context, c, to store.Cluster) error {
	if to.Size == c.Size && to.NumNodes == c.NumNodes && to.StorageMiB == c.StorageMiB && to.Region == c.Region {
		return nil // it is so already
	}
	return f.changed(c, f.cfg.Store.Reconfigure(ctx, c, store.Configuration{
		Region: to.Region, Size: to.Size, NumNodes: to.NumNodes, StorageMiB: to.StorageMiB, Charge: f.charge(to, 0),
	}))
}

// Upgrade changes the version of MongoDB that a cluster presents, to a later one. Clients are disconnected and connect again.
func (f *Fleet) Upgrade(ctx context.Context, id, version string) error {
	return f.decide(ctx, id, func(c store.Cluster) error { return f.upgrade(ctx, c, version) })
}

func (f *Fleet) upgrade(ctx context.Context, c store.Cluster, version string) error {
	to := c
	to.Version = majorVersion(version)
	if to.Version == "" {
		return invalid("version", "is missing")
	}
	if err := f.checkAttributes(&to); err != nil {
		return err
	}
	before, _ := strconv.Atoi(c.Version)
	after, _ := strconv.Atoi(to.Version)
	if after <= before {
		return invalid("version", "must be later than %s, which the cluster has; got %s", c.Version, quote(version))
	}
	return f.changed(c, f.cfg.Store.SetVersion(ctx, c, to.Version))
}

// InstallUpdate begins to start a cluster's node again, on the engine that is installed now, and returns before it is done.
func (f *Fleet) InstallUpdate(ctx context.Context, id string) error {
	c, err := f.online(ctx, id)
	if err != nil {
		return err
	}
	return f.changed(c, f.cfg.Store.QueueMaintenance(ctx, id))
}

// MaintenanceWindow says when a cluster's node may be started again on its own account.
type MaintenanceWindow struct{ Day, Hour string }

// SetMaintenance moves a cluster's maintenance window.
func (f *Fleet) SetMaintenance(ctx context.Context, id string, w MaintenanceWindow) error {
	if _, err := f.Get(ctx, id); err != nil {
		return err
	}
	day := strings.ToLower(w.Day)
	if days := weekdays(); !slices.Contains(days, day) {
		return oneOf("day", w.Day, append(days[1:], days[0]))
	}
	hour, ok := parseHour(w.Hour)
	if !ok {
		return invalid("hour", "must be a time of day in UTC, such as 03:00; got %s", quote(w.Hour))
	}
	return notFound(f.cfg.Store.SetMaintenance(ctx, id, store.MaintenanceWindow{Day: day, Hour: hour}), id)
}

// parseHour reads HH:MM or HH:MM:SS.
func parseHour(text string) (string, bool) {
	parts := strings.Split(text, ":")
	const least, most = 2, 3
	if len(parts) < least || len(parts) > most {
		return "", false
	}
	for i, limit := range []int{23, 59, 59}[:len(parts)] {
		n, err := strconv.Atoi(parts[i])
		if err != nil || n < 0 || n > limit || len(parts[i]) != 2 {
			return "", false
		}
	}
	if len(parts) == least {
		text += ":00"
	}
	return text, true
}

// SetAutoscale changes when a cluster's storage grows by itself.
func (f *Fleet) SetAutoscale(ctx context.Context, id string, a store.Autoscale) error {
	c, err := f.Get(ctx, id)
	if err != nil {
		return err
	}
	if a, err = checkAutoscale(a, c.Autoscale); err != nil {
		return err
	}
	return notFound(f.cfg.Store.SetAutoscale(ctx, id, a), id)
}

// checkAutoscale fills in what was left out, and refuses what is out of range.
func checkAutoscale(a, before store.Autoscale) (store.Autoscale, error) {
	if a.ThresholdPercent == 0 {
		a.ThresholdPercent = before.ThresholdPercent
	}
	if a.IncrementGiB == 0 {
		a.IncrementGiB = before.IncrementGiB
	}
	const leastPercent, mostPercent, leastGiB, mostGiB = 15, 95, 10, 500
	if a.ThresholdPercent < leastPercent || a.ThresholdPercent > mostPercent {
		return a, invalid("storage.threshold_percent", "must be between %d and %d; got %d", leastPercent, mostPercent, a.ThresholdPercent)
	}
	if a.IncrementGiB < leastGiB || a.IncrementGiB > mostGiB {
		return a, invalid("storage.increment_gib", "must be between %d and %d; got %d", leastGiB, mostGiB, a.IncrementGiB)
	}
	return a, nil
}

// GrowStorage gives more storage to clusters that asked for that and need it. It is for a caller that comes again and again.
func (f *Fleet) GrowStorage(ctx context.Context) error {
	clusters, used, err := f.cfg.Store.AutoscaledClusters(ctx)
	if err != nil {
		return err
	}
	var failed error
	for i, c := range clusters {
		const mib, percent, mibPerGiB = 1 << 20, 100, 1024
		plan, known := f.cfg.Catalog.Plan(c.Size)
		if !known || used[i]*percent < c.StorageMiB*mib*int64(c.Autoscale.ThresholdPercent) || c.StorageMiB >= plan.MaxStorageMiB {
			continue
		}
		to := c
		to.StorageMiB = min(f.onStep(plan, c.StorageMiB+int64(c.Autoscale.IncrementGiB)*mibPerGiB), plan.MaxStorageMiB)
		var refused *Error
		if err := f.reconfigure(ctx, c, to); err != nil && !errors.As(err, &refused) && !errors.Is(err, store.ErrChanged) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// decisions is how often a change is decided anew because somebody else has changed the cluster since it was looked at.
const decisions = 5

// decide looks at an online cluster and has change decide about it, again if the cluster is not what it was when that is written: a decision about what
// is no longer so would undo what another request was promised.
func (f *Fleet) decide(ctx context.Context, id string, change func(store.Cluster) error) error {
	var c store.Cluster
	for range decisions {
		var err error
		if c, err = f.online(ctx, id); err != nil {
			return err
		}
		if err = change(c); !errors.Is(err, store.ErrChanged) {
			return err
		}
	}
	return &Error{Kind: NotReady, Message: fmt.Sprintf("the cluster %s is being changed by others again and again; try it once more", quote(c.Name))}
}

// online returns a cluster that can be changed now.
func (f *Fleet) online(ctx context.Context, id string) (store.Cluster, error) {
	c, err := f.Get(ctx, id)
	if err == nil && c.Status != store.StatusOnline {
		err = notOnline(c)
	}
	return c, err
}

// changed turns the store's refusal to change a cluster into ours.
func (f *Fleet) changed(c store.Cluster, err error) error {
	switch {
	case errors.Is(err, store.ErrNotOnline):
		return notOnline(c)
	default:
		return notFound(err, c.ID)
	}
}

func notOnline(c store.Cluster) error {
	state := inWords(c.Status)
	if c.Status == store.StatusOnline {
		state = "no longer is"
	}
	return &Error{Kind: NotReady, Message: fmt.Sprintf("the cluster %s must be online to be changed; it %s", quote(c.Name), state)}
}
