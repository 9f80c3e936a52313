// Package secrets keeps what Tine must be able to say again and nobody else may read: keys of other services and passwords that are shown to who may
// see them. What need not be said again is not kept at all, only hashes and verifiers of it.
//
// A secret is sealed with AES-256 in GCM under the key in DATA/secret-key, which is made at the first start. Sealed secrets are in the store; the
// key is not, so that a copy of the store alone tells nothing. Each is bound to what it is for: a sealed secret that is moved to another row
// cannot be opened there.
//
// # What callers must not do
//
// What was opened must not be logged, stored or put into an error. The key file must not leave the data directory; without it no sealed
// secret can be read, and each has to be set anew.
package secrets
