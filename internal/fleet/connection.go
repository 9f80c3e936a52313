package fleet

import (
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
}

// Connection returns how to reach a cluster as its admin. Without a password its URI has none either.
func (f *Fleet) Connection(c store.Cluster, password string) Connection {
	user := url.User(AdminUser)
	if password != "" {
		user = url.UserPassword(AdminUser, password)
	}
	uri := url.URL{
		Scheme: "mongodb", User: user,
		Host:     net.JoinHostPort(f.cfg.GatewayHost, strconv.Itoa(c.Port)),
		Path:     "/" + authDatabase,
		RawQuery: url.Values{"authSource": {authDatabase}, "replicaSet": {c.Name}}.Encode(),
	}
	return Connection{
		Protocol: uri.Scheme, URI: uri.String(), Database: authDatabase,
		Host: f.cfg.GatewayHost, Port: c.Port, User: AdminUser, Password: password,
	}
}

// Users returns a cluster's users.
func (f *Fleet) Users(store.Cluster) []User {
	return []User{{Name: AdminUser, Role: "primary"}}
}

// Databases returns the names of a cluster's databases, as far as the control plane knows them.
func (f *Fleet) Databases(store.Cluster) []string { return []string{defaultDatabase} }
