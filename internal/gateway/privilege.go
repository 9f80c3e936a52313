package gateway

import "slices"

// privilege is what a command needs.
type privilege int

const (
	handshake  privilege = iota // nothing, not even a user
	userless                    // any user
	inspect                     // to see which collections and indexes there are
	read                        // to see documents
	write                       // to change documents
	define                      // to make and drop collections and indexes
	administer                  // to drop a database
)

// role is what a grant gives on a database.
type role string

const (
	roleRoot      role = "root"
	roleReadOnly  role = "readOnly"
	roleReadWrite role = "readWrite"
	roleDBAdmin   role = "dbAdmin"
)

// allows says which privileges a role has. A role that is not known has none.
func (r role) allows(p privilege) bool {
	var has []privilege
	switch r {
	case roleRoot:
		return true
	case roleReadOnly:
		has = []privilege{inspect, read}
	case roleReadWrite:
		has = []privilege{inspect, read, write, define}
	case roleDBAdmin:
		has = []privilege{inspect, define, administer}
	}
	return slices.Contains(has, p)
}

// grants are a user's roles by database. Those on admin hold on all databases.
type grants map[string]role

// allow reports whether the user may do what needs p on db.
func (g grants) allow(p privilege, db string) bool {
	if p <= userless {
		return true
	}
	return g[adminDatabase].allows(p) || g[db].allows(p)
}

// sees reports whether a list of databases may show db to the user.
func (g grants) sees(db string) bool { return g.allow(inspect, db) }
