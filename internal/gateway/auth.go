package gateway

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/xdg-go/scram"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
)

const (
	mechanism = "SCRAM-SHA-256"
	// conversationID is always the same: a connection has one conversation at a time.
	conversationID = 1
	// owner is the user that every cluster has. Salts of users that do not exist are derived from its verifier, which
	// is secret and changes only when its password does.
	owner = "doadmin"
)

// credentials looks up what SCRAM needs to know of a user.
type credentials struct {
	node *node
	// fallback keys the salts if even the owner has no password.
	fallback []byte
}

func newCredentials(n *node) *credentials {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // it cannot fail
	return &credentials{node: n, fallback: key}
}

// lookup returns the stored credentials of a user. For a user that does not exist they look the same to a client, every
// time, and fit no password; the second result is then false. Both cases take the same work.
func (s *credentials) lookup(ctx context.Context, user string) (scram.StoredCredentials, bool, error) {
	if strings.ContainsRune(user, 0) {
		user = "" // PostgreSQL has no such text
	}
	var verifier, like *string
	const sql = "SELECT tine.verifier($1), tine.verifier($2)"
	if err := s.node.queryRow(ctx, login{user: gatewayLogin}, sql, []any{user, owner}, &verifier, &like); err != nil {
		return scram.StoredCredentials{}, false, err
	}
	if verifier != nil {
		stored, err := parseVerifier(*verifier)
		return stored, err == nil, err
	}
	var template scram.StoredCredentials
	if like != nil {
		var err error
		if template, err = parseVerifier(*like); err != nil {
			return scram.StoredCredentials{}, false, err
		}
	}
	return s.fake(user, template), false, nil
}

// fake makes the credentials of a user that does not exist, in the form of those of one that does.
func (s *credentials) fake(user string, like scram.StoredCredentials) scram.StoredCredentials {
	key := like.StoredKey
	if len(key) == 0 {
		key, like.Salt, like.Iters = s.fallback, strings.Repeat("s", 16), 4096
	}
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte("salt of " + user)) // it cannot fail
	salt := mac.Sum(nil)
	unknown := make([]byte, sha256.Size)
	_, _ = rand.Read(unknown)
	return scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: string(salt[:min(len(salt), len(like.Salt))]), Iters: like.Iters},
		StoredKey:  unknown,
		ServerKey:  unknown,
	}
}

// grants reads what a user may do.
func (s *credentials) grants(ctx context.Context, user string) (grants, error) {
	const sql = "SELECT coalesce(array_agg(database_name), '{}'), coalesce(array_agg(role), '{}') FROM tine.grants WHERE user_name = $1"
	var dbs, roles []string
	if err := s.node.queryRow(ctx, login{user: gatewayLogin}, sql, []any{user}, &dbs, &roles); err != nil {
		return nil, err
	}
	g := make(grants, len(dbs))
	for i, db := range dbs {
		g[db] = append(g[db], role(roles[i]))
	}
	return g, nil
}

// parseVerifier reads PostgreSQL's form, SCRAM-SHA-256$iterations:salt$stored:server.
func parseVerifier(v string) (scram.StoredCredentials, error) {
	parts := strings.FieldsFunc(v, func(r rune) bool { return r == '$' || r == ':' })
	if len(parts) != 5 || parts[0] != mechanism {
		return scram.StoredCredentials{}, errors.New("a password verifier is not of the form SCRAM-SHA-256$iterations:salt$stored:server")
	}
	iters, err := strconv.Atoi(parts[1])
	if err != nil {
		return scram.StoredCredentials{}, errors.New("a password verifier has no iteration count")
	}
	var raw [3][]byte
	for i := range raw {
		if raw[i], err = base64.StdEncoding.DecodeString(parts[i+2]); err != nil {
			return scram.StoredCredentials{}, errors.New("a password verifier is not valid base64")
		}
	}
	return scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: string(raw[0]), Iters: iters},
		StoredKey:  raw[1],
		ServerKey:  raw[2],
	}, nil
}

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
		stored, known, err := c.cluster.scram.lookup(ctx, user)
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
	g, err := c.cluster.scram.grants(ctx, user)
	if err != nil {
		return err
	}
	if c.user == "" {
		c.user = user
		c.cluster.peers.arrive(c.peer())
	}
	c.grants = g
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
	c.user, c.grants, c.auth = "", nil, nil
}

func payloadOf(fs []field) (string, error) {
	v := find(fs, "payload")
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
