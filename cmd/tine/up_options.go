package main

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v4"

	"tine/internal/host"
	"tine/internal/store"
)

// upOptions are the settings of tine up, as flags, environment and configuration file have them.
type upOptions struct {
	DataDir      string `yaml:"data_dir"`
	EngineDir    string `yaml:"engine_dir"`
	Listen       string `yaml:"listen"`
	GatewayHost  string `yaml:"gateway_host"`
	GatewayPorts string `yaml:"gateway_ports"`
	StopNodes    bool   `yaml:"stop_nodes"`

	ListenTLS        *bool      `yaml:"listen_tls"`        // nil: unless Listen is on loopback
	GatewayPlaintext *bool      `yaml:"gateway_plaintext"` // nil: if GatewayHost is on loopback
	TLS              tlsOptions `yaml:"tls"`

	// What follows is for the configuration file alone.

	Host          string      `yaml:"host"`           // name of this machine in the store
	GatewayListen string      `yaml:"gateway_listen"` // address that gateways listen on; empty means gateway_host
	DatabaseURL   string      `yaml:"database_url"`   // PostgreSQL for Tine's own data; empty means a node of its own
	Catalog       string      `yaml:"catalog"`        // file with plans, regions and prices; empty means the built-in one
	Pool          poolOptions `yaml:"pool"`
	// Pools are those of regions that have their own, by slug; all other regions share Pool.
	Pools        map[string]poolPlace `yaml:"pools"`
	Transfer     transferOptions      `yaml:"transfer"`
	History      historyOptions       `yaml:"history"`
	LogSink      logSinkOptions       `yaml:"logsink"`
	Insights     insightOptions       `yaml:"insights"`
	ExpirySettle time.Duration        `yaml:"expiry_settle"` // how long the clock is watched before a cluster is destroyed because of it; 0 means 10 minutes
	Suspend      suspendOptions       `yaml:"suspend"`
}

// poolPlace says what a pool is made of.
type poolPlace struct {
	Path     string `yaml:"path"`      // mount point; empty means DATA/pool, or DATA/pools/REGION
	Device   string `yaml:"device"`    // block device to mount there
	ImageGiB int64  `yaml:"image_gib"` // size of the image that is made if there is neither a btrfs nor a device; 0 chooses
}

type poolOptions struct {
	poolPlace `yaml:",inline"`

	// What happens when less than so many per cent are free; 0 chooses.

	TightBelow    int           `yaml:"tight_below"`    // no new clusters
	ShortBelow    int           `yaml:"short_below"`    // history is shortened
	CriticalBelow int           `yaml:"critical_below"` // whatever can give way does
	SpaceInterval time.Duration `yaml:"space_interval"` // between looks at the pool; 0 chooses

	AccountInterval time.Duration `yaml:"account_interval"` // between measurements of what each cluster occupies; 0: an hour
}

type transferOptions struct {
	MiBPerSecond int64 `yaml:"mib_per_second"` // at most, from one pool to another; 0 chooses
}

// rate is how fast clusters are sent at most, in bytes a second.
func (o transferOptions) rate() int64 { return cmp.Or(o.MiBPerSecond<<20, host.DefaultTransferRate) }

type logSinkOptions struct {
	DatadogURL string `yaml:"datadog_url"` // of the intake for logs, with {site} for Datadog's site; empty means Datadog's own
}

type insightOptions struct {
	Interval time.Duration `yaml:"interval"` // between samples of what clusters do; 0: a minute
}

type suspendOptions struct {
	After *time.Duration `yaml:"after"` // without work, after which clusters are suspended that do not say so themselves; 0: never; nil: what their plans say
}

type historyOptions struct {
	Window       time.Duration `yaml:"window"`     // how far back clusters can be forked
	Interval     time.Duration `yaml:"interval"`   // between restore points, if anything was written
	ReplayBudget int64         `yaml:"replay_mib"` // WAL after which the next restore point is taken
}

func defaultUpOptions() upOptions {
	return upOptions{
		DataDir:      "/var/lib/tine",
		EngineDir:    defaultEngineDir,
		Listen:       "127.0.0.1:8080",
		GatewayHost:  "127.0.0.1",
		GatewayPorts: "27100-27999",
		Host:         "local",
	}
}

// mergeConfigFile lays what was given as a flag, or by the environment in its place, over the file.
func mergeConfigFile(flags *pflag.FlagSet, opts upOptions, path string) (upOptions, error) {
	merged := opts
	merged.ListenTLS, merged.GatewayPlaintext = nil, nil // else the file's would be written where opts has its own
	if path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			return upOptions{}, fmt.Errorf("read configuration: %w", err)
		}
		if err := yaml.Load(b, &merged, yaml.WithKnownFields()); err != nil {
			return upOptions{}, fmt.Errorf("read configuration %s: %w; docs/operating.md lists all settings", path, err)
		}
	}
	given := map[string]func(){
		"data-dir":      func() { merged.DataDir = opts.DataDir },
		"engine-dir":    func() { merged.EngineDir = opts.EngineDir },
		"listen":        func() { merged.Listen = opts.Listen },
		"gateway-host":  func() { merged.GatewayHost = opts.GatewayHost },
		"gateway-ports": func() { merged.GatewayPorts = opts.GatewayPorts },
		"stop-nodes":    func() { merged.StopNodes = opts.StopNodes },

		"listen-tls":        func() { merged.ListenTLS = opts.ListenTLS },
		"gateway-plaintext": func() { merged.GatewayPlaintext = opts.GatewayPlaintext },
		"tls-cert":          func() { merged.TLS.Cert = opts.TLS.Cert },
		"tls-key":           func() { merged.TLS.Key = opts.TLS.Key },
		"tls-ca":            func() { merged.TLS.CA = opts.TLS.CA },
	}
	flags.Visit(func(f *pflag.Flag) {
		if apply := given[f.Name]; apply != nil {
			apply()
		}
	})
	return merged, merged.validate()
}

// validate makes paths absolute and refuses what cannot work, before anything is touched.
func (o *upOptions) validate() error {
	for _, path := range []*string{&o.DataDir, &o.EngineDir} {
		abs, err := filepath.Abs(*path)
		if err != nil {
			return fmt.Errorf("find %s: %w", *path, err)
		}
		*path = abs
	}
	if o.GatewayListen == "" {
		o.GatewayListen = o.GatewayHost
	}
	if err := o.validatePools(); err != nil {
		return err
	}
	if err := o.validateTLS(); err != nil {
		return err
	}
	if err := o.Pool.space().Validate(); err != nil {
		return err
	}
	if err := o.validateNumbers(); err != nil {
		return err
	}
	if err := validateListen(o.Listen); err != nil {
		return err
	}
	_, err := o.ports()
	return err
}

// validateNumbers refuses what is less than nothing: history that reaches less than no time back would all be deleted.
func (o *upOptions) validateNumbers() error {
	for _, setting := range []struct {
		name  string
		value time.Duration
	}{
		{"history.window", o.History.Window},
		{"history.interval", o.History.Interval},
		{"insights.interval", o.Insights.Interval},
		{"expiry_settle", o.ExpirySettle},
		{"pool.space_interval", o.Pool.SpaceInterval},
		{"pool.account_interval", o.Pool.AccountInterval},
	} {
		if setting.value < 0 {
			return fmt.Errorf("%s must not be negative; got %s (0 is the default)", setting.name, setting.value)
		}
	}
	if after := o.Suspend.After; after != nil && *after < 0 {
		return fmt.Errorf("suspend.after must not be negative; got %s (0s is never)", *after)
	}
	numbers := map[string]int64{
		"transfer.mib_per_second": o.Transfer.MiBPerSecond, "history.replay_mib": o.History.ReplayBudget, "pool.image_gib": o.Pool.ImageGiB,
	}
	for region, place := range o.Pools {
		numbers["pools."+region+".image_gib"] = place.ImageGiB
	}
	for _, name := range slices.Sorted(maps.Keys(numbers)) {
		if numbers[name] < 0 {
			return fmt.Errorf("%s must not be negative; got %d (0 is the default)", name, numbers[name])
		}
	}
	return nil
}

// validateListen refuses an address that nobody can listen on, before a node or a pool is made for whoever would not be reached.
func validateListen(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return &usageError{fmt.Sprintf("--listen must be a host and a port, like 127.0.0.1:8080; got %q", address)}
	}
	return nil
}

// validatePools completes the pools' paths, and refuses two pools in one place.
func (o *upOptions) validatePools() error {
	if o.Pool.Path == "" {
		o.Pool.Path = o.ownPool()
	}
	paths := map[string]string{filepath.Clean(o.Pool.Path): "pool"}
	devices := map[string]string{o.Pool.Device: "pool"}
	for _, region := range slices.Sorted(maps.Keys(o.Pools)) {
		place, name := o.Pools[region], "pools."+region
		if region == "" || region != filepath.Base(region) || strings.HasPrefix(region, ".") {
			return fmt.Errorf("pools has %q where the slug of a region is expected, such as fra1", region)
		}
		if place.Path == "" {
			place.Path = o.ownRegionPool(region)
		}
		if other, taken := paths[filepath.Clean(place.Path)]; taken {
			return fmt.Errorf("%s and %s have the path %s; each pool needs one of its own", other, name, place.Path)
		}
		if other, taken := devices[place.Device]; taken && place.Device != "" {
			return fmt.Errorf("%s and %s have the device %s; each pool needs one of its own", other, name, place.Device)
		}
		paths[filepath.Clean(place.Path)], devices[place.Device] = name, name
		o.Pools[region] = place
	}
	return nil
}

// ownPool and ownRegionPool are where pools are that the operator does not say anything else of.
func (o *upOptions) ownPool() string { return filepath.Join(o.DataDir, "pool") }

func (o *upOptions) ownRegionPool(region string) string {
	return filepath.Join(o.DataDir, "pools", region)
}

func (p poolOptions) space() host.SpaceConfig {
	return host.SpaceConfig{TightBelow: p.TightBelow, ShortBelow: p.ShortBelow, CriticalBelow: p.CriticalBelow, Interval: p.SpaceInterval, AccountInterval: p.AccountInterval}
}

// ports reads "A-B".
func (o *upOptions) ports() (store.PortRange, error) {
	bad := &usageError{fmt.Sprintf("--gateway-ports must be the first and the last port of a range, like 27100-27999; got %q", o.GatewayPorts)}
	a, b, ok := strings.Cut(o.GatewayPorts, "-")
	if !ok {
		return store.PortRange{}, bad
	}
	first, err1 := strconv.ParseUint(a, 10, 16)
	last, err2 := strconv.ParseUint(b, 10, 16)
	if err1 != nil || err2 != nil || first == 0 || first > last {
		return store.PortRange{}, bad
	}
	return store.PortRange{First: int(first), Last: int(last)}, nil
}
