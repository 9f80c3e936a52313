package wal

import (
	"fmt"
	"strconv"
	"strings"
)

// SegmentSize is initdb's default, which golden volumes keep.
const SegmentSize = 16 << 20

// PageSize is that of the log's pages, each of which begins with a header.
const PageSize = 8 << 10

// LSN is a position in a write-ahead log, in bytes.
type LSN uint64

// String is PostgreSQL's notation: two hexadecimal halves.
func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint64(l)>>32, uint32(l)) }

// Aligned is where a record begins at the earliest if the one before it ends at l.
func (l LSN) Aligned() LSN { return (l + alignment - 1) &^ (alignment - 1) }

// BehindHeader is l, unless a page begins there: then it is where the page's first record can begin.
func (l LSN) BehindHeader() LSN {
	switch {
	case l%SegmentSize == 0:
		return l + longHeader
	case l%PageSize == 0:
		return l + shortHeader
	default:
		return l
	}
}

// ParseLSN reads PostgreSQL's notation.
func ParseLSN(text string) (LSN, error) {
	high, low, ok := strings.Cut(text, "/")
	if !ok {
		return 0, fmt.Errorf("parse LSN %q: want two halves", text)
	}
	h, err := strconv.ParseUint(high, 16, 32)
	if err != nil {
		return 0, fmt.Errorf("parse LSN %q: %w", text, err)
	}
	l, err := strconv.ParseUint(low, 16, 32)
	if err != nil {
		return 0, fmt.Errorf("parse LSN %q: %w", text, err)
	}
	return LSN(h<<32 | l), nil
}

// Segment is a file of a write-ahead log: a timeline and a position in units of SegmentSize.
type Segment struct {
	Timeline uint32
	Number   uint64
}

// SegmentOf is the segment in which lsn lies. A position at a boundary belongs to the segment that begins there.
func SegmentOf(timeline uint32, lsn LSN) Segment {
	return Segment{Timeline: timeline, Number: uint64(lsn) / SegmentSize}
}

// perID is how many segments share the middle part of their names.
const perID = (1 << 32) / SegmentSize

// Name is the segment's file name in PostgreSQL.
func (s Segment) Name() string {
	return fmt.Sprintf("%08X%08X%08X", s.Timeline, s.Number/perID, s.Number%perID)
}

// Begin is the position of the segment's first byte.
func (s Segment) Begin() LSN { return LSN(s.Number * SegmentSize) }

// ParseSegment reads a file name; ok is false for whatever else is in a directory of segments.
func ParseSegment(name string) (s Segment, ok bool) {
	if len(name) != 24 {
		return Segment{}, false
	}
	var part [3]uint64
	for i := range part {
		n, err := strconv.ParseUint(name[8*i:8*i+8], 16, 32)
		if err != nil {
			return Segment{}, false
		}
		part[i] = n
	}
	return Segment{Timeline: uint32(part[0]), Number: part[1]*perID + part[2]}, part[2] < perID
}
