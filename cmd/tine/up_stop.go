package main

import (
	"context"
	"errors"
	"time"
)

// How long the parts may take to stop.
const (
	apiPatience  = 5 * time.Second
	hostPatience = 20 * time.Second
	nodePatience = time.Minute
)

// stop ends what start began, in reverse, also when start came only half-way.
func (u *up) stop(ctx context.Context) error {
	var errs []error
	if u.api != nil {
		wait, cancel := context.WithTimeout(ctx, apiPatience)
		errs = append(errs, u.api.Shutdown(wait))
		cancel()
	}
	if u.host != nil {
		wait, cancel := context.WithTimeout(ctx, hostPatience)
		errs = append(errs, u.host.Stop(wait))
		cancel()
	}
	if u.gateway != nil {
		u.gateway.Shutdown(ctx)
	}
	if u.opts.StopNodes && u.host != nil {
		errs = append(errs, u.host.StopNodes(ctx))
	}
	if u.cancel != nil {
		u.cancel()
	}
	u.background.Wait()
	if u.store != nil {
		u.store.Close()
	}
	if u.opts.StopNodes {
		errs = append(errs, u.stopMachine(ctx))
	}
	if u.lock != nil {
		errs = append(errs, u.lock.Close())
	}
	return errors.Join(errs...)
}

// stopMachine leaves nothing of Tine running or mounted.
func (u *up) stopMachine(ctx context.Context) error {
	var errs []error
	if u.control != nil {
		errs = append(errs, u.control.Stop(ctx, nodePatience))
	}
	for _, p := range u.pools {
		errs = append(errs, p.Storage.Close(ctx))
	}
	return errors.Join(errs...)
}
