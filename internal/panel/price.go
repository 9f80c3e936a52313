package panel

import "tine/internal/catalog"

// price is what a cluster costs, in US dollars.
type price struct {
	Known           bool    // false if the catalog no longer has the plan
	Monthly, Hourly float64 // Hourly is 0 if there is nothing to pay
}

// priceOf is what the catalog says.
func (p *panel) priceOf(size string, nodes int, storageMiB int64) price {
	monthly, ok := p.fleet.Catalog().Monthly(size, nodes, storageMiB)
	return price{Known: ok, Monthly: monthly.Float(), Hourly: monthly.Float() / catalog.HoursPerMonth}
}

// choice is one thing that can be selected.
type choice struct {
	Value, Label string
	Selected     bool
}

// choices are what the catalog offers, with what is chosen now.
type choices struct {
	Plans, Regions, Versions []choice
	StoragePrice             float64 // per GiB and month
}

func (p *panel) choices(f form) choices {
	offered := p.fleet.Catalog()
	c := choices{StoragePrice: offered.StoragePriceGiB}
	for _, plan := range offered.Plans {
		label := plan.Slug + ": " + counted(plan.VCPUs, "vCPU") + ", " + gib(plan.MemoryMiB) + " memory, " +
			gibRange(plan.MinStorageMiB, plan.MaxStorageMiB) + " storage, " + dollars(plan.PriceMonthly) + "/month"
		c.Plans = append(c.Plans, choice{plan.Slug, label, plan.Slug == f.Value("size")})
	}
	for _, region := range offered.Regions {
		c.Regions = append(c.Regions, choice{region.Slug, region.Name + " (" + region.Slug + ")", region.Slug == f.Value("region")})
	}
	for _, version := range offered.Versions {
		c.Versions = append(c.Versions, choice{version.Version, "MongoDB " + version.Version, version.Version == f.Value("version")})
	}
	return c
}
