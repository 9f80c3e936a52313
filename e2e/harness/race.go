//go:build race

package harness

// raceFlags build a tine with the race detector for tests that have it.
func raceFlags() []string { return []string{"-race"} }
