package clients

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// known runs a case that MongoDB passes and Tine does not. It fails when the case starts passing: then the mark goes, and
// the row of docs/compatibility.md.
func known(t *testing.T, feature string, do func() error) {
	t.Helper()
	if err := do(); err == nil {
		t.Errorf("%s works now: remove the mark and its row in docs/compatibility.md", feature)
	}
}

// mark finds the feature in a call of known, in any of the languages.
var mark = regexp.MustCompile(`\bknown\((?:\w+, )?["']([^"']+)["']`)

func TestKnownDifferencesAreDocumented(t *testing.T) {
	t.Parallel()
	table, err := os.ReadFile("../../docs/compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	marks := 0
	for _, pattern := range []string{"*.go", "node/*.mjs", "mongosh/*.js", "python/*.py"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if file == "known_test.go" {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range mark.FindAllStringSubmatch(string(text), -1) {
				marks++
				if !bytes.Contains(table, []byte("\n| "+m[1]+" |")) {
					t.Errorf("%s: %q is marked as known and has no row in docs/compatibility.md", file, m[1])
				}
			}
		}
	}
	if marks == 0 {
		t.Error("no mark was found: the expression is wrong")
	}
}

func TestMarksAreFound(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`known(t, "change streams", func() error {`: "change streams",
		`await known('capped collections', async`:   "capped collections",
		`with known("collation"):`:                  "collation",
		`with self.known("a b-c"):`:                 "a b-c",
	} {
		if m := mark.FindStringSubmatch(text); m == nil || m[1] != want {
			t.Errorf("in %s found %v, want %q", strings.TrimSpace(text), m, want)
		}
	}
}
