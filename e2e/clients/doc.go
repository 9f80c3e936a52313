// Package clients runs the official MongoDB clients against a Tine: the Go, Node.js and Python drivers, mongosh, and the sequences of
// commands that MongoDB's tools and Compass send. A suite has a cluster of its own; what it may not find there, another suite never
// makes.
//
// The suites of other languages are files below node, mongosh and python, which a test here runs. `scripts/clients.sh` installs what
// they need. They take the cluster from TINE_URI and use nothing else of Tine.
//
// # Known differences
//
// What MongoDB does and Tine does not is a case that is marked as known, in every language with a helper of that name. It names
// the feature as a row of docs/compatibility.md does, and says what MongoDB would do; it fails once Tine does the same, so that the
// mark and the row go. TestKnownDifferencesAreDocumented looks for the rows.
package clients
