// Package gateway is Tine's MongoDB server: it speaks the wire protocol to clients and SQL to a cluster's node.
//
// # Shape
//
// A Server serves many clusters, each on a listener of its own. A connection is one goroutine that reads a message, runs
// one command and writes one reply. Every command is a row of one table (commands.go): its handler, the privilege it
// needs, whether it writes. Authentication, authorization, the refusal of transactions and of writes to system databases, and
// the replay of retried writes happen in one place, before any handler runs (dispatch.go).
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
// # Roles
//
// A connection authenticates with SCRAM-SHA-256 against the verifier that PostgreSQL holds. Its grants are read then, from
// the cluster's own data. Work runs on PostgreSQL connections that log in as tine_gateway, which can do nothing, and
// have taken the user's role with a SET ROLE of its own, checked, before they enter the pool of that role. They never
// leave it: a failed or forgotten SET ROLE ends in "permission denied", not in another user's rights.
//
// A read whose client hangs up is cancelled. A write is not: its driver will ask how it ended.
//
// # Cursors
//
// The engine keeps no connection for a cursor; what it needs to go on is a continuation, which stays here. The client
// has a random number. A cursor belongs to the user and the namespace that opened it, and dies after ten idle minutes, with
// the cluster's gateway, or when it is killed.
//
// # Retried writes
//
// hello presents a replica set, so drivers number their writes (lsid, txnNumber) and send a write once more if the
// connection broke. The gateway keeps the latest reply of each session and answers a repetition from it; a repetition that
// overtakes its original waits for it. What this does not cover: the memory is the process's. If the gateway itself
// dies between the commit and the reply, a retry runs the write again; an insert then fails with a duplicate key, an $inc
// counts twice. If the node dies then, the gateway does not know the outcome and says so, with an error without the label
// that would make the driver try again. Numbers kept in the cluster's data, in the transaction of the write, close the
// gap; they come with transactions, which are refused until then.
//
// # What callers must not do
//
// A Server must not be handed a listener that anyone else closes or accepts on. Close and Restarted must follow what happens
// to the node: the gateway notices a node that is gone only by failing commands, after waiting some seconds for it.
package gateway
