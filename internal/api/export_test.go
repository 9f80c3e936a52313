package api

import "tine/internal/store"

// Route is a path with a method and the scope that a token needs for it.
type Route struct{ Method, Path, Scope string }

// Routes are all that there are, but for /metrics.
func Routes() []Route {
	var list []Route
	for _, group := range new(server).groups() {
		for path, methods := range group {
			for method, endpoint := range methods {
				list = append(list, Route{method, path, endpoint.scope})
			}
		}
	}
	return list
}

// ForkedFrom is what is said of a cluster's source.
func ForkedFrom(c store.Cluster) any { return encodeSource(c) }

// OpenAPI is the description that GET /openapi.yaml answers with.
func OpenAPI() ([]byte, error) { return openAPI() }
