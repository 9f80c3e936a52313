package gateway

import (
	"maps"
	"slices"

	"tine/internal/gateway/mongoerr"
)

// takes are options of one kind of value that the engine or the handler reads.
func takes(types typeSet, names ...string) []option {
	list := make([]option, len(names))
	for i, name := range names {
		list[i] = option{name: name, types: types}
	}
	return list
}

// needs are options without which there is no command.
func needs(types typeSet, names ...string) []option {
	list := takes(types, names...)
	for i := range list {
		list[i].required = true
	}
	return list
}

// operations is the option that holds a write's operations, or the sequence of its name.
func operations(name string) []option {
	return []option{{name: name, types: anArray, required: true, sequence: true}}
}

// holds are options that ask for what is always so here, whatever their value.
func holds(types typeSet, names ...string) []option {
	list := takes(types, names...)
	for i := range list {
		list[i].drop = true
	}
	return list
}

// lacks are options that MongoDB has and the engine has not.
func lacks(code mongoerr.Code, words string, types typeSet, names ...string) []option {
	list := takes(types, names...)
	for i := range list {
		list[i].refuse = &refusal{code: code, words: words}
	}
	return list
}

// unstable takes options out of the Stable API.
func unstable(list []option) []option {
	for i := range list {
		list[i].unstable = true
	}
	return list
}

// timed is maxTimeMS where the engine itself looks at the time.
func timed() []option { return []option{{name: "maxTimeMS", types: aNumber, check: checkMaxTime}} }

// writing is writeConcern, which only commands that write take.
func writing() []option {
	return []option{{name: "writeConcern", types: anObject, check: checkWriteConcern}}
}

// reading is readConcern of commands that read at any level; others take the level local alone.
func reading() []option {
	return []option{{name: "readConcern", types: anObject, check: checkReadConcern}}
}

// collation is refused but for the one that is no collation.
func collation() []option {
	return []option{{name: "collation", types: anObject, check: checkCollation, drop: true}}
}

// genericOptions are those of every command.
func genericOptions() []option {
	return slices.Concat(
		takes(aString, "$db", "apiVersion"),
		takes(aBool, "apiStrict", "apiDeprecationErrors", "startTransaction", "autocommit"),
		takes(anObject, "lsid", "$clusterTime", "$readPreference"),
		takes(aNumber, "txnNumber", "stmtId"),
		takes(anArray, "stmtIds"),
		holds(anything, "comment"), // it is seen in currentOp, which has the whole command
		[]option{
			{name: "maxTimeMS", types: aNumber, check: readMaxTime, drop: true},
			{name: "readConcern", types: anObject, check: checkLocalReadConcern},
			{name: "writeConcern", types: anObject, check: refuseWriteConcern},
		},
	)
}

const (
	noPlanOptions = "the engine returns documents only"
	oneNode       = "it is for sharded clusters"
)

// readSyntax is of the commands that read documents.
func readSyntax() map[string]*syntax {
	return map[string]*syntax{
		"find": {stable: true, options: slices.Concat(
			takes(anObject, "filter", "projection", "sort", "let"),
			takes(aNumber, "skip", "limit", "batchSize"),
			unstable(takes(aNumber, "ntoreturn")),
			takes(anything, "hint"), takes(aBool, "singleBatch"),
			unstable(takes(anObject, "min", "max")),
			holds(aBool, "allowDiskUse", "allowPartialResults"), unstable(holds(aBool, "oplogReplay")),
			unstable(takes(aBool, "noCursorTimeout", "tailable", "awaitData")),
			unstable(lacks(mongoerr.CommandNotSupported, noPlanOptions, aBool, "returnKey", "showRecordId")),
			unstable(lacks(mongoerr.CommandNotSupported, "there is no oplog to resume from", aBool, "requestResumeToken")),
			unstable(lacks(mongoerr.CommandNotSupported, "there is no oplog to resume from", anObject, "resumeAfter", "startAt")),
			unstable(lacks(mongoerr.CommandNotSupported, "use currentOp and explain", anObject, "querySettings")),
			collation(), timed(), reading())},
		"aggregate": {stable: true, options: slices.Concat(
			needs(anArray, "pipeline"),
			takes(anObject, "cursor", "let"), takes(anything, "hint"),
			takes(aBool, "explain", "bypassDocumentValidation"), holds(aBool, "allowDiskUse"),
			collation(), timed(), reading(), writing())},
		"count": {stable: true, options: slices.Concat(
			takes(anObject, "query"), takes(aNumber, "limit", "skip"), takes(anything, "hint"),
			holds(anObject, "fields"), collation(), timed(), reading())},
		"distinct": {options: slices.Concat(
			needs(aString, "key"), takes(anObject, "query"), takes(anything, "hint"), collation(), timed(), reading())},
		"getMore": {stable: true, options: slices.Concat(
			needs(aString, "collection"), takes(aNumber, "batchSize"),
			[]option{{name: "maxTimeMS", types: aNumber, check: refuseMaxTime}},
			lacks(mongoerr.CommandNotSupported, "it is between MongoDB's own servers", anything, "term", "lastKnownCommittedOpTime"))},
		"killCursors": {stable: true, options: needs(anArray, "cursors")},
		"explain":     {stable: true, options: takes(aString, "verbosity")},
	}
}

// writeSyntax is of the commands that write documents.
func writeSyntax() map[string]*syntax {
	modify := &syntax{stable: true, options: slices.Concat(
		takes(anObject, "query", "sort", "fields", "let"), takes(anything, "hint"),
		takes(aBool, "remove", "new", "upsert", "bypassDocumentValidation"),
		takes(anObject|anArray, "update"), takes(anArray, "arrayFilters"), collation(), writing())}
	lower := *modify
	lower.stable = false
	return map[string]*syntax{
		"insert": {stable: true, options: slices.Concat(
			operations("documents"), takes(aBool, "ordered", "bypassDocumentValidation"),
			holds(aBool, "bypassEmptyTsReplacement"), writing())},
		"update": {stable: true, options: slices.Concat(
			operations("updates"), takes(aBool, "ordered", "bypassDocumentValidation"), takes(anObject, "let"),
			holds(aBool, "bypassEmptyTsReplacement"), timed(), writing())},
		"delete": {stable: true, options: slices.Concat(
			operations("deletes"), takes(aBool, "ordered"), takes(anObject, "let"), writing())},
		"findAndModify": modify,
		"findandmodify": &lower,
		"bulkWrite": {stable: true, adminOnly: true, options: slices.Concat(
			operations("ops"), operations("nsInfo"),
			takes(aBool, "errorsOnly", "ordered", "bypassDocumentValidation"), takes(anObject, "let", "cursor"),
			holds(aBool, "bypassEmptyTsReplacement"), writing())},
	}
}

const (
	noCapped     = "there are no capped collections"
	noTimeSeries = "there are no time series collections"
	noClustered  = "collections cannot be clustered on another key"
)

// defineSyntax is of the commands that make, change, list and drop databases, collections and indexes.
func defineSyntax() map[string]*syntax {
	dropping := slices.Concat(needs(anything, "index"), writing())
	return map[string]*syntax{
		"create": {stable: true, options: slices.Concat(
			takes(anObject, "validator"), takes(aString, "validationLevel", "validationAction", "viewOn"), takes(anArray, "pipeline"),
			[]option{{name: "idIndex", types: anObject, check: checkIDIndex, drop: true}},
			unstable([]option{{name: "autoIndexId", types: aBool, check: checkAutoIndexID, drop: true}}),
			unstable(lacks(mongoerr.CommandNotSupported, noCapped, aBool, "capped")),
			unstable(lacks(mongoerr.CommandNotSupported, noCapped, aNumber, "size", "max")),
			lacks(mongoerr.CommandNotSupported, noTimeSeries, anObject, "timeseries"),
			lacks(mongoerr.CommandNotSupported, noTimeSeries+" or clustered collections", anything, "expireAfterSeconds"),
			lacks(mongoerr.CommandNotSupported, noClustered, anObject|aBool, "clusteredIndex"),
			lacks(mongoerr.CommandNotSupported, "there are no change streams", anObject, "changeStreamPreAndPostImages"),
			lacks(mongoerr.CommandNotSupported, "there is no queryable encryption", anObject, "encryptedFields"),
			unstable(lacks(mongoerr.CommandNotSupported, "there is one storage engine and it has no options", anObject, "storageEngine", "indexOptionDefaults")),
			unstable(lacks(mongoerr.InvalidOptions, "it is for MongoDB's own use", aBool, "temp")),
			collation(), writing())},
		"collMod": {stable: true, options: slices.Concat(
			takes(anObject, "index", "validator"), takes(aString, "validationLevel", "validationAction", "viewOn"), takes(anArray, "pipeline"),
			unstable(lacks(mongoerr.CommandNotSupported, noCapped, aNumber, "cappedSize", "cappedMax")),
			lacks(mongoerr.CommandNotSupported, noTimeSeries, anObject, "timeseries"),
			lacks(mongoerr.CommandNotSupported, noTimeSeries, anything, "expireAfterSeconds"),
			lacks(mongoerr.CommandNotSupported, "there are no change streams", anObject, "changeStreamPreAndPostImages"),
			lacks(mongoerr.CommandNotSupported, "an index cannot be made unique", aBool, "dryRun"),
			writing())},
		"drop":             {stable: true, options: writing()},
		"dropDatabase":     {stable: true, options: writing()},
		"renameCollection": {adminOnly: true, options: slices.Concat(needs(aString, "to"), takes(aBool, "dropTarget"), writing())},
		"createIndexes": {stable: true, options: slices.Concat(
			needs(anArray, "indexes"), holds(anything, "commitQuorum"), takes(aBool, "ignoreUnknownIndexOptions"), writing())},
		"dropIndexes":   {stable: true, options: dropping},
		"deleteIndexes": {options: dropping},
		"listDatabases": {stable: true, adminOnly: true, options: slices.Concat(
			takes(anObject, "filter"), takes(aBool, "nameOnly", "authorizedDatabases"))},
		"listCollections": {stable: true, options: slices.Concat(
			takes(anObject, "filter", "cursor"), takes(aBool, "nameOnly", "authorizedCollections"),
			unstable(holds(aBool, "includePendingDrops")))},
		"listIndexes": {stable: true, options: slices.Concat(
			takes(anObject, "cursor"), unstable(takes(aBool, "includeIndexBuildInfo", "includeBuildUUIDs")))},
	}
}

// sessionSyntax is of the handshake, log-in, sessions and transactions.
func sessionSyntax() map[string]*syntax {
	return map[string]*syntax{
		"hello":    {stable: true, lenient: true}, // drivers tell more about themselves with every version
		"isMaster": {lenient: true},
		"ismaster": {lenient: true},
		"saslStart": {stable: true, options: slices.Concat(
			needs(aString, "mechanism"), needs(anything, "payload"), takes(anObject, "options"),
			holds(anything, "autoAuthorize"))},
		"saslContinue": {stable: true, options: slices.Concat(needs(aNumber, "conversationId"), needs(anything, "payload"))},
		"logout":       {},
		"ping":         {stable: true}, "buildInfo": {}, "buildinfo": {}, "whatsmyuri": {},
		"connectionStatus": {options: takes(aBool, "showPrivileges")},
		"endSessions":      {stable: true}, "refreshSessions": {stable: true},
		"startSession": {}, "killSessions": {}, "killAllSessions": {}, "killAllSessionsByPattern": {},
		"commitTransaction": {stable: true, options: slices.Concat(takes(anObject, "recoveryToken"), writing())},
		"abortTransaction":  {stable: true, options: slices.Concat(takes(anObject, "recoveryToken"), writing())},
	}
}

// userSyntax is of the commands about users and roles.
func userSyntax() map[string]*syntax {
	user := slices.Concat(takes(aString, "pwd"), takes(anObject, "customData"), takes(anArray, "roles", "mechanisms"),
		takes(anArray, "authenticationRestrictions"), takes(aBool, "digestPassword"), writing())
	role := slices.Concat(takes(anArray, "privileges", "roles", "authenticationRestrictions"), writing())
	return map[string]*syntax{
		"createUser": {options: user}, "updateUser": {options: user},
		"dropUser": {options: writing()}, "dropAllUsersFromDatabase": {options: writing()},
		"grantRolesToUser":    {options: slices.Concat(takes(anArray, "roles"), writing())},
		"revokeRolesFromUser": {options: slices.Concat(takes(anArray, "roles"), writing())},
		"usersInfo": {options: slices.Concat(takes(anObject, "filter"),
			takes(aBool, "showPrivileges", "showCredentials", "showCustomData", "showAuthenticationRestrictions"))},
		"rolesInfo": {options: slices.Concat(takes(aBool, "showBuiltinRoles", "showAuthenticationRestrictions"),
			takes(anything, "showPrivileges"))},
		"createRole": {options: role}, "updateRole": {options: role},
		"dropRole": {options: writing()}, "dropAllRolesFromDatabase": {options: writing()},
		"grantPrivilegesToRole": {options: role}, "revokePrivilegesFromRole": {options: role},
		"grantRolesToRole": {options: role}, "revokeRolesFromRole": {options: role},
		"invalidateUserCache": {},
	}
}

// serverSyntax is of the commands about the server and what it does.
func serverSyntax() map[string]*syntax {
	shape := slices.Concat(takes(anObject, "query", "projection", "sort"), collation())
	return map[string]*syntax{
		"serverStatus": {lenient: true}, // a section's name says whether it is wanted
		"getParameter": {lenient: true}, // a parameter's name asks for it
		"currentOp":    {adminOnly: true, lenient: true},
		"killOp":       {adminOnly: true, options: needs(aNumber, "op")},
		"getLog":       {adminOnly: true}, "getCmdLineOpts": {adminOnly: true},
		"hostInfo": {}, "listCommands": {}, "connPoolStats": {},
		"collStats": {options: slices.Concat(takes(aNumber, "scale"), holds(aBool, "verbose"))},
		"dbStats":   {options: slices.Concat(takes(aNumber, "scale"), takes(aBool|aNumber, "freeStorage"))},
		"dataSize": {options: slices.Concat(holds(aBool, "estimate"),
			lacks(mongoerr.CommandNotSupported, "it measures whole collections", anObject, "keyPattern", "min", "max"))},
		"validate": {options: slices.Concat(takes(aBool, "full"), holds(aBool, "metadata", "checkBSONConformance"),
			lacks(mongoerr.CommandNotSupported, "what is wrong is reported and not changed", aBool, "repair", "fixMultikey"),
			lacks(mongoerr.CommandNotSupported, "validation is not done in the background", aBool, "background"),
			lacks(mongoerr.CommandNotSupported, "there is no count to enforce", aBool, "enforceFastCount"))},
		"compact": {options: slices.Concat(holds(aBool, "force"), holds(aNumber, "freeSpaceTargetMB"),
			lacks(mongoerr.CommandNotSupported, "what can be freed is not known before", aBool, "dryRun"))},
		"getDefaultRWConcern":  {adminOnly: true, options: holds(aBool, "inMemory")},
		"replSetGetStatus":     {adminOnly: true, options: holds(aBool, "initialSync")},
		"replSetGetConfig":     {adminOnly: true, options: lacks(mongoerr.CommandNotSupported, oneNode, aBool, "commitmentStatus")},
		"profile":              {options: slices.Concat(takes(aNumber, "slowms"), takes(aNumber, "sampleRate"), takes(anything, "filter"))},
		"planCacheClear":       {options: shape},
		"planCacheListFilters": {},
		"top":                  {adminOnly: true},
	}
}

// unsupported are commands that MongoDB has and Tine has not. They are refused in words, whatever their options.
func unsupported() map[string]string {
	const (
		byTine   = "the cluster is managed: its owner does that through Tine's API"
		noFilter = "the engine has no plan cache that could be steered"
		noRoles  = "roles cannot be made; grant readOnly, readWrite or dbAdmin on a database"
	)
	return map[string]string{
		"mapReduce": "there is no JavaScript; use an aggregation pipeline", "mapreduce": "there is no JavaScript; use an aggregation pipeline",
		"setParameter": byTine, "setDefaultRWConcern": byTine, "shutdown": byTine, "logRotate": byTine,
		"fsync": byTine, "fsyncUnlock": byTine, "setFeatureCompatibilityVersion": byTine, "rotateCertificates": byTine,
		"replSetInitiate": byTine, "replSetReconfig": byTine, "replSetStepDown": byTine, "replSetFreeze": byTine,
		"replSetMaintenance": byTine, "replSetSyncFrom": byTine, "replSetResizeOplog": byTine,
		"setClusterParameter": byTine, "getClusterParameter": "there are no parameters for a whole cluster",
		"convertToCapped": noCapped, "cloneCollectionAsCapped": noCapped,
		"planCacheSetFilter": noFilter, "planCacheClearFilters": noFilter, "setQuerySettings": noFilter, "removeQuerySettings": noFilter,
		"features": "it is of no use to clients", "lockInfo": "locks are the engine's own",
		"reIndex": "drop the index and create it again", "autoCompact": "space is reclaimed by the engine itself",
		"dbHash":          "documents are not hashed; compare with a find",
		"dropConnections": byTine, "validateDBMetadata": "use validate", "applyOps": "there is no oplog",
		"createRole": noRoles, "updateRole": noRoles, "dropRole": noRoles, "dropAllRolesFromDatabase": noRoles,
		"grantPrivilegesToRole": noRoles, "revokePrivilegesFromRole": noRoles, "grantRolesToRole": noRoles, "revokeRolesFromRole": noRoles,
	}
}

// searchCommands are those of Atlas Search, which MongoDB's own servers refuse with a code of its own.
func searchCommands() []string {
	return []string{"createSearchIndexes", "updateSearchIndex", "dropSearchIndex", "listSearchIndexes"}
}

// syntaxes is the syntax of every command, ready for check.
func syntaxes() map[string]*syntax {
	all := map[string]*syntax{}
	for _, part := range []map[string]*syntax{
		readSyntax(), writeSyntax(), defineSyntax(), sessionSyntax(), userSyntax(), serverSyntax(),
	} {
		maps.Copy(all, part)
	}
	for name := range unsupported() {
		all[name] = &syntax{lenient: true}
	}
	for _, name := range searchCommands() {
		all[name] = &syntax{lenient: true}
	}
	for _, s := range all {
		s.compile()
	}
	return all
}
