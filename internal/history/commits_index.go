package history

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"time"

	"tine/internal/wal"
)

// segmentCommits is the index of one archived segment: the commits whose records end in it, and how far its records reach in their files. About 10 bytes a commit and
// 10 a relation; it is made when the segment is archived, from the segment alone and the index before it, so that it can be made again when it is lost.
type segmentCommits struct {
	next    wal.LSN             // where the first record begins that does not end in the segment
	marks   map[uint32][]string // of transactions that have not ended by then
	commits []Commit
	grown   extents // by the records that end in it
	// damaged is where the segment's bytes stop to be a log, 0 if they do not. Nothing behind it can be reached from before it.
	damaged wal.LSN
}

func (h *History) commitsDir(clusterID string) string {
	return filepath.Join(h.dir(clusterID), "commits")
}

// index returns the index of an archived segment, making it if there is none; before is the index of the segment before, nil if it is
// not known. os.ErrNotExist says that the segment is not in the archive. It fails with ErrBroken if the segment is damaged.
func (h *History) index(src Source, s wal.Segment, before *segmentCommits) (*segmentCommits, error) {
	path := filepath.Join(h.commitsDir(src.HistoryID), s.Name())
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read index of WAL segment %s: %w", s.Name(), err)
	}
	i, ok := decodeIndex(b)
	if !ok {
		if i, err = h.makeIndex(src, s, before); err != nil {
			return nil, err
		}
		if err := writeIndex(path, i); err != nil {
			return nil, fmt.Errorf("write index of WAL segment %s: %w", s.Name(), err)
		}
	}
	if i.damaged != 0 {
		return nil, fmt.Errorf("WAL segment %s is damaged at %s: %w", s.Name(), i.damaged, ErrBroken)
	}
	return i, nil
}

// makeIndex reads an archived segment.
func (h *History) makeIndex(src Source, s wal.Segment, before *segmentCommits) (*segmentCommits, error) {
	dir := h.walDir(src.HistoryID)
	if _, err := os.Stat(filepath.Join(dir, s.Name())); err != nil {
		return nil, err
	}
	end := s.Begin() + wal.SegmentSize
	open := func(o wal.Segment) (*os.File, error) {
		if o.Number > s.Number {
			return nil, os.ErrNotExist // what goes on there belongs to its index
		}
		return os.Open(filepath.Join(dir, o.Name()))
	}
	begin, marks, err := h.beginOf(src, s, before, open)
	if err != nil {
		return nil, err
	}
	r := newReading(open, s.Timeline, begin, marks)
	i := &segmentCommits{}
	for {
		c, err := r.next(end)
		if err == nil {
			i.commits = append(i.commits, c)
			continue
		}
		var ended *wal.EndError
		if !errors.As(err, &ended) {
			return nil, errors.Join(fmt.Errorf("index WAL segment %s: %w", s.Name(), err), r.reader.Close())
		}
		if ended.At < end {
			i.damaged = ended.At
		}
		break
	}
	i.next, i.marks, i.grown = r.reader.Position(), r.open, r.grown
	return i, r.reader.Close()
}

// beginOf is where the first record begins that ends in a segment or behind it, and what is known of the transactions that are open there: from the index of the segment before, or, if that is lost,
// from that segment. Without it, as after a Prune, the index begins with the segment.
func (h *History) beginOf(src Source, s wal.Segment, before *segmentCommits, open wal.Open) (begin wal.LSN, marks map[uint32][]string, err error) {
	if before == nil {
		b, err := os.ReadFile(filepath.Join(h.commitsDir(src.HistoryID), previous(s).Name()))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return 0, nil, fmt.Errorf("read index of WAL segment %s: %w", previous(s).Name(), err)
		}
		if i, ok := decodeIndex(b); ok && i.damaged == 0 {
			before = i
		}
	}
	if before == nil {
		begin, err = lastOver(s, open)
		return begin, nil, err
	}
	if _, err := os.Stat(filepath.Join(h.walDir(src.HistoryID), wal.SegmentOf(s.Timeline, before.next).Name())); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return s.Begin(), nil, nil
		}
		return 0, nil, fmt.Errorf("look for WAL segment before %s: %w", s.Name(), err)
	}
	return before.next, before.marks, nil
}

// lastOver is where the record begins that goes on from the segment before into a segment; the segment's begin if there is none, or it cannot be read.
func lastOver(s wal.Segment, open wal.Open) (begin wal.LSN, err error) {
	r := wal.NewReader(open, s.Timeline, previous(s).Begin())
	defer func() { err = errors.Join(err, r.Close()) }()
	for r.Position() < s.Begin() {
		rec, err := r.Next()
		if err != nil {
			return s.Begin(), ignoreEnd(err)
		}
		if rec.End > s.Begin() {
			return min(rec.Start, s.Begin()), nil
		}
	}
	return s.Begin(), nil
}

func previous(s wal.Segment) wal.Segment {
	return wal.Segment{Timeline: s.Timeline, Number: s.Number - 1}
}

// summary is the head of an index. Marks' keys are the commits' places in the index.
type summary struct {
	Next    wal.LSN             `json:"next"`
	Damaged wal.LSN             `json:"damaged,omitempty"`
	Commits int                 `json:"commits"`
	Grown   int                 `json:"grown,omitempty"`
	Open    map[uint32][]string `json:"open,omitempty"`
	Marks   map[int][]string    `json:"marks,omitempty"`
}

// An index is a line of JSON, its summary, then the relations and the commits: numbers are differences to the ones before, as varints. Both have their
// checksums. indexMagic begins it; the last digit is the version of the format.
const indexMagic = "tine commits 2 "

// encode returns the index as it is in its file.
func (i *segmentCommits) encode() ([]byte, error) {
	s := summary{Next: i.next, Damaged: i.damaged, Commits: len(i.commits), Grown: len(i.grown), Open: i.marks, Marks: map[int][]string{}}
	body := i.grown.encode(nil)
	var last Commit
	lastMicros := int64(0)
	for n, c := range i.commits {
		body = binary.AppendUvarint(body, uint64(c.Start-last.Start))
		body = binary.AppendUvarint(body, uint64(c.End-c.Start))
		body = binary.AppendVarint(body, int64(c.XID)-int64(last.XID))
		body = binary.AppendVarint(body, c.At.UnixMicro()-lastMicros)
		last, lastMicros = c, c.At.UnixMicro()
		if len(c.Marks) > 0 {
			s.Marks[n] = c.Marks
		}
	}
	head, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	head = append([]byte(indexMagic+sum(head)+" "), head...)
	return append(append(append(head, '\n'), sum(body)...), body...), nil
}

// sum is a checksum of eight characters.
func sum(b []byte) string {
	return fmt.Sprintf("%08x", crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// decodeSummary reads the head of an index and returns what follows it; ok is false if it is none of ours, or not whole.
func decodeSummary(b []byte) (s summary, rest []byte, ok bool) {
	line, rest, whole := bytes.Cut(b, []byte("\n"))
	line, ours := bytes.CutPrefix(line, []byte(indexMagic))
	check, text, parted := bytes.Cut(line, []byte(" "))
	if !whole || !ours || !parted || string(check) != sum(text) || json.Unmarshal(text, &s) != nil {
		return summary{}, nil, false
	}
	return s, rest, true
}

// decodeIndex reads an index; ok is false if it is none of ours, or not whole.
func decodeIndex(b []byte) (i *segmentCommits, ok bool) {
	s, rest, ok := decodeSummary(b)
	if !ok || len(rest) < 8 || string(rest[:8]) != sum(rest[8:]) || s.Commits < 0 || s.Commits > len(rest) || s.Grown < 0 || s.Grown > len(rest) {
		return nil, false
	}
	d := varints{in: bytes.NewReader(rest[8:])}
	i = &segmentCommits{next: s.Next, damaged: s.Damaged, marks: s.Open, grown: decodeExtents(&d, s.Grown), commits: make([]Commit, s.Commits)}
	var last Commit
	lastMicros := int64(0)
	for n := range i.commits {
		c := &i.commits[n]
		c.Start = last.Start + wal.LSN(d.unsigned())
		c.End = c.Start + wal.LSN(d.unsigned())
		c.XID = uint32(int64(last.XID) + d.signed())
		lastMicros += d.signed()
		c.At = time.UnixMicro(lastMicros).UTC()
		c.Marks = s.Marks[n]
		last = *c
	}
	return i, d.err == nil
}

// varints reads numbers until one cannot be read.
type varints struct {
	in  *bytes.Reader
	err error
}

func (v *varints) unsigned() uint64 {
	n, err := binary.ReadUvarint(v.in)
	if err != nil && v.err == nil {
		v.err = err
	}
	return n
}

func (v *varints) signed() int64 {
	n, err := binary.ReadVarint(v.in)
	if err != nil && v.err == nil {
		v.err = err
	}
	return n
}

// writeIndex gives the index its name only when it is whole. It need not outlive a power cut: its checksum tells.
func writeIndex(path string, i *segmentCommits) error {
	b, err := i.encode()
	if err != nil {
		return err
	}
	const private = 0o700
	if err := os.MkdirAll(filepath.Dir(path), private); err != nil {
		return err
	}
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
