package mongoerr

import (
	"strings"
	"testing"
)

// MongoDB's codes below 1000 all have names, which is what clients tell them apart by.
func TestCodesOfTheEngineHaveTheirNames(t *testing.T) {
	t.Parallel()
	for _, code := range engineCodes() {
		if name := Code(code).String(); code < 1000 && strings.HasPrefix(name, "Location") {
			t.Errorf("the code %d has no name", code)
		}
	}
	for code, want := range map[Code]string{8000: "AtlasError", 10107: "NotWritablePrimary", 10334: "BSONObjectTooLarge", 13297: "DatabaseDifferCase", 40324: "Location40324"} {
		if got := code.String(); got != want {
			t.Errorf("Code(%d) = %s, want %s", code, got, want)
		}
	}
}
