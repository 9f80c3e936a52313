package catalog_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tine/internal/catalog"
)

func TestEmbeddedCatalogIsComplete(t *testing.T) {
	t.Parallel()
	c, err := catalog.Load("")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Plans) != 19 || c.DefaultVersion != "8" || len(c.NodeCounts) != 1 || c.NodeCounts[0] != 1 {
		t.Errorf("unexpected catalog: %d plans, default %s, nodes %v", len(c.Plans), c.DefaultVersion, c.NodeCounts)
	}
	p, ok := c.Plan("db-s-1vcpu-1gb")
	if !ok || p.MinStorageMiB != 15360 || p.MaxStorageMiB != 61440 || p.MemoryMiB != 1024 || p.PriceMonthly != 15 || p.SuspendAfterMinutes != 60 {
		t.Errorf("smallest plan is %+v", p)
	}
	for _, name := range []string{"6", "7", "8"} {
		if v, ok := c.Version(name); !ok || !strings.HasPrefix(v.Semantic, name+".0.") {
			t.Errorf("version %s is %+v", name, v)
		}
	}
	if _, ok := c.Region("nyc1"); !ok {
		t.Error("no region nyc1")
	}
}

func TestLoadRefusesBrokenFilesInWords(t *testing.T) {
	t.Parallel()
	whole, err := os.ReadFile("catalog.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ old, replacement, want string }{
		"unknown key":        {"storage_step_mib:", "storage_stride_mib:", "storage_stride_mib"},
		"unknown default":    {`default_version: "8"`, `default_version: "9"`, `default_version "9"`},
		"no nodes":           {"node_counts: [1]", "node_counts: []", "at least one"},
		"plan twice":         {"slug: db-s-1vcpu-2gb", "slug: db-s-1vcpu-1gb", `plan "db-s-1vcpu-1gb"`},
		"storage off step":   {"max_storage_mib: 61440", "max_storage_mib: 61441", "steps of 1024"},
		"storage range":      {"min_storage_mib: 15360", "min_storage_mib: 99999", "at least as large"},
		"suspended early":    {"suspend_after_minutes: 60", "suspend_after_minutes: -1", "suspend_after_minutes"},
		"no memory":          {"memory_mib: 1024,", "memory_mib: 0,", "memory_mib"},
		"end of life no day": {"2029-10-31T00:00:00Z", "soon", `"soon"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "catalog.yaml")
			if err := os.WriteFile(path, []byte(strings.Replace(string(whole), tt.old, tt.replacement, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := catalog.Load(path)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("Load = %v, want an error that says %q and names the file", err, tt.want)
			}
		})
	}
	if _, err := catalog.Load(filepath.Join(t.TempDir(), "none.yaml")); err == nil {
		t.Error("a missing file was accepted")
	}
}
