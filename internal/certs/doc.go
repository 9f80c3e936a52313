// Package certs has the certificate that this machine's listeners show.
//
// It is either the operator's, read again whenever its files change, or one of our own: a certificate authority that is made at the
// first start and kept in the data directory, and from it a server certificate that lives in memory and is made anew at
// each start and long before it ends. Nothing runs in the background: whether there is a newer certificate is looked at when a
// client shakes hands, at most once in a while.
//
// # What is on the disk
//
// DATA/ca.key is written first, DATA/ca.crt second, each to a temporary file that is synced and renamed. A kill at any moment leaves
// nothing, the key alone, or both. A key alone gets its certificate at the next start, so that nobody has seen another one. A
// certificate whose key is missing, or is another's, is an error: replacing what clients trust is the operator's decision.
//
// # What callers must not do
//
// The CA's key must not leave the data directory; what is handed out is Source.CA, the certificate.
package certs
