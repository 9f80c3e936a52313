package fleet

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"

	"tine/internal/store"
)

// The names that every cluster has.
const (
	AdminUser       = "doadmin"
	authDatabase    = "admin"
	defaultDatabase = "defaultdb"
)

// Connection is how a client reaches a cluster.
type Connection struct {
	Protocol string
	URI      string
	Database string
	Host     string
	Port     int
	User     string
	Password string // empty unless the connection answers the request that made the password
	SSL      bool
}

// User is one of a cluster's users.
type User struct {
	Name     string
	Role     string // primary for doadmin, normal for others
	Password string // as in Connection
	// Settings is what the user may do; nil: everything.
	Settings *UserSettings
}

// Connection returns how to reach a cluster as its admin. Without a password its URI has none either.
func (f *Fleet) Connection(c store.Cluster, password string) Connection {
	return f.UserConnection(c, AdminUser, password)
}

// UserConnection returns how to reach a cluster as one of its users.
func (f *Fleet) UserConnection(c store.Cluster, name, password string) Connection {
	user := url.User(name)
	if password != "" {
		user = url.UserPassword(name, password)
	}
	query := url.Values{"authSource": {authDatabase}, "replicaSet": {c.Name}}
	if f.cfg.TLS {
		query.Set("tls", "true")
	}
	uri := url.URL{
		Scheme: "mongodb", User: user,
		Host:     net.JoinHostPort(f.cfg.GatewayHost, strconv.Itoa(c.Port)),
		Path:     "/" + authDatabase,
		RawQuery: query.Encode(),
	}
	return Connection{
		Protocol: uri.Scheme, URI: uri.String(), Database: authDatabase,
		Host: f.cfg.GatewayHost, Port: c.Port, User: name, Password: password,
		SSL: f.cfg.TLS,
	}
}

// CA returns the certificate, in PEM form, that a cluster's clients have to trust.
func (f *Fleet) CA(ctx context.Context, id string) ([]byte, error) {
	if _, err := f.Get(ctx, id); err != nil {
		return nil, err
	}
	text, err := f.cfg.CA()
	if err != nil {
		return nil, fmt.Errorf("get CA: %w", err)
	}
	if text == nil {
		return nil, &Error{Kind: NotFound, Message: "there is no CA certificate to download: the certificate of this Tine is its operator's, and " +
			"clients trust it without one"}
	}
	return text, nil
}
