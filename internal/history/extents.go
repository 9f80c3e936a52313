package history

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"

	"tine/internal/wal"
)

// extents are lengths of relations' main parts in pages: how far a piece of log reaches in them, as far as it does not shorten them itself.
type extents map[wal.Relation]uint32

// cover makes the extents reach to the pages. A nil map is left as it is.
func (e extents) cover(pages []wal.Block) {
	for _, p := range pages {
		e.reach(p.Relation, p.Number+1)
	}
}

// cut is for a page that is removed, with all behind it. A piece of log that begins before its restore point may have what was gone by then: recovery would not remove it again.
func (e extents) cut(first wal.Block) {
	if e[first.Relation] > first.Number {
		e[first.Relation] = first.Number
	}
}

// add makes the extents reach as far as others do.
func (e extents) add(others extents) {
	for r, pages := range others {
		e.reach(r, pages)
	}
}

func (e extents) reach(r wal.Relation, pages uint32) {
	if e != nil && pages > e[r] {
		e[r] = pages
	}
}

// encode appends the extents to b: by relation, each number as the difference to the one before.
func (e extents) encode(b []byte) []byte {
	order := slices.SortedFunc(maps.Keys(e), func(x, y wal.Relation) int {
		return cmp.Or(cmp.Compare(x.Tablespace, y.Tablespace), cmp.Compare(x.Database, y.Database), cmp.Compare(x.Number, y.Number))
	})
	var last wal.Relation
	for _, r := range order {
		b = binary.AppendVarint(b, int64(r.Tablespace)-int64(last.Tablespace))
		b = binary.AppendVarint(b, int64(r.Database)-int64(last.Database))
		b = binary.AppendVarint(b, int64(r.Number)-int64(last.Number))
		b = binary.AppendUvarint(b, uint64(e[r]))
		last = r
	}
	return b
}

func decodeExtents(d *varints, count int) extents {
	e := make(extents, count)
	var r wal.Relation
	for range count {
		r.Tablespace = uint32(int64(r.Tablespace) + d.signed())
		r.Database = uint32(int64(r.Database) + d.signed())
		r.Number = uint32(int64(r.Number) + d.signed())
		e[r] = uint32(d.unsigned())
	}
	return e
}
