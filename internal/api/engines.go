package api

import (
	"net/http"

	"tine/internal/store"
)

// engineRoutes are those that DigitalOcean has for its other engines only. Clients that look for what a cluster has ask for them, and
// know the answer that they get there; that of a path that does not exist would say that the cluster is gone.
func (s *server) engineRoutes() map[string]map[string]endpoint {
	read, create := endpoint{store.ScopeDatabaseRead, s.refuseEngine}, endpoint{store.ScopeDatabaseCreate, s.refuseEngine}
	update := endpoint{store.ScopeDatabaseUpdate, s.refuseEngine}
	const database = databasePath
	return map[string]map[string]endpoint{
		database + "/pools":            {http.MethodGet: read, http.MethodPost: create},
		database + "/replicas":         {http.MethodGet: read, http.MethodPost: create},
		database + "/topics":           {http.MethodGet: read, http.MethodPost: create},
		database + "/schema-registry":  {http.MethodGet: read, http.MethodPost: create},
		database + "/indexes":          {http.MethodGet: read},
		database + "/sql_mode":         {http.MethodGet: read, http.MethodPut: update},
		database + "/eviction_policy":  {http.MethodGet: read, http.MethodPut: update},
		database + "/online-migration": {http.MethodGet: read, http.MethodPut: update},
	}
}

func (s *server) refuseEngine(r *http.Request) (response, error) {
	if _, err := s.cluster(r.Context(), r.PathValue("id"), false); err != nil {
		return response{}, err
	}
	return response{}, &statusError{http.StatusUnprocessableEntity, "operation is not supported for this cluster type"}
}
