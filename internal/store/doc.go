// Package store is the control plane's memory: clusters, their events, restore points, API tokens and jobs, in one
// PostgreSQL database, all below the schema "tine" (River's job tables included).
//
// # Protocol
//
// A cluster is a row with a status. Only these changes exist, each made together with its event in one transaction:
//
//	(nothing)         -> creating | forking   CreateCluster, which also queues the job that does the work
//	creating, forking -> online | failed      SetOnline, SetFailed: by the host's job; refused (false) in any other state
//	online            -> restoring            BeginExchange, which also makes the fork (forking -> swapping at its end) that it exchanges nodes with
//	online, online    -> swapping, swapping   BeginSwap, which also queues the job
//	restoring, swapping -> online             FinishExchange; or CancelExchange, as long as the nodes are not exchanged
//	any other         -> destroying           MarkDestroying, Expire, which also queue the destroy job
//	destroying        -> (nothing)            DeleteCluster: by the host's destroy job, as its last step
//
// Row and job are written in the same transaction, so that there is never a cluster nobody works on nor a job without its
// cluster. A job carries a cluster's id and nothing else: what is to be done is read from the row when the job runs, because
// the row may have changed since. A create or fork job that finds its cluster destroying, or gone, ends at once
// without an error. Jobs of one kind are unique per cluster until they finish; jobs of different kinds are not, so that
// the host must hold its own lock per cluster while it works (the destroy job of a cluster may start while its create
// job still runs).
//
// Node and history are what two clusters exchange, all at once in ExchangeNodes; the row of the exchange says from the request to the end what is
// being done and how far it is.
//
// A fork is written only while its source is online, and the source cannot be marked destroying between that check
// and the commit. So when a destroy job runs, PendingForks lists every fork that still needs the source, for good: no new one can appear.
//
// What a gateway is told of its cluster (trusted sources) may change in any state but destroying. Each change counts the row's
// settings_revision up and queues a SettingsJob of that revision, because a job of an earlier one may run already and have read the row; the
// job reads whatever the row says when it runs.
//
// A cluster that is online may be suspended beside that: SetSuspended, SetAwake. It stays online; only its node is stopped.
//
// The name and the port of a cluster are taken until its row is gone. What a cluster knows of its source (id, name, time)
// is a copy and outlives the source. Events outlive their cluster by EventRetention.
//
// # What callers must not do
//
// Callers must not write to these tables on their own: a status changed without its event, or a row without its job, breaks the
// promises above. Nothing here holds a password or a token's secret, and nothing that does may be put here: passwords are
// SCRAM verifiers, tokens are SHA-256 hashes.
//
// Times are UTC with the microsecond resolution of timestamptz; finer times are truncated on the way in.
package store
