package history

import (
	"fmt"
	"strconv"
	"strings"
)

// segmentSize is initdb's default, which golden keeps.
const segmentSize = 16 << 20

// segment is a WAL segment: a timeline and a position in units of segmentSize.
type segment struct {
	timeline uint32
	number   uint64
}

// segmentOf is the segment in which lsn lies. A position at a boundary belongs to the segment that begins there.
func segmentOf(timeline int, lsn uint64) segment {
	return segment{timeline: uint32(timeline), number: lsn / segmentSize}
}

// name is the segment's file name in PostgreSQL.
func (s segment) name() string {
	const perID = (1 << 32) / segmentSize
	return fmt.Sprintf("%08X%08X%08X", s.timeline, s.number/perID, s.number%perID)
}

// parseSegment reads a file name; ok is false for whatever else is in a WAL directory.
func parseSegment(name string) (s segment, ok bool) {
	const perID = (1 << 32) / segmentSize
	if len(name) != 24 {
		return segment{}, false
	}
	var part [3]uint64
	for i := range part {
		n, err := strconv.ParseUint(name[8*i:8*i+8], 16, 32)
		if err != nil {
			return segment{}, false
		}
		part[i] = n
	}
	return segment{timeline: uint32(part[0]), number: part[1]*perID + part[2]}, part[2] < perID
}

// parseLSN reads PostgreSQL's notation, two hexadecimal halves.
func parseLSN(text string) (uint64, error) {
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
	return h<<32 | l, nil
}
