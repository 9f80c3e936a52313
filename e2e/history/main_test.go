// Package history tests what the history of a cluster is like that is written to at full speed.
package history

import (
	"os"
	"testing"

	"tine/e2e/harness/suite"
)

var tine suite.Suite

func TestMain(m *testing.M) { os.Exit(tine.Awake(m, 10)) }
