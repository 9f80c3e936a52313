package gateway

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
	"tine/internal/users"
)

// usersInfo shows users: everybody's own, and all to who manages them.
func usersInfo(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	if isTrue(r.field("showCredentials")) {
		return nil, mongoerr.New(mongoerr.CommandNotSupported, "credentials are not shown to anybody")
	}
	names, all, err := usersAsked(r)
	if err != nil {
		return nil, err
	}
	if all && isTrue(r.field("showPrivileges")) {
		return nil, mongoerr.New(mongoerr.IllegalOperation, "Privilege or restriction details require exact-match usersInfo queries")
	}
	own := !all && len(names) == 1 && names[0] == c.user
	if !own && !c.grants.allow(manage, adminDatabase) {
		return nil, notAuthorized(r.db, r.command)
	}
	found, err := c.findUsers(ctx, names, all)
	if err != nil {
		return nil, err
	}
	docs := bson.A{}
	for _, u := range found {
		docs = append(docs, userDocument(u, r))
	}
	if filter := r.field("filter"); filter.Type == bsoncore.TypeEmbeddedDocument {
		return c.filterUsers(ctx, r, docs, filter)
	}
	return marshal(bson.D{{Key: "users", Value: docs}, {Key: "ok", Value: 1.0}})
}

// usersAsked is whom a usersInfo asks for: some, by their names, or all. Nobody is on another database than admin.
func usersAsked(r *request) (names []string, all bool, err error) {
	if n, ok := asInt64(r.target); ok && n == 1 {
		return nil, r.db == adminDatabase, nil
	}
	list := []bsoncore.Value{r.target}
	if r.target.Type == bsoncore.TypeArray {
		elements, err := subFields(r.target)
		if err != nil {
			return nil, false, err
		}
		list = nil
		for _, e := range elements {
			list = append(list, e.value)
		}
	}
	for _, v := range list {
		fs, err := nested(v)
		if err != nil {
			return nil, false, err
		}
		if isTrue(find(fs, "forAllDBs")) && len(list) == 1 {
			return nil, true, nil
		}
		name, db, err := parseName(v, "user", r.db)
		if err != nil {
			return nil, false, err
		}
		if db == adminDatabase {
			names = append(names, name)
		}
	}
	return names, false, nil
}

// findUsers reads the users of these names that there are, or all.
func (c *conn) findUsers(ctx context.Context, names []string, all bool) (found []users.User, err error) {
	err = c.cluster.node.with(ctx, login{user: gatewayLogin}, func(db *pgxpool.Conn) error {
		found = nil
		if all {
			found, err = users.List(ctx, db)
			return err
		}
		for _, name := range names {
			u, err := users.Get(ctx, db, name)
			if err != nil && !errors.Is(err, users.ErrNotFound) {
				return err
			}
			if err == nil {
				found = append(found, u)
			}
		}
		return nil
	})
	return found, err
}

func userDocument(u users.User, r *request) bson.D {
	doc := bson.D{
		{Key: "_id", Value: adminDatabase + "." + u.Name},
		{Key: "userId", Value: bson.Binary{Subtype: bson.TypeBinaryUUID, Data: u.ID[:]}},
		{Key: "user", Value: u.Name},
		{Key: "db", Value: adminDatabase},
	}
	if show := r.field("showCustomData"); u.CustomData != nil && (!has(show) || isTrue(show)) {
		doc = append(doc, bson.E{Key: "customData", Value: bson.Raw(u.CustomData)})
	}
	doc = append(doc, bson.E{Key: "roles", Value: roleDocuments(u.Grants)})
	if isTrue(r.field("showPrivileges")) {
		doc = append(doc,
			bson.E{Key: "inheritedRoles", Value: roleDocuments(u.Grants)},
			bson.E{Key: "inheritedPrivileges", Value: privilegeDocuments(u.Grants)})
	}
	return append(doc, bson.E{Key: "mechanisms", Value: bson.A{mechanism}})
}

// filterUsers has the engine apply a filter to users.
func (c *conn) filterUsers(ctx context.Context, r *request, docs bson.A, filter bsoncore.Value) (bsoncore.Document, error) {
	pipeline := bson.A{bson.D{{Key: "$match", Value: bson.Raw(filter.Data)}}}
	page, err := c.ofDocuments(ctx, r, docs, pipeline)
	if err != nil {
		return nil, err
	}
	batch, err := firstBatch(page)
	if err != nil {
		return nil, err
	}
	found := make([][]byte, 0, len(batch))
	for _, f := range batch {
		found = append(found, f.value.Data)
	}
	return build(nil, nil, func(dst []byte) []byte { return appendOK(appendDocuments(dst, "users", found)) }), nil
}

// rolesInfo shows the roles that users can have. There are no others, and what they mean is no secret.
func rolesInfo(_ context.Context, _ *conn, r *request) (bsoncore.Document, error) {
	list, err := rolesAsked(r)
	if err != nil {
		return nil, err
	}
	if kind, ok := r.field("showPrivileges").StringValueOK(); ok {
		return nil, mongoerr.New(mongoerr.CommandNotSupported, "showPrivileges: '%s' is not supported; use true", kind)
	}
	docs := bson.A{}
	for _, g := range list {
		doc := append(roleDocument(g),
			bson.E{Key: "isBuiltin", Value: true},
			bson.E{Key: "roles", Value: bson.A{}},
			bson.E{Key: "inheritedRoles", Value: bson.A{}})
		if isTrue(r.field("showPrivileges")) {
			doc = append(doc,
				bson.E{Key: "privileges", Value: privilegeDocuments([]users.Grant{g})},
				bson.E{Key: "inheritedPrivileges", Value: privilegeDocuments([]users.Grant{g})})
		}
		docs = append(docs, doc)
	}
	return marshal(bson.D{{Key: "roles", Value: docs}, {Key: "ok", Value: 1.0}})
}

// rolesAsked is the roles that a rolesInfo names and that there are; all of the database for 1, if built-in ones are wanted.
func rolesAsked(r *request) ([]users.Grant, error) {
	if n, ok := asInt64(r.target); ok && n == 1 {
		if !isTrue(r.field("showBuiltinRoles")) {
			return nil, nil
		}
		return rolesOn(r.db), nil
	}
	list := []bsoncore.Value{r.target}
	if r.target.Type == bsoncore.TypeArray {
		elements, err := subFields(r.target)
		if err != nil {
			return nil, err
		}
		list = nil
		for _, e := range elements {
			list = append(list, e.value)
		}
	}
	var found []users.Grant
	for _, v := range list {
		name, db, err := parseName(v, "role", r.db)
		if err != nil {
			return nil, err
		}
		if g, err := parseRole(name, db); err == nil {
			found = append(found, g)
		}
	}
	return found, nil
}

// rolesOn are the roles that a user can have on a database.
func rolesOn(db string) []users.Grant {
	var list []users.Grant
	for _, m := range mongoRoles() {
		for _, name := range []string{m.one, m.all} {
			if g, err := parseRole(name, db); err == nil {
				list = append(list, g)
			}
		}
	}
	return list
}

// connectionStatus says who the client is.
func connectionStatus(_ context.Context, c *conn, r *request) (bsoncore.Document, error) {
	who, list := bson.A{}, c.grants.list()
	if c.user != "" {
		who = append(who, bson.D{{Key: "user", Value: c.user}, {Key: "db", Value: adminDatabase}})
	}
	info := bson.D{{Key: "authenticatedUsers", Value: who}, {Key: "authenticatedUserRoles", Value: roleDocuments(list)}}
	if isTrue(r.field("showPrivileges")) {
		info = append(info, bson.E{Key: "authenticatedUserPrivileges", Value: privilegeDocuments(list)})
	}
	return marshal(bson.D{{Key: "authInfo", Value: info}, {Key: "ok", Value: 1.0}})
}
