package host

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestBackOffGrowsAndForgives(t *testing.T) {
	t.Parallel()
	tests := []struct{ last, ran, want time.Duration }{
		{last: 0, ran: time.Hour, want: 0},
		{last: 0, ran: time.Second, want: firstPause},
		{last: firstPause, ran: time.Second, want: 2 * firstPause},
		{last: longestPause, ran: time.Second, want: longestPause},
		{last: longestPause, ran: forgiven, want: 0},
	}
	for _, test := range tests {
		if got := backOff(test.last, test.ran); got != test.want {
			t.Errorf("after a pause of %s and a run of %s: %s, want %s", test.last, test.ran, got, test.want)
		}
	}
}

// Who writes at full speed fills a good part of the budget while a restore point is taken.
func TestHistoryIsLookedAtSoonBehindARestorePoint(t *testing.T) {
	t.Parallel()
	tests := []struct {
		due         bool
		again, want time.Duration
	}{
		{due: true, want: historySoon},
		{again: 0, want: historyInterval},
		{again: time.Millisecond, want: historySoon},
		{again: 200 * time.Millisecond, want: 200 * time.Millisecond},
		{again: time.Hour, want: historyInterval},
	}
	for _, test := range tests {
		if got := nextLook(test.due, test.again); got != test.want {
			t.Errorf("due %v, else after %s: the next look is after %s, want %s", test.due, test.again, got, test.want)
		}
	}
}

func TestTrimLogMovesALongLogAside(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "node.log")
	long := bytes.Repeat([]byte("line\n"), longestLog/5+1)
	for _, test := range []struct {
		content    []byte
		kept, left int
	}{{[]byte("short\n"), 6, 0}, {long, 0, len(long)}} {
		if err := os.WriteFile(path, test.content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := trimLog(path); err != nil {
			t.Fatal(err)
		}
		kept, err := os.ReadFile(path)
		if err != nil || len(kept) != test.kept {
			t.Errorf("of %d bytes %d are kept, want %d: %v", len(test.content), len(kept), test.kept, err)
		}
		aside, _ := os.ReadFile(path + ".1")
		if len(aside) != test.left {
			t.Errorf("of %d bytes %d are aside, want %d", len(test.content), len(aside), test.left)
		}
	}
}

func TestStepsAreNamedAfterTheirOperations(t *testing.T) {
	t.Parallel()
	steps := Steps()
	want := 2*len(makeSteps()) + len(destroySteps()) + len(changeSteps()) + len(exchangeSteps()) + len(suspendSteps()) + len(wakeSteps()) +
		len(bringSteps()) + len(migrateSteps())
	if len(steps) != want || steps[0] != "create/clear" || steps[len(steps)-1] != "wake/row" {
		t.Errorf("the steps are %v", steps)
	}
}
