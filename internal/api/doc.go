// Package api is Tine's HTTP API: DigitalOcean's /v2/databases as godo, doctl, PyDo and Terraform expect it, and a few additions of ours.
//
// # Protocol
//
// A request passes, in this order: its id (the client's X-Request-Id or a new one), the route, the bearer token, the rate limit of that token, the
// token's scope, the handler. Handlers decode, call fleet and encode; they hold no rules. Every answer is JSON; an error is DigitalOcean's
// {"id", "message", "request_id"}, mapped from fleet.Error in one place. A user's mistake is never a 5xx: clients
// repeat those, POST included.
//
// Passwords and tokens' secrets are in the answer to the request that made them, and in no log.
//
// What the API does stands in openapi/, which GET /openapi.yaml shows; the tests of this package hold each answer against it.
//
// # Ours
//
// What DigitalOcean's API does not have: GET /v2/databases/{id}/history, /v2/tokens, /v2/audit, /healthz, /readyz, /metrics; the query parameters name and
// include_destroying; the fields failure and forked_from of a database and message of an event. A database that is being
// destroyed is 404 without include_destroying=true, because clients take 404 for "destroyed"; its events stay readable.
//
// A token with the scope admin is the operator's own and has no rate limit, so that a tool that polls for milliseconds
// is not stopped.
package api
