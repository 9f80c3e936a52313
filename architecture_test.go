package tine_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "tine"

// Each package says what it is, in one place: a reader must not have to look for it, or find two.
func TestEveryPackageHasOneDoc(t *testing.T) {
	t.Parallel()
	docs := map[string]int{} // by directory
	for _, path := range goFiles(t) {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Dir(path)
		docs[dir] += 0
		if file.Doc != nil {
			docs[dir]++
			checkDoc(t, path, file)
		}
	}
	for dir, n := range docs {
		if n != 1 {
			t.Errorf("%s has %d package docs instead of one", dir, n)
		}
	}
}

func checkDoc(t *testing.T, path string, file *ast.File) {
	t.Helper()
	want := "Package " + file.Name.Name + " "
	if file.Name.Name == "main" {
		want = "Command " + filepath.Base(filepath.Dir(path)) + " "
	}
	if !strings.HasPrefix(file.Doc.Text(), want) {
		t.Errorf("the package doc in %s does not begin with %q", path, want)
	}
}

// goFiles returns the module's Go files, without tests.
func goFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "testdata" || path != "." && strings.HasPrefix(entry.Name(), ".")):
			return fs.SkipDir
		case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"):
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// layers lists, for each part, which of the parts it may import. The linter's rules say the same; that they do, and
// that they trip, is what the test shows.
func layers() map[string][]string {
	edge := []string{"catalog", "fleet", "store"}
	return map[string][]string{
		"storage":   {},
		"sandbox":   {},
		"catalog":   {},
		"certs":     {},
		"store":     {},
		"wal":       {},
		"engine":    {"sandbox", "storage", "wal"},
		"gateway":   {"engine"},
		"history":   {"engine", "storage", "store", "wal"},
		"host":      {"catalog", "databases", "engine", "gateway", "history", "insights", "sandbox", "storage", "store", "wal"},
		"fleet":     {"catalog", "databases", "secrets", "store", "wal"},
		"databases": {},
		"secrets":   {},
		"insights":  {"gateway", "store"},
		"logsink":   {"secrets", "store"},
		"api":       edge,
		"panel":     edge,
	}
}

// The linter runs with our rules on a module in which every part imports every other part.
func TestImportsAgainstTheLayersTripTheLinter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config, err := os.ReadFile(".golangci.yml")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, ".golangci.yml"), string(config))
	write(t, filepath.Join(dir, "go.mod"), "module "+module+"\n\ngo 1.26\n")
	for part := range layers() {
		write(t, filepath.Join(dir, "internal", part, "part.go"), "package "+part+"\n")
		write(t, filepath.Join(dir, "internal", part, "imports", "imports.go"), importing(part))
	}
	got := lint(t, dir)
	for part, allowed := range layers() {
		for other := range layers() {
			if part == other {
				continue
			}
			finding := "internal/" + part + "/imports/imports.go: import '" + module + "/internal/" + other + "' is not allowed"
			if tripped := slices.Contains(got, finding); tripped == slices.Contains(allowed, other) {
				t.Errorf("%s imports %s: allowed %v, tripped %v", part, other, !tripped, tripped)
			}
		}
	}
}

// importing is a file of a part that imports all the others.
func importing(part string) string {
	text := "package imports\n\nimport (\n"
	for other := range layers() {
		if other != part {
			text += "\t_ \"" + module + "/internal/" + other + "\"\n"
		}
	}
	return text + ")\n"
}

// lint returns the layering rules' findings, as "file: import 'package' is not allowed".
func lint(t *testing.T, dir string) []string {
	t.Helper()
	tools, err := filepath.Abs("tools/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	tool := exec.CommandContext(t.Context(), "go", "tool", "-n", "-modfile="+tools, "golangci-lint")
	linter, err := tool.Output()
	if err != nil {
		t.Fatalf("find the linter: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), strings.TrimSpace(string(linter)),
		"run", "--enable-only=depguard", "--output.text.path=stdout", "--output.text.print-issued-lines=false", "--issues-exit-code=0")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOLANGCI_LINT_CACHE="+t.TempDir())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run the linter: %v\n%s", err, out)
	}
	var findings []string
	for line := range strings.Lines(string(out)) {
		position, rest, _ := strings.Cut(line, " ")
		file, _, _ := strings.Cut(position, ":")
		finding, _, _ := strings.Cut(rest, " from list")
		findings = append(findings, file+": "+finding)
	}
	return findings
}

func write(t *testing.T, path, content string) {
	t.Helper()
	const private = 0o700
	if err := os.MkdirAll(filepath.Dir(path), private); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), private); err != nil {
		t.Fatal(err)
	}
}
