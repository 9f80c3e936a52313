package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// catalogOf is a catalog with the plan of CreateRequest and these regions.
const catalogOf = `regions:
%sdefault_version: "8"
versions:
  - {version: "8", semantic: "8.0.4", end_of_life: "2029-10-31T00:00:00Z", end_of_availability: ""}
node_counts: [1]
storage_price_gib_monthly: 0.21
storage_step_mib: 1024
plans:
  - {slug: db-s-1vcpu-1gb, vcpus: 1, memory_mib: 1024, min_storage_mib: 61440, max_storage_mib: 204800, max_connections: 100, price_monthly: 15}
`

// WithRegions returns what the configuration file has for a region nyc1, in the instance's own pool, and others that have pools of their own: what
// pools has of them by their name, such as {image_gib: 6}. It writes the catalog that goes with it.
func (t *Tine) WithRegions(pools map[string]string) (settings string, err error) {
	regions, settings := "  - {slug: nyc1, name: Near}\n", ""
	for region, pool := range pools {
		regions += fmt.Sprintf("  - {slug: %s, name: %s}\n", region, strings.ToUpper(region))
		settings += fmt.Sprintf("  %s: %s\n", region, pool)
	}
	catalog := filepath.Join(t.Dir, "catalog.yaml")
	if err := os.WriteFile(catalog, fmt.Appendf(nil, catalogOf, regions), 0o600); err != nil {
		return "", fmt.Errorf("write catalog: %w", err)
	}
	return "catalog: " + catalog + "\npools:\n" + settings, nil
}

// PoolOf is where the pool of a region is mounted that WithRegions gave an image of its own, while the instance runs.
func (t *Tine) PoolOf(region string) string { return filepath.Join(t.dataDir(), "pools", region) }
