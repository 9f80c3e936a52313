package panel

// price is what a cluster costs, in US dollars.
type price struct {
	Known           bool    // false if the catalog no longer has the plan
	Monthly, Hourly float64 // Hourly is 0 if the plan itself costs nothing
}

// priceOf adds up the catalog's prices: each node's plan, and its storage beyond what the plan includes.
func (p *panel) priceOf(size string, nodes int, storageMiB int64) price {
	catalog := p.fleet.Catalog()
	plan, ok := catalog.Plan(size)
	if !ok {
		return price{}
	}
	const mibPerGiB = 1024
	monthly := plan.PriceMonthly
	if extra := storageMiB - plan.MinStorageMiB; extra > 0 {
		monthly += float64(extra) / mibPerGiB * catalog.StoragePriceGiB
	}
	sum := price{Known: true, Monthly: monthly * float64(nodes)}
	if plan.PriceMonthly > 0 {
		sum.Hourly = sum.Monthly * plan.PriceHourly() / plan.PriceMonthly
	}
	return sum
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
	catalog := p.fleet.Catalog()
	c := choices{StoragePrice: catalog.StoragePriceGiB}
	for _, plan := range catalog.Plans {
		label := plan.Slug + ": " + counted(plan.VCPUs, "vCPU") + ", " + gib(plan.MemoryMiB) + " memory, " +
			gibRange(plan.MinStorageMiB, plan.MaxStorageMiB) + " storage, " + dollars(plan.PriceMonthly) + "/month"
		c.Plans = append(c.Plans, choice{plan.Slug, label, plan.Slug == f.Value("size")})
	}
	for _, region := range catalog.Regions {
		c.Regions = append(c.Regions, choice{region.Slug, region.Name + " (" + region.Slug + ")", region.Slug == f.Value("region")})
	}
	for _, version := range catalog.Versions {
		c.Versions = append(c.Versions, choice{version.Version, "MongoDB " + version.Version, version.Version == f.Value("version")})
	}
	return c
}
