// Package soak makes forks at random moments and transactions of a cluster that is written to at full speed, for minutes, and
// compares each with what it must hold. It runs with the build tag soak only: make soak.
package soak
