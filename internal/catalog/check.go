package catalog

import (
	"errors"
	"fmt"
	"time"
)

// check finds what would fail later, and then only for whoever asks for it.
func (c *Catalog) check() error {
	if len(c.Plans) == 0 || len(c.Regions) == 0 || len(c.Versions) == 0 || len(c.NodeCounts) == 0 {
		return errors.New("it needs at least one plan, region, version and node count")
	}
	if c.StorageStepMiB <= 0 || c.StoragePriceGiB < 0 {
		return errors.New("storage_step_mib must be positive and storage_price_gib_monthly must not be negative")
	}
	if _, ok := c.Version(c.DefaultVersion); !ok {
		return fmt.Errorf("default_version %q is not among the versions", c.DefaultVersion)
	}
	return errors.Join(c.checkPlans(), c.checkNames(), c.checkTimes())
}

func (c *Catalog) checkPlans() error {
	for _, p := range c.Plans {
		if p.VCPUs <= 0 || p.MemoryMiB <= 0 || p.MaxConnections <= 0 || p.PriceMonthly < 0 {
			return fmt.Errorf("plan %q needs vcpus, memory_mib and max_connections above zero and a price that is not negative", p.Slug)
		}
		if p.MinStorageMiB <= 0 || p.MaxStorageMiB < p.MinStorageMiB {
			return fmt.Errorf("plan %q needs min_storage_mib above zero and max_storage_mib at least as large", p.Slug)
		}
		if p.SuspendAfterMinutes < 0 {
			return fmt.Errorf("plan %q has a suspend_after_minutes below zero; 0 means never", p.Slug)
		}
		if (p.MaxStorageMiB-p.MinStorageMiB)%c.StorageStepMiB != 0 {
			return fmt.Errorf("plan %q cannot reach max_storage_mib %d from min_storage_mib %d in steps of %d",
				p.Slug, p.MaxStorageMiB, p.MinStorageMiB, c.StorageStepMiB)
		}
	}
	return nil
}

func (c *Catalog) checkNames() error {
	seen := map[string]bool{}
	once := func(kind, name string) error {
		if name == "" || seen[kind+name] {
			return fmt.Errorf("%s %q is empty or there twice", kind, name)
		}
		seen[kind+name] = true
		return nil
	}
	var err error
	for _, p := range c.Plans {
		err = errors.Join(err, once("plan", p.Slug))
	}
	for _, r := range c.Regions {
		err = errors.Join(err, once("region", r.Slug))
	}
	for _, v := range c.Versions {
		err = errors.Join(err, once("version", v.Version))
	}
	return err
}

func (c *Catalog) checkTimes() error {
	for _, v := range c.Versions {
		for _, at := range []string{v.EndOfLife, v.EndOfAvailability} {
			if _, err := time.Parse(time.RFC3339, at); at != "" && err != nil {
				return fmt.Errorf("version %q has %q where a time like 2029-10-31T00:00:00Z is expected", v.Version, at)
			}
		}
	}
	return nil
}
