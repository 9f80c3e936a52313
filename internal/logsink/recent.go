package logsink

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// Line is a line of a node's log, as sinks get it.
type Line struct {
	At      time.Time // the zero time if it does not say
	Status  string    // info, warn, error, critical or emergency
	Message string
}

// Recent returns the newest lines of a node's log, at most that many and of its last 256 KiB, the oldest first; none if it has no log. What may
// repeat a statement or a value is left out, as it is for sinks.
func (s *Service) Recent(nodeID string, most int) ([]Line, error) {
	text, err := lastOf(s.path(nodeID, ".log"))
	if err != nil {
		return nil, fmt.Errorf("read log of node %s: %w", nodeID, err)
	}
	entries, _ := nodeEntries(text, bytes.Count(text, []byte("\n"))+1)
	entries = entries[max(0, len(entries)-most):]
	lines := make([]Line, len(entries))
	for i, e := range entries {
		lines[i] = e.line()
	}
	return lines, nil
}

func (e entry) line() Line {
	text := func(key string) string {
		value, _ := e[key].(string)
		return value
	}
	at, _ := time.Parse(time.RFC3339Nano, text("timestamp"))
	return Line{At: at, Status: cmp.Or(text("status"), "info"), Message: text("message")}
}

// lastOf is the end of a file, from the beginning of a line on.
func lastOf(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	from := max(size-chunk, 0)
	text := make([]byte, size-from)
	n, err := f.ReadAt(text, from)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	text = text[:n]
	if from == 0 {
		return text, nil
	}
	// Without its beginning nobody knows what a line repeats.
	i := bytes.IndexByte(text, '\n')
	if i < 0 {
		return nil, nil
	}
	return text[i+1:], nil
}
