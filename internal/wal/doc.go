// Package wal reads PostgreSQL's write-ahead log: pages, records, commits.
//
// It knows the format of PostgreSQL 18 (src/include/access/xlogrecord.h, xlog_internal.h and xact.h) and nothing of clusters. The log is a line of
// segments of 16 MiB, made of pages of 8 KiB; a record begins at a multiple of 8 bytes and may go on over pages and segments. Each record has a
// checksum, and the position of the one before it.
//
// That is how the end of a log is found that is still being written, and a fault in one that is not: a Reader returns ErrEnd at the
// first bytes that are not a record that follows the last one. If there must be more, because the log is known to go on, it is
// damaged there; only the caller can know.
//
// Reading costs one pass over the bytes; memory is a buffer and the largest record.
package wal
