// Command teardown removes what the tests of this machine share; see package testnode.
package main

import (
	"context"
	"fmt"
	"os"

	"tine/internal/testnode"
)

func main() {
	if err := testnode.Teardown(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "teardown:", err)
		os.Exit(1)
	}
}
