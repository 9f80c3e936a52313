package logsink_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tine/internal/logsink"
)

func TestRecentIsTheEndOfTheLogWithoutWhatRepeatsStatements(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := logsink.New(logsink.Config{Dir: dir})
	if lines, err := s.Recent("node", 10); err != nil || len(lines) != 0 {
		t.Fatalf("without a log: %v, %v", lines, err)
	}
	const at = "2026-08-10 12:00:00.125 UTC [7] "
	text := at + "LOG:  STATEMENT:  " + strings.Repeat("secret ", 60_000) + "\n" + // begins before the part that is read
		"\tsecret\n" + at + "STATEMENT:  secret\n" + at + "LOG:  first\n" + at + "ERROR:  second\n\tgoes on\n" + at + "DETAIL:  secret\n" + "no prefix\n"
	if err := os.WriteFile(filepath.Join(dir, "node.log"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	lines, err := s.Recent("node", 10)
	want := []logsink.Line{
		{At: time.Date(2026, 8, 10, 12, 0, 0, 125_000_000, time.UTC), Status: "info", Message: "first"},
		{At: time.Date(2026, 8, 10, 12, 0, 0, 125_000_000, time.UTC), Status: "error", Message: "second\ngoes on"},
		{Status: "info", Message: "no prefix"},
	}
	if err != nil || len(lines) != 3 || lines[0] != want[0] || lines[1] != want[1] || lines[2] != want[2] {
		t.Errorf("lines %+v, %v, want %+v", lines, err, want)
	}
	if lines, err := s.Recent("node", 1); err != nil || len(lines) != 1 || lines[0] != want[2] {
		t.Errorf("the newest: %+v, %v", lines, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "node.log"), []byte(strings.Repeat("secret", 100_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if lines, err := s.Recent("node", 10); err != nil || len(lines) != 0 {
		t.Errorf("of a line without a beginning: %v, %v", lines, err)
	}
}
