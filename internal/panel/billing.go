package panel

import (
	"cmp"
	"slices"

	"tine/internal/catalog"
	"tine/internal/fleet"
)

type billingView struct {
	Current  fleet.Invoice
	Lines    []billingLine // of the month so far, the dearest first
	Past     []fleet.Invoice
	Shared   int64 // bytes that forks did not copy
	Saved    catalog.Money
	IsPast   bool
	NumForks int
}

// billingLine is what one cluster cost.
type billingLine struct {
	ID, Name, Source string
	Size             string
	Hours            float64
	Amount           catalog.Money
	Shared           int64 // bytes that it did not copy, being a fork
	Saved            catalog.Money
}

func (p *panel) showBilling(v visit) (answer, error) {
	current, err := p.fleet.CurrentInvoice(v.context())
	if err != nil {
		return answer{}, err
	}
	view := p.bill(current)
	if view.Past, err = p.fleet.Invoices(v.context()); err != nil {
		return answer{}, err
	}
	return answer{page: "billing", title: "Billing", data: view}, nil
}

func (p *panel) showInvoice(v visit) (answer, error) {
	invoice, err := p.fleet.Invoice(v.context(), v.request.PathValue("invoice"))
	if err != nil {
		return answer{}, err
	}
	view := p.bill(invoice)
	view.IsPast = true
	return answer{page: "billing", title: "Invoice of " + invoice.Month.Format("January 2006"), data: view}, nil
}

// bill adds the items of an invoice up by cluster.
func (p *panel) bill(invoice fleet.Invoice) billingView {
	view := billingView{Current: invoice}
	index := map[string]int{}
	for _, item := range invoice.Items {
		i, known := index[item.ClusterID]
		if !known {
			i = len(view.Lines)
			index[item.ClusterID] = i
			view.Lines = append(view.Lines, billingLine{ID: item.ClusterID, Source: item.SourceName, Shared: item.Charge.SharedBytes})
		}
		line := &view.Lines[i]
		line.Name, line.Size = item.ClusterName, item.Size
		line.Hours += item.To.Sub(item.From).Hours()
		line.Amount += item.Amount
		line.Saved += p.fleet.StoragePrice(line.Shared).For(item.To.Sub(item.From))
	}
	for _, line := range view.Lines {
		view.Shared += line.Shared
		view.Saved += line.Saved
		if line.Source != "" {
			view.NumForks++
		}
	}
	slices.SortStableFunc(view.Lines, func(a, b billingLine) int {
		return cmp.Or(cmp.Compare(b.Amount, a.Amount), cmp.Compare(a.Name, b.Name))
	})
	return view
}
