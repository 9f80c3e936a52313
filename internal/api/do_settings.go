package api

import (
	"net/http"

	"tine/internal/store"
)

func encodeDOSettings(c store.Cluster) doSettings {
	return doSettings{ServiceCNAMEs: append([]string{}, c.ServiceNames...)}
}

func (s *server) getDOSettings(r *http.Request) (response, error) {
	c, err := s.cluster(r.Context(), r.PathValue("id"), false)
	if err != nil {
		return response{}, err
	}
	return ok(map[string]any{"do_settings": encodeDOSettings(c)})
}

func (s *server) updateDOSettings(r *http.Request) (response, error) {
	c, err := s.cluster(r.Context(), r.PathValue("id"), false)
	if err != nil {
		return response{}, err
	}
	var body struct {
		DOSettings *doSettings `json:"do_settings"`
	}
	if err := decode(r, &body); err != nil {
		return response{}, err
	}
	if body.DOSettings == nil {
		return response{}, &statusError{http.StatusUnprocessableEntity, "do_settings must be an object with service_cnames; it is missing"}
	}
	if err := s.fleet.SetServiceNames(r.Context(), c.ID, body.DOSettings.ServiceCNAMEs); err != nil {
		return response{}, err
	}
	return noContent()
}
