// Package contract checks what an HTTP API does against its OpenAPI description. It is for tests: of the API itself, whose handler
// it wraps, and from outside, where it wraps a client's transport or stands before a server as a proxy.
//
// # Protocol
//
// Every answer must be one that the description has for its request: a status that is listed, all headers and fields that are required, no field that
// is not there, nothing of another type. A path or method that the description does not have must answer 404 or 405 and with the schema named error.
// A request that was answered without an error must be one that the description allows.
package contract
