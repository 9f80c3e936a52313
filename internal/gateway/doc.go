// Package gateway is Tine's MongoDB server: it speaks the wire protocol to clients and SQL to a cluster's node.
//
// # Shape
//
// A Server serves many clusters, each on a listener of its own. A connection is one goroutine that reads a message, runs
// one command and writes one reply. Every command is a row of one table (commands.go): its handler, the privilege it
// needs, whether it changes anything. Authentication, authorization, the topology, sessions, transactions and the record of
// numbered writes are dealt with in one place, before any handler runs (dispatch.go). A handler does not know whether it is part of
// a transaction: all its SQL goes through conn.queryRow and conn.exec (statement.go), which know.
//
// What a command may look like is data (syntax_table.go): each field is passed on, says what holds anyway, or is refused with
// MongoDB's code. A field that is not there is an error; nothing that a client asks for is ignored. A new command needs an
// entry, or it takes no options.
//
// A command that runs is an operation: currentOp lists it, killOp and maxTimeMS end it (operation.go).
//
// Documents pass through as bytes. A command's top-level fields are looked at, those that are meant for the gateway
// (lsid, $clusterTime, ...) are left out, and the rest goes to a function of documentdb_api as it came; the engine's reply
// is the client's reply.
//
// # Rest
//
// The node of a cluster that nobody needs can be stopped while the cluster stays open (rest.go): Suspend, Config.Wake, Woken. Connections stay, and what
// drivers ask to watch a server is answered without the node. A command or a log-in enters before it may touch the node: if that sleeps it is
// woken, once for all who wait. Open transactions, open cursors and commands that run keep it awake. The gateway's own work never wakes it.
//
// # Roles
//
// A connection authenticates with SCRAM-SHA-256 against the verifier that PostgreSQL holds. The user's grants, a role on some
// databases, are in the cluster's own data. What each command and each stage of a pipeline needs of them is a table
// (needs.go, pipeline.go); a command that is not in it is allowed to nobody.
//
// The second barrier is PostgreSQL's. Connections log in as tine_gateway, which may do nothing, and take one of two roles
// with a checked SET ROLE before they enter the pool of that role, which they never leave: tine_reader, which cannot
// write, for commands that change nothing, and tine_writer. A failed or forgotten SET ROLE ends in "permission denied".
//
// A read whose client hangs up is cancelled. A write is not: its driver will ask how it ended.
//
// # Sessions and transactions
//
// A session is a name that a client made up (lsid), per user. What has a number in it (txnNumber) runs one at a time, by the
// session's turn. A transaction is one of PostgreSQL with snapshot isolation, on a connection that nobody else uses until it
// ends: by commit, by abort, by an error, with the client's connection that it ran on last, when its session ends, or when
// it has lived as long as it may. A lock that another transaction has is not waited for longer than 50 ms in it: the answer is a
// write conflict with the label by which drivers begin anew, as in MongoDB.
//
// # Numbered writes
//
// hello presents a replica set, so drivers number their writes and send a write once more if the connection broke. The number
// and the reply are recorded in the cluster's data by the statement that writes (once.go), one record for a session, so a repetition
// is answered from the record, whoever died in between: this process, the node, or both. A commit of a transaction is recorded
// in the transaction, so commitTransaction can be repeated. Where an outcome is not known, the error has the label by which
// drivers ask again.
//
// # Cursors
//
// Outside of transactions the engine keeps no connection for a cursor; what it needs to go on is a continuation, which stays
// here, and for a cursor whose result had to be kept, a file in the node. The client has a random number. A cursor belongs to the
// user and the namespace that opened it, and ends after ten idle minutes, with its session, with the last connection of its
// client, with the cluster's gateway, or when it is killed.
//
// In a transaction the engine can have one open cursor; there the gateway declares PostgreSQL's own (cursors_held.go).
//
// # What callers must not do
//
// A Server must not be handed a listener that anyone else closes or accepts on. Close and Restarted must follow what happens
// to the node: the gateway notices a node that is gone only by failing commands, after waiting some seconds for it. A cluster
// gets another node by Cut and Open, with no other way in between: what the gateway knows of sessions, cursors and users is that of one node.
package gateway
