package panel

import (
	"slices"
	"strings"

	"tine/internal/catalog"
	"tine/internal/fleet"
)

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
	Unavailable  bool
}

// choices are what the catalog offers, with what is chosen now.
type choices struct {
	Groups            []planGroup
	Regions, Versions []choice
	StoragePrice      float64 // per GiB and month

	nodes  int   // chosen
	counts []int // of nodes that a cluster can have
}

// planGroup are plans of one kind.
type planGroup struct {
	Name  string
	Open  bool // the chosen plan is among them
	Plans []planCard
}

type planCard struct {
	catalog.Plan
	Selected bool
	Reason   string // why it cannot be chosen; empty: it can
}

// Memory is the plan's memory, in words.
func (c planCard) Memory() string { return gib(c.MemoryMiB) }

// Storage is the range of storage that the plan may have.
func (c planCard) Storage() string { return gibRange(c.MinStorageMiB, c.MaxStorageMiB) }

func (p *panel) choices(f form) choices {
	offered := p.fleet.Catalog()
	c := choices{StoragePrice: offered.StoragePriceGiB, counts: offered.NodeCounts, nodes: 1}
	for _, region := range offered.Regions {
		c.Regions = append(c.Regions, choice{Value: region.Slug, Label: region.Name + " (" + region.Slug + ")", Selected: region.Slug == f.Value("region")})
	}
	for _, version := range offered.Versions {
		c.Versions = append(c.Versions, choice{Value: version.Version, Label: "MongoDB " + version.Version, Selected: version.Version == f.Value("version")})
	}
	return c
}

// groupPlans puts plans of a kind together; their slugs begin with the kind.
func groupPlans(offers []fleet.PlanOffer, chosen string) []planGroup {
	var groups []planGroup
	for _, o := range offers {
		kind := kindOfPlan(o.Plan.Slug)
		i := slices.IndexFunc(groups, func(g planGroup) bool { return g.Name == kind })
		if i < 0 {
			i = len(groups)
			groups = append(groups, planGroup{Name: kind})
		}
		selected := o.Plan.Slug == chosen
		groups[i].Open = groups[i].Open || selected
		groups[i].Plans = append(groups[i].Plans, planCard{Plan: o.Plan, Selected: selected, Reason: o.Reason})
	}
	if len(groups) > 0 && !slices.ContainsFunc(groups, func(g planGroup) bool { return g.Open }) {
		groups[0].Open = true
	}
	return groups
}

func kindOfPlan(slug string) string {
	kind, _, _ := strings.Cut(slug, "-")
	switch kind {
	case "db":
		return "Basic"
	case "gd":
		return "General purpose"
	case "so1_5":
		return "Storage optimized"
	default:
		return "Other plans"
	}
}
