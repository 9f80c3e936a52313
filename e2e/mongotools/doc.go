// Package mongotools runs MongoDB's Database Tools, as they were released, against a Tine. `make clients` builds them and runs these tests, which have the
// build tag mongotools because `make test` does without: their repository is not where its parts come from. What the tools send is tested by
// internal/gateway in any case.
package mongotools
