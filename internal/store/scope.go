package store

import "slices"

// What a token allows, in DigitalOcean's names.
const (
	ScopeDatabaseRead   = "database:read"
	ScopeDatabaseCreate = "database:create"
	ScopeDatabaseUpdate = "database:update"
	ScopeDatabaseDelete = "database:delete"
	// ScopeViewCredentials shows passwords and URIs, where the token may see the cluster at all.
	ScopeViewCredentials = "database:view_credentials"
	ScopeAccountRead     = "account:read"
	ScopeBillingRead     = "billing:read"
	ScopeProjectRead     = "project:read"
	ScopeRegionsRead     = "regions:read"
	ScopeSizesRead       = "sizes:read"
	ScopeTagRead         = "tag:read"
	ScopeTagCreate       = "tag:create"
	ScopeTagDelete       = "tag:delete"

	// ScopeAdmin is ours: everything, tokens and the audit log included.
	ScopeAdmin = "admin"
)

// Short names for the sets of scopes that are wanted most; a token has what Expand makes of them.
const (
	ScopeWrite = "write" // all that there is but ScopeAdmin
	ScopeRead  = "read"  // what changes nothing, without credentials
)

// Scopes returns every scope that a token can have, in alphabetical order, ScopeAdmin first.
func Scopes() []string { return append([]string{ScopeAdmin}, writeScopes()...) }

func writeScopes() []string {
	all := append([]string{
		ScopeDatabaseCreate, ScopeDatabaseUpdate, ScopeDatabaseDelete, ScopeViewCredentials, ScopeTagCreate, ScopeTagDelete,
	}, readScopes()...)
	slices.Sort(all)
	return all
}

func readScopes() []string {
	return []string{ScopeAccountRead, ScopeBillingRead, ScopeDatabaseRead, ScopeProjectRead, ScopeRegionsRead, ScopeSizesRead, ScopeTagRead}
}

// Expand replaces short names by what they stand for; the result is sorted, each scope in it once.
func Expand(scopes ...string) []string {
	var all []string
	for _, scope := range scopes {
		switch scope {
		case ScopeWrite:
			all = append(all, writeScopes()...)
		case ScopeRead:
			all = append(all, readScopes()...)
		default:
			all = append(all, scope)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Allows says whether the token may do what needs the scope.
func (t Token) Allows(scope string) bool {
	return slices.Contains(t.Scopes, scope) || slices.Contains(t.Scopes, ScopeAdmin)
}
