// Package insights keeps what clusters did: connections, operations and how long they took, storage, processor time, memory, and how far the
// write-ahead log came.
//
// # Protocol
//
// A Sampler asks its Source for readings once an interval, a minute unless told otherwise. A reading has counters that only grow while a
// gateway or a node lives; the sampler writes what they grew by since the reading before, as one sample a cluster, all of
// them in one statement. A counter that is smaller than before began anew, and counts from zero. Processor time of the first reading after a start is
// unknown, because nodes are older than the process, and is left out.
//
// Samples are minutes for FineFor, then sums of ten minutes for KeepFor, then gone: 1,500 and 1,000 rows a cluster at most. They are rows
// of the control database, so they survive a restart; what happens while Tine is stopped is in no sample. A reading or a write that
// fails costs the samples of its minute and nothing else: the next sample has what happened since.
package insights
