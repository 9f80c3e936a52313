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
		"pools: {../fra1: {}}":           "where the slug of a region is expected",
		"pools: {fra1: {size_gib: 2}}":   "size_gib",
		"pools: {fra1: {image_gib: -2}}": "pools.fra1.image_gib must not be negative; got -2 (0 is the default)",
	} {
		if _, err := parseUp(t, file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", file, err, want)
		}
	}
}

func TestSettingsThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	const none = " must not be negative; got "
	for file, want := range map[string]string{
		"history: {window: -1h}":           "history.window" + none + "-1h0m0s (0 is the default)",
		"history: {interval: -1s}":         "history.interval" + none + "-1s (0 is the default)",
		"history: {replay_mib: -64}":       "history.replay_mib" + none + "-64 (0 is the default)",
		"insights: {interval: -1m}":        "insights.interval" + none + "-1m0s (0 is the default)",
		"expiry_settle: -10m":              "expiry_settle" + none + "-10m0s (0 is the default)",
		"pool: {space_interval: -5s}":      "pool.space_interval" + none + "-5s (0 is the default)",
		"pool: {account_interval: -5s}":    "pool.account_interval" + none + "-5s (0 is the default)",
		"pool: {image_gib: -1}":            "pool.image_gib" + none + "-1 (0 is the default)",
		"transfer: {mib_per_second: -200}": "transfer.mib_per_second" + none + "-200 (0 is the default)",
		"suspend: {after: -1m}":            "suspend.after" + none + "-1m0s (0s is never)",
		"listen: localhost":                `--listen must be a host and a port, like 127.0.0.1:8080; got "localhost"`,
		"listen: ':99999'":                 `--listen must be a host and a port, like 127.0.0.1:8080; got ":99999"`,
		"gateway_ports: 5-1":               `--gateway-ports must be the first and the last port of a range, like 27100-27999; got "5-1"`,
		"gateway_ports: many":              `--gateway-ports must be the first and the last port of a range, like 27100-27999; got "many"`,
	} {
		if _, err := parseUp(t, file); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", file, err, want)
		}
	}
	for _, file := range []string{"listen: ':8080'", "listen: '[::1]:0'", "suspend: {after: 0s}", "history: {window: 1h}"} {
		if _, err := parseUp(t, file); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}
