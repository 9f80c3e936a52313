package gateway

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
	"tine/internal/users"
)

// mongoRole is MongoDB's name for a role: on one database, and on all of them.
type mongoRole struct {
	role     users.Role
	one, all string
}

func mongoRoles() []mongoRole {
	return []mongoRole{
		{users.ReadOnly, "read", "readAnyDatabase"},
		{users.ReadWrite, "readWrite", "readWriteAnyDatabase"},
		{users.DBAdmin, "dbAdmin", "dbAdminAnyDatabase"},
		{users.Root, "", "root"},
	}
}

// parseRoles reads the roles of a command: each a name, which is of the command's database, or {role, db}.
func parseRoles(r *request) ([]users.Grant, error) {
	v := r.field("roles")
	if v.Type != bsoncore.TypeArray {
		return nil, mongoerr.New(mongoerr.BadValue, "%s requires a \"roles\" array", r.command)
	}
	list, err := subFields(v)
	if err != nil {
		return nil, err
	}
	given := []users.Grant{}
	for _, f := range list {
		name, db, err := parseName(f.value, "role", r.db)
		if err != nil {
			return nil, err
		}
		g, err := parseRole(name, db)
		if err != nil {
			return nil, err
		}
		given = append(given, g)
	}
	return given, nil
}

// parseName reads how commands name a user or a role: as a string, or as a document with that field and db.
func parseName(v bsoncore.Value, kind, current string) (name, db string, err error) {
	if name, ok := v.StringValueOK(); ok {
		return name, current, nil
	}
	fs, err := nested(v)
	if err != nil {
		return "", "", err
	}
	name, ok := find(fs, kind).StringValueOK()
	db, dbOK := find(fs, "db").StringValueOK()
	if v.Type != bsoncore.TypeEmbeddedDocument || !ok || !dbOK || len(fs) != 2 {
		return "", "", mongoerr.New(mongoerr.BadValue, "a %s must be a name, or a document of the form {%s: <name>, db: <database>}", kind, kind)
	}
	return name, db, nil
}

// parseRole translates a role of MongoDB. What has no exact counterpart is refused: more or less than was asked for would
// be worse.
func parseRole(name, db string) (users.Grant, error) {
	for _, m := range mongoRoles() {
		switch {
		case name == m.all && db == adminDatabase:
			return users.Grant{Database: users.AllDatabases, Role: m.role}, nil
		case name == m.one && db == adminDatabase && name != "":
			return users.Grant{}, mongoerr.New(mongoerr.BadValue,
				"the role %s cannot be granted on the database admin alone; %s is the one on all databases", name, m.all)
		case name == m.one && name != "" && (isSystemDatabase(db) || !validDatabase(db)):
			return users.Grant{}, mongoerr.New(mongoerr.BadValue, "the role %s cannot be granted on the database '%s'", name, db)
		case name == m.one && name != "":
			return users.Grant{Database: db, Role: m.role}, nil
		}
	}
	if words := inexpressible(name); words != "" {
		return users.Grant{}, mongoerr.New(mongoerr.BadValue, "the role %s is not supported: %s", name, words)
	}
	return users.Grant{}, mongoerr.New(mongoerr.RoleNotFound, "Could not find role: %s@%s", name, db)
}

// inexpressible says of a built-in role of MongoDB why a user cannot have it, "" if there is no such role.
func inexpressible(name string) string {
	switch name {
	case "dbOwner":
		return "it includes managing users, which only root can; grant readWrite and dbAdmin on the database"
	case "userAdmin", "userAdminAnyDatabase":
		return "only root can manage users"
	case "clusterAdmin", "clusterManager", "clusterMonitor", "hostManager", "enableSharding", "directShardOperations", "searchCoordinator":
		return "the cluster is managed through Tine's API; only root can look at the server"
	case "backup":
		return "forks replace backups; readAnyDatabase is enough for mongodump"
	case "restore":
		return "forks replace backups; readWriteAnyDatabase and dbAdminAnyDatabase are enough for mongorestore"
	case "__system":
		return "it is for servers"
	default:
		return ""
	}
}

// roleDocument is a grant as MongoDB shows it.
func roleDocument(g users.Grant) bson.D {
	for _, m := range mongoRoles() {
		switch {
		case m.role == g.Role && g.Database == users.AllDatabases:
			return bson.D{{Key: "role", Value: m.all}, {Key: "db", Value: adminDatabase}}
		case m.role == g.Role:
			return bson.D{{Key: "role", Value: m.one}, {Key: "db", Value: g.Database}}
		}
	}
	return bson.D{{Key: "role", Value: string(g.Role)}, {Key: "db", Value: g.Database}}
}

func roleDocuments(list []users.Grant) bson.A {
	docs := bson.A{}
	for _, g := range list {
		docs = append(docs, roleDocument(g))
	}
	return docs
}

// list is the grants in order.
func (g grants) list() []users.Grant {
	var all []users.Grant
	for db, roles := range g {
		for _, r := range roles {
			all = append(all, users.Grant{Database: db, Role: r})
		}
	}
	slices.SortFunc(all, func(a, b users.Grant) int {
		if a.Database != b.Database {
			return compare(a.Database, b.Database)
		}
		return compare(string(a.Role), string(b.Role))
	})
	return all
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}

// actionsOf are MongoDB's names for what a role may do on a database.
func actionsOf(r users.Role) bson.A {
	look := []string{"collStats", "dbStats", "killCursors", "listCollections", "listIndexes"}
	define := []string{"createCollection", "createIndex", "dropCollection", "dropIndex", "renameCollectionSameDB"}
	var names []string
	switch r {
	case users.ReadOnly:
		names = slices.Concat(look, []string{"find"})
	case users.ReadWrite:
		names = slices.Concat(look, define, []string{"find", "insert", "remove", "update"})
	case users.DBAdmin:
		names = slices.Concat(look, define, []string{"bypassDocumentValidation", "collMod", "compact", "dropDatabase", "indexStats", "validate"})
	}
	slices.Sort(names)
	actions := bson.A{}
	for _, name := range names {
		actions = append(actions, name)
	}
	return actions
}

// privilegeDocuments is what grants come to, as MongoDB shows it.
func privilegeDocuments(list []users.Grant) bson.A {
	docs := bson.A{}
	for _, g := range list {
		if g.Role == users.Root {
			docs = append(docs, bson.D{
				{Key: "resource", Value: bson.D{{Key: "anyResource", Value: true}}}, {Key: "actions", Value: bson.A{"anyAction"}},
			})
			continue
		}
		db := g.Database
		if db == users.AllDatabases {
			db = ""
			docs = append(docs, bson.D{
				{Key: "resource", Value: bson.D{{Key: "cluster", Value: true}}}, {Key: "actions", Value: bson.A{"listDatabases"}},
			})
		}
		docs = append(docs, bson.D{
			{Key: "resource", Value: bson.D{{Key: "db", Value: db}, {Key: "collection", Value: ""}}},
			{Key: "actions", Value: actionsOf(g.Role)},
		})
	}
	return docs
}
