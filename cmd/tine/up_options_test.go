package main

import (
	"strings"
	"testing"
)

func TestPoolsOfRegions(t *testing.T) {
	t.Parallel()
	o, err := parseUp(t, "data_dir: /d\npool: {image_gib: 3, tight_below: 20}\npools:\n  fra1: {image_gib: 2}\n  ams3: {path: /mnt/ams3, device: /dev/sdx}\n")
	if err != nil {
		t.Fatal(err)
	}
	if c := poolConfig(o.Pool.poolPlace, o.ownPool()); c.Path != "/d/pool" || c.Image != "/d/pool.img" || c.ImageSize != 3<<30 || o.Pool.TightBelow != 20 {
		t.Errorf("the pool is %+v of %+v", c, o.Pool)
	}
	if c := poolConfig(o.Pools["fra1"], o.ownRegionPool("fra1")); c.Path != "/d/pools/fra1" || c.Image != "/d/pools/fra1.img" || c.ImageSize != 2<<30 {
		t.Errorf("the pool of fra1 is %+v", c)
	}
	if c := poolConfig(o.Pools["ams3"], o.ownRegionPool("ams3")); c.Path != "/mnt/ams3" || c.Image != "" || c.Device != "/dev/sdx" {
		t.Errorf("the pool of ams3 is %+v", c)
	}
}

func TestPoolsThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"pool: {path: /mnt/a}\npools: {fra1: {path: /mnt/a/}}":              "each pool needs one of its own",
		"pools: {fra1: {path: /a, device: /dev/x}, ams3: {device: /dev/x}}": "each pool needs one of its own",
		"pools: {../fra1: {}}":         "where the slug of a region is expected",
		"pools: {fra1: {size_gib: 2}}": "size_gib",
	} {
		if _, err := parseUp(t, file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", file, err, want)
		}
	}
}
