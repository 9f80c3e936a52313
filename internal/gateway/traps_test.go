// Package gateway_test tests the gateway from where its clients are. Where the engine does other than MongoDB, or other than its words
// say, a test pins what the gateway makes of it:
//
//	trap | test
//	a fork's jobs run on its parent's node | TestNodeIsSetUpAgainstTraps
//	count without a filter is an estimate, after a crash or in a fork far from it | TestCountWithoutFilterIsExact
//	collStats and $collStats count by the same estimate | TestStatsCountExactly
//	count does not see what its own transaction wrote | TestTransactionRefusesWhatCannotBePartOfIt TestTransactionIsAllOrNothingAcrossDatabases
//	secondary indexes serve no sort unless they are of another access method | TestSortsAreServedByIndexes TestNodeIsSetUpAgainstTraps
//	SET ROLE in a transaction is undone by an error | TestRoleOutlivesErrors
//	SET ROLE that failed does not stop what is sent after it | TestRoleThatIsNotTakenIsAnError TestLoginWithoutRoleReachesNoDocuments
//	SET ROLE sent with a find makes its cursor end with the page | TestCursorsReturnEverythingOnce TestCursorsAreInterleavedAcrossConnections
//	one cursor of a connection, or of a transaction, closes another | TestCursorsAreInterleavedAcrossConnections TestCursorsOfATransactionRunSideBySide
//	getMore without batchSize returns all that is left | TestGetMoreWithoutBatchSizeIsBounded
//	retries that the engine remembers are safe once, and for one statement | TestRepeatedWritesAreCarriedOutOnce TestWriteRepeatedByTheDriverIsCarriedOutOnce
//	bulkWrite is there and does nothing | TestBulkWriteInSeveralCollections TestRepeatedBulkWriteIsAnsweredFromItsRecord
//	commands that cannot be done answer ok and writeErrors | TestFailureOfTheCommandIsNotAWriteError TestReadersWritesFailAsCommands
//	codes of writeErrors are packed states | TestWriteErrorsHaveMongoCodes
//	write errors leave the transaction open, with a part written | TestWriteErrorEndsTheTransaction TestAnyErrorEndsTheTransaction
//	lock timeouts in a transaction are conflicts | TestConflictIsATransientError
//	wildcard indexes break $elemMatch and $graphLookup | TestWildcardIndexDoesNotBreakElemMatch TestWildcardIndexDoesNotBreakGraphLookup
//	a truncated document ends its sequence without an error | TestBadFramesCloseTheConnection
//	index builds are listed before they are built, and interrupted ones stay so | TestIndexesAreBuiltWhenTheCommandReturns TestKilledIndexBuildIsFinishedLater
//	admin, local and config can be written to | TestSystemDatabasesTakeNoWrites TestSystemDatabasesCannotBeWrittenTo
//	users are roles of PostgreSQL that can log in to it | TestOddNamesAndPasswords TestNoPasswordReachesPostgreSQLOrALog
//	administrators reach what a superuser executes | TestEngineRolesReachNothingButDocuments
//	administrators cannot make users | TestUserMayDoWhatItsRolesSay TestRoleMatrixOfCommands
//	there are two sets of roles, for all databases | TestPrivilegesOfRoles TestRightsInTwoDatabases
//	createUser refuses mechanisms and customData | TestUsersInfo
//	names of users are cut off after 63 bytes | TestUsersThatCannotBe
//	passwords may be of any length | TestUsersThatCannotBe
//	there can be 100 users | TestMoreUsersThanTheEngineHas
//	a verifier that is given as a password is one | TestPasswordThatLooksLikeAVerifierIsAPassword
//	usersInfo shows all users to everybody, and the gateway's own | TestUsersCannotGainRights TestUsersInfo
//	SCRAM shows which users there are | TestUnknownUsersHaveStableSaltsOfTheUsualForm TestWrongPasswordAndUnknownUserFailTheSameWay
//	who may only read is stopped in the reply alone | TestEngineRefusesWritesOfReadersWithoutTheTable TestWorkOfWhoMayOnlyReadRunsAsTheReader
//	users may change their own user | TestUsersCannotGainRights
//	cursors have no owner | TestCursorsSessionsAndOperationsAreTheirUsers TestCursorBelongsToItsSession TestCursorBelongsToItsNamespace
//	killOp and currentOp do not work with SET ROLE | TestOperationsAreListedAndKilled TestOperationsOfOthersAreNeitherSeenNorKilled
//	stages that tell about the server are for everybody | TestRoleMatrixOfPipelinesThatReachElsewhere
//	shardCollection acts without shards | TestCommandsOfServersThatAreNotManagedAreRefused
//	values that are equal have different hashes, and small results are grouped by hash | TestEqualValuesAreOneGroup
//	a regular expression or a $graphLookup runs for ever | TestCommandsHaveATimeLimit TestOperationsAreListedAndKilled
package gateway_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tine/internal/gateway"
)

// parsed are the package's test files.
func parsed(tb testing.TB) map[string]*ast.File {
	tb.Helper()
	files := map[string]*ast.File{}
	for _, entry := range must(os.ReadDir("."))(tb) {
		if strings.HasSuffix(entry.Name(), "_test.go") {
			files[entry.Name()] = must(parser.ParseFile(token.NewFileSet(), entry.Name(), nil, parser.ParseComments))(tb)
		}
	}
	return files
}

func TestEveryTrapHasATest(t *testing.T) {
	t.Parallel()
	files, tests := parsed(t), map[string]bool{}
	for _, file := range files {
		for _, decl := range file.Decls {
			if f, is := decl.(*ast.FuncDecl); is {
				tests[f.Name.Name] = true
			}
		}
	}
	traps := 0
	for line := range strings.Lines(files["traps_test.go"].Doc.Text()) {
		trap, named, is := strings.Cut(strings.TrimSpace(line), " | ")
		if !is || trap == "trap" {
			continue
		}
		traps++
		for name := range strings.FieldsSeq(named) {
			if !tests[name] || !regexp.MustCompile("^Test[A-Z]").MatchString(name) {
				t.Errorf("%s: there is no test %s", trap, name)
			}
		}
	}
	if traps < 30 {
		t.Errorf("the table has %d traps", traps)
	}
}

func TestNodeIsSetUpAgainstTraps(t *testing.T) {
	t.Parallel()
	su := superuser(t)
	for name, want := range map[string]string{
		"cron.use_background_workers":             "on",
		"documentdb.alternate_index_handler_name": "extended_rum",
		"documentdb.useFileBasedPersistedCursors": "on",
		"documentdb.enableBackgroundWorkerJobs":   "off",
		"documentdb.localhost_connection_string":  "host=/run/tine",
	} {
		var is *string
		if err := su.QueryRow(t.Context(), "SELECT current_setting($1, true)", name).Scan(&is); err != nil {
			t.Fatal(err)
		}
		if is == nil || *is != want {
			t.Errorf("%s is not %s", name, want)
		}
	}
	var builders int
	ok(t, su.QueryRow(t.Context(), "SELECT count(*) FROM cron.job WHERE active AND command LIKE '%build_index%'").Scan(&builders))
	if builders != 0 {
		t.Errorf("%d jobs build indexes beside the gateway", builders)
	}
}

func currentUser(tb testing.TB, c *pgx.Conn) (is string) {
	tb.Helper()
	ok(tb, c.QueryRow(tb.Context(), "SELECT current_user").Scan(&is))
	return is
}

// asGateway is a connection as the gateway makes them, before it takes a role.
func asGateway(tb testing.TB) *pgx.Conn {
	tb.Helper()
	c := backend(tb, "tine_reader")
	must(c.Exec(tb.Context(), "RESET ROLE"))(tb)
	return c
}

func TestRoleOutlivesErrors(t *testing.T) {
	t.Parallel()
	c := asGateway(t)
	ok(t, gateway.TakeRole(t.Context(), c, "tine_writer"))
	for _, statements := range [][]string{
		{"SELECT 1/0"},
		{"SELECT 1; SELECT 1/0"},
		{"BEGIN", "SELECT 1/0", "ROLLBACK"},
		{"BEGIN", "SELECT 1/0", "COMMIT"},
	} {
		for _, sql := range statements {
			_, _ = c.PgConn().Exec(t.Context(), sql).ReadAll()
		}
		if is := currentUser(t, c); is != "tine_writer" {
			t.Errorf("after %v the role is %s", statements, is)
		}
	}
}

func TestRoleThatIsNotTakenIsAnError(t *testing.T) {
	t.Parallel()
	c := asGateway(t)
	for _, role := range []string{"nobody", "postgres", "none", `x"; SET ROLE tine_writer; --`} {
		if err := gateway.TakeRole(t.Context(), c, role); err == nil {
			t.Errorf("%q was taken", role)
		}
		if is := currentUser(t, c); is != "tine_gateway" {
			t.Errorf("after %q the role is %s", role, is)
		}
	}
}

func TestLoginWithoutRoleReachesNoDocuments(t *testing.T) {
	t.Parallel()
	open(t, nil).roleUsers(t)
	c := asGateway(t)
	find := must(bson.Marshal(kv("find", "c")))(t)
	for sql, args := range engineWrites(t) {
		var done *bool
		err := c.QueryRow(t.Context(), sql, args...).Scan(&done)
		if err == nil && (done == nil || *done) && !strings.Contains(sql, "tine.insert_once") {
			t.Errorf("%s was carried out", sql)
		}
	}
	_, err := c.Exec(t.Context(), "SELECT cursorpage FROM documentdb_api.find_cursor_first_page('mine', $1::bytea, 0)", find)
	if err == nil {
		t.Error("documents can be read")
	}
	wantDenied(t, "find", err)
}

func TestSortsAreServedByIndexes(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	docs := make([]any, 20_000)
	for i := range docs {
		docs[i] = kv("_id", i, "n", i*7919%len(docs))
	}
	must(db.Collection("c").InsertMany(t.Context(), docs))(t)
	ok(t, db.RunCommand(t.Context(), indexOn("c", "n")).Err())
	must(superuser(t).Exec(t.Context(), "ANALYZE"))(t)
	for _, find := range []bson.D{
		kv("find", "c", "sort", kv("n", 1), "limit", 10),
		kv("find", "c", "filter", kv("n", kv("$gt", 3)), "sort", kv("n", 1), "limit", 10),
		kv("find", "c", "filter", kv("n", kv("$gt", 3)), "sort", kv("n", -1), "limit", 10),
	} {
		var got explained
		ok(t, db.RunCommand(t.Context(), kv("explain", find, "verbosity", "queryPlanner")).Decode(&got))
		if plan := stages(got.QueryPlanner.WinningPlan); !strings.Contains(plan, "IXSCAN") || strings.Contains(plan, "SORT") {
			t.Errorf("the plan of %v is %s", find, plan)
		}
	}
}

func TestRepeatedWritesAreCarriedOutOnce(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	coll := g.database(t).Collection("c")
	must(coll.InsertMany(t.Context(), []any{byID(1), byID(2), byID(3)}))(t)
	c := g.login(t, "doadmin", password)
	update := func(id int) bson.D { return kv("q", byID(id), "u", inc(1)) }
	for i, command := range []bson.D{
		kv("update", "c", "updates", bson.A{update(1), update(2), update(1)}),
		kv("update", "c", "updates", bson.A{kv("q", byID("new"), "u", inc(1), "upsert", true)}),
		kv("insert", "c", "documents", bson.A{byID(10), byID(11)}),
		kv("findAndModify", "c", "query", byID(2), "update", inc(1), "new", true),
		kv("delete", "c", "deletes", bson.A{kv("q", kv("_id", kv("$gte", 3)), "limit", 1)}),
	} {
		command = append(append(command, inSession(1, int64(i))...), kv("$db", coll.Database().Name())...)
		first := c.command(t, command)
		wantOK(t, first)
		for range 2 {
			if again := c.command(t, command); again.String() != first.String() {
				t.Errorf("%v answers %v, and then %v", command[0], first, again)
			}
		}
	}
	var docs []bson.M
	ok(t, must(coll.Find(t.Context(), kv(), options.Find().SetSort(byID(1))))(t).All(t.Context(), &docs))
	got := map[any]any{}
	for _, d := range docs {
		got[d["_id"]] = d["n"]
	}
	if len(docs) != 5 || got[int32(1)] != int32(2) || got[int32(2)] != int32(2) || got["new"] != int32(1) {
		t.Errorf("the documents are %v", docs)
	}
}

func TestFailureOfTheCommandIsNotAWriteError(t *testing.T) {
	t.Parallel()
	for packed, code := range map[int32]int{16797828: 13, 16908292: 112, 50463045: 24, 100663618: 10107} {
		reply := must(bson.Marshal(kv("n", 0, "ok", 1.0, "writeErrors", bson.A{kv("index", 0, "code", packed, "errmsg", "secret")})))(t)
		doc, err := gateway.DecodeWriteErrors(reply)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("the packed state %d becomes %v, %v; want an error of code %d", packed, doc, err, code)
			continue
		}
		if got := gateway.CodeOf(err); got != code {
			t.Errorf("the packed state %d becomes code %d, want %d", packed, got, code)
		}
	}
}

func TestReadersWritesFailAsCommands(t *testing.T) {
	t.Parallel()
	as := open(t, nil).roleUsers(t)
	for _, command := range []bson.D{
		kv("insert", "c", "documents", bson.A{kv()}),
		kv("update", "c", "updates", bson.A{kv("q", kv(), "u", kv("$set", kv("a", 2)))}),
		kv("delete", "c", "deletes", bson.A{kv("q", kv(), "limit", 0)}),
	} {
		reply := as.run(t, "readOnly", "mine", command)
		if _, listed := reply.Lookup("writeErrors").ArrayOK(); listed || reply.Lookup("ok").Double() != 0 {
			t.Errorf("%v answers %v", command[0], reply)
		}
		wantReply(t, reply, 13)
	}
}

func TestAnyErrorEndsTheTransaction(t *testing.T) {
	t.Parallel()
	coll := open(t, nil).database(t).Collection("c")
	db := coll.Database()
	must(coll.InsertOne(t.Context(), byID(1)))(t)
	for _, command := range []bson.D{
		kv("insert", "c", "documents", bson.A{byID(1), byID(5)}, "ordered", false),
		kv("update", "c", "updates", bson.A{kv("q", byID(2), "u", inc(1)), kv("q", byID(1), "u", kv("$nope", kv("a", 1)))}),
		kv("findAndModify", "c", "query", byID(1), "update", kv("$inc", kv("_id", 1))),
		kv("find", "c", "filter", kv("$nope", 1)),
		pipelineOn("c", kv("$project", kv("x", kv("$divide", bson.A{1, 0})))),
	} {
		ctx, s := begin(t, db.Client())
		must(coll.InsertOne(ctx, byID(2)))(t)
		raw, err := db.RunCommand(ctx, command).Raw()
		if _, some := raw.Lookup("writeErrors").ArrayOK(); err == nil && !some {
			t.Errorf("%v answers %v", command[0], raw)
		}
		_, err = coll.InsertOne(ctx, byID(3))
		wantCode(t, err, 251)
		wantCode(t, s.CommitTransaction(t.Context()), 251)
		if n := count(t, coll); n != 1 {
			t.Errorf("%v left %d documents, want the one from before", command[0], n)
		}
	}
}

func TestWildcardIndexDoesNotBreakGraphLookup(t *testing.T) {
	t.Parallel()
	coll := open(t, nil).database(t).Collection("c")
	must(coll.InsertMany(t.Context(), []any{kv("_id", 1, "next", 2), kv("_id", 2, "next", 3), kv("_id", 3)}))(t)
	for _, key := range []string{"$**", "next.$**"} {
		must(coll.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: kv(key, 1)}))(t)
	}
	stage := kv("$graphLookup", kv("from", "c", "startWith", "$next", "connectFromField", "next", "connectToField", "_id", "as", "path"))
	var docs []struct{ Path []bson.M }
	ok(t, must(coll.Aggregate(t.Context(), bson.A{kv("$match", byID(1)), stage}))(t).All(t.Context(), &docs))
	if len(docs) != 1 || len(docs[0].Path) != 2 {
		t.Errorf("found %v", docs)
	}
}

func TestSystemDatabasesTakeNoWrites(t *testing.T) {
	t.Parallel()
	client := open(t, nil).client(t)
	for _, db := range []string{"admin", "local", "config"} {
		for _, command := range []bson.D{
			kv("insert", "c", "documents", bson.A{kv()}),
			kv("update", "c", "updates", bson.A{kv("q", kv(), "u", inc(1), "upsert", true)}),
			kv("delete", "c", "deletes", bson.A{kv("q", kv(), "limit", 0)}),
			kv("findAndModify", "c", "query", kv(), "update", inc(1), "upsert", true),
			kv("create", "c"),
			indexOn("c", "a"),
			kv("drop", "c"),
			kv("collMod", "c", "validator", kv("a", 1)),
			kv("dropDatabase", 1),
			pipelineOn("c", kv("$out", "d")),
		} {
			wantCode(t, client.Database(db).RunCommand(t.Context(), command).Err(), 13)
		}
		admin := client.Database("admin")
		wantCode(t, admin.RunCommand(t.Context(), kv("renameCollection", "mine.c", "to", db+".c")).Err(), 13)
		wantCode(t, admin.RunCommand(t.Context(), kv("bulkWrite", 1, "ops", bson.A{kv("insert", 0, "document", kv())}, "nsInfo", bson.A{kv("ns", db+".c")})).Err(), 13)
	}
}

func TestPasswordThatLooksLikeAVerifierIsAPassword(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	const pw = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
	ok(t, g.admin(t, kv("createUser", "u", "pwd", pw, "roles", bson.A{on("read", "mine")})))
	ok(t, ping(t, g.as(t, "u", pw)))
	if g.dial(t).tryLogIn(t, "u", "pencil") {
		t.Error("a verifier can be set by whoever may set a password")
	}
}

func TestMoreUsersThanTheEngineHas(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	admin := g.client(t).Database("admin")
	for i := range 110 {
		name := "u" + strings.Repeat("x", i%50) + string(rune('a'+i/50))
		ok(t, admin.RunCommand(t.Context(), kv("createUser", name, "pwd", userPassword, "roles", bson.A{on("read", "mine")})).Err())
	}
}
