package api

import (
	"net/http"

	"tine/internal/fleet"
	"tine/internal/store"
)

type tag struct {
	Name      string       `json:"name"`
	Resources tagResources `json:"resources"`
}

// tagResources has every kind that DigitalOcean has, though there are only databases: doctl and Terraform read the count of
// Droplets without a look whether it is there.
type tagResources struct {
	tagged
	Databases       tagged `json:"databases"`
	Droplets        tagged `json:"droplets"`
	Images          tagged `json:"images"`
	Volumes         tagged `json:"volumes"`
	VolumeSnapshots tagged `json:"volume_snapshots"`
}

type tagged struct {
	Count         int    `json:"count"`
	LastTaggedURI string `json:"last_tagged_uri,omitempty"`
}

func encodeTag(r *http.Request, t store.Tag) tag {
	of := tagged{Count: t.Clusters}
	if t.Latest != "" {
		of.LastTaggedURI = baseURL(r) + "/v2/databases/" + t.Latest
	}
	return tag{Name: t.Name, Resources: tagResources{tagged: of, Databases: of}}
}

func (s *server) listTags(r *http.Request) (response, error) {
	list, err := s.fleet.Tags(r.Context())
	if err != nil {
		return response{}, err
	}
	tags := make([]tag, len(list))
	for i, t := range list {
		tags[i] = encodeTag(r, t)
	}
	return paged(r, "tags", tags)
}

func (s *server) createTag(r *http.Request) (response, error) {
	var body struct {
		Name string `json:"name"`
	}
	if err := decode(r, &body); err != nil {
		return response{}, err
	}
	t, err := s.fleet.CreateTag(r.Context(), body.Name)
	if err != nil {
		return response{}, err
	}
	return response{http.StatusCreated, map[string]any{"tag": encodeTag(r, t)}}, nil
}

func (s *server) getTag(r *http.Request) (response, error) {
	t, err := s.fleet.Tag(r.Context(), r.PathValue("tag"))
	if err != nil {
		return response{}, err
	}
	return ok(map[string]any{"tag": encodeTag(r, t)})
}

func (s *server) deleteTag(r *http.Request) (response, error) {
	if err := s.fleet.DeleteTag(r.Context(), r.PathValue("tag")); err != nil {
		return response{}, err
	}
	return noContent()
}

func (s *server) tagResources(r *http.Request) (response, error) { return s.changeTags(r, false) }

func (s *server) untagResources(r *http.Request) (response, error) { return s.changeTags(r, true) }

func (s *server) changeTags(r *http.Request, remove bool) (response, error) {
	var body struct {
		Resources []struct {
			ID   string `json:"resource_id"`
			Type string `json:"resource_type"`
		} `json:"resources"`
	}
	if err := decode(r, &body); err != nil {
		return response{}, err
	}
	change := fleet.Tagging{Tag: r.PathValue("tag"), Remove: remove}
	for _, resource := range body.Resources {
		if resource.Type != "database" {
			return response{}, &statusError{http.StatusUnprocessableEntity, "resource_type must be database: Tine has no other resources"}
		}
		change.Clusters = append(change.Clusters, resource.ID)
	}
	if err := s.fleet.ChangeTags(r.Context(), change); err != nil {
		return response{}, err
	}
	return noContent()
}
