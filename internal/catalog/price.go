package catalog

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// HoursPerMonth is what a month is billed as at most; DigitalOcean's number.
const HoursPerMonth = 672

// Money is an amount in millionths of a US dollar, so that amounts of seconds add up without errors of rounding.
type Money int64

const dollar Money = 1_000_000

// Dollars is the amount with two decimals, rounded half up.
func (m Money) Dollars() string {
	const cent = dollar / 100
	cents := (m + cent/2) / cent
	return fmt.Sprintf("%d.%02d", cents/100, cents%100)
}

// String is the exact amount in dollars, with at least two decimals.
func (m Money) String() string {
	const least, most = 2, 6
	text := fmt.Sprintf("%d.%06d", m/dollar, m%dollar)
	for range most - least {
		text = strings.TrimSuffix(text, "0")
	}
	return text
}

// Float is the amount in dollars, for arithmetic that need not be exact.
func (m Money) Float() float64 { return float64(m) / float64(dollar) }

// For is the part of a monthly price that a time costs.
func (m Money) For(d time.Duration) Money {
	return Money(math.Round(float64(m) * d.Hours() / HoursPerMonth))
}

// Monthly is what a cluster costs a month: each node's plan, and its storage beyond what the plan includes. ok is false if there
// is no such plan.
func (c *Catalog) Monthly(size string, nodes int, storageMiB int64) (price Money, ok bool) {
	plan, ok := c.Plan(size)
	if !ok {
		return 0, false
	}
	const mibPerGiB = 1024
	node := plan.PriceMonthly
	if extra := storageMiB - plan.MinStorageMiB; extra > 0 {
		node += float64(extra) / mibPerGiB * c.StoragePriceGiB
	}
	return Money(math.Round(node*float64(dollar))) * Money(nodes), true
}
