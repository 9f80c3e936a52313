package gateway

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/xdg-go/scram"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
	"tine/internal/users"
)

const (
	mechanism = "SCRAM-SHA-256"
	// conversationID is always the same: a connection has one conversation at a time.
	conversationID = 1
	// maxPayload bounds a message of a log-in. None comes near, but who has logged in may send 48 MB.
	maxPayload = 4 << 10
)

// authentication is a log-in under way.
type authentication struct {
	conversation *scram.ServerConversation
	known        bool // the user exists
	skipEmpty    bool // the client wants no empty exchange at the end
	proven       bool // the client has shown that it knows the password; one empty exchange is left
	lookupErr    error
}

func errAuthentication() error {
	return mongoerr.New(mongoerr.AuthenticationFailed, "Authentication failed.")
}

func saslStart(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	return c.startAuthentication(ctx, r.fields, r.db)
}

// startAuthentication answers a client's first message. fs are the fields of a saslStart command.
func (c *conn) startAuthentication(ctx context.Context, fs []field, db string) (bsoncore.Document, error) {
	c.auth = nil
	if mech, _ := find(fs, "mechanism").StringValueOK(); mech != mechanism {
		return nil, mongoerr.New(mongoerr.MechanismUnavailable, "Received authentication for mechanism %s which is not enabled; use %s", mech, mechanism)
	}
	payload, err := payloadOf(fs)
	if err != nil {
		return nil, err
	}
	a := &authentication{}
	if options, err := subFields(find(fs, "options")); err == nil {
		a.skipEmpty = isTrue(find(options, "skipEmptyExchange"))
	}
	server, err := scram.SHA256.NewServer(func(user string) (scram.StoredCredentials, error) {
		stored, known, err := c.cluster.accounts.credentials(ctx, user)
		a.known, a.lookupErr = known && db == adminDatabase, err
		return stored, err
	})
	if err != nil {
		return nil, fmt.Errorf("start authentication: %w", err)
	}
	a.conversation = server.NewConversation()
	answer, err := a.conversation.Step(payload)
	if err != nil {
		return nil, a.failure()
	}
	c.auth = a
	return saslReply(false, answer)
}

// failure is what the client is told: that the node is down, if that is so, or else nothing in particular.
func (a *authentication) failure() error {
	if a.lookupErr != nil {
		return a.lookupErr
	}
	return errAuthentication()
}

func saslContinue(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	a := c.auth
	if a == nil {
		return nil, mongoerr.New(mongoerr.ProtocolError, "No SASL session state found")
	}
	c.auth = nil
	if id, ok := asInt64(r.field("conversationId")); !ok || id != conversationID {
		return nil, mongoerr.New(mongoerr.ProtocolError, "sasl: Mismatched conversation id")
	}
	payload, err := payloadOf(r.fields)
	if err != nil {
		return nil, err
	}
	if a.proven {
		return c.finishEmpty(payload)
	}
	answer, err := a.conversation.Step(payload)
	if err != nil || !a.conversation.Valid() || !a.known {
		return nil, c.loginFailed(ctx, a.failure())
	}
	if err := c.loggedIn(ctx, a.conversation.Username()); err != nil {
		return nil, err
	}
	if !a.skipEmpty {
		a.proven = true
		c.auth = a
	}
	return saslReply(a.skipEmpty, answer)
}

// finishEmpty answers the empty message with which older clients end the conversation.
func (c *conn) finishEmpty(payload string) (bsoncore.Document, error) {
	if payload != "" {
		return nil, errAuthentication()
	}
	return saslReply(true, "")
}

// loggedIn makes the connection the user's. One connection is one user's: whoever wants to be somebody else logs out first.
func (c *conn) loggedIn(ctx context.Context, user string) error {
	if c.user != "" && c.user != user {
		return mongoerr.New(mongoerr.AlreadyAuthenticated,
			"Each client connection may only be authenticated once. Previously authenticated as: %s@admin", c.user)
	}
	of, err := c.cluster.accounts.get(ctx, user)
	if errors.Is(err, users.ErrNotFound) { // dropped since
		return errAuthentication()
	}
	if err != nil {
		return err
	}
	if c.user == "" {
		c.user = user
		c.cluster.peers.arrive(c.peer())
	}
	c.userID, c.grants = of.id, of.grants
	c.identify()
	return nil
}

func logout(ctx context.Context, c *conn, _ *request) (bsoncore.Document, error) {
	c.leave(ctx)
	return okReply()
}

// leave is the end of what the user did over this connection.
func (c *conn) leave(ctx context.Context) {
	if c.user == "" {
		return
	}
	c.abandon(ctx)
	who := c.peer()
	if c.cluster.peers.leave(who) {
		c.cluster.deleteFiles(ctx, c.cluster.cursors.killWhere(func(cur *cursor) bool { return cur.peer == who }))
	}
	c.user, c.userID, c.grants, c.auth = "", [16]byte{}, nil, nil
	c.identify()
}

func payloadOf(fs []field) (string, error) {
	v := find(fs, "payload")
	if len(v.Data) > maxPayload {
		return "", mongoerr.New(mongoerr.ProtocolError, "sasl: payload is larger than %d bytes", maxPayload)
	}
	if _, data, ok := v.BinaryOK(); ok {
		return string(data), nil
	}
	if s, ok := v.StringValueOK(); ok { // base64, from clients of old
		if data, err := base64.StdEncoding.DecodeString(s); err == nil {
			return string(data), nil
		}
	}
	return "", mongoerr.New(mongoerr.ProtocolError, "sasl: payload must be binary data")
}

func saslReply(done bool, payload string) (bsoncore.Document, error) {
	return marshal(bson.D{
		{Key: "conversationId", Value: int32(conversationID)},
		{Key: "done", Value: done},
		{Key: "payload", Value: bson.Binary{Data: []byte(payload)}},
		{Key: "ok", Value: 1.0},
	})
}
