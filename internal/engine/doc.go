// Package engine is PostgreSQL with the DocumentDB extension: it installs it, makes the golden volume that every
// cluster is a copy of, and runs nodes.
//
// A node's life:
//
//	StartFresh   on a volume that was just copied: what belonged to the process it was copied from is removed, and it recovers
//	             from its own WAL, or on to a position with WAL from RestoreDir; with fsync off
//	TurnSyncOn   fsync on; once the caller has synced the volume, the node may have users
//	Limit        its CPU limit holds
//	Start        again after any end: PostgreSQL's own crash recovery; each start brings the configuration of the present build (build.go)
//	Stop, Kill   in order, or at once; neither loses a committed write of a durable node
//
// A recovery goes to the end of the log, which is cut off where that shall be, and is asked to promote before it gets there; decisions 22 and 24 in docs/decisions say why. Until Limit a
// node weighs more than others.
//
// What the host reads of a running node are two small files, its own words about its state; everything else is SQL over its
// socket. The package knows volumes, WAL and processes; it knows nothing of clusters, users or history. Callers must not
// start two nodes on one volume, nor touch a volume's PGDATA while its node runs.
package engine
