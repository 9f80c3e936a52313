package wal

import (
	"encoding/binary"
	"fmt"
)

// Relation is a table, an index or whatever else PostgreSQL keeps in files of pages, by the numbers that name its files.
type Relation struct {
	Tablespace, Database, Number uint32
}

// Block is a page of a relation's main part.
type Block struct {
	Relation Relation
	Number   uint32 // from 0
}

// A record begins with a header for each page that it changes (src/include/access/xlogrecord.h): a number, flags, the length of its data; about an image of
// the page, if there is one; the relation, unless it is that of the page before; the page's number. Data and images follow all headers.
const (
	mostBlockID = 32

	blockFork         = 0x0F // in the flags: which part of the relation; 0 is the main one
	blockHasImage     = 0x10
	blockSameRelation = 0x80

	imageHasHole    = 0x01
	imageCompressed = 0x1C // by any method

	imageHeader    = 5
	holeHeader     = 2
	relationHeader = 12
)

// Blocks appends the pages that the record changes to list and returns it. It is for every resource manager: where pages are named is no business of theirs.
func (rec *Record) Blocks(list []Block) ([]Block, error) {
	h := blockHeaders{rest: rec.Data}
	for len(h.rest) > h.behind {
		switch id := h.rest[0]; {
		case id == partShort || id == partLong:
			return list, nil // the last of the headers
		case id == partOrigin:
			h.take(3)
		case id == partTopXID:
			h.take(5)
		case id <= mostBlockID:
			if b, main := h.next(); main && !h.broken {
				list = append(list, b)
			}
		default:
			h.broken = true
		}
		if h.broken {
			return list, fmt.Errorf("record at %s: %w: its headers are wrong", rec.Start, errRecord)
		}
	}
	return list, nil
}

// blockHeaders are read one after the other.
type blockHeaders struct {
	rest     []byte
	behind   int      // bytes of data and images that follow the headers, as far as they are read
	relation Relation // of the last page; its number is 0 if there was none
	broken   bool
}

// take returns the next bytes, zeros if there are not so many.
func (h *blockHeaders) take(n int) []byte {
	if len(h.rest) < n {
		h.rest, h.broken = nil, true
		return make([]byte, n)
	}
	b := h.rest[:n]
	h.rest = h.rest[n:]
	return b
}

// next reads a page's header; main says whether it is one of the relation's main part.
func (h *blockHeaders) next() (b Block, main bool) {
	head := h.take(4)
	flags := head[1]
	h.behind += int(binary.LittleEndian.Uint16(head[2:]))
	if flags&blockHasImage != 0 {
		image := h.take(imageHeader)
		h.behind += int(binary.LittleEndian.Uint16(image))
		if info := image[4]; info&imageHasHole != 0 && info&imageCompressed != 0 {
			h.take(holeHeader)
		}
	}
	if flags&blockSameRelation == 0 {
		r := h.take(relationHeader)
		h.relation = Relation{
			Tablespace: binary.LittleEndian.Uint32(r), Database: binary.LittleEndian.Uint32(r[4:]), Number: binary.LittleEndian.Uint32(r[8:]),
		}
	}
	b = Block{Relation: h.relation, Number: binary.LittleEndian.Uint32(h.take(4))}
	h.broken = h.broken || h.relation.Number == 0
	return b, flags&blockFork == 0
}

// Truncation returns the first page that the record removes from a relation's main part, with all behind it; ok is false if it is something else.
func (rec *Record) Truncation() (first Block, ok bool, err error) {
	const size, mainPart = 20, 1 // of struct xl_smgr_truncate (src/include/catalog/storage_xlog.h); one of its flags
	if rec.Manager != managerStorage || rec.Info&0xF0 != storageTruncate {
		return Block{}, false, nil
	}
	b, err := rec.main()
	if err != nil {
		return Block{}, false, err
	}
	if len(b) < size {
		return Block{}, false, fmt.Errorf("record at %s: %w: it is too short", rec.Start, errRecord)
	}
	word := func(n int) uint32 { return binary.LittleEndian.Uint32(b[4*n:]) }
	return Block{Number: word(0), Relation: Relation{Tablespace: word(1), Database: word(2), Number: word(3)}}, word(4)&mainPart != 0, nil
}
