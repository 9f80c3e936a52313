package wal_test

import (
	"testing"

	"tine/internal/wal"
)

func TestSegmentNamesAreThoseOfPostgreSQL(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]wal.Segment{
		"000000010000000000000001": {Timeline: 1, Number: 1},
		"0000000A00000002000000FF": {Timeline: 10, Number: 2*256 + 255},
	} {
		got, ok := wal.ParseSegment(name)
		if !ok || got != want || got.Name() != name {
			t.Errorf("%s reads as %v (%v) and writes as %s", name, got, ok, got.Name())
		}
	}
	for _, name := range []string{"", "00000002.history", "000000010000000000000001.partial", "00000001000000000000010G", "000000010000000000000100"} {
		if s, ok := wal.ParseSegment(name); ok {
			t.Errorf("%q reads as segment %v", name, s)
		}
	}
}

func TestLSNsAreReadAndWrittenAsPostgreSQLDoes(t *testing.T) {
	t.Parallel()
	if lsn, err := wal.ParseLSN("2/A000028"); err != nil || lsn != 0x2_0A000028 {
		t.Errorf("2/A000028 is %x: %v", lsn, err)
	} else if lsn.String() != "2/A000028" {
		t.Errorf("it is written as %s", lsn)
	}
	for _, text := range []string{"", "0", "x/1", "1/x", "1/100000000"} {
		if _, err := wal.ParseLSN(text); err == nil {
			t.Errorf("%q is taken for an LSN", text)
		}
	}
}
