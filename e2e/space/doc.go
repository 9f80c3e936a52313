// Package space has the tests of what happens when there is no space: a pool of 2 GiB that is filled up on purpose, with the binary that users run.
package space
