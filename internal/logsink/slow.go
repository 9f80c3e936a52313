package logsink

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// longestSlow is how much of the log of slow operations is kept twice: in the file and in the one before.
const longestSlow = 16 << 20

// slowLog is the log of a cluster's slow operations.
type slowLog struct {
	mu   sync.Mutex
	path string
	file *os.File
	size int64
}

func openSlow(path string) (*slowLog, error) {
	l := &slowLog{path: path}
	return l, l.open()
}

func (l *slowLog) open() (err error) {
	if l.file, err = os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
		return fmt.Errorf("open log of slow operations: %w", err)
	}
	if l.size, err = l.file.Seek(0, io.SeekEnd); err != nil {
		return errors.Join(fmt.Errorf("open log of slow operations: %w", err), l.file.Close())
	}
	return nil
}

// write adds an operation, and moves a file that has grown long aside.
func (l *slowLog) write(at time.Time, attrs []slog.Attr) error {
	line, err := json.Marshal(slowEntry(at, attrs))
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil // it was closed meanwhile
	}
	n, err := l.file.Write(append(line, '\n'))
	l.size += int64(n)
	if err != nil || l.size < longestSlow {
		return err
	}
	if err := os.Rename(l.path, l.path+".1"); err != nil {
		return err
	}
	_ = l.file.Close()
	if err := l.open(); err != nil {
		l.file = nil
		return err
	}
	return nil
}

func (l *slowLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		_ = l.file.Close()
		l.file = nil
	}
}

func slowEntry(at time.Time, attrs []slog.Attr) entry {
	operation := make(map[string]any, len(attrs))
	e := entry{
		"message": "slow operation", "status": "warn", "log": "slow operations", "timestamp": at.UTC().Format(time.RFC3339Nano),
		"operation": operation,
	}
	for _, a := range attrs {
		if a.Value.Kind() == slog.KindDuration {
			e[a.Key] = a.Value.Duration().Nanoseconds() // Datadog's duration
			continue
		}
		operation[a.Key] = a.Value.Any()
	}
	if command, namespace := operation["command"], operation["namespace"]; command != nil && namespace != nil {
		e["message"] = fmt.Sprintf("slow operation: %v on %v", command, namespace)
	}
	return e
}
