package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"tine/internal/databases"
	"tine/internal/store"
	"tine/internal/users"
)

// Data reaches what is in a cluster: its users and databases are there and nowhere else, so that a fork has those of its moment.
type Data interface {
	// Use runs do with a connection to the cluster's node as tine_gateway; store.ErrUnreachable if the node does not answer.
	Use(ctx context.Context, c store.Cluster, do func(*pgx.Conn) error) error
	// Look is Use for who does not need the node so much that it should be woken: store.ErrSuspended if it is suspended,
	// and store.ErrUnreachable also if the node stopped meanwhile.
	Look(ctx context.Context, c store.Cluster, do func(*pgx.Conn) error) error
	// UsersChanged tells the cluster's gateway.
	UsersChanged(clusterID string)
}

// dataPatience is how long a request waits for a cluster's node.
const dataPatience = 10 * time.Second

// use runs do on the data of a cluster that has any.
func (f *Fleet) use(ctx context.Context, id string, do func(context.Context, *pgx.Conn) error) error {
	c, err := f.Get(ctx, id)
	if err != nil {
		return err
	}
	if !c.IsServed() {
		return notServed(c)
	}
	ctx, cancel := context.WithTimeout(ctx, dataPatience)
	defer cancel()
	return reached(c, f.cfg.Data.Use(ctx, c, func(conn *pgx.Conn) error { return do(ctx, conn) }))
}

// reached says in words that a cluster's node does not answer, if that is what an error says. A node that is started again does so in a second.
func reached(c store.Cluster, err error) error {
	if errors.Is(err, store.ErrUnreachable) {
		return &Error{Kind: NotReady, Message: fmt.Sprintf("the cluster %s must be reachable; its node does not answer just now, as while it is started again", quote(c.Name))}
	}
	return err
}

// UserSettings is what a user may do, as DigitalOcean has it: a role on databases, of which admin means all.
type UserSettings struct {
	Role      string
	Databases []string
}

// ClusterUsers returns the users that a cluster has, doadmin first.
func (f *Fleet) ClusterUsers(ctx context.Context, id string) (list []User, err error) {
	known, err := f.read(ctx, id)
	return known.Users, err
}

// describeAll describes users, doadmin first.
func describeAll(all []users.User) []User {
	list := make([]User, len(all))
	for i, u := range all {
		list[i] = describe(u)
	}
	slices.SortStableFunc(list, func(a, b User) int { return strings.Compare(b.Role, a.Role) }) // primary, then normal
	return list
}

// ClusterUser returns a user of a cluster.
func (f *Fleet) ClusterUser(ctx context.Context, id, name string) (found User, err error) {
	known, err := f.read(ctx, id)
	if err != nil {
		return found, err
	}
	if i := slices.IndexFunc(known.Users, func(u User) bool { return u.Name == name }); i >= 0 {
		return known.Users[i], nil
	}
	return found, noUser(users.ErrNotFound, name)
}

// CreateUser makes a user with what the settings say, or all rights if there are none, and returns it with its password.
func (f *Fleet) CreateUser(ctx context.Context, id, name string, settings *UserSettings) (User, error) {
	if users.CheckName(name) != nil {
		return User{}, invalid("name", "must be 1 to 63 bytes of UTF-8 without a zero; got %s", quote(name))
	}
	grants := []users.Grant{{Database: users.AllDatabases, Role: users.Root}}
	if settings != nil {
		var err error
		if grants, err = checkUserSettings(*settings); err != nil {
			return User{}, err
		}
	}
	password, verifier, err := f.credentials()
	if err != nil {
		return User{}, err
	}
	made := users.User{Name: name, Grants: grants}
	err = f.use(ctx, id, func(ctx context.Context, conn *pgx.Conn) error {
		err := users.Create(ctx, conn, made, verifier)
		if errors.Is(err, users.ErrExists) {
			return invalid("name", "must be unique; there is a user %s already", quote(name))
		}
		return err
	})
	if err != nil {
		return User{}, err
	}
	f.usersChanged(id)
	u := describe(made)
	u.Password = password
	return u, nil
}

// UpdateUser replaces what a user may do.
func (f *Fleet) UpdateUser(ctx context.Context, id, name string, settings UserSettings) (User, error) {
	grants, err := checkUserSettings(settings)
	if err != nil {
		return User{}, err
	}
	if err := f.changeUser(ctx, id, name, users.Change{Grants: &grants}); err != nil {
		return User{}, err
	}
	return f.ClusterUser(ctx, id, name)
}

// ResetPassword gives a user a new password and returns the user with it. Open connections go on.
func (f *Fleet) ResetPassword(ctx context.Context, id, name string) (User, error) {
	password, verifier, err := f.credentials()
	if err != nil {
		return User{}, err
	}
	if err := f.changeUser(ctx, id, name, users.Change{Verifier: &verifier}); err != nil {
		return User{}, err
	}
	u, err := f.ClusterUser(ctx, id, name)
	u.Password = password
	return u, err
}

// DropUser removes a user; its connections are closed.
func (f *Fleet) DropUser(ctx context.Context, id, name string) error {
	err := f.use(ctx, id, func(ctx context.Context, conn *pgx.Conn) error { return noUser(users.Drop(ctx, conn, name), name) })
	if err == nil {
		f.usersChanged(id)
	}
	return err
}

func (f *Fleet) changeUser(ctx context.Context, id, name string, change users.Change) error {
	err := f.use(ctx, id, func(ctx context.Context, conn *pgx.Conn) error {
		return noUser(users.Update(ctx, conn, name, change), name)
	})
	if err == nil {
		f.usersChanged(id)
	}
	return err
}

// usersChanged tells who knows a cluster's users of a change.
func (f *Fleet) usersChanged(id string) {
	f.contents.changed(id)
	f.cfg.Data.UsersChanged(id)
}

func (f *Fleet) credentials() (password, verifier string, err error) {
	if password, err = newPassword(f.cfg.Random); err != nil {
		return "", "", err
	}
	verifier, err = users.NewVerifier(f.cfg.Random, password)
	return password, verifier, err
}

// describe is a user as DigitalOcean's clients know one. Mixed roles, which mongosh can make, have no name there.
func describe(u users.User) User {
	described := User{Name: u.Name, Role: "normal"}
	if u.Name == users.Owner {
		described.Role = "primary"
		return described
	}
	if len(u.Grants) == 0 || u.Grants[0].Role == users.Root {
		return described
	}
	settings := UserSettings{Role: string(u.Grants[0].Role)}
	for _, g := range u.Grants {
		if string(g.Role) != settings.Role {
			settings.Role = "mixed"
		}
		if !slices.Contains(settings.Databases, g.Database) {
			settings.Databases = append(settings.Databases, g.Database)
		}
	}
	described.Settings = &settings
	return described
}

func checkUserSettings(s UserSettings) ([]users.Grant, error) {
	roles := []string{string(users.ReadOnly), string(users.ReadWrite), string(users.DBAdmin)}
	if !slices.Contains(roles, s.Role) {
		return nil, oneOf("settings.mongo_user_settings.role", s.Role, roles)
	}
	if len(s.Databases) == 0 {
		return nil, invalid("settings.mongo_user_settings.databases", "must name at least one database; admin means all")
	}
	grants := make([]users.Grant, len(s.Databases))
	for i, db := range s.Databases {
		if err := checkDatabaseName("settings.mongo_user_settings.databases", db); db != users.AllDatabases && err != nil {
			return nil, err
		}
		grants[i] = users.Grant{Database: db, Role: users.Role(s.Role)}
	}
	slices.SortFunc(grants, func(a, b users.Grant) int { return strings.Compare(a.Database, b.Database) })
	return slices.Compact(grants), nil
}

func noUser(err error, name string) error {
	switch {
	case errors.Is(err, users.ErrNotFound):
		return &Error{Kind: NotFound, Message: "there is no user " + quote(name)}
	case errors.Is(err, users.ErrOwner):
		return &Error{Kind: Invalid, Field: "name", Message: "doadmin always has all rights and cannot be deleted"}
	default:
		return err
	}
}

// ClusterDatabases returns the names of the databases that a cluster has.
func (f *Fleet) ClusterDatabases(ctx context.Context, id string) (names []string, err error) {
	known, err := f.read(ctx, id)
	return known.Databases, err
}

// ClusterDatabase refuses if a cluster has no such database.
func (f *Fleet) ClusterDatabase(ctx context.Context, id, name string) error {
	names, err := f.ClusterDatabases(ctx, id)
	if err == nil && !slices.Contains(names, name) {
		err = noDatabase(name)
	}
	return err
}

// CreateDatabase makes an empty database.
func (f *Fleet) CreateDatabase(ctx context.Context, id, name string) error {
	if err := checkDatabaseName("name", name); err != nil {
		return err
	}
	defer f.contents.changed(id)
	return f.use(ctx, id, func(ctx context.Context, conn *pgx.Conn) error {
		err := databases.Create(ctx, conn, name)
		if errors.Is(err, databases.ErrExists) {
			return invalid("name", "must be unique; there is a database %s already", quote(name))
		}
		return err
	})
}

// DropDatabase removes a database with all that is in it. defaultdb stays.
func (f *Fleet) DropDatabase(ctx context.Context, id, name string) error {
	if name == defaultDatabase || slices.Contains(databases.System(), name) {
		return invalid("name", "must not be %s, which every cluster has", name)
	}
	defer f.contents.changed(id)
	return f.use(ctx, id, func(ctx context.Context, conn *pgx.Conn) error {
		err := databases.Drop(ctx, conn, name)
		if errors.Is(err, databases.ErrNotFound) {
			return noDatabase(name)
		}
		return err
	})
}

func noDatabase(name string) error {
	return &Error{Kind: NotFound, Message: "there is no database " + quote(name)}
}

// checkDatabaseName refuses what MongoDB does not take as the name of a database, and the names that it keeps for itself.
func checkDatabaseName(field, name string) error {
	const longest = 63
	switch {
	case name == "" || len(name) > longest || !utf8.ValidString(name) || strings.ContainsAny(name, "/\\. \"$*<>:|?\x00"):
		return invalid(field, `must be 1 to %d bytes without spaces and any of /\."$*<>:|?; got %s`, longest, quote(name))
	case slices.Contains(databases.System(), name):
		return invalid(field, "must not be %s, which MongoDB keeps for itself", name)
	default:
		return nil
	}
}
