package catalog

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"slices"

	"go.yaml.in/yaml/v4"
)

//go:embed catalog.yaml
var embedded []byte

// Catalog is everything that can be had.
type Catalog struct {
	Regions         []Region  `yaml:"regions"`
	Versions        []Version `yaml:"versions"`
	DefaultVersion  string    `yaml:"default_version"`
	NodeCounts      []int     `yaml:"node_counts"` // how many nodes a cluster may have
	StoragePriceGiB float64   `yaml:"storage_price_gib_monthly"`
	StorageStepMiB  int64     `yaml:"storage_step_mib"` // storage grows in steps of this from the plan's smallest
	Plans           []Plan    `yaml:"plans"`
}

// Plan is a size of node, with its price per node in US dollars.
type Plan struct {
	Slug           string  `yaml:"slug"`
	VCPUs          int     `yaml:"vcpus"`
	MemoryMiB      int64   `yaml:"memory_mib"`
	MinStorageMiB  int64   `yaml:"min_storage_mib"` // included in the price
	MaxStorageMiB  int64   `yaml:"max_storage_mib"`
	MaxConnections int     `yaml:"max_connections"`
	PriceMonthly   float64 `yaml:"price_monthly"`
	// SuspendAfterMinutes is after how long without work a new cluster of the plan is suspended; 0: never.
	SuspendAfterMinutes int `yaml:"suspend_after_minutes"`
}

// Region is a place for clusters.
type Region struct {
	Slug string `yaml:"slug"`
	Name string `yaml:"name"`
}

// Version is a compatibility level of MongoDB.
type Version struct {
	Version           string `yaml:"version"` // major only: "8"
	Semantic          string `yaml:"semantic"`
	EndOfLife         string `yaml:"end_of_life"`         // RFC 3339, or empty
	EndOfAvailability string `yaml:"end_of_availability"` // RFC 3339, or empty
}

// Load reads the catalog in the file at path, or the embedded one if path is empty. The error says what is wrong with the file.
func Load(path string) (*Catalog, error) {
	if path == "" {
		return parse("embedded catalog", embedded)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read catalog: %w", err)
	}
	return parse("catalog "+path, text)
}

// Plan returns the plan with that slug.
func (c *Catalog) Plan(slug string) (Plan, bool) {
	return find(c.Plans, func(p Plan) bool { return p.Slug == slug })
}

// Region returns the region with that slug.
func (c *Catalog) Region(slug string) (Region, bool) {
	return find(c.Regions, func(r Region) bool { return r.Slug == slug })
}

// Version returns the version of that name, which is major only.
func (c *Catalog) Version(name string) (Version, bool) {
	return find(c.Versions, func(v Version) bool { return v.Version == name })
}

func find[T any](list []T, match func(T) bool) (T, bool) {
	if i := slices.IndexFunc(list, match); i >= 0 {
		return list[i], true
	}
	var none T
	return none, false
}

func parse(what string, text []byte) (*Catalog, error) {
	var c Catalog
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&c); err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	return &c, nil
}
