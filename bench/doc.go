// Package bench measures what Tine promises, and next to it what people do today, on the same machine, in the same run and on
// the same data. It prints tables and asserts nothing: a number that depends on a machine is no test.
//
// It knows Tine only from outside, through an instance of its own that it makes and destroys: the command, the API by godo, and
// the clusters by the official MongoDB driver. Two things it cannot see from there: how long each step took, which it reads from
// logs, and the bytes in the pool, which it asks the file system for. What people do today needs a superuser of the
// cluster's PostgreSQL; that is root's privilege on the machine.
//
// Every time of a cluster is what its user waits for: from the moment the POST is sent until a find through the gateway has
// answered on a new connection. Measurements that are compared are taken in turns, so that whatever else the machine does hits both.
//
// The section "gateway" has three ways to one cluster take turns: Tine's gateway, FerretDB on the same PostgreSQL, and plain SQL. FerretDB is built
// from a module of its own beside this package, so that Tine does not depend on it; that needs a checkout.
//
// pgBackRest is Debian's package, installed in a layer over the engine that goes with the instance: the sections "peers" and "size" need Debian's mirror.
//
// Callers must be root, and must not run other work on the machine if they want to believe the numbers; the heading tells the
// load average before the run.
package bench
