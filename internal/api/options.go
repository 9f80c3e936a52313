package api

import (
	"net/http"

	"tine/internal/catalog"
)

type engineOptions struct {
	Regions        []string `json:"regions"`
	Versions       []string `json:"versions"`
	Layouts        []layout `json:"layouts"`
	DefaultVersion string   `json:"default_version,omitempty"`
}

type layout struct {
	NumNodes int      `json:"num_nodes"`
	Sizes    []string `json:"sizes"`
}

type availability struct {
	Version           string  `json:"version"`
	EndOfLife         *string `json:"end_of_life"`
	EndOfAvailability *string `json:"end_of_availability"`
	Default           bool    `json:"default"`
}

// mongodb is the engine that there is; otherEngines are DigitalOcean's others, which clients look for.
const mongodb = "mongodb"

func otherEngines() []string {
	return []string{"kafka", "pg", "mysql", "redis", "valkey", "opensearch", "advanced_pg", "advanced_mysql"}
}

func (s *server) getOptions(*http.Request) (response, error) {
	c := s.fleet.Catalog()
	options := map[string]engineOptions{mongodb: encodeOptions(c)}
	availabilities := map[string][]availability{mongodb: encodeVersions(c)}
	for _, engine := range otherEngines() {
		options[engine] = engineOptions{Regions: []string{}, Versions: []string{}, Layouts: []layout{}}
		availabilities[engine] = []availability{}
	}
	return ok(map[string]any{"options": options, "version_availability": availabilities})
}

func encodeOptions(c *catalog.Catalog) engineOptions {
	o := engineOptions{DefaultVersion: c.DefaultVersion}
	o.Regions = regionSlugs(c)
	for _, v := range c.Versions {
		o.Versions = append(o.Versions, v.Version)
	}
	for _, n := range c.NodeCounts {
		o.Layouts = append(o.Layouts, layout{NumNodes: n, Sizes: planSlugs(c)})
	}
	return o
}

func encodeVersions(c *catalog.Catalog) []availability {
	list := make([]availability, len(c.Versions))
	for i, v := range c.Versions {
		list[i] = availability{
			Version: v.Version, EndOfLife: orNull(v.EndOfLife), EndOfAvailability: orNull(v.EndOfAvailability),
			Default: v.Version == c.DefaultVersion,
		}
	}
	return list
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
