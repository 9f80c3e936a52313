package gateway

import (
	"context"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"

	"tine/internal/gateway/mongoerr"
	"tine/internal/users"
)

// identity is a user, and not another one who has the name later.
type identity struct {
	user string
	id   [16]byte
}

// identify lets others know whose connection it is.
func (c *conn) identify() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.who = identity{user: c.user, id: c.userID}
}

func (c *conn) identity() identity {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.who
}

// usersChanged makes a change by somebody else take effect.
func (c *cluster) usersChanged() {
	c.accounts.forget()
	select {
	case c.changes <- struct{}{}:
	default:
	}
}

// followUsers closes the connections of users whom somebody else has dropped.
func (c *cluster) followUsers(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.changes:
		}
		c.whileAwake(func() {
			if err := c.expel(ctx, nil); err != nil {
				// They are refused all the same when they send a command: see refresh.
				c.log.WarnContext(ctx, "connections of dropped users not closed", slog.String("cause", cause(err)))
			}
		})
	}
}

// expel closes the connections of users who are no longer there, and with them ends what runs on them, their transactions
// and their cursors. The connection that asks for it may have its answer first.
func (c *cluster) expel(ctx context.Context, asks *conn) error {
	// Looked at before the users are, so that somebody who was made meanwhile is not taken for somebody who was dropped.
	connected := map[*conn]identity{}
	c.eachConn(func(other *conn) {
		if who := other.identity(); who.user != "" && who.user != owner {
			connected[other] = who
		}
	})
	if len(connected) == 0 {
		return nil
	}
	there := map[identity]bool{}
	err := c.node.with(ctx, login{user: gatewayLogin}, func(db *pgxpool.Conn) error {
		all, err := users.List(ctx, db)
		for _, u := range all {
			there[identity{user: u.Name, id: u.ID}] = true
		}
		return err
	})
	if err != nil {
		return err
	}
	for other, who := range connected {
		if !there[who] && other.identity() == who {
			other.expel(other != asks)
		}
	}
	return nil
}

// expel ends the connection and, if now is set, the command that runs on it.
func (c *conn) expel(now bool) {
	c.running.mu.Lock()
	if op := c.running.op; op != nil && now {
		op.cancel(mongoerr.New(mongoerr.Interrupted, "the user was dropped"))
	}
	c.running.mu.Unlock()
	c.close(now)
}
