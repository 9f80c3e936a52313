// Package history keeps what is needed to bring back every moment of a cluster's last days, and answers "what do I need
// to get to T".
//
// A cluster's history is a line of restore points and the write-ahead log (WAL) between them:
//
//	restore point   a marker commit, a checkpoint, then a snapshot of the live volume; recorded with
//	                StartedAt    before the marker: every commit stamped later than this lies behind it or is the marker
//	                MarkerLSN    the marker commit ends at or before it; it is not after the snapshot
//	                CompletedAt  after the snapshot: no commit in the snapshot's own WAL is stamped later
//	WAL archive     finished segments, moved from the volume by reflink: no byte is written twice
//	live WAL        the source's own pg_wal, for the moments since the last finished segment
//
// To get to T: take the newest restore point with CompletedAt at or before T (PostgreSQL first replays all WAL that is inside a
// snapshot and fails if its target lies in it), and the WAL from there to the first commit stamped after T. Recovery stops right before that
// commit's record. Stamps are taken before a commit enters the WAL, so they are not quite in
// order; a commit that comes behind that one was not acknowledged before T, because its predecessor's stamp was later than T. So
// the result holds every write acknowledged at or before T, and none that started after T. If there is no such commit yet, a marker
// is committed on the source now; if the source is down, the end of its WAL is the moment.
//
// To get to a transaction: the newest restore point with EndLSN at or before its commit record, and the WAL up to that record,
// without it or with it.
//
//	index of commits   for each archived segment, in commits/SEGMENT: where each commit's record begins and ends, its stamp, and what it says to
//	                   have done to the schema. Made when the segment is archived, and again from the segment when it is lost. What is
//	                   not archived yet is read from the log itself.
//
// A segment that is missing or damaged breaks the history from there up to the next restore point, and nowhere else: ErrBroken.
//
// What grows: restore points and segments grow with what is written within the window, never with the size of the
// data. Planning reads the restore points of one cluster and the indexes between two of them; preparing a fork makes one reflink a
// segment there. An index has about 10 bytes a commit.
//
// A history belongs to data: it has a name of its own (Source.HistoryID), which moves with a node when two clusters exchange
// theirs. Callers must not use either history while that happens.
//
// Methods that read or delete what others delete or move take the history's lock. Callers must not take two restore points of a cluster at
// the same time, nor forget its history while one is taken, nor hold a transaction open around these calls.
package history
