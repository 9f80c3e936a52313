package gateway

import (
	"context"
	"maps"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
)

// handler runs a command whose user may run it. The reply it returns is a complete one; errors become replies in one place.
type handler func(ctx context.Context, c *conn, r *request) (bsoncore.Document, error)

// command is a row of the command table.
type command struct {
	privilege privilege
	needs     needsFunc // for a command that needs more or other things than the privilege on its collection
	changes   bool      // writes to a database, so that system databases are out of bounds
	retried   bool      // a write that drivers number and repeat
	since     int32     // the level that has it first; 0 is all
	hidden    bool      // not in listCommands
	inTxn     bool      // may be part of a transaction
	ends      bool      // ends a transaction
	syntax    *syntax
	run       handler
}

// knownCommands are the commands of a level, each with its syntax.
func knownCommands(v version) map[string]command {
	all := commandTable()
	maps.Copy(all, collectionCommands())
	maps.Copy(all, serverCommands())
	for name, words := range unsupported() {
		if _, there := all[name]; !there {
			all[name] = command{privilege: userless, hidden: true, run: refuse(mongoerr.CommandNotSupported, words)}
		}
	}
	for _, name := range searchCommands() {
		all[name] = command{privilege: userless, hidden: true, run: refuse(mongoerr.SearchNotEnabled, "there is no Atlas Search")}
	}
	known, syntaxes := make(map[string]command, len(all)), syntaxes()
	for name, cmd := range all {
		if cmd.since <= v.major {
			if cmd.syntax = syntaxes[name]; cmd.syntax == nil {
				cmd.syntax = (&syntax{}).compile() // no options; a test asks for an entry
			}
			known[name] = cmd
		}
	}
	return known
}

// refuse answers commands that MongoDB has and Tine has not.
func refuse(code mongoerr.Code, words string) handler {
	return func(_ context.Context, _ *conn, r *request) (bsoncore.Document, error) {
		return nil, mongoerr.New(code, "%s is not supported: %s", r.command, words)
	}
}

// commandTable is every command there is, under every spelling that clients use.
func commandTable() map[string]command {
	return map[string]command{
		// handshake and log-in
		"hello":        {privilege: handshake, run: hello},
		"isMaster":     {privilege: handshake, run: hello},
		"ismaster":     {privilege: handshake, run: hello},
		"saslStart":    {privilege: handshake, run: saslStart},
		"saslContinue": {privilege: handshake, run: saslContinue},
		"logout":       {privilege: handshake, run: logout},

		// what MongoDB, too, answers to anybody
		"ping":             {privilege: handshake, run: ping},
		"buildInfo":        {privilege: handshake, run: buildInfo},
		"buildinfo":        {privilege: handshake, run: buildInfo},
		"connectionStatus": {privilege: handshake, run: connectionStatus},
		"whatsmyuri":       {privilege: handshake, run: whatsmyuri},
		"endSessions":      {privilege: handshake, run: endSessions},

		// sessions and transactions
		"commitTransaction":        {privilege: userless, ends: true, run: commitTransaction},
		"abortTransaction":         {privilege: userless, ends: true, run: abortTransaction},
		"startSession":             {privilege: userless, run: startSession},
		"refreshSessions":          {privilege: userless, run: refreshSessions},
		"killSessions":             {privilege: userless, run: endSessions}, // of the user's own
		"killAllSessions":          {privilege: manage, run: killAllSessions},
		"killAllSessionsByPattern": {privilege: manage, run: killAllSessionsByPattern},

		// writes
		"insert":        {privilege: write, inTxn: true, changes: true, retried: true, run: insert},
		"update":        {privilege: write, inTxn: true, changes: true, retried: true, run: update},
		"delete":        {privilege: write, inTxn: true, changes: true, retried: true, run: remove},
		"bulkWrite":     {privilege: userless, needs: bulkWriteNeeds, inTxn: true, changes: true, retried: true, since: 8, run: bulkWrite},
		"findAndModify": {privilege: write, inTxn: true, changes: true, retried: true, run: findAndModify},
		"findandmodify": {privilege: write, inTxn: true, changes: true, retried: true, run: findAndModify},

		// reads and cursors
		"find":        {privilege: read, inTxn: true, run: findDocuments},
		"aggregate":   {privilege: read, inTxn: true, needs: aggregateNeeds, run: aggregate},
		"count":       {privilege: read, run: count},
		"distinct":    {privilege: read, inTxn: true, run: distinct},
		"explain":     {privilege: userless, needs: explainNeeds, run: explainCommand},
		"getMore":     {privilege: read, inTxn: true, needs: cursorNeeds, run: getMore}, // the cursor also has an owner
		"killCursors": {privilege: userless, inTxn: true, run: killCursors},             // the same

		// users and roles
		"createUser":               {privilege: manage, run: createUser},
		"updateUser":               {privilege: userless, run: updateUser}, // everybody the own password
		"dropUser":                 {privilege: manage, run: dropUser},
		"dropAllUsersFromDatabase": {privilege: manage, run: dropAllUsersFromDatabase},
		"grantRolesToUser":         {privilege: manage, run: grantRolesToUser},
		"revokeRolesFromUser":      {privilege: manage, run: revokeRolesFromUser},
		"usersInfo":                {privilege: userless, run: usersInfo}, // everybody the own
		"rolesInfo":                {privilege: userless, run: rolesInfo},

		// databases, collections and indexes
		"create":          {privilege: define, inTxn: true, needs: createNeeds, changes: true, run: create},
		"drop":            {privilege: define, changes: true, run: drop},
		"createIndexes":   {privilege: define, inTxn: true, changes: true, run: createIndexes},
		"dropIndexes":     {privilege: define, changes: true, run: dropIndexes},
		"deleteIndexes":   {privilege: define, changes: true, run: dropIndexes},
		"dropDatabase":    {privilege: administer, changes: true, run: dropDatabase},
		"listDatabases":   {privilege: userless, run: listDatabases}, // shows what the user may see
		"listCollections": {privilege: inspect, run: listCollections},
		"listIndexes":     {privilege: inspect, run: listIndexes},
	}
}
