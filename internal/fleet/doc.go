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
// # For the panel
//
// RestoreInPlace, Reset and Swap replace a cluster's data and return at once: show the status (restoring, swapping) and the events, whose types are
// cluster_restore, cluster_reset and cluster_swap, each alone when it begins and with _done or _failed when it is over. InPlace.Kept is where the state before is.
// A cluster can be reset if it IsFork and its source exists. SetTTL and
// store.Cluster.TTLPaused are for TTL indexes, which wait in forks of the past; CreateRequest.FreshPasswords is for a fork's users, whose passwords are in Created.Contents. SetExpiry and store.Cluster.ExpiresAt are for clusters that end by themselves; DefaultKeep is how long a
// state before lives if nothing else is said. History, ForkEstimate and checks of moments are those of forks.
//
// # What callers must not do
//
// Callers must not check requests on their own, nor write to the store around the fleet: two places that hold a rule
// disagree one day.
package fleet
