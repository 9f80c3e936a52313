package users

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Owner is the user that every cluster has.
const Owner = "doadmin"

// AllDatabases stands for all databases in a grant.
const AllDatabases = "admin"

// Role is what a grant gives on a database.
type Role string

// The roles. Their meanings are those of MongoDB's read, readWrite, dbAdmin and root.
const (
	ReadOnly  Role = "readOnly"
	ReadWrite Role = "readWrite"
	DBAdmin   Role = "dbAdmin" // collections, indexes and their options, but no documents
	Root      Role = "root"    // everything, users included; on AllDatabases only
)

// Grant gives a role on a database.
type Grant struct {
	Database string
	Role     Role
}

// User is a user of a cluster.
type User struct {
	Name       string
	ID         [16]byte // of this user; another one who gets the name later has another
	Grants     []Grant  // by database and role
	CustomData []byte   // a BSON document that the user's maker has attached; nil if none
}

// What a change can fail with, besides the node.
var (
	ErrNotFound = errors.New("there is no such user")
	ErrExists   = errors.New("there is a user of that name")
	ErrOwner    = errors.New("doadmin cannot be dropped and always has all rights")
	ErrInvalid  = errors.New("not valid")
)

// maxName is the length of a user's name in bytes, as long as PostgreSQL's names may be, so that it fits wherever one stands.
const maxName = 63

// CheckName says what is wrong with the name of a user; the error wraps ErrInvalid.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: the name of a user must not be empty", ErrInvalid)
	case len(name) > maxName:
		return fmt.Errorf("%w: the name of a user must not be longer than %d bytes", ErrInvalid, maxName)
	case !utf8.ValidString(name) || strings.ContainsRune(name, 0):
		return fmt.Errorf("%w: the name of a user must be UTF-8 without a zero", ErrInvalid)
	default:
		return nil
	}
}

func checkGrants(grants []Grant) error {
	for _, g := range grants {
		known := slices.Contains([]Role{ReadOnly, ReadWrite, DBAdmin, Root}, g.Role)
		if !known || g.Database == "" || g.Role == Root && g.Database != AllDatabases {
			return fmt.Errorf("%w: there is no role %q on database %q", ErrInvalid, g.Role, g.Database)
		}
	}
	return nil
}
