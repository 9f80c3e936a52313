package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// The resource managers whose records are read (src/include/access/rmgrlist.h).
const (
	managerXLOG    = 0
	managerXact    = 1
	managerStorage = 2
	managerMessage = 21
)

// Kinds of records, in the upper half of their Info.
const (
	xlogShutdown       = 0x00 // a checkpoint when nothing runs: before the end, or after a recovery
	xlogSwitch         = 0x40
	xlogRecovered      = 0x90
	xactKinds          = 0x70
	xactCommit         = 0x00
	xactAbort          = 0x20
	xactCommitPrepared = 0x30
	xactAbortPrepared  = 0x40
	xactHasFlags       = 0x80
	storageTruncate    = 0x20
)

// What a commit or abort record has, by its flags, in this order behind the time.
const (
	hasDatabase = 1 << 0
	hasChildren = 1 << 1
)

// epoch is the zero of PostgreSQL's times.
const epoch = 946684800 * 1_000_000 // 2000-01-01 in microseconds of Unix

// Outcome is the end of a transaction: its commit or its abort.
type Outcome struct {
	Committed bool
	At        time.Time // when it was stamped, to the microsecond
	Children  []uint32  // its subtransactions that ended with it
}

// Commit is a transaction's commit in a log. Start is the transaction's name there.
type Commit struct {
	Start, End LSN // of its commit record
	XID        uint32
	At         time.Time // when it was stamped, to the microsecond
	Marks      []string  // what it did to the schema, as it said itself
}

// Segment is the segment in which the commit's record begins.
func (c Commit) Segment(timeline uint32) Segment { return SegmentOf(timeline, c.Start) }

// Message is a logical message of a transaction.
type Message struct {
	Transactional bool
	Prefix        string
	Content       []byte // part of the record's data
}

func (rec *Record) isSwitch() bool { return rec.Manager == managerXLOG && rec.Info&0xF0 == xlogSwitch }

// EndsAll says whether no transaction goes on over the record: those that a crash has ended have no record of their own.
func (rec *Record) EndsAll() bool {
	kind := rec.Info & 0xF0
	return rec.Manager == managerXLOG && (kind == xlogShutdown || kind == xlogRecovered)
}

// errRecord says that a record's checksum is right and its content is not what it should be: a version that we do not know.
var errRecord = errors.New("the record is not understood")

// Outcome returns the transaction's end that the record is; ok is false if it is something else.
func (rec *Record) Outcome() (e Outcome, ok bool, err error) {
	if rec.Manager != managerXact {
		return Outcome{}, false, nil
	}
	kind := rec.Info & xactKinds
	switch kind {
	case xactCommit, xactCommitPrepared:
		e.Committed = true
	case xactAbort, xactAbortPrepared:
	default:
		return Outcome{}, false, nil
	}
	b, err := rec.main()
	if err != nil {
		return Outcome{}, false, err
	}
	if len(b) < 8 {
		return Outcome{}, false, fmt.Errorf("record at %s: %w: it has no time", rec.Start, errRecord)
	}
	e.At = timeOf(int64(binary.LittleEndian.Uint64(b)))
	if rec.Info&xactHasFlags != 0 {
		e.Children, err = children(b[8:])
	}
	if err != nil {
		return Outcome{}, false, fmt.Errorf("record at %s: %w", rec.Start, err)
	}
	return e, true, nil
}

func timeOf(micros int64) time.Time { return time.UnixMicro(micros + epoch).UTC() }

func children(b []byte) ([]uint32, error) {
	short := fmt.Errorf("%w: it is too short", errRecord)
	if len(b) < 4 {
		return nil, short
	}
	flags := binary.LittleEndian.Uint32(b)
	b = b[4:]
	if flags&hasDatabase != 0 {
		if len(b) < 8 {
			return nil, short
		}
		b = b[8:]
	}
	if flags&hasChildren == 0 {
		return nil, nil
	}
	if len(b) < 4 {
		return nil, short
	}
	n := int(binary.LittleEndian.Uint32(b))
	if b = b[4:]; n < 0 || n > len(b)/4 {
		return nil, short
	}
	list := make([]uint32, n)
	for i := range list {
		list[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return list, nil
}

// Message returns the logical message that the record is; ok is false if it is something else.
func (rec *Record) Message() (m Message, ok bool, err error) {
	const header = 24 // database, whether transactional, sizes
	if rec.Manager != managerMessage {
		return Message{}, false, nil
	}
	b, err := rec.main()
	if err != nil {
		return Message{}, false, err
	}
	if len(b) < header {
		return Message{}, false, fmt.Errorf("record at %s: %w: it is too short", rec.Start, errRecord)
	}
	prefix, content := binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])
	rest := b[header:]
	if prefix < 1 || prefix > uint64(len(rest)) || content != uint64(len(rest))-prefix {
		return Message{}, false, fmt.Errorf("record at %s: %w: its sizes do not add up", rec.Start, errRecord)
	}
	return Message{Transactional: b[4] != 0, Prefix: string(rest[:prefix-1]), Content: rest[prefix:]}, true, nil
}

// Numbers of the parts of a record's data that are not blocks.
const (
	partShort  = 255
	partLong   = 254
	partOrigin = 253
	partTopXID = 252
)

// main is the record's main data. Records that refer to blocks are not ours to read.
func (rec *Record) main() ([]byte, error) {
	b := rec.Data
	for len(b) > 0 {
		switch b[0] {
		case partOrigin:
			b = b[min(3, len(b)):]
		case partTopXID:
			b = b[min(5, len(b)):]
		case partShort:
			if len(b) >= 2 && int(b[1]) == len(b)-2 {
				return b[2:], nil
			}
			return nil, fmt.Errorf("record at %s: %w: its length is wrong", rec.Start, errRecord)
		case partLong:
			if len(b) >= 5 && uint64(binary.LittleEndian.Uint32(b[1:])) == uint64(len(b)-5) {
				return b[5:], nil
			}
			return nil, fmt.Errorf("record at %s: %w: its length is wrong", rec.Start, errRecord)
		default:
			return nil, fmt.Errorf("record at %s: %w: it has blocks", rec.Start, errRecord)
		}
	}
	return nil, nil
}
