package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// ErrEnd says that no record follows: the log ends here, or is damaged. It is what an *EndError is.
var ErrEnd = errors.New("the write-ahead log ends")

// EndError says where the first bytes are that do not go on with the log, and what is wrong with them.
type EndError struct {
	At     LSN
	Reason string
}

// Error implements error.
func (e *EndError) Error() string { return fmt.Sprintf("%v at %s: %s", ErrEnd, e.At, e.Reason) }

// Unwrap makes it an ErrEnd.
func (*EndError) Unwrap() error { return ErrEnd }

// The format of PostgreSQL 18.
const (
	magic = 0xD118

	shortHeader = 24
	longHeader  = 40 // of a segment's first page

	flagContinued   = 0x0001 // the page begins with the rest of a record
	flagLong        = 0x0002
	flagOverwritten = 0x0008 // the page replaces the rest of a record that a crash cut off

	recordHeader = 24
	recordCRC    = 20 // where the checksum is in it
	alignment    = 8

	// largest is XLogRecordMaxSize.
	largest = 1020 << 20
)

// Record is one record of the log.
type Record struct {
	Start, End LSN    // End is the first byte behind it, without what fills up to the next record
	Previous   LSN    // where the record before it begins
	XID        uint32 // of the transaction or subtransaction; 0 if there is none
	Manager    uint8  // the resource manager whose record it is
	Info       uint8
	Data       []byte // what follows the header; overwritten by the next call of Next
}

// Open opens a segment for reading. os.ErrNotExist says that there is none (yet).
type Open func(Segment) (*os.File, error)

// Reader reads the records of one timeline in order. It is for one goroutine.
type Reader struct {
	open     Open
	timeline uint32

	file    *os.File
	segment Segment

	page   [PageSize]byte
	loaded LSN // where page begins; meaningful if valid
	valid  bool

	at   LSN // where the next record begins, or a page header before it
	prev LSN // start of the record before; 0 if it is not known
	body []byte
}

// NewReader returns a reader whose first record is the one that begins at from, or, if from is where a segment begins, the first
// one that begins in it. The caller must Close it.
func NewReader(open Open, timeline uint32, from LSN) *Reader {
	return &Reader{open: open, timeline: timeline, at: from}
}

// Close closes the segment that was read last.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}

// Position is where the next record begins or will begin.
func (r *Reader) Position() LSN { return r.at }

// Again forgets what was read of the page at Position, so that a Next that returned ErrEnd can be repeated when more was written.
func (r *Reader) Again() { r.valid = false }

// Next returns the next record. It returns an *EndError if none follows; Position is then where one would begin.
func (r *Reader) Next() (Record, error) {
	if r.at%SegmentSize == 0 && r.prev == 0 {
		if err := r.skipRest(); err != nil {
			return Record{}, err
		}
	}
	for {
		rec, overwritten, err := r.next()
		if err != nil || overwritten == 0 {
			return rec, err
		}
		// A crash cut a record off; what came then begins on the page that says so.
		r.at, r.prev = overwritten, 0
	}
}

// skipRest goes to the first record that begins in a segment.
func (r *Reader) skipRest() error {
	at := r.at
	for {
		h, err := r.header(at)
		if err != nil {
			return err
		}
		if h.flags&flagContinued == 0 || h.flags&flagOverwritten != 0 {
			r.at = at
			return nil
		}
		if room := LSN(PageSize - h.size); LSN(h.rest) >= room {
			// The next record may begin on the page behind only.
			if at += PageSize; LSN(h.rest) == room {
				r.at = at
				return nil
			}
			continue
		}
		r.at = (at + LSN(h.size) + LSN(h.rest)).Aligned()
		return nil
	}
}

// next reads the record at r.at. overwritten is a page at which to go on instead, if the record was cut off there.
func (r *Reader) next() (rec Record, overwritten LSN, err error) {
	at := r.at
	if at%PageSize == 0 {
		h, err := r.header(at)
		if err != nil {
			return Record{}, 0, err
		}
		if h.flags&flagContinued != 0 {
			return Record{}, 0, r.ends(at, "a record is continued that did not begin")
		}
		at += LSN(h.size)
	}
	if _, err := r.header(at &^ (PageSize - 1)); err != nil {
		return Record{}, 0, err
	}
	length := binary.LittleEndian.Uint32(r.page[at%PageSize:])
	if length < recordHeader || length > largest {
		return Record{}, 0, r.ends(at, "no record has a length of %d", length)
	}
	end, overwritten, err := r.assemble(at, int(length))
	if err != nil || overwritten != 0 {
		return Record{}, overwritten, err
	}
	rec, err = r.check(at, end)
	if err != nil {
		return Record{}, 0, err
	}
	r.prev, r.at = at, end.Aligned()
	if rec.isSwitch() { // the rest of the segment is empty
		r.at = (r.at + SegmentSize - 1) / SegmentSize * SegmentSize
	}
	return rec, 0, nil
}

// assemble reads the bytes of the record at at into r.body.
func (r *Reader) assemble(at LSN, length int) (end, overwritten LSN, err error) {
	r.body = r.body[:0]
	for pos := at; ; {
		within := int(pos % PageSize)
		n := min(length-len(r.body), PageSize-within)
		r.body = append(r.body, r.page[within:within+n]...)
		pos += LSN(n)
		if len(r.body) == length {
			return pos, 0, nil
		}
		h, err := r.header(pos)
		if err != nil {
			return 0, 0, err
		}
		if h.flags&flagOverwritten != 0 {
			return 0, pos, nil
		}
		if h.flags&flagContinued == 0 || int(h.rest) != length-len(r.body) {
			return 0, 0, r.ends(pos, "the record at %s does not go on", at)
		}
		pos += LSN(h.size)
	}
}

// check makes a record of what assemble has read.
func (r *Reader) check(at, end LSN) (Record, error) {
	b := r.body
	prev := LSN(binary.LittleEndian.Uint64(b[8:]))
	if r.prev != 0 && prev != r.prev || prev >= at {
		return Record{}, r.ends(at, "the record says that it follows %s", prev)
	}
	if checksum(b) != binary.LittleEndian.Uint32(b[recordCRC:]) {
		return Record{}, r.ends(at, "the record has another checksum")
	}
	return Record{
		Start: at, End: end, Previous: prev, XID: binary.LittleEndian.Uint32(b[4:]), Info: b[16], Manager: b[17], Data: b[recordHeader:],
	}, nil
}

// pageHeader is what stands at a page's begin.
type pageHeader struct {
	flags uint16
	rest  uint32 // how much of the page's first record is still to come, this page included
	size  int
}

// header loads the page that begins at at, unless it is loaded, and returns its header.
func (r *Reader) header(at LSN) (pageHeader, error) {
	if !r.valid || r.loaded != at {
		if err := r.load(at); err != nil {
			return pageHeader{}, err
		}
	}
	p := r.page[:]
	h := pageHeader{flags: binary.LittleEndian.Uint16(p[2:]), rest: binary.LittleEndian.Uint32(p[16:]), size: shortHeader}
	if h.flags&flagLong != 0 {
		h.size = longHeader
	}
	switch {
	case binary.LittleEndian.Uint16(p) != magic:
		return h, r.ends(at, "the page is none of PostgreSQL 18")
	case LSN(binary.LittleEndian.Uint64(p[8:])) != at:
		return h, r.ends(at, "the page says that it is another")
	case binary.LittleEndian.Uint32(p[4:]) > r.timeline:
		return h, r.ends(at, "the page is of another timeline")
	case (h.flags&flagLong != 0) != (at%SegmentSize == 0):
		return h, r.ends(at, "the page's header has the wrong size")
	}
	return h, nil
}

func (r *Reader) load(at LSN) error {
	r.valid = false
	s := SegmentOf(r.timeline, at)
	if r.file == nil || s != r.segment {
		if err := r.Close(); err != nil {
			return err
		}
		f, err := r.open(s)
		if errors.Is(err, os.ErrNotExist) {
			return r.ends(at, "there is no segment %s", s.Name())
		}
		if err != nil {
			return fmt.Errorf("open WAL segment %s: %w", s.Name(), err)
		}
		r.file, r.segment = f, s
	}
	n, err := r.file.ReadAt(r.page[:], int64(at%SegmentSize))
	if n < PageSize {
		if errors.Is(err, io.EOF) {
			return r.ends(at, "segment %s is cut off", s.Name())
		}
		return fmt.Errorf("read WAL segment %s: %w", s.Name(), err)
	}
	r.loaded, r.valid = at, true
	return nil
}

func (r *Reader) ends(at LSN, format string, args ...any) error {
	return &EndError{At: at, Reason: fmt.Sprintf(format, args...)}
}

// checksum is that of a whole record; it is in its header.
func checksum(record []byte) uint32 {
	castagnoli := crc32.MakeTable(crc32.Castagnoli) // made once, by the library
	return crc32.Update(crc32.Checksum(record[recordHeader:], castagnoli), castagnoli, record[:recordCRC])
}

// SwitchRecord is a record that follows the one at previous and says that the rest of its segment is empty.
func SwitchRecord(previous LSN) []byte {
	b := make([]byte, recordHeader)
	binary.LittleEndian.PutUint32(b, recordHeader)
	binary.LittleEndian.PutUint64(b[8:], uint64(previous))
	b[16], b[17] = xlogSwitch, managerXLOG
	binary.LittleEndian.PutUint32(b[recordCRC:], checksum(b))
	return b
}
