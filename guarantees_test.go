package tine_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// A promise whose test is gone is one that nothing holds us to.
func TestGuaranteesNameTestsThatExist(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("docs", "guarantees.md"))
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	for _, pattern := range []string{"*_test.go", "e2e/*_test.go", "e2e/*/*_test.go", "internal/*/*_test.go", "internal/*/*/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, match := range function.FindAllSubmatch(text, -1) {
				have[string(match[1])] = true
			}
		}
	}
	names := regexp.MustCompile("`(Test\\w+)`").FindAllSubmatch(page, -1)
	if len(names) == 0 {
		t.Fatal("the page names no test")
	}
	for _, match := range names {
		if name := string(match[1]); !have[name] {
			t.Errorf("there is no %s", name)
		}
	}
}
