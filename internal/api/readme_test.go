package api_test

import (
	"os"
	"strings"
	"testing"

	"tine/internal/api"
)

// The README's table is where people look for what the API can do.
func TestTheReadmeNamesEveryRoute(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| endpoint |")
	table, _, _ = strings.Cut(table, "\n\n")
	other, err := os.ReadFile("openapi/paths_engines.yaml") // of engines that Tine does not have
	if err != nil {
		t.Fatal(err)
	}
	for _, route := range api.Routes() {
		last := ""
		for part := range strings.SplitSeq(route.Path, "/") {
			if part != "" && !strings.HasPrefix(part, "{") {
				last = "/" + part
			}
		}
		if !strings.Contains(table, last) && !strings.Contains(string(other), last) {
			t.Errorf("%s %s is not in the table of the README", route.Method, route.Path)
		}
	}
}
