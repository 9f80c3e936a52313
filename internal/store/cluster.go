package store

import (
	"fmt"
	"time"
)

// The states of a cluster; see the package comment for the changes that exist.
const (
	StatusCreating   = "creating"
	StatusForking    = "forking"
	StatusOnline     = "online"
	StatusResizing   = "resizing"
	StatusMigrating  = "migrating"
	StatusRestoring  = "restoring" // the data are replaced by a fork of another moment
	StatusSwapping   = "swapping"  // the data are exchanged with another cluster's
	StatusFailed     = "failed"
	StatusDestroying = "destroying"
)

// Cluster is one row: what a cluster should be, and how far it is.
type Cluster struct {
	ID         string // UUID
	Name       string
	Engine     string // "mongodb"
	Version    string // compatibility level: "6", "7" or "8"
	Region     string
	Size       string // slug of the plan
	NumNodes   int
	StorageMiB int64
	Status     string
	Failure    string // one sentence while the status is failed, else empty
	Phase      string // the last step of the making that is complete, in the host's words; empty: none
	Tags       []string
	CreatedAt  time.Time
	// RequestedAt is when the request for the cluster arrived: what "latest" means for a fork.
	RequestedAt time.Time

	Host string // name of the host that carries the cluster
	// Pool is which of the host's pools the cluster is kept in: the slug of the region whose own it is, or DefaultPool.
	Pool string
	Port int // where its gateway listens on that host

	// SourceID and SourceName say what the cluster was forked from; both are empty for a cluster created empty.
	// They are copies: the source may be gone.
	SourceID, SourceName string
	// ForkAt is the moment of the source that the fork shows; nil means the latest.
	ForkAt *time.Time
	// ForkLSN is the transaction of the source that the fork is made at, by where its commit record begins; 0 means a moment. The fork has
	// the transaction if ForkAfter is set; ForkAt is when it was committed.
	ForkLSN   uint64
	ForkAfter bool

	// DoadminVerifier is the SCRAM-SHA-256 verifier that the host gives to doadmin; never a password.
	DoadminVerifier string
	// FreshVerifiers are what the users of a fork but doadmin get while it is made, by their names; who is not in it cannot log in. Nil: they keep theirs.
	FreshVerifiers map[string]string
	Node           Node
	// HistoryID names the history of the data that the node has; it moves with the node.
	HistoryID    string
	SettingsJSON []byte // a JSON object; a fork has its source's
	// TrustedSources are who may connect; none means everybody. A fork for which they are nil has its source's.
	TrustedSources []TrustedSource

	ProjectID, PrivateNetworkUUID string
	// ServiceNames are what clients reach the cluster by, beside the gateway's own name. A fork has none of its source's.
	ServiceNames []string

	// NodeSize is the plan that the node was last started with; it differs from Size while the cluster is resized.
	NodeSize    string
	Maintenance MaintenanceWindow
	Autoscale   Autoscale
	// UpdatePending says that the node's next start is an update: it was started with an older engine or older settings than there are now.
	UpdatePending bool

	// TTLPaused says that TTL indexes delete nothing in the cluster's node. A fork of the past begins so, any other has what its source has.
	TTLPaused bool
	// ExpiresAt is when the cluster is destroyed by itself; nil means never.
	ExpiresAt *time.Time
	// SuspendAfter is after how long without work the node is suspended, in whole seconds; 0 means never.
	SuspendAfter time.Duration
	// Suspension is nil while the node runs, or should.
	Suspension *Suspension

	// Charge is for the meter when the cluster is created. It is not read back: see Usage.
	Charge Charge
}

// DefaultPool is the pool of all regions that have none of their own.
const DefaultPool = ""

// IsFork says whether the cluster was made from another one.
func (c Cluster) IsFork() bool { return c.SourceID != "" }

// IsServed says whether clients can use the cluster: it has data, and is not about to lose it.
func (c Cluster) IsServed() bool { return c.IsForkable() || c.IsExchanged() }

// ForkTransaction is the id of the transaction of the source that a fork is made at, empty if it is made at a moment.
func (c Cluster) ForkTransaction() string {
	if c.ForkLSN == 0 {
		return ""
	}
	return fmt.Sprintf("%X/%X", c.ForkLSN>>32, uint32(c.ForkLSN))
}

// ForkSide says on which side of its transaction a fork is made.
func (c Cluster) ForkSide() string {
	if c.ForkAfter {
		return "after"
	}
	return "before"
}

// IsForkable says whether a fork of the cluster may be asked for: it is served, and its data are not about to become those of another.
func (c Cluster) IsForkable() bool {
	return c.Status == StatusOnline || c.Status == StatusResizing || c.Status == StatusMigrating
}

// IsExchanged says whether the cluster is giving its node away for another one; see Exchange.
func (c Cluster) IsExchanged() bool { return c.Status == StatusRestoring || c.Status == StatusSwapping }

// MaintenanceWindow is when a node may be restarted on its own account: within four hours of that moment of the week.
type MaintenanceWindow struct {
	Day  string // monday to sunday
	Hour string // HH:MM:SS, UTC
}

// Autoscale says when a cluster's storage grows by itself.
type Autoscale struct {
	Enabled          bool
	ThresholdPercent int // of the storage, from which on it grows
	IncrementGiB     int
}

// DefaultAutoscale is what a cluster has until somebody asks for something else.
func DefaultAutoscale() Autoscale { return Autoscale{ThresholdPercent: 80, IncrementGiB: 10} }

// Node is a cluster's one node.
type Node struct {
	ID       string // UUID
	Restarts int    // how often it died and was started again
}

// PortRange is where gateways may listen on a host, both ends included.
type PortRange struct {
	First, Last int
	// Usable is asked about a port that no cluster has, for what the store cannot know: whether another program
	// listens there. Nil means that all are. It is called inside a transaction that every other creation waits for,
	// so it must answer at once.
	Usable func(port int) bool
}

// Page selects a part of the list of clusters.
type Page struct {
	Number int    // from 1
	Size   int    // clusters a page
	Tag    string // only clusters with this tag; empty for all
	// WithDestroying lists the clusters being destroyed as well.
	WithDestroying bool
}
