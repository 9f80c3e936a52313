//go:build !race

package harness

// raceFlags build a tine without the race detector for tests that have none.
func raceFlags() []string { return nil }
