package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"tine/internal/store"
	"tine/internal/users"
)

// CreateRequest asks for a cluster. With a Source it is a fork, and whatever is empty is as in the source.
type CreateRequest struct {
	Name, Engine, Version, Region, Size string
	NumNodes                            int
	StorageMiB                          int64 // 0: the plan's smallest, or for a fork what the source has as far as the plan allows
	Tags                                []string
	ProjectID, PrivateNetworkUUID       string
	Source                              *Source
	// Rules are the trusted sources. Nil means none, or for a fork those of the source; of an empty list everybody may connect.
	Rules []SourceRule
	// ServiceNames are what clients will reach the cluster by, beside the gateway's own name. A fork has none of its source's.
	ServiceNames []string
	// Autoscale says when the storage grows by itself; its zero value: never.
	Autoscale store.Autoscale
	// ExpiresIn is after how long the cluster is destroyed by itself, or ExpiresAt is when; both nil: never. At most one is given.
	ExpiresIn *time.Duration
	ExpiresAt *time.Time
	// FreshPasswords gives all users of a fork other passwords than they have in the source, not only doadmin. They are in the answer. Users whom the source had at the
	// fork's moment and has no more cannot log in until they get a password.
	FreshPasswords bool
	// SuspendAfter is after how long without work the node is suspended, in whole minutes; 0: never. Nil: as the source, or what is usual for the plan.
	SuspendAfter *time.Duration
	// ReceivedAt is when the request arrived: "latest" means no earlier moment. Default: the present.
	ReceivedAt time.Time
}

// Source says what is forked: an online cluster, by its ID or else by its Name.
type Source struct {
	ID, Name string
	// At is the moment to fork at, to the microsecond; nil means the latest.
	At *time.Time
	// Before and After are transactions to fork at, by the ids that Transactions shows: without it, or with it. At most one of the three
	// is given.
	Before, After string
}

// Created is the answer to a CreateRequest. It holds the only copy of the password.
type Created struct {
	Cluster    store.Cluster
	Connection Connection
	Contents   Contents
	Password   string
}

// Create makes a cluster, or a fork of one, and returns before the host has begun to work on it. It returns an *Error, and has made
// nothing, if the request cannot be carried out.
func (f *Fleet) Create(ctx context.Context, r CreateRequest) (Created, error) {
	if r.ReceivedAt.IsZero() {
		r.ReceivedAt = f.cfg.Clock()
	}
	if err := f.awaitName(ctx, r.Name); err != nil {
		return Created{}, fmt.Errorf("create cluster %s: %w", quote(r.Name), err)
	}
	c, err := f.check(ctx, r)
	if err != nil {
		return Created{}, err
	}
	password, err := f.equip(&c)
	if err != nil {
		return Created{}, fmt.Errorf("create cluster %s: %w", c.Name, err)
	}
	fresh, err := f.freshen(ctx, r, &c)
	if err != nil {
		return Created{}, err
	}
	c, err = f.cfg.Store.CreateCluster(ctx, c, f.cfg.Ports)
	if err != nil {
		return Created{}, f.refusal(err, r)
	}
	contents := f.firstContents(ctx, c)
	if fresh != nil {
		contents.Users = fresh
	}
	contents.Users[0].Password = password
	return Created{Cluster: c, Connection: f.Connection(c, password), Contents: contents, Password: password}, nil
}

// firstContents is what a cluster will have: a fork at the latest what its source has. What the source had at a moment is known when the fork is there.
func (f *Fleet) firstContents(ctx context.Context, c store.Cluster) Contents {
	if !c.IsFork() || c.ForkAt != nil {
		return everyCluster()
	}
	source, err := f.cfg.Store.Cluster(ctx, c.SourceID)
	if err != nil {
		return everyCluster()
	}
	contents := f.Contents(ctx, source)
	contents.Users = slices.Clone(contents.Users) // they get a password
	return contents
}

// Check returns the cluster that the request would make, without making it, or the *Error that refuses it.
func (f *Fleet) Check(ctx context.Context, r CreateRequest) (store.Cluster, error) {
	if r.ReceivedAt.IsZero() {
		r.ReceivedAt = f.cfg.Clock()
	}
	return f.check(ctx, r)
}

// check turns a request that can be carried out into the cluster that it asks for.
func (f *Fleet) check(ctx context.Context, r CreateRequest) (store.Cluster, error) {
	if err := checkServiceNames(r.ServiceNames); err != nil {
		return store.Cluster{}, err
	}
	if err := f.checkName(ctx, r.Name); err != nil {
		return store.Cluster{}, err
	}
	c := store.Cluster{
		Name: r.Name, Engine: r.Engine, Version: majorVersion(r.Version), Region: r.Region, Size: r.Size, NumNodes: r.NumNodes,
		StorageMiB: r.StorageMiB, Tags: r.Tags, ProjectID: r.ProjectID, PrivateNetworkUUID: r.PrivateNetworkUUID, ServiceNames: r.ServiceNames,
		CreatedAt: r.ReceivedAt, RequestedAt: r.ReceivedAt, Host: f.cfg.Host,
	}
	var source store.Cluster
	if r.Source != nil {
		var err error
		if source, err = f.checkSource(ctx, r, &c); err != nil {
			return store.Cluster{}, err
		}
	}
	if err := f.checkAttributes(&c); err != nil {
		return store.Cluster{}, err
	}
	if !c.IsFork() || c.Region != source.Region {
		c.Pool = f.poolOf(c.Region)
	}
	if c.IsFork() && c.Pool != source.Pool {
		c.Charge.SharedBytes = 0 // everything is sent
	}
	if err := f.chooseSuspendAfter(r, &c); err != nil {
		return store.Cluster{}, err
	}
	if r.Rules != nil {
		sources, err := f.checkSources(r.Rules, nil, r.ReceivedAt)
		if err != nil {
			return store.Cluster{}, err
		}
		c.TrustedSources = sources
	}
	if r.Autoscale.Enabled {
		autoscale, err := checkAutoscale(r.Autoscale, store.DefaultAutoscale())
		if err != nil {
			return store.Cluster{}, err
		}
		c.Autoscale = autoscale
	}
	var err error
	if c.ExpiresAt, err = checkExpiry(r); err != nil {
		return store.Cluster{}, err
	}
	c.Charge = f.charge(c, c.Charge.SharedBytes)
	return c, f.checkSpace(ctx, c.Host, c.Pool)
}

// equip gives a new cluster what must be made for it, and returns the password.
func (f *Fleet) equip(c *store.Cluster) (password string, err error) {
	id, err := uuid.NewRandomFromReader(f.cfg.Random)
	if err != nil {
		return "", fmt.Errorf("make id: %w", err)
	}
	node, err := uuid.NewRandomFromReader(f.cfg.Random)
	if err != nil {
		return "", fmt.Errorf("make id: %w", err)
	}
	c.ID, c.Node.ID = id.String(), node.String()
	password, err = newPassword(f.cfg.Random)
	if err != nil {
		return "", err
	}
	c.DoadminVerifier, err = users.NewVerifier(f.cfg.Random, password)
	return password, err
}

// refusal says in words what changed between our checks and the transaction.
func (f *Fleet) refusal(err error, r CreateRequest) error {
	switch {
	case errors.Is(err, store.ErrNameTaken):
		return nameTaken(r.Name)
	case errors.Is(err, store.ErrSourceNotOnline):
		return &Error{
			Kind: NotReady, Field: fieldSource,
			Message: fmt.Sprintf("%s must name an online cluster; %s no longer is", fieldSource, quote(r.Source.label())),
		}
	case errors.Is(err, store.ErrNoPort):
		return &Error{Kind: Full, Message: fmt.Sprintf(
			"the host %s has no free port for another cluster: all from %d to %d are taken", f.cfg.Host, f.cfg.Ports.First, f.cfg.Ports.Last)}
	default:
		return err
	}
}

// label is how the request named the source.
func (s *Source) label() string {
	if s.ID != "" {
		return s.ID
	}
	return s.Name
}
