// Package fleet is the domain: clusters, their forks and their history. Every decision about what may be done, and every
// validation, is here; how it is done is the hosts' matter.
//
// # Protocol
//
// Fleet decides and records; it never touches a disk, a node or a socket. A request is checked completely before anything is written, and
// what is written (row, event, job) is one transaction of the store: a refused request leaves nothing behind, an
// accepted one is carried out even if this process dies at once.
//
// What a user can get wrong comes back as an *Error, one sentence that names the field, says what is wrong and what would be right. Every
// other error is Tine's own failure.
//
// A password exists in the answer to the request that made it and nowhere else; the store gets its SCRAM verifier.
//
// # What callers must not do
//
// Callers must not check requests on their own, nor write to the store around the fleet: two places that hold a rule
// disagree one day.
package fleet
