package fleet

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"time"

	"tine/internal/catalog"
	"tine/internal/secrets"
	"tine/internal/store"
)

// Config is what a fleet needs.
type Config struct {
	Store   *store.Store
	Data    Data // users and databases
	Log     Log  // transactions; default: there are none
	Catalog *catalog.Catalog
	Clock   func() time.Time // default: the system's
	Random  io.Reader        // where ids and passwords come from; default: the system's
	// Host is the name of the host that takes new clusters, GatewayHost the name or address under which clients reach
	// the gateways on it, Ports where those may listen.
	Host, GatewayHost string
	Ports             store.PortRange
	// Pools are the regions that have a pool of their own on that host; all others share one.
	Pools []string
	// TLS says whether clients of clusters have to speak TLS; then connection strings ask for it.
	TLS bool
	// CA returns the certificate, in PEM form, that clients have to trust; nil if they trust what they are shown anyway. Default: that.
	CA func() ([]byte, error)
	// Secrets seals what must be kept and nobody may read: keys of log sinks, the password for metrics.
	Secrets *secrets.Box
	// Logs returns the newest lines of a cluster's log, the oldest of them first, with nothing in them that repeats statements or values. Default: there are none.
	Logs func(ctx context.Context, c store.Cluster, most int) ([]LogLine, error)
	// HistoryWindow is how far back a cluster can be forked; default 7 days.
	HistoryWindow time.Duration
	// ReplayBudget is how much write-ahead log may lie between two restore points, in bytes; default 64 MiB.
	ReplayBudget int64
	// TransferRate is how fast the host sends clusters from one pool to another at most, in bytes a second; 0: nobody knows.
	TransferRate int64
	// SuspendAfter is after how long without work clusters are suspended that do not say so themselves, 0 for never; nil: what their plans say.
	SuspendAfter *time.Duration
	// NamePatience is how long a request for a cluster waits until one of its name is destroyed; default 10 seconds.
	NamePatience time.Duration
}

// Fleet holds the rules. Its methods may be called from any number of goroutines.
type Fleet struct {
	cfg      Config
	contents contentsCache
}

const (
	defaultHistoryWindow = 7 * 24 * time.Hour
	defaultReplayBudget  = 64 << 20
	defaultNamePatience  = 10 * time.Second
)

// New returns a fleet; Store, Catalog, Host, GatewayHost and Ports must be set.
func New(cfg Config) *Fleet {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Random == nil {
		cfg.Random = rand.Reader
	}
	if cfg.HistoryWindow == 0 {
		cfg.HistoryWindow = defaultHistoryWindow
	}
	if cfg.ReplayBudget == 0 {
		cfg.ReplayBudget = defaultReplayBudget
	}
	if cfg.NamePatience == 0 {
		cfg.NamePatience = defaultNamePatience
	}
	if cfg.Log == nil {
		cfg.Log = noLog{}
	}
	if cfg.Logs == nil {
		cfg.Logs = func(context.Context, store.Cluster, int) ([]LogLine, error) { return nil, nil }
	}
	if cfg.CA == nil {
		cfg.CA = func() ([]byte, error) { return nil, nil }
	}
	return &Fleet{cfg: cfg}
}

// Catalog is what can be had.
func (f *Fleet) Catalog() *catalog.Catalog { return f.cfg.Catalog }

// Get returns a cluster, also one that is being destroyed.
func (f *Fleet) Get(ctx context.Context, id string) (store.Cluster, error) {
	c, err := f.cfg.Store.Cluster(ctx, id)
	return c, notFound(err, id)
}

// List returns one page of the clusters, oldest first, and how many there are on all pages together. A page beyond the last is empty.
func (f *Fleet) List(ctx context.Context, page store.Page) ([]store.Cluster, int, error) {
	return f.cfg.Store.Clusters(ctx, page)
}

// Find returns the clusters of that name: one or none. A cluster that is being destroyed still has its name.
func (f *Fleet) Find(ctx context.Context, name string) ([]store.Cluster, error) {
	c, err := f.cfg.Store.ClusterByName(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return []store.Cluster{c}, nil
}

// Destroy asks for a cluster's destruction, in whatever state it is, and returns before it is complete. Repeating it does no harm.
func (f *Fleet) Destroy(ctx context.Context, id string) error {
	f.contents.forget(id)
	err := f.cfg.Store.MarkDestroying(ctx, id)
	if errors.Is(err, store.ErrInExchange) {
		return &Error{Kind: NotReady, Message: "the cluster cannot be destroyed while it exchanges its data with another one; its events tell when that is over"}
	}
	return notFound(err, id)
}

// Events returns what happened to a cluster, in that order, also after its destruction.
func (f *Fleet) Events(ctx context.Context, id string) ([]store.Event, error) {
	events, err := f.cfg.Store.Events(ctx, id)
	if err != nil {
		return nil, err
	}
	if len(events) == 0 {
		return nil, noCluster(id)
	}
	return events, nil
}
