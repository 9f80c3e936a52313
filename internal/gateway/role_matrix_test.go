package gateway_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tine/internal/gateway"
)

// kv makes a document of alternating keys and values.
func kv(pairs ...any) bson.D {
	d := bson.D{}
	for i := 0; i < len(pairs); i += 2 {
		d = append(d, bson.E{Key: pairs[i].(string), Value: pairs[i+1]}) //nolint:errcheck,forcetypeassert // a test's own literal
	}
	return d
}

// Who may run a command on the database "mine". Root may always.
const (
	rootOnly = ""
	readers  = "readOnly readWrite"
	writers  = "readWrite"
	definers = "readWrite dbAdmin"
	admins   = "dbAdmin"
	insiders = "readOnly readWrite dbAdmin" // whoever has any role on the database
	anybody  = "nothing readOnly readWrite dbAdmin"
)

// permission is a row of the matrix: a command and who may run it.
type permission struct {
	who     string
	command bson.D
}

func pipelineOn(coll any, stages ...any) bson.D {
	return kv("aggregate", coll, "pipeline", bson.A(stages), "cursor", kv())
}

// permissions has a row for each command that there is.
func permissions() map[string]permission {
	all := collectionPermissions()
	maps.Copy(all, serverPermissions())
	return all
}

func collectionPermissions() map[string]permission {
	docs, role := bson.A{kv()}, bson.A{on("read", "mine")}
	modify := kv("query", kv(), "update", kv("$set", kv("a", 1)))
	return map[string]permission{
		"insert":        {writers, kv("insert", "c", "documents", docs)},
		"update":        {writers, kv("update", "c", "updates", bson.A{kv("q", kv(), "u", kv("$set", kv("a", 1)))})},
		"delete":        {writers, kv("delete", "c", "deletes", bson.A{kv("q", kv("a", -1), "limit", 1)})},
		"findAndModify": {writers, append(kv("findAndModify", "c"), modify...)},
		"findandmodify": {writers, append(kv("findandmodify", "c"), modify...)},
		"bulkWrite":     {writers, kv("bulkWrite", 1, "ops", bson.A{kv("insert", 0, "document", kv())}, "nsInfo", bson.A{kv("ns", "mine.c")})},
		"find":          {readers, kv("find", "c")},
		"aggregate":     {readers, pipelineOn("c")},
		"count":         {readers, kv("count", "c")},
		"distinct":      {readers, kv("distinct", "c", "key", "a")},
		"explain":       {readers, kv("explain", kv("find", "c"))},
		"getMore":       {readers, kv("getMore", int64(1), "collection", "c")},
		"killCursors":   {anybody, kv("killCursors", "c", "cursors", bson.A{int64(1)})}, // of the user's own

		"createUser":               {rootOnly, kv("createUser", "new", "pwd", userPassword, "roles", role)},
		"updateUser":               {rootOnly, kv("updateUser", "somebody", "roles", role)},
		"dropUser":                 {rootOnly, kv("dropUser", "somebody")},
		"dropAllUsersFromDatabase": {rootOnly, kv("dropAllUsersFromDatabase", 1)},
		"grantRolesToUser":         {rootOnly, kv("grantRolesToUser", "somebody", "roles", role)},
		"revokeRolesFromUser":      {rootOnly, kv("revokeRolesFromUser", "somebody", "roles", role)},
		"usersInfo":                {rootOnly, kv("usersInfo", 1)},
		"rolesInfo":                {anybody, kv("rolesInfo", 1)},

		"create":               {definers, kv("create", "made")},
		"drop":                 {definers, kv("drop", "made")},
		"createIndexes":        {definers, kv("createIndexes", "c", "indexes", bson.A{kv("key", kv("a", 1), "name", "a")})},
		"dropIndexes":          {definers, kv("dropIndexes", "c", "index", "a")},
		"deleteIndexes":        {definers, kv("deleteIndexes", "c", "index", "a")},
		"renameCollection":     {definers, kv("renameCollection", "mine.none", "to", "mine.renamed")},
		"dropDatabase":         {admins, kv("dropDatabase", 1)},
		"collMod":              {admins, kv("collMod", "c", "validator", kv())},
		"compact":              {admins, kv("compact", "c")},
		"validate":             {admins, kv("validate", "c")},
		"collStats":            {insiders, kv("collStats", "c")},
		"dbStats":              {insiders, kv("dbStats", 1)},
		"dataSize":             {insiders, kv("dataSize", "mine.c")},
		"listCollections":      {insiders, kv("listCollections", 1)},
		"listIndexes":          {insiders, kv("listIndexes", "c")},
		"profile":              {insiders, kv("profile", -1)},
		"planCacheClear":       {readers, kv("planCacheClear", "c")},
		"planCacheListFilters": {readers, kv("planCacheListFilters", "c")},
		"listDatabases":        {anybody, kv("listDatabases", 1)}, // shows what the user may see
	}
}

// serverPermissions are of the commands that are about no database.
func serverPermissions() map[string]permission {
	all := map[string]permission{
		"currentOp":                {rootOnly, kv("currentOp", 1)}, // its own everybody sees, with $ownOps
		"killOp":                   {rootOnly, kv("killOp", 1, "op", -1)},
		"getLog":                   {rootOnly, kv("getLog", "global")},
		"killAllSessions":          {rootOnly, kv("killAllSessions", bson.A{kv("user", "x", "db", "admin")})},
		"killAllSessionsByPattern": {rootOnly, kv("killAllSessionsByPattern", bson.A{kv("users", bson.A{kv("user", "x", "db", "admin")})})},
		"getParameter":             {rootOnly, kv("getParameter", "*")},
		"saslStart":                {anybody, kv("saslStart", 1, "mechanism", "PLAIN")},
		"endSessions":              {anybody, kv("endSessions", bson.A{})},
		"killSessions":             {anybody, kv("killSessions", bson.A{})}, // of the user's own
		"refreshSessions":          {anybody, kv("refreshSessions", bson.A{})},
	}
	for _, name := range []string{"hostInfo", "serverStatus", "getCmdLineOpts", "connPoolStats", "replSetGetStatus", "replSetGetConfig", "top"} {
		all[name] = permission{rootOnly, kv(name, 1)}
	}
	for _, name := range []string{
		"hello", "isMaster", "ismaster", "saslContinue", "logout", "ping", "buildInfo", "buildinfo", "connectionStatus", "whatsmyuri",
		"commitTransaction", "abortTransaction", "startSession", "getDefaultRWConcern", "listCommands",
	} {
		all[name] = permission{anybody, kv(name, 1)}
	}
	return all
}

// Every command of the table, for every role: the roles are on "mine", and the command is run there and elsewhere.
func TestRoleMatrixOfCommands(t *testing.T) {
	t.Parallel()
	g, rows, commands := open(t, nil), permissions(), gateway.Commands()
	as := g.roleUsers(t)
	for _, name := range slices.Sorted(maps.Keys(commands)) {
		row, there := rows[name]
		switch {
		case !there && commands[name].Hidden: // refused by rule, which must be so for everybody
			row = permission{anybody, kv(name, target(name))}
		case !there:
			t.Errorf("the command %s has no row in the matrix of roles", name)
			continue
		}
		db := "mine"
		if commands[name].AdminOnly || strings.HasSuffix(name, "User") || strings.HasPrefix(name, "usersInfo") {
			db = "admin"
		}
		for _, role := range roleNames() {
			may := role == "root" || slices.Contains(strings.Fields(row.who), role)
			reply := as.run(t, role, db, row.command)
			if got := permitted(reply); got != may {
				t.Errorf("%s as %s on mine: permitted is %v, want %v: %v", name, role, got, may, reply)
			}
			if !there && reply.Lookup("ok").Double() == 1 {
				t.Errorf("%s as %s is done and has no row in the matrix", name, role)
			}
			if bound := row.who != anybody && role != "root"; bound && db == "mine" {
				if reply := as.run(t, role, "other", moved(row.command)); permitted(reply) {
					t.Errorf("%s as %s on mine is permitted on other: %v", name, role, reply)
				}
			}
		}
	}
	for name := range rows {
		if _, there := commands[name]; !there {
			t.Errorf("the matrix has a row for %s, which is no command", name)
		}
	}
}

// moved is a command about "other" where it was about "mine".
func moved(command bson.D) bson.D {
	other := slices.Clone(command)
	for i, e := range other {
		if s, ok := e.Value.(string); ok {
			other[i].Value = strings.ReplaceAll(s, "mine.", "other.")
		}
	}
	return other
}
