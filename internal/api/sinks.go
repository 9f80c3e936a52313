package api

import (
	"net/http"

	"tine/internal/fleet"
	"tine/internal/store"
)

// masked stands in place of a key that the request's token may not see.
const masked = "********"

type sink struct {
	ID     string     `json:"sink_id"`
	Name   string     `json:"sink_name"`
	Type   string     `json:"sink_type"`
	Config sinkConfig `json:"config"`
}

type sinkConfig struct {
	Site   string `json:"site"`
	APIKey string `json:"datadog_api_key"`
}

// seesKeys says whether the request's token may see what is secret.
func seesKeys(r *http.Request) bool { return infoOf(r).token.Allows(store.ScopeViewCredentials) }

func encodeSink(r *http.Request, l fleet.LogSink) sink {
	s := sink{ID: l.ID, Name: l.Name, Type: l.Type, Config: sinkConfig{Site: l.Site, APIKey: masked}}
	if seesKeys(r) {
		s.Config.APIKey = l.APIKey
	}
	return s
}

func (s *server) listSinks(r *http.Request) (response, error) {
	c, err := s.cluster(r.Context(), r.PathValue("id"), false)
	if err != nil {
		return response{}, err
	}
	list, err := s.fleet.Sinks(r.Context(), c.ID, seesKeys(r))
	if err != nil {
		return response{}, err
	}
	sinks := make([]sink, len(list))
	for i, l := range list {
		sinks[i] = encodeSink(r, l)
	}
	return ok(map[string]any{"sinks": sinks})
}

// sinkBody is what clients send. Their types of sinks have other configurations, of which nothing is read: the type is refused.
type sinkBody struct {
	Name   string     `json:"sink_name"`
	Type   string     `json:"sink_type"`
	Config sinkConfig `json:"config"`
}

func (s *server) createSink(r *http.Request) (response, error) {
	c, err := s.cluster(r.Context(), r.PathValue("id"), false)
	if err != nil {
		return response{}, err
	}
	var body sinkBody
	if err := decode(r, &body); err != nil {
		return response{}, err
	}
	made, err := s.fleet.CreateSink(r.Context(), c.ID, fleet.LogSink{
		Name: body.Name, Type: body.Type, Site: body.Config.Site, APIKey: body.Config.APIKey,
	})
	if err != nil {
		return response{}, err
	}
	return response{http.StatusCreated, map[string]any{"sink": encodeSink(r, made)}}, nil
}

// getSink answers without a root, as the specification and godo have it.
func (s *server) getSink(r *http.Request) (response, error) {
	c, err := s.cluster(r.Context(), r.PathValue("id"), false)
	if err != nil {
		return response{}, err
	}
	l, err := s.fleet.Sink(r.Context(), c.ID, r.PathValue("sink"), seesKeys(r))
	if err != nil {
		return response{}, err
	}
	return ok(encodeSink(r, l))
}

func (s *server) updateSink(r *http.Request) (response, error) {
	c, err := s.cluster(r.Context(), r.PathValue("id"), false)
	if err != nil {
		return response{}, err
	}
	var body sinkBody
	if err := decode(r, &body); err != nil {
		return response{}, err
	}
	err = s.fleet.UpdateSink(r.Context(), c.ID, fleet.LogSink{ID: r.PathValue("sink"), Site: body.Config.Site, APIKey: body.Config.APIKey})
	if err != nil {
		return response{}, err
	}
	return response{status: http.StatusOK}, nil
}

func (s *server) deleteSink(r *http.Request) (response, error) {
	c, err := s.cluster(r.Context(), r.PathValue("id"), false)
	if err != nil {
		return response{}, err
	}
	if err := s.fleet.DeleteSink(r.Context(), c.ID, r.PathValue("sink")); err != nil {
		return response{}, err
	}
	return response{status: http.StatusOK}, nil
}
