package fleet

import (
	"context"
	"time"

	"github.com/google/uuid"

	"tine/internal/catalog"
	"tine/internal/store"
)

// Invoice is what the clusters of a month cost.
type Invoice struct {
	ID     string    // UUID, the same for the same month
	Month  time.Time // its first moment
	Until  time.Time // its end, or the present if it goes on
	Items  []InvoiceItem
	Amount catalog.Money
}

// Clusters is how many clusters the invoice is about.
func (i Invoice) Clusters() int {
	different := map[string]bool{}
	for _, item := range i.Items {
		different[item.ClusterID] = true
	}
	return len(different)
}

// InvoiceItem is a time of the month in which a cluster did not change what it costs.
type InvoiceItem struct {
	store.Usage
	From, To time.Time // within the month
	Amount   catalog.Money
}

// CurrentInvoice is that of the present month, until now.
func (f *Fleet) CurrentInvoice(ctx context.Context) (Invoice, error) {
	now := f.cfg.Clock().UTC()
	return f.invoice(ctx, monthOf(now), now)
}

// Invoices returns those of the months that are over and in which anything was used, the newest first. Its cost grows with all
// usage that there ever was.
func (f *Fleet) Invoices(ctx context.Context) ([]Invoice, error) {
	first, err := f.cfg.Store.FirstUsage(ctx)
	if err != nil || first.IsZero() {
		return nil, err
	}
	now := f.cfg.Clock().UTC()
	var list []Invoice
	for month := monthOf(now).AddDate(0, -1, 0); !month.Before(monthOf(first)); month = month.AddDate(0, -1, 0) {
		i, err := f.invoice(ctx, month, now)
		if err != nil {
			return nil, err
		}
		if len(i.Items) > 0 {
			list = append(list, i)
		}
	}
	return list, nil
}

// Invoice returns the invoice with that id.
func (f *Fleet) Invoice(ctx context.Context, id string) (Invoice, error) {
	list, err := f.Invoices(ctx)
	if err != nil {
		return Invoice{}, err
	}
	for _, i := range list {
		if i.ID == id {
			return i, nil
		}
	}
	return Invoice{}, &Error{Kind: NotFound, Message: "there is no invoice with the id " + quote(id)}
}

func (f *Fleet) invoice(ctx context.Context, month, now time.Time) (Invoice, error) {
	end := month.AddDate(0, 1, 0)
	if now.Before(end) {
		end = now
	}
	usage, err := f.cfg.Store.Usage(ctx, month, end)
	if err != nil {
		return Invoice{}, err
	}
	i := Invoice{ID: invoiceID(month), Month: month, Until: end}
	i.charge(usage)
	return i, nil
}

// charge adds the items up. A cluster is charged for 672 hours of the month at most, the first ones, however often it changed.
func (i *Invoice) charge(usage []store.Usage) {
	var cluster string
	var left time.Duration
	for _, u := range usage {
		if u.ClusterID != cluster {
			cluster, left = u.ClusterID, catalog.HoursPerMonth*time.Hour
		}
		item := InvoiceItem{Usage: u, From: later(u.From, i.Month), To: i.Until}
		if !u.To.IsZero() && u.To.Before(i.Until) {
			item.To = u.To
		}
		charged := min(item.To.Sub(item.From), left)
		left -= charged
		item.Amount = catalog.Money(u.Charge.MonthlyPrice).For(charged)
		i.Items = append(i.Items, item)
		i.Amount += item.Amount
	}
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func monthOf(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC) }

// invoiceID names a month's invoice, without being kept anywhere.
func invoiceID(month time.Time) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("tine:invoice:"+month.Format("2006-01"))).String()
}

// StartMeters opens the meters of clusters that were made before there were any. It may be repeated.
func (f *Fleet) StartMeters(ctx context.Context) error {
	clusters, err := f.cfg.Store.ClustersOnHost(ctx, f.cfg.Host)
	if err != nil {
		return err
	}
	for _, c := range clusters {
		c.Charge = f.charge(c, 0)
		if err := f.cfg.Store.StartMeter(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// StoragePrice is what that much storage would cost a month, beyond what plans include.
func (f *Fleet) StoragePrice(bytes int64) catalog.Money {
	const gib, dollar = 1 << 30, 1_000_000
	return catalog.Money(float64(bytes) / gib * f.cfg.Catalog.StoragePriceGiB * dollar)
}

// charge is what the meter is told of a new cluster.
func (f *Fleet) charge(c store.Cluster, sharedBytes int64) store.Charge {
	price, _ := f.cfg.Catalog.Monthly(c.Size, c.NumNodes, c.StorageMiB)
	return store.Charge{MonthlyPrice: int64(price), SharedBytes: sharedBytes}
}
