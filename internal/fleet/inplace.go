package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tine/internal/store"
)

// DefaultKeep is how long the state before a restore or a reset is kept, unless the request says something else.
const DefaultKeep = 7 * 24 * time.Hour

// RestoreRequest asks to bring a cluster back to a moment, in place.
type RestoreRequest struct {
	// At is the moment, to the microsecond. Nil, which only a reset may have, means the latest state of the source.
	At *time.Time
	// Before and After are transactions, in place of At: see Source.
	Before, After string
	// Keep is how long the state before is kept; nil means DefaultKeep, 0 for ever.
	Keep *time.Duration
	// ReceivedAt is when the request arrived. Default: the present.
	ReceivedAt time.Time
}

// InPlace is what became of a request to replace a cluster's data: the cluster, and the one in which its present state is kept.
type InPlace struct {
	Cluster, Kept store.Cluster
}

// RestoreInPlace brings a cluster back to a moment of its history, and returns before that is done: the cluster's status is restoring until it is,
// and its events tell how it went (cluster_restore_done or cluster_restore_failed). Name, id, endpoint, plan, settings and users stay; the state
// before is kept as a cluster of its own, NAME-before-restore-TIME. Connections are cut and come back.
func (f *Fleet) RestoreInPlace(ctx context.Context, id string, r RestoreRequest) (InPlace, error) {
	if r.At == nil && r.Before == "" && r.After == "" {
		return InPlace{}, invalid("at", "is missing; it is the moment to go back to, such as 2026-11-26T14:03:06Z, in place of which before_transaction or after_transaction will do")
	}
	c, err := f.online(ctx, id)
	if err != nil {
		return InPlace{}, err
	}
	return f.replace(ctx, c, store.ExchangeRestore, &Source{ID: c.ID, At: r.At, Before: r.Before, After: r.After}, r)
}

// Reset gives a fork the latest state of its source, or that of a moment; for the rest it is like RestoreInPlace. The state before is
// kept as NAME-before-reset-TIME.
func (f *Fleet) Reset(ctx context.Context, id string, r RestoreRequest) (InPlace, error) {
	c, err := f.online(ctx, id)
	if err != nil {
		return InPlace{}, err
	}
	source, err := f.ResetSource(ctx, c)
	if err != nil {
		return InPlace{}, err
	}
	return f.replace(ctx, c, store.ExchangeReset, &Source{ID: source.ID, At: r.At, Before: r.Before, After: r.After}, r)
}

// ResetSource returns the cluster whose state Reset gives to c, or the *Error that refuses it.
func (f *Fleet) ResetSource(ctx context.Context, c store.Cluster) (store.Cluster, error) {
	if !c.IsFork() {
		return store.Cluster{}, &Error{Kind: Invalid, Message: fmt.Sprintf("the cluster %s must be a fork to be reset to its source", quote(c.Name))}
	}
	state := "is gone"
	source, err := f.cfg.Store.Cluster(ctx, c.SourceID)
	switch {
	case err == nil && source.IsForkable():
		return source, nil
	case err == nil:
		state = inWords(source.Status)
	case !errors.Is(err, store.ErrNotFound):
		return store.Cluster{}, err
	}
	return store.Cluster{}, &Error{Kind: NotReady, Message: fmt.Sprintf("the cluster %s cannot be reset: its source %s %s", quote(c.Name), quote(c.SourceName), state)}
}

// replace has a fork of source made that exchanges its node with c.
func (f *Fleet) replace(ctx context.Context, c store.Cluster, kind string, source *Source, r RestoreRequest) (InPlace, error) {
	if r.ReceivedAt.IsZero() {
		r.ReceivedAt = f.cfg.Clock()
	}
	x := store.Exchange{ClusterID: c.ID, Kind: kind, Keep: DefaultKeep}
	if r.Keep != nil {
		if err := checkLife("keep_seconds", *r.Keep); err != nil && *r.Keep != 0 {
			return InPlace{}, err
		}
		x.Keep = *r.Keep
	}
	create := CreateRequest{
		Region: c.Region, Size: c.Size, NumNodes: c.NumNodes, StorageMiB: c.StorageMiB, ProjectID: c.ProjectID,
		PrivateNetworkUUID: c.PrivateNetworkUUID, Source: source, ReceivedAt: r.ReceivedAt,
	}
	if kind == store.ExchangeRestore {
		create.StorageMiB = 0 // it has its own data, however much there are
	}
	// Two clusters whose names begin alike may be restored in one second.
	for second := range 10 {
		create.Name = keptName(c.Name, kind, r.ReceivedAt.Add(time.Duration(second)*time.Second))
		kept, err := f.makeKept(ctx, c, x, create)
		var refused *Error
		if errors.As(err, &refused) && refused.Field == "name" && second < 9 {
			continue
		}
		if err != nil {
			return InPlace{}, inPlaceWords(err)
		}
		c, err = f.Get(ctx, c.ID)
		return InPlace{Cluster: c, Kept: kept}, err
	}
	panic("the last round returns")
}

func (f *Fleet) makeKept(ctx context.Context, c store.Cluster, x store.Exchange, create CreateRequest) (store.Cluster, error) {
	kept, err := f.check(ctx, create)
	if err != nil {
		return store.Cluster{}, err
	}
	kept.Version, kept.StorageMiB = c.Version, c.StorageMiB
	kept.Charge = f.charge(kept, kept.Charge.SharedBytes)
	x.At = kept.ForkAt
	if _, err := f.equip(&kept); err != nil {
		return store.Cluster{}, fmt.Errorf("replace data of cluster %s: %w", c.Name, err)
	}
	// Who may connect to the cluster may connect to its state before.
	kept.TrustedSources, kept.SettingsJSON = c.TrustedSources, c.SettingsJSON
	made, err := f.cfg.Store.BeginExchange(ctx, x, kept, f.cfg.Ports)
	switch {
	case errors.Is(err, store.ErrNotOnline):
		return store.Cluster{}, notOnline(c)
	case err != nil:
		return store.Cluster{}, notFound(f.refusal(err, create), c.ID)
	default:
		return made, nil
	}
}

// inPlaceWords puts a refusal that is worded for the request of a fork into the words of a request in place.
func inPlaceWords(err error) error {
	var refused *Error
	if !errors.As(err, &refused) {
		return err
	}
	words := *refused
	for long, short := range map[string]string{fieldAt: "at", fieldBefore: "before_transaction", fieldAfter: "after_transaction"} {
		if words.Field == long {
			words.Field = short
		}
		words.Message = strings.ReplaceAll(words.Message, long, short)
	}
	return &words
}

// keptName is the name of the cluster that keeps the state before, cut so that it is a name.
func keptName(name, kind string, at time.Time) string {
	const longest = 63
	suffix := "-before-" + kind + at.UTC().Format("-20060102-150405")
	if room := longest - len(suffix); len(name) > room {
		name = strings.TrimRight(name[:room], "-")
	}
	return name + suffix
}

// Swap has two clusters exchange their data with all history, and returns before that is done: the status of both is swapping until it is. Each keeps
// name, id, endpoint, plan, settings and users; connections to both are cut and come back.
func (f *Fleet) Swap(ctx context.Context, id, with string) error {
	a, err := f.online(ctx, id)
	if err != nil {
		return err
	}
	b, err := f.find(ctx, with)
	if err != nil {
		return err
	}
	if err := checkPair(a, b); err != nil {
		return err
	}
	for _, pair := range [][2]store.Cluster{{a, b}, {b, a}} {
		if err := f.checkFits(ctx, pair[0], pair[1]); err != nil {
			return err
		}
	}
	err = f.cfg.Store.BeginSwap(ctx, a.ID, b.ID)
	if errors.Is(err, store.ErrNotOnline) {
		return &Error{Kind: NotReady, Message: fmt.Sprintf("the clusters %s and %s must be online to be swapped; one no longer is", quote(a.Name), quote(b.Name))}
	}
	return notFound(err, id)
}

// SwapPartners lists the clusters that c can be swapped with, as far as that can be told without a look at how large their data are: first its
// source and its forks, then the others, each by name.
func (f *Fleet) SwapPartners(ctx context.Context, c store.Cluster) ([]store.Cluster, error) {
	list, err := f.cfg.Store.ClustersOnHost(ctx, c.Host)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(other store.Cluster) bool { return checkPair(c, other) != nil })
	far := func(other store.Cluster) int {
		if other.SourceID == c.ID || other.ID == c.SourceID {
			return 0
		}
		return 1
	}
	slices.SortFunc(list, func(x, y store.Cluster) int {
		return cmp.Or(cmp.Compare(far(x), far(y)), strings.Compare(x.Name, y.Name))
	})
	return list, nil
}

// checkPair refuses two clusters that cannot be swapped whatever is in them.
func checkPair(a, b store.Cluster) error {
	switch {
	case a.ID == b.ID:
		return invalid("with", "must be another cluster than %s itself", quote(a.Name))
	case b.Status != store.StatusOnline:
		return notOnline(b)
	case a.Host != b.Host:
		return invalid("with", "must be a cluster of the same host as %s", quote(a.Name))
	case a.Pool != b.Pool:
		return invalid("with", "must be a cluster of the region %s, like %s; %s is in %s, whose data are on another disk; migrate or fork it first",
			a.Region, quote(a.Name), quote(b.Name), b.Region)
	case a.Version != b.Version:
		return invalid("with", "must be a cluster of version %s, like %s; %s has version %s", a.Version, quote(a.Name), quote(b.Name), b.Version)
	default:
		return nil
	}
}

// checkFits refuses data that are larger than the storage of the cluster that is to have them.
func (f *Fleet) checkFits(ctx context.Context, c, from store.Cluster) error {
	points, err := f.cfg.Store.RestorePoints(ctx, from.ID)
	if err != nil || len(points) == 0 {
		return err
	}
	const mib = 1 << 20
	if dataMiB := (points[len(points)-1].SizeBytes + mib - 1) / mib; dataMiB > c.StorageMiB {
		return invalid("with", "must not exchange more data than fit: %s has %d MiB of storage, and the data of %s take %d",
			quote(c.Name), c.StorageMiB, quote(from.Name), dataMiB)
	}
	return nil
}

// find returns the cluster with that id or name.
func (f *Fleet) find(ctx context.Context, idOrName string) (store.Cluster, error) {
	if idOrName == "" {
		return store.Cluster{}, invalid("with", "is missing; it is the id or the name of the other cluster")
	}
	c, err := f.cfg.Store.Cluster(ctx, idOrName)
	if errors.Is(err, store.ErrNotFound) {
		c, err = f.cfg.Store.ClusterByName(ctx, idOrName)
	}
	if errors.Is(err, store.ErrNotFound) {
		return store.Cluster{}, &Error{Kind: NotFound, Field: "with", Message: "with must be the id or the name of a cluster; there is no " + quote(idOrName)}
	}
	return c, err
}
