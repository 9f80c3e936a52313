package panel

import (
	"net/http"
	"net/url"
	"strings"

	"tine/internal/fleet"
	"tine/internal/store"
)

// usersPath is where the users and databases of a cluster are.
func usersPath(id string) string { return "/databases/" + id + "/users" }

type usersView struct {
	clusterView
	Users     []fleet.User
	Databases []string
	Form      form
	Secret    *secretView
}

// secretView is a password that has just been made. It is in the answer to the request that made it and nowhere else.
type secretView struct {
	User  string
	Shown bool // whether the visitor may see it
	fleet.Connection
}

// rolesOffered are what a user can be made with, in words.
func rolesOffered(chosen string) []choice {
	all := []choice{
		{Value: "", Label: "All rights, on every database"},
		{Value: "readWrite", Label: "Read and write (readWrite)"},
		{Value: "readOnly", Label: "Read only (readOnly)"},
		{Value: "dbAdmin", Label: "Administer the database (dbAdmin)"},
	}
	for i := range all {
		all[i].Selected = all[i].Value == chosen
	}
	return all
}

// Roles are those that the form offers.
func (v usersView) Roles() []choice { return rolesOffered(v.Form.Value("role")) }

func (p *panel) listUsers(v visit) (answer, error) {
	base, err := p.clusterPage(v, "users")
	if err != nil {
		return answer{}, err
	}
	return p.usersPage(v, usersView{clusterView: base})
}

func (p *panel) usersPage(v visit, view usersView) (answer, error) {
	a := answer{status: view.Form.status(), page: "users", title: "Users and databases of " + view.Cluster.Name}
	contents := p.fleet.Contents(v.context(), view.Cluster)
	view.Users, view.Databases = contents.Users, contents.Databases
	a.data = view
	return a, nil
}

// settingsOf reads the role and its databases; nil means all rights.
func settingsOf(f form) *fleet.UserSettings {
	role := f.Value("role")
	if role == "" {
		return nil
	}
	databases := words(f.Value("databases"))
	if len(databases) == 0 {
		databases = []string{"admin"} // all of them, in DigitalOcean's words
	}
	return &fleet.UserSettings{Role: role, Databases: databases}
}

func (p *panel) createUser(v visit) (answer, error) {
	base, err := p.clusterPage(v, "users")
	if err != nil {
		return answer{}, err
	}
	view := usersView{clusterView: base, Form: sentForm(v.request)}
	made, err := p.fleet.CreateUser(v.context(), base.Cluster.ID, strings.TrimSpace(view.Form.Value("name")), settingsOf(view.Form))
	if err != nil {
		if view.Form, err = view.Form.refused(err); err != nil {
			return answer{}, err
		}
		return p.usersPage(v, view)
	}
	view.Form = form{}
	return p.secretPage(v, view, made)
}

// secretPage is the list of users with a new password above it.
func (p *panel) secretPage(v visit, view usersView, u fleet.User) (answer, error) {
	view.Secret = &secretView{User: u.Name, Shown: v.token.Allows(store.ScopeViewCredentials)}
	if view.Secret.Shown {
		view.Secret.Connection = p.fleet.UserConnection(view.Cluster, u.Name, u.Password)
	}
	a, err := p.usersPage(v, view)
	if err == nil {
		a.status = http.StatusCreated
	}
	return a, err
}

func (p *panel) resetPassword(v visit) (answer, error) {
	base, err := p.clusterPage(v, "users")
	if err != nil {
		return answer{}, err
	}
	u, err := p.fleet.ResetPassword(v.context(), base.Cluster.ID, v.request.PathValue("user"))
	if err != nil {
		return answer{}, err
	}
	return p.secretPage(v, usersView{clusterView: base}, u)
}

type userView struct {
	clusterView
	User  fleet.User
	Form  form
	Roles []choice
}

// IsOwner says whether it is the user that every cluster has.
func (v userView) IsOwner() bool { return v.User.Name == fleet.AdminUser }

func (p *panel) askUser(v visit) (answer, error) {
	base, u, err := p.user(v)
	if err != nil {
		return answer{}, err
	}
	f := form{values: url.Values{}}
	if u.Settings != nil {
		f.values.Set("role", u.Settings.Role)
		f.values.Set("databases", strings.Join(u.Settings.Databases, ", "))
	}
	return userPage(base, u, f), nil
}

func (p *panel) user(v visit) (base clusterView, u fleet.User, err error) {
	if base, err = p.clusterPage(v, "users"); err != nil {
		return base, u, err
	}
	u, err = p.fleet.ClusterUser(v.context(), base.Cluster.ID, v.request.PathValue("user"))
	return base, u, err
}

func userPage(base clusterView, u fleet.User, f form) answer {
	view := userView{clusterView: base, User: u, Form: f, Roles: rolesOffered(f.Value("role"))}
	// A user that has all rights got them when it was made; they cannot be given later.
	if u.Settings != nil {
		view.Roles = view.Roles[1:]
	}
	return answer{status: f.status(), page: "user", title: "User " + u.Name, data: view}
}

func (p *panel) updateUser(v visit) (answer, error) {
	base, u, err := p.user(v)
	if err != nil {
		return answer{}, err
	}
	f := sentForm(v.request)
	settings := settingsOf(f)
	if settings == nil {
		return userPage(base, u, f.wrong("role", "Choose a role. All rights can be given to a user when it is made.")), nil
	}
	if _, err := p.fleet.UpdateUser(v.context(), base.Cluster.ID, u.Name, *settings); err != nil {
		if f, err = f.refused(err); err != nil {
			return answer{}, err
		}
		return userPage(base, u, f), nil
	}
	return redirect(usersPath(base.Cluster.ID) + "?done=user"), nil
}

// deleteUser wants the name typed, as destroy does.
func (p *panel) deleteUser(v visit) (answer, error) {
	base, u, err := p.user(v)
	if err != nil {
		return answer{}, err
	}
	f := sentForm(v.request)
	if strings.TrimSpace(f.Value("confirm")) != u.Name {
		return userPage(base, u, f.wrong("confirm", "Type the name of the user, %s, to confirm. Nothing was deleted.", u.Name)), nil
	}
	if err := p.fleet.DropUser(v.context(), base.Cluster.ID, u.Name); err != nil {
		return answer{}, err
	}
	return redirect(usersPath(base.Cluster.ID) + "?done=user-gone"), nil
}

func (p *panel) createDB(v visit) (answer, error) {
	base, err := p.clusterPage(v, "users")
	if err != nil {
		return answer{}, err
	}
	f := sentForm(v.request)
	if err := p.fleet.CreateDatabase(v.context(), base.Cluster.ID, strings.TrimSpace(f.Value("db"))); err != nil {
		if f, err = f.refused(err); err != nil {
			return answer{}, err
		}
		if f.Field == "name" {
			f.Field = "db" // there are two names on the page
		}
		return p.usersPage(v, usersView{clusterView: base, Form: f})
	}
	return redirect(usersPath(base.Cluster.ID) + "?done=db"), nil
}

type dbView struct {
	clusterView
	Database string
	Form     form
}

func (p *panel) askDeleteDB(v visit) (answer, error) {
	base, err := p.clusterPage(v, "users")
	if err != nil {
		return answer{}, err
	}
	db := v.request.PathValue("db")
	if err := p.fleet.ClusterDatabase(v.context(), base.Cluster.ID, db); err != nil {
		return answer{}, err
	}
	return dbPage(base, db, form{}), nil
}

func dbPage(base clusterView, db string, f form) answer {
	return answer{status: f.status(), page: "db", title: "Delete the database " + db, data: dbView{base, db, f}}
}

func (p *panel) deleteDB(v visit) (answer, error) {
	base, err := p.clusterPage(v, "users")
	if err != nil {
		return answer{}, err
	}
	db, f := v.request.PathValue("db"), sentForm(v.request)
	if strings.TrimSpace(f.Value("confirm")) != db {
		return dbPage(base, db, f.wrong("confirm", "Type the name of the database, %s, to confirm. Nothing was deleted.", db)), nil
	}
	if err := p.fleet.DropDatabase(v.context(), base.Cluster.ID, db); err != nil {
		return answer{}, err
	}
	return redirect(usersPath(base.Cluster.ID) + "?done=db-gone"), nil
}
