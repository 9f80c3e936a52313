package sandbox

import (
	"context"
	"fmt"
	"strconv"
)

// LimitCPUs changes the container's limit of processor time, in processors, while it runs. It lasts as long as the process.
func (r *Runtime) LimitCPUs(ctx context.Context, id string, cpus float64) error {
	if !validID(id) {
		return fmt.Errorf("limit container %q: not an ID", id)
	}
	quota, shares := cpuLimit(cpus)
	cmd := r.command(ctx, id, "update", "--cpu-period", strconv.Itoa(cpuPeriod), "--cpu-quota", strconv.FormatInt(quota, 10),
		"--cpu-share", strconv.FormatUint(shares, 10), id)
	if err := r.exec(ctx, cmd, id); err != nil {
		return fmt.Errorf("limit container %s: %w", id, err)
	}
	return nil
}
