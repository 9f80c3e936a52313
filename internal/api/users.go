package api

import (
	"net/http"

	"tine/internal/fleet"
	"tine/internal/store"
)

type userSettings struct {
	Mongo *mongoUserSettings `json:"mongo_user_settings,omitempty"`
}

type mongoUserSettings struct {
	Databases []string `json:"databases"`
	Role      string   `json:"role"`
}

// encodeUser leaves the password out if the request's token may not see it.
func encodeUser(r *http.Request, u fleet.User) user {
	encoded := user{Name: u.Name, Role: u.Role, Password: u.Password}
	if !infoOf(r).token.Allows(store.ScopeViewCredentials) {
		encoded.Password = ""
	}
	if u.Settings != nil {
		encoded.Settings = &userSettings{Mongo: &mongoUserSettings{Databases: u.Settings.Databases, Role: u.Settings.Role}}
	}
	return encoded
}

func oneUser(r *http.Request, status int, u fleet.User) response {
	return response{status, map[string]any{"user": encodeUser(r, u)}}
}

func (s *server) listUsers(r *http.Request) (response, error) {
	if _, err := s.cluster(r.Context(), r.PathValue("id"), false); err != nil {
		return response{}, err
	}
	list, err := s.fleet.ClusterUsers(r.Context(), r.PathValue("id"))
	if err != nil {
		return response{}, err
	}
	users := make([]user, len(list))
	for i, u := range list {
		users[i] = encodeUser(r, u)
	}
	return ok(map[string]any{"users": users})
}

func (s *server) getUser(r *http.Request) (response, error) {
	if _, err := s.cluster(r.Context(), r.PathValue("id"), false); err != nil {
		return response{}, err
	}
	u, err := s.fleet.ClusterUser(r.Context(), r.PathValue("id"), r.PathValue("user"))
	if err != nil {
		return response{}, err
	}
	return oneUser(r, http.StatusOK, u), nil
}

func (s *server) createUser(r *http.Request) (response, error) {
	var body struct {
		Name     string        `json:"name"`
		ReadOnly bool          `json:"readonly"`
		Settings *userSettings `json:"settings"`
	}
	if err := s.change(r, &body); err != nil {
		return response{}, err
	}
	var settings *fleet.UserSettings
	switch {
	case body.Settings != nil && body.Settings.Mongo != nil:
		settings = &fleet.UserSettings{Role: body.Settings.Mongo.Role, Databases: body.Settings.Mongo.Databases}
	case body.ReadOnly:
		settings = &fleet.UserSettings{Role: "readOnly", Databases: []string{"admin"}}
	}
	u, err := s.fleet.CreateUser(r.Context(), r.PathValue("id"), body.Name, settings)
	if err != nil {
		return response{}, err
	}
	return oneUser(r, http.StatusCreated, u), nil
}

func (s *server) updateUser(r *http.Request) (response, error) {
	var body struct {
		Settings userSettings `json:"settings"`
	}
	if err := s.change(r, &body); err != nil {
		return response{}, err
	}
	if body.Settings.Mongo == nil {
		return response{}, &statusError{http.StatusUnprocessableEntity, "settings.mongo_user_settings must be an object with a role and databases"}
	}
	settings := fleet.UserSettings{Role: body.Settings.Mongo.Role, Databases: body.Settings.Mongo.Databases}
	u, err := s.fleet.UpdateUser(r.Context(), r.PathValue("id"), r.PathValue("user"), settings)
	if err != nil {
		return response{}, err
	}
	return oneUser(r, http.StatusCreated, u), nil
}

// resetAuth takes a body, which for MongoDB says nothing, or none.
func (s *server) resetAuth(r *http.Request) (response, error) {
	if _, err := s.cluster(r.Context(), r.PathValue("id"), false); err != nil {
		return response{}, err
	}
	u, err := s.fleet.ResetPassword(r.Context(), r.PathValue("id"), r.PathValue("user"))
	if err != nil {
		return response{}, err
	}
	return oneUser(r, http.StatusOK, u), nil
}

func (s *server) deleteUser(r *http.Request) (response, error) {
	if _, err := s.cluster(r.Context(), r.PathValue("id"), false); err != nil {
		return response{}, err
	}
	if err := s.fleet.DropUser(r.Context(), r.PathValue("id"), r.PathValue("user")); err != nil {
		return response{}, err
	}
	return noContent()
}

type databaseName struct {
	Name string `json:"name"`
}

func (s *server) listDBs(r *http.Request) (response, error) {
	if _, err := s.cluster(r.Context(), r.PathValue("id"), false); err != nil {
		return response{}, err
	}
	names, err := s.fleet.ClusterDatabases(r.Context(), r.PathValue("id"))
	if err != nil {
		return response{}, err
	}
	list := make([]databaseName, len(names))
	for i, name := range names {
		list[i] = databaseName{name}
	}
	return ok(map[string]any{"dbs": list})
}

func (s *server) getDB(r *http.Request) (response, error) {
	if _, err := s.cluster(r.Context(), r.PathValue("id"), false); err != nil {
		return response{}, err
	}
	if err := s.fleet.ClusterDatabase(r.Context(), r.PathValue("id"), r.PathValue("db")); err != nil {
		return response{}, err
	}
	return ok(map[string]any{"db": databaseName{r.PathValue("db")}})
}

func (s *server) createDB(r *http.Request) (response, error) {
	var body databaseName
	if err := s.change(r, &body); err != nil {
		return response{}, err
	}
	if err := s.fleet.CreateDatabase(r.Context(), r.PathValue("id"), body.Name); err != nil {
		return response{}, err
	}
	return response{http.StatusCreated, map[string]any{"db": body}}, nil
}

func (s *server) deleteDB(r *http.Request) (response, error) {
	if _, err := s.cluster(r.Context(), r.PathValue("id"), false); err != nil {
		return response{}, err
	}
	if err := s.fleet.DropDatabase(r.Context(), r.PathValue("id"), r.PathValue("db")); err != nil {
		return response{}, err
	}
	return noContent()
}
