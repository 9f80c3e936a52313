package logsink

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
)

const (
	// chunk is how much of a file is read at once: what it becomes as JSON, escaped in the worst way, stays below the intake's 5 MB
	// together with a second one.
	chunk = 256 << 10
	// headLength is how much of a file's beginning tells it from the one before: lines begin with a time.
	headLength = 256
)

// position is where the reading of a log goes on. The head says in which file: logs are moved aside while they are read.
type position struct {
	Offset     int64  `json:"offset"`
	Head       []byte `json:"head,omitempty"` // hash of the file's first HeadLength bytes
	HeadLength int64  `json:"head_length,omitempty"`
}

// endOf is the position after all that a log holds.
func endOf(path string) (position, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return position{}, nil
	}
	if err != nil {
		return position{}, err
	}
	defer func() { _ = f.Close() }()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return position{}, err
	}
	return position{Offset: size}.withHead(f, size)
}

// withHead remembers as much of the file's beginning as there is.
func (p position) withHead(f io.ReaderAt, size int64) (position, error) {
	length := min(size, headLength)
	if length <= p.HeadLength {
		return p, nil
	}
	hash, err := hashOf(f, length)
	if err != nil {
		return p, err
	}
	p.Head, p.HeadLength = hash, length
	return p, nil
}

// in says whether the position is one in that file.
func (p position) in(f io.ReaderAt) bool {
	if p.HeadLength == 0 {
		return true
	}
	hash, err := hashOf(f, p.HeadLength)
	return err == nil && bytes.Equal(hash, p.Head)
}

func hashOf(f io.ReaderAt, length int64) ([]byte, error) {
	h := sha256.New()
	n, err := io.Copy(h, io.NewSectionReader(f, 0, length))
	if err == nil && n < length {
		err = io.ErrUnexpectedEOF
	}
	return h.Sum(nil), err
}

// part is what was read of a log: whole lines.
type part struct {
	text []byte
	// from is where text begins, in the file that it was read from; from plus a number of bytes is a position within it.
	from position
	// lost says that the log went on in files that are gone.
	lost bool
}

// after is the position when the first n bytes of the text have been dealt with.
func (p part) after(n int) position {
	next := p.from
	next.Offset += int64(n)
	return next
}

// read returns the next lines of a log from a position on: at most a chunk, and none if there are no whole ones.
func read(path string, at position) (part, error) {
	current, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return part{from: at}, nil
	}
	if err != nil {
		return part{}, err
	}
	defer func() { _ = current.Close() }()
	if !at.in(current) {
		return readBefore(path, current, at)
	}
	p, err := readFile(current, at, false)
	if err == nil && !at.in(current) {
		return part{from: at}, nil // it was cut meanwhile; the next look finds it moved aside
	}
	return p, err
}

// readBefore reads on in the file that was moved aside, and after its end in the current one.
func readBefore(path string, current *os.File, at position) (part, error) {
	before, err := os.Open(path + ".1")
	if errors.Is(err, fs.ErrNotExist) {
		p, err := readFile(current, position{}, false)
		p.lost = true
		return p, err
	}
	if err != nil {
		return part{}, err
	}
	defer func() { _ = before.Close() }()
	if !at.in(before) {
		p, err := readFile(before, position{}, true)
		p.lost = true
		return p, err
	}
	p, err := readFile(before, at, true)
	if err != nil || len(p.text) > 0 {
		return p, err
	}
	return readFile(current, position{}, false)
}

// readFile reads whole lines; of a finished file the last line is whole, and so is one that is longer than a chunk.
func readFile(f *os.File, at position, finished bool) (part, error) {
	info, err := f.Stat()
	if err != nil {
		return part{}, err
	}
	if at, err = at.withHead(f, info.Size()); err != nil {
		return part{}, err
	}
	text := make([]byte, min(chunk, max(info.Size()-at.Offset, 0)))
	n, err := f.ReadAt(text, at.Offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return part{}, err
	}
	text = text[:n]
	end := bytes.LastIndexByte(text, '\n') + 1
	if end == 0 && (finished || n == chunk) {
		end = n
	}
	if finished && n < chunk {
		end = n
	}
	return part{text: text[:end], from: at}, nil
}
