package gateway

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
	"tine/internal/users"
)

// changeUsers runs a change of the cluster's users, which holds for all connections from then on.
func (c *conn) changeUsers(ctx context.Context, name string, change func(db users.DB) error) error {
	err := c.cluster.node.with(ctx, login{user: gatewayLogin}, func(pg *pgxpool.Conn) error { return change(pg) })
	c.cluster.accounts.forget()
	if err == nil {
		err = c.cluster.expel(ctx, c)
	}
	switch {
	case errors.Is(err, users.ErrNotFound):
		return mongoerr.New(mongoerr.UserNotFound, "User '%s@admin' not found", name)
	case errors.Is(err, users.ErrExists):
		return mongoerr.New(mongoerr.AlreadyExists, "User \"%s@admin\" already exists", name)
	case errors.Is(err, users.ErrOwner):
		return mongoerr.New(mongoerr.IllegalOperation, "%s", users.ErrOwner)
	case errors.Is(err, users.ErrInvalid):
		return mongoerr.New(mongoerr.BadValue, "%s", err)
	default:
		return err
	}
}

// userName is the user that a command is about. Users are on the database admin.
func userName(r *request) (string, error) {
	name, ok := r.target.StringValueOK()
	switch {
	case !ok:
		return "", mongoerr.New(mongoerr.TypeMismatch, "BSON field '%s.%s' must be a string", r.command, r.command)
	case r.db != adminDatabase:
		return "", mongoerr.New(mongoerr.BadValue,
			"users are on the database admin, whatever databases they may use: run %s there, and log in with authSource=admin", r.command)
	default:
		return name, nil
	}
}

func createUser(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	name, err := userName(r)
	if err != nil {
		return nil, err
	}
	given, err := parseRoles(r)
	if err != nil {
		return nil, err
	}
	if !has(r.field("pwd")) {
		return nil, mongoerr.New(mongoerr.BadValue, "Must provide a 'pwd' field for all user documents")
	}
	verifier, err := parsePassword(r)
	if err != nil {
		return nil, err
	}
	u := users.User{Name: name, Grants: given, CustomData: r.field("customData").Data}
	if err := c.changeUsers(ctx, name, func(db users.DB) error { return users.Create(ctx, db, u, verifier) }); err != nil {
		return nil, err
	}
	return okReply()
}

// parsePassword makes the verifier of the password in a command, and checks what else the command says of log-ins.
func parsePassword(r *request) (string, error) {
	if err := checkLogIn(r); err != nil {
		return "", err
	}
	pwd, _ := r.field("pwd").StringValueOK()
	verifier, err := users.NewVerifier(rand.Reader, pwd)
	if errors.Is(err, users.ErrInvalid) {
		return "", mongoerr.New(mongoerr.BadValue, "%s", err)
	}
	return verifier, err
}

// checkLogIn refuses ways to log in that there are not.
func checkLogIn(r *request) error {
	if v := r.field("digestPassword"); has(v) && !isTrue(v) {
		return mongoerr.New(mongoerr.BadValue, "Use of SCRAM-SHA-256 requires undigested passwords")
	}
	if v := r.field("authenticationRestrictions"); isNested(v) && len(v.Data) > emptyDocument {
		return mongoerr.New(mongoerr.CommandNotSupported, "authenticationRestrictions are not supported; the cluster's trusted sources are for all users")
	}
	mechanisms := r.field("mechanisms")
	if !has(mechanisms) {
		return nil
	}
	list, err := subFields(mechanisms)
	if err != nil {
		return err
	}
	for _, m := range list {
		if name, _ := m.value.StringValueOK(); name != mechanism {
			return mongoerr.New(mongoerr.BadValue, "the mechanism '%s' is not enabled; use %s", name, mechanism)
		}
	}
	if len(list) == 0 {
		return mongoerr.New(mongoerr.BadValue, "mechanisms field must not be empty")
	}
	return nil
}

// updateUser changes a user. Everybody may change the own password, and only that.
func updateUser(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	name, err := userName(r)
	if err != nil {
		return nil, err
	}
	change, err := parseChange(r)
	if err != nil {
		return nil, err
	}
	own := name == c.user && change.Grants == nil && change.CustomData == nil
	switch {
	case !own && !c.grants.allow(manage, adminDatabase):
		return nil, notAuthorized(r.db, r.command)
	case !own && name == owner && change.Verifier != nil:
		return nil, mongoerr.New(mongoerr.IllegalOperation, "the password of doadmin is changed by itself or through Tine's API")
	}
	if err := c.changeUsers(ctx, name, func(db users.DB) error { return users.Update(ctx, db, name, change) }); err != nil {
		return nil, err
	}
	return okReply()
}

func parseChange(r *request) (change users.Change, err error) {
	if err := checkLogIn(r); err != nil {
		return users.Change{}, err
	}
	if has(r.field("pwd")) {
		verifier, err := parsePassword(r)
		if err != nil {
			return users.Change{}, err
		}
		change.Verifier = &verifier
	}
	if v := r.field("customData"); has(v) {
		change.CustomData = &v.Data
	}
	if has(r.field("roles")) {
		given, err := parseRoles(r)
		if err != nil {
			return users.Change{}, err
		}
		change.Grants = &given
	}
	if change.Verifier == nil && change.CustomData == nil && change.Grants == nil && !has(r.field("mechanisms")) {
		return users.Change{}, mongoerr.New(mongoerr.BadValue, "Must specify at least one field to update in updateUser")
	}
	return change, nil
}

func grantRolesToUser(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	return c.changeRoles(ctx, r, func(list []users.Grant) users.Change { return users.Change{Add: list} })
}

func revokeRolesFromUser(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	return c.changeRoles(ctx, r, func(list []users.Grant) users.Change { return users.Change{Remove: list} })
}

func (c *conn) changeRoles(ctx context.Context, r *request, change func([]users.Grant) users.Change) (bsoncore.Document, error) {
	name, err := userName(r)
	if err != nil {
		return nil, err
	}
	list, err := parseRoles(r)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, mongoerr.New(mongoerr.BadValue, "%s command requires a non-empty \"roles\" array", r.command)
	}
	err = c.changeUsers(ctx, name, func(db users.DB) error { return users.Update(ctx, db, name, change(list)) })
	if err != nil {
		return nil, err
	}
	return okReply()
}

func dropUser(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	name, err := userName(r)
	if err != nil {
		return nil, err
	}
	if err := c.changeUsers(ctx, name, func(db users.DB) error { return users.Drop(ctx, db, name) }); err != nil {
		return nil, err
	}
	return okReply()
}

// dropAllUsersFromDatabase leaves doadmin.
func dropAllUsersFromDatabase(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	var n int64
	if r.db == adminDatabase {
		err := c.changeUsers(ctx, "", func(db users.DB) (err error) {
			n, err = users.DropAll(ctx, db)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return marshal(bson.D{{Key: "n", Value: int32(n)}, {Key: "ok", Value: 1.0}})
}
