package api

import (
	"cmp"
	"net/http"

	"tine/internal/fleet"
	"tine/internal/store"
)

// firewallRule is a trusted source as clients send it. What they say of its cluster and its time is read-only.
type firewallRule struct {
	UUID        string `json:"uuid"`
	Type        string `json:"type"`
	Value       string `json:"value"`
	Description string `json:"description"`
}

// knownRule is a trusted source as clients read it.
type knownRule struct {
	UUID        string `json:"uuid"`
	ClusterUUID string `json:"cluster_uuid"`
	Type        string `json:"type"`
	Value       string `json:"value"`
	Description string `json:"description,omitempty"`
	CreatedAt   string `json:"created_at"`
}

func (s *server) getFirewall(r *http.Request) (response, error) {
	c, err := s.cluster(r.Context(), r.PathValue("id"), false)
	if err != nil {
		return response{}, err
	}
	return ok(map[string]any{"rules": encodeRules(c)})
}

func (s *server) putFirewall(r *http.Request) (response, error) {
	if _, err := s.cluster(r.Context(), r.PathValue("id"), false); err != nil {
		return response{}, err
	}
	var body struct {
		Rules []firewallRule `json:"rules"`
	}
	if err := decode(r, &body); err != nil {
		return response{}, err
	}
	if body.Rules == nil {
		return response{}, &statusError{http.StatusUnprocessableEntity, "rules must be a list; an empty one lets every address connect"}
	}
	if err := s.fleet.SetTrustedSources(r.Context(), r.PathValue("id"), sourceRules(body.Rules)); err != nil {
		return response{}, err
	}
	return noContent()
}

// sourceRules keeps the difference between no list and an empty one.
func sourceRules(rules []firewallRule) []fleet.SourceRule {
	if rules == nil {
		return nil
	}
	list := make([]fleet.SourceRule, len(rules))
	for i, rule := range rules {
		list[i] = fleet.SourceRule{ID: rule.UUID, Type: rule.Type, Value: rule.Value, Description: rule.Description}
	}
	return list
}

func encodeRules(c store.Cluster) []knownRule {
	list := make([]knownRule, len(c.TrustedSources))
	for i, source := range c.TrustedSources {
		list[i] = knownRule{
			UUID: source.ID, ClusterUUID: c.ID, Type: cmp.Or(source.Type, store.AddressSource), Value: source.Value, Description: source.Description,
			CreatedAt: seconds(source.CreatedAt),
		}
	}
	return list
}
