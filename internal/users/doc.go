// Package users is who may do what in a cluster. It lives in the cluster's own data (the schema tine of its node), so that
// a fork has the users, passwords and grants of its moment. The gateway and the host both work on it through this package.
//
// A user has a name, a SCRAM verifier instead of a password, and grants: a role on a database, or on all of them, which
// is written as the database "admin". Users are rows and no roles of PostgreSQL: nothing that a user may choose is ever a
// part of a statement, and the name of a user means nothing to the engine. docs/decisions/0007-users-are-rows.md says why.
//
// The owner, doadmin, is always there, always root, and cannot be dropped; only its password changes. Callers decide who may change what;
// the rules here hold for whoever calls. Every function is one transaction.
package users
