// Package doclients runs DigitalOcean's own clients, as they were released, against a Tine: doctl, and their provider for Terraform
// under OpenTofu. `make clients` builds them, which takes minutes, and runs these tests, which have the build tag doclients because
// `make test` does without. The clients talk to Tine through a proxy that holds each answer against /openapi.yaml.
//
// godo needs no place here: the tests of internal/api and e2e use it all along.
package doclients
