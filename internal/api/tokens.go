package api

import (
	"net/http"

	"tine/internal/fleet"
	"tine/internal/store"
)

type token struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	Scopes     []string `json:"scopes"`
	CreatedAt  string   `json:"created_at"`
	ExpiresAt  *string  `json:"expires_at"`
	LastUsedAt *string  `json:"last_used_at"`
	Secret     string   `json:"secret,omitempty"` // in the answer to its creation only
}

func encodeToken(t store.Token, secret string) token {
	return token{
		ID: t.ID, Name: t.Name, Scopes: t.Scopes, CreatedAt: seconds(t.CreatedAt), ExpiresAt: secondsOrNull(t.ExpiresAt),
		LastUsedAt: secondsOrNull(t.LastUsedAt), Secret: secret,
	}
}

func (s *server) createToken(r *http.Request) (response, error) {
	var body struct {
		Name      string   `json:"name"`
		Scopes    []string `json:"scopes"`
		ExpiresAt string   `json:"expires_at"`
	}
	if err := decode(r, &body); err != nil {
		return response{}, err
	}
	request := fleet.TokenRequest{Name: body.Name, Scopes: body.Scopes}
	if body.ExpiresAt != "" {
		at, err := parseTime("expires_at", body.ExpiresAt)
		if err != nil {
			return response{}, err
		}
		request.Expires = &at
	}
	secret, t, err := s.fleet.CreateToken(r.Context(), request)
	if err != nil {
		return response{}, err
	}
	return response{http.StatusCreated, map[string]any{"token": encodeToken(t, secret)}}, nil
}

func (s *server) listTokens(r *http.Request) (response, error) {
	list, err := s.fleet.Tokens(r.Context())
	if err != nil {
		return response{}, err
	}
	tokens := make([]token, len(list))
	for i, t := range list {
		tokens[i] = encodeToken(t, "")
	}
	return ok(map[string]any{"tokens": tokens})
}

func (s *server) revokeToken(r *http.Request) (response, error) {
	if err := s.fleet.RevokeToken(r.Context(), r.PathValue("id")); err != nil {
		return response{}, err
	}
	return noContent()
}
