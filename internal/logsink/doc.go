// Package logsink delivers the logs of clusters to where their owners want them: Datadog's intake.
//
// What is delivered are lines of the node's log and, beside it, a log of slow operations that the gateway hands to Service.Slow and that is only
// written while its cluster has a sink. Of documents there is nothing in either: of the node's log the lines are left out that may repeat
// a statement or a value (DETAIL, CONTEXT, STATEMENT, QUERY, HINT); slow operations have shapes in place of values.
//
// # Protocol
//
// The store says which sinks there are; the service looks every second, and starts, changes or ends a delivery accordingly. A delivery
// reads both files from its position, sends a batch, and moves the position only when the intake has taken the batch:
//
//	taken                      the position is written to the disk, then the next batch follows
//	429, 5xx, no connection    the same batch again, after pauses from 1 s to 1 minute, longer if the intake says so
//	401, 403                   an event tells the cluster's owner, once; again every 5 minutes, or at once when the sink is changed
//	413                        half of the batch
//	any other refusal          the batch can never be taken: it is counted as lost, and the next follows
//
// So the files are the buffer: an outage costs no memory, and loses nothing that is still in a file or in the one before it (each is moved aside
// when it is larger than 16 MiB). A restart goes on at the position: a stop waits up to 2 s for
// the answer to a batch that is under way. Only a kill, or an intake slower than that, delivers a batch twice.
//
// A new sink begins at the end of the logs there are. Files of a sink are named after the node, DATA/logs/NODE.sink.ID, so that whoever removes
// a node's files removes them, too.
//
// # What callers must not do
//
// There must be one Service a data directory. Nobody else may write to NODE.slow.log.
package logsink
