package gateway

import (
	"slices"
	"strings"

	"tine/internal/gateway/mongoerr"
	"tine/internal/users"
)

// privilege is what a command needs.
type privilege int

const (
	handshake  privilege = iota // nothing, not even a user
	userless                    // any user
	inspect                     // to see which collections and indexes there are, and how large they are
	read                        // to see documents
	write                       // to change documents
	define                      // to make, rename and drop collections and indexes
	administer                  // to change a collection's options, check and compact it, pass by its validator, drop a database
	monitor                     // to see what the server does, for whomever
	manage                      // to interfere with that, and to manage users
)

// allows says which privileges a role has. A role that is not known has none.
func allows(r users.Role, p privilege) bool {
	var has []privilege
	switch r {
	case users.Root:
		return true
	case users.ReadOnly:
		has = []privilege{inspect, read}
	case users.ReadWrite:
		has = []privilege{inspect, read, write, define}
	case users.DBAdmin:
		has = []privilege{inspect, define, administer}
	}
	return slices.Contains(has, p)
}

// grants are a user's roles by database. Those on admin hold on all databases.
type grants map[string][]users.Role

// allow reports whether the user may do what needs p on db.
func (g grants) allow(p privilege, db string) bool {
	if p <= userless {
		return true
	}
	may := func(r users.Role) bool { return allows(r, p) }
	return slices.ContainsFunc(g[adminDatabase], may) || slices.ContainsFunc(g[db], may)
}

// writesAnywhere reports whether there is a database on which the user may change anything.
func (g grants) writesAnywhere() bool {
	for db := range g {
		if g.allow(write, db) || g.allow(define, db) {
			return true
		}
	}
	return false
}

// sees reports whether a list of databases may show db to the user.
func (g grants) sees(db string) bool { return g.allow(inspect, db) }

// need is a privilege on a database, or on a collection of it.
type need struct {
	privilege  privilege
	db         string
	collection string // "" for the database as a whole
}

// isChange reports whether what needs it changes the database.
func (n need) isChange() bool { return n.privilege >= write && n.privilege <= administer }

// isSystem reports whether the collection is one of those that MongoDB keeps for itself. The engine has some, too.
func (n need) isSystem() bool { return strings.HasPrefix(n.collection, "system.") }

// permit returns nil if the user may do all of what command needs.
func (g grants) permit(command string, needs []need) error {
	for _, n := range needs {
		// As in MongoDB, roles on a database do not reach its system collections, but for the stored JavaScript, which
		// clients look for and never find.
		reserved := n.isSystem() && n.collection != "system.js" || n.isSystem() && n.isChange()
		if !g.allow(n.privilege, n.db) || reserved && !g.allow(manage, n.db) {
			return notAuthorized(n.db, command)
		}
	}
	for _, n := range needs {
		switch {
		case n.isChange() && isSystemDatabase(n.db):
			return mongoerr.New(mongoerr.Unauthorized, "the database '%s' cannot be written to", n.db)
		case n.isChange() && n.isSystem():
			return mongoerr.New(mongoerr.InvalidNamespace, "cannot write to '%s.%s'", n.db, n.collection)
		}
	}
	return nil
}
