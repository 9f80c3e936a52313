// Package host carries out, on one machine, what the store says should be. It never decides what should be: that is
// fleet's. The two talk through the store alone.
//
// A cluster's life here:
//
//	creating, forking   a job makes the cluster in the steps below and ends with status online, or failed with a reason
//	online              the node is watched and started again when it dies; its WAL is collected, restore points are taken
//	                    a node that runs with an older build than the present one is noted; fleet decides when it is started again
//	restoring, swapping online, and about to give its node to another cluster for that one's
//	destroying          a job removes everything, the cluster's row last
//
// Making a cluster:
//
//	clear     what an earlier attempt left is removed; nobody has written to it, because it was never online
//	volume    a copy of golden, of the source's live volume, or of the restore point before the moment asked for
//	node      the node recovers, with fsync off, and gets the newest schema of its own data
//	doadmin   the password that the answer to the request carried becomes valid
//	durable   fsync on; the first restore point is taken, which also brings the volume to the disk
//	gateway   the cluster's listener opens
//	online    the status says so
//
// Every step can be interrupted anywhere: a later attempt starts again at "clear", because up to the last step nobody has been
// told of the cluster's data. Destroying does each of its steps again.
//
// Two clusters exchange their nodes (a restore, a reset or a swap) in these steps; nobody forks, changes or destroys them meanwhile:
//
//	cut       both gateways answer what runs and keep nothing but their listeners; watching ends; the control plane is kept out
//	users     the present users of each cluster are written to the data that it gets; of a swap, those that were there are kept in a file, and are back before
//	          a gateway opens on the data if the rows were not exchanged
//	rows      one transaction of the store exchanges node and history; before it nothing has changed, after it there is no way back
//	nodes     a node that runs with another plan than its new cluster's is started again; watching begins
//	gateways  they open on the listeners, with the other node
//	online    the status says so
//
// Whoever was told before the cut that a write succeeded finds it in the data that the cluster had; after the cut nobody is told of anything more
// of them. A kill in between is a kill like any other: at the start both clusters are served with the nodes that their rows name, and the
// steps are done again, after "rows" those that are left.
//
// A fork whose source is in another pool is brought in these steps, in place of the copy of "volume"; what has arrived is found again after an interruption:
//
//	state     what the fork begins with is put aside in the source's pool, as a snapshot
//	send      it is sent
//	volume    a copy of what has arrived
//
// A cluster moves to another pool in these steps. Up to "cut" it is served, and others may work on it; the row says "migrating", so that fleet does not change it:
//
//	points    the restore points are sent, oldest first, each as the difference to the one before
//	wal       the archived log is copied
//	live      the live volume is sent until little is left, with what has come of the other two
//	cut       the node is stopped; what is left is sent, and the volume is made
//	row       the row says that the cluster is in the new pool; before it nothing has changed, after it there is no way back. While that is in doubt the node
//	          stays stopped
//	node      the node is started there
//	clear     what is left in the old pool is removed
//	online    the status says so
//
// A gateway opens with the settings that the cluster's row has then, and a job tells it of each change after that. Whoever acts on a row
// holds a lock from reading it on, so that the gateway is never left with an older state than the last.
//
// A cluster that nobody uses is suspended: history is kept, the gateway has clients wait from then on, the row says so, and the node is stopped. A client who comes
// has it woken: the node is started, meanwhile the row says so, and the gateway lets clients through. Both hold the cluster's lock, and both keep out who is in its data, or copies
// them for a fork. If the row says that a cluster sleeps and its node runs, it is awake, also
// for a gateway that opens: its wake could not be recorded. That is tried until it can, and whoever works on the cluster does it before.
//
// At start the host converges: what runs and belongs to a cluster is adopted, what should run and does not is started, what belongs to
// nothing is removed, and jobs that a killed process left are done again. Nodes outlive the host's process.
//
// A host has one pool for all regions, or others beside it for some of them. A cluster's row says in which of them its volume and its history are.
//
// Each pool is looked at every few seconds, and has one of four levels, each of which does what the one before does:
//
//	ample      nothing is done
//	tight      fleet makes no new clusters, because the store says so
//	short      the oldest restore points of all its clusters together are deleted in small batches, each with an event, but never the newest of a
//	           cluster; a batch waits until the space of the one before has come back
//	critical   in larger batches; old golden volumes go, and at last a file that is kept for that, so that the control node can record it all
//
// A level ends only when there is a quarter more than where it began. Beyond critical nothing is left to give way: nodes that cannot write stop, and
// are started again and again until they can.
//
// Callers must make sure that there is one Host a data directory, and must not touch the volumes, containers and socket
// directories of a running Host.
package host
