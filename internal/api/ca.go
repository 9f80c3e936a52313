package api

import "net/http"

type ca struct {
	Certificate []byte `json:"certificate"` // PEM, which JSON has in base64
}

func (s *server) getCA(r *http.Request) (response, error) {
	if _, err := s.cluster(r.Context(), r.PathValue("id"), false); err != nil {
		return response{}, err
	}
	certificate, err := s.fleet.CA(r.Context(), r.PathValue("id"))
	if err != nil {
		return response{}, err
	}
	return ok(map[string]any{"ca": ca{certificate}})
}
