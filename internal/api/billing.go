package api

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tine/internal/fleet"
)

// preview is what clients call the invoice of the month that goes on.
const preview = "preview"

type balance struct {
	MonthToDateBalance string `json:"month_to_date_balance"`
	AccountBalance     string `json:"account_balance"` // nobody pays Tine: an invoice is settled when its month is over
	MonthToDateUsage   string `json:"month_to_date_usage"`
	GeneratedAt        string `json:"generated_at"`
}

func (s *server) getBalance(r *http.Request) (response, error) {
	invoice, err := s.fleet.CurrentInvoice(r.Context())
	if err != nil {
		return response{}, err
	}
	amount := invoice.Amount.Dollars()
	return ok(balance{MonthToDateBalance: amount, AccountBalance: "0.00", MonthToDateUsage: amount, GeneratedAt: seconds(invoice.Until)})
}

type billingEntry struct {
	Description string `json:"description"`
	Amount      string `json:"amount"`
	InvoiceID   string `json:"invoice_id"`
	InvoiceUUID string `json:"invoice_uuid"`
	Date        string `json:"date"`
	Type        string `json:"type"`
}

func (s *server) listBillingHistory(r *http.Request) (response, error) {
	invoices, err := s.fleet.Invoices(r.Context())
	if err != nil {
		return response{}, err
	}
	entries := make([]billingEntry, len(invoices))
	for i, invoice := range invoices {
		entries[i] = billingEntry{
			Description: "Invoice for " + invoice.Month.Format("January 2006"), Amount: invoice.Amount.Dollars(),
			InvoiceID: invoice.Month.Format("200601"), InvoiceUUID: invoice.ID, Date: seconds(invoice.Until), Type: "Invoice",
		}
	}
	return paged(r, "billing_history", entries)
}

type invoiceHead struct {
	UUID      string `json:"invoice_uuid"`
	Amount    string `json:"amount"`
	Period    string `json:"invoice_period"`
	UpdatedAt string `json:"updated_at"`
}

func encodeInvoice(i fleet.Invoice) invoiceHead {
	return invoiceHead{UUID: i.ID, Amount: i.Amount.Dollars(), Period: i.Month.Format("2006-01"), UpdatedAt: seconds(i.Until)}
}

func (s *server) listInvoices(r *http.Request) (response, error) {
	invoices, err := s.fleet.Invoices(r.Context())
	if err != nil {
		return response{}, err
	}
	current, err := s.fleet.CurrentInvoice(r.Context())
	if err != nil {
		return response{}, err
	}
	heads := make([]invoiceHead, len(invoices))
	for i, invoice := range invoices {
		heads[i] = encodeInvoice(invoice)
	}
	answer, err := paged(r, "invoices", heads)
	if err != nil {
		return response{}, err
	}
	if fields, isObject := answer.body.(map[string]any); isObject {
		fields["invoice_preview"] = encodeInvoice(current)
	}
	return answer, nil
}

type invoiceItem struct {
	Product          string `json:"product"`
	ResourceID       string `json:"resource_id"`
	ResourceUUID     string `json:"resource_uuid"`
	GroupDescription string `json:"group_description"`
	Description      string `json:"description"`
	Amount           string `json:"amount"` // exact, with up to six decimals: forks of minutes cost less than a cent
	Duration         string `json:"duration"`
	DurationUnit     string `json:"duration_unit"`
	StartTime        string `json:"start_time"`
	EndTime          string `json:"end_time"`
	ProjectName      string `json:"project_name"`
	Category         string `json:"category"`
	ForkedFrom       string `json:"forked_from,omitempty"`  // ours
	SharedBytes      int64  `json:"shared_bytes,omitempty"` // ours: what the fork did not copy when it was made
}

func (s *server) getInvoice(r *http.Request) (response, error) {
	invoice, err := s.invoice(r)
	if err != nil {
		return response{}, err
	}
	items := make([]invoiceItem, len(invoice.Items))
	for i, item := range invoice.Items {
		items[i] = encodeInvoiceItem(item)
	}
	return paged(r, "invoice_items", items)
}

func encodeInvoiceItem(i fleet.InvoiceItem) invoiceItem {
	description := fmt.Sprintf("%s (%s, %s, %d GiB)", i.ClusterName, i.Size, counted(i.NumNodes, "node"), i.StorageMiB/1024)
	if i.SourceName != "" {
		description += ", forked from " + i.SourceName
	}
	return invoiceItem{
		Product: "Managed MongoDB", ResourceUUID: i.ClusterID, Description: description, Amount: i.Amount.String(),
		Duration: hours(i.To.Sub(i.From)), DurationUnit: "Hours", StartTime: seconds(i.From), EndTime: seconds(i.To),
		ProjectName: projectName, Category: "paas", ForkedFrom: i.SourceName, SharedBytes: i.Charge.SharedBytes,
	}
}

type breakdown struct {
	Name   string          `json:"name"`
	Amount string          `json:"amount"`
	Items  []breakdownItem `json:"items"`
}

type breakdownItem struct {
	Name   string `json:"name"`
	Amount string `json:"amount"`
	Count  string `json:"count"`
}

type invoiceSummary struct {
	UUID           string    `json:"invoice_uuid"`
	BillingPeriod  string    `json:"billing_period"`
	Amount         string    `json:"amount"`
	UserName       string    `json:"user_name"`
	UserCompany    string    `json:"user_company"`
	UserEmail      string    `json:"user_email"`
	ProductCharges breakdown `json:"product_charges"`
	Overages       breakdown `json:"overages"`
	Taxes          breakdown `json:"taxes"`
	Credits        breakdown `json:"credits_and_adjustments"`
}

func (s *server) getInvoiceSummary(r *http.Request) (response, error) {
	invoice, err := s.invoice(r)
	if err != nil {
		return response{}, err
	}
	amount := invoice.Amount.Dollars()
	nothing := func(name string) breakdown { return breakdown{Name: name, Amount: "0.00", Items: []breakdownItem{}} }
	return ok(invoiceSummary{
		UUID: invoice.ID, BillingPeriod: invoice.Month.Format("2006-01"), Amount: amount, UserName: accountName, UserEmail: accountEmail,
		ProductCharges: breakdown{
			Name: "Product usage charges", Amount: amount,
			Items: []breakdownItem{{Name: "Managed MongoDB", Amount: amount, Count: strconv.Itoa(invoice.Clusters())}},
		},
		Overages: nothing("Overages"), Taxes: nothing("Taxes"), Credits: nothing("Credits & adjustments"),
	})
}

func (s *server) invoice(r *http.Request) (fleet.Invoice, error) {
	if id := r.PathValue("invoice"); id != preview {
		return s.fleet.Invoice(r.Context(), id)
	}
	return s.fleet.CurrentInvoice(r.Context())
}

// hours is a time as an invoice has it.
func hours(d time.Duration) string {
	text := strconv.FormatFloat(d.Hours(), 'f', 4, 64)
	return strings.TrimRight(strings.TrimRight(text, "0"), ".")
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
