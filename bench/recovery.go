package bench

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// recovery is what a fork's PostgreSQL did before it was ready, as its own log says.
type recovery struct {
	start  time.Duration // from its first line until redo begins
	redo   time.Duration // and until that is done
	finish time.Duration // and until it is ready: the checkpoint at the end of a recovery, if there is one
	cpu    time.Duration // of redo
	wal    int64         // bytes that were replayed
}

func (r recovery) all() time.Duration { return r.start + r.redo + r.finish }

// recoveryLog is the log of the node that was made since the logs were listed, "" if that cannot be told.
func (b *bench) recoveryLog(before []string) string {
	dir := filepath.Join(b.tine.DataDir(), "logs")
	added := slices.DeleteFunc(logsIn(dir), func(name string) bool { return slices.Contains(before, name) })
	if len(added) != 1 {
		return "" // another one is being made
	}
	text, err := os.ReadFile(filepath.Join(dir, added[0]))
	if err != nil {
		return ""
	}
	return string(text)
}

// nodeLogs lists the logs of all nodes.
func (b *bench) nodeLogs() []string { return logsIn(filepath.Join(b.tine.DataDir(), "logs")) }

func logsIn(dir string) (names []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// recoveryOf reads a node's log; ok is false if it tells of no recovery.
func recoveryOf(log string) (r recovery, ok bool) {
	begin := lineWith(log, `starting PostgreSQL`)
	from := lineWith(log, `redo starts at (\S+)`)
	to := lineWith(log, `redo done at (\S+) system usage: CPU: user: (\S+) s, system: (\S+) s, elapsed`)
	ready := lineWith(log, `database system is ready to accept connections`)
	if begin == nil || from == nil || to == nil || ready == nil {
		return r, false
	}
	user, _ := strconv.ParseFloat(to.found[2], 64)
	system, _ := strconv.ParseFloat(to.found[3], 64)
	return recovery{
		start: from.at.Sub(begin.at), redo: to.at.Sub(from.at), finish: ready.at.Sub(to.at),
		cpu: time.Duration((user + system) * float64(time.Second)), wal: position(to.found[1]) - position(from.found[1]),
	}, true
}

// position is a place in the WAL, of which PostgreSQL writes the two halves.
func position(text string) int64 {
	high, low, _ := strings.Cut(text, "/")
	const hexadecimal, bits = 16, 32
	upper, _ := strconv.ParseInt(high, hexadecimal, 0)
	lower, _ := strconv.ParseInt(low, hexadecimal, 0)
	return upper<<bits + lower
}

type logLine struct {
	at    time.Time
	found []string
}

// lineWith is the first line of a node's log that matches.
func lineWith(log, pattern string) *logLine {
	found := regexp.MustCompile(`(?m)^(\S+ \S+) UTC \[\d+\] LOG:\s+` + pattern).FindStringSubmatch(log)
	if found == nil {
		return nil
	}
	at, err := time.Parse("2006-01-02 15:04:05.000", found[1])
	if err != nil {
		return nil
	}
	return &logLine{at: at, found: found[1:]}
}
