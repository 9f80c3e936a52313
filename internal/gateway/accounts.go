package gateway

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/singleflight"

	"tine/internal/gateway/mongoerr"
	"tine/internal/users"
)

const (
	// accountAge is how old what the gateway knows of a user may be. Its own commands and UsersChanged take effect at once;
	// this is for changes that nobody tells it of.
	accountAge = 10 * time.Second
	// maxLookups bounds the PostgreSQL connections that log-ins and looks at users take, however many clients there are.
	maxLookups = 8
	// lookupPatience is how long a log-in waits for its turn.
	lookupPatience = 5 * time.Second
)

// account is a user as it was when it was read.
type account struct {
	id     [16]byte
	grants grants
	read   time.Time
}

// accounts are the users of a cluster, as the gateway knows them.
type accounts struct {
	node    *node
	clock   func() time.Time
	slots   chan struct{}
	reading singleflight.Group // one look at a user at a time, for all who wait for it

	mu struct {
		sync.Mutex
		known   map[string]account
		changes int // how often everything was forgotten
	}
}

func newAccounts(n *node, clock func() time.Time) *accounts {
	a := &accounts{node: n, clock: clock, slots: make(chan struct{}, maxLookups)}
	a.mu.known = map[string]account{}
	return a
}

// forget makes the next look at every user a fresh one.
func (a *accounts) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.mu.known)
	a.mu.changes++
}

// outlive makes what is known of users good for a moment more: they cannot have changed while the node was stopped. It is for the first command
// after that, which need not wait for a look at its user.
func (a *accounts) outlive() {
	const moment = time.Second
	a.mu.Lock()
	defer a.mu.Unlock()
	read := a.clock().Add(moment - accountAge)
	for name, known := range a.mu.known {
		known.read = read
		a.mu.known[name] = known
	}
}

// get returns what is known of a user, if that is young enough, or reads it. It fails with users.ErrNotFound.
func (a *accounts) get(ctx context.Context, name string) (account, error) {
	a.mu.Lock()
	known, ok := a.mu.known[name]
	changes := a.mu.changes
	a.mu.Unlock()
	if ok && a.clock().Sub(known.read) < accountAge {
		return known, nil
	}
	// Who comes after a change must not get what was read before it.
	result := a.reading.DoChan(name+"\x00"+itoa(int32(changes)), func() (any, error) {
		return a.read(context.WithoutCancel(ctx), name, changes)
	})
	select {
	case r := <-result:
		fresh, _ := r.Val.(account)
		if errors.Is(r.Err, errUnavailable) && ok {
			return a.keep(name, known, changes), nil
		}
		return fresh, r.Err
	case <-ctx.Done():
		return account{}, ctx.Err()
	}
}

// keep is for a node that is down: nobody can change a user then, and commands need not wait for it twice.
func (a *accounts) keep(name string, known account, changes int) account {
	known.read = a.clock()
	a.put(name, known, changes)
	return known
}

func (a *accounts) put(name string, of account, changes int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.changes == changes {
		a.mu.known[name] = of
	}
}

func (a *accounts) read(ctx context.Context, name string, changes int) (account, error) {
	now := a.clock()
	var u users.User
	err := a.look(ctx, func(ctx context.Context, db users.DB) (err error) {
		u, err = users.Get(ctx, db, name)
		return err
	})
	if errors.Is(err, users.ErrNotFound) {
		a.mu.Lock()
		delete(a.mu.known, name)
		a.mu.Unlock()
	}
	if err != nil {
		return account{}, err
	}
	of := account{id: u.ID, grants: grants{}, read: now}
	for _, g := range u.Grants {
		of.grants[g.Database] = append(of.grants[g.Database], g.Role)
	}
	a.put(name, of, changes)
	return of, nil
}

// look runs a query about users when it is its turn.
func (a *accounts) look(ctx context.Context, query func(context.Context, users.DB) error) error {
	wait, cancel := context.WithTimeout(ctx, lookupPatience)
	defer cancel()
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-wait.Done():
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return mongoerr.New(mongoerr.ExceededTimeLimit, "too many clients log in at the same time; try again")
	}
	return a.node.with(ctx, login{user: gatewayLogin}, func(c *pgxpool.Conn) error { return query(ctx, c) })
}

// refresh brings the connection's grants up to date before a command runs. A user who was dropped is logged out; so is one
// who was dropped and made again, because that is somebody else.
func (c *conn) refresh(ctx context.Context, command string) error {
	of, err := c.cluster.accounts.get(ctx, c.user)
	if errors.Is(err, users.ErrNotFound) || err == nil && of.id != c.userID {
		c.leave(ctx)
		return mongoerr.New(mongoerr.Unauthorized, "Command %s requires authentication: the user was dropped", command)
	}
	if err != nil {
		return err
	}
	c.grants = of.grants
	return nil
}
