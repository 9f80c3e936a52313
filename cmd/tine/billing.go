package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

// invoiceItem is what a cluster cost in a time of a month.
type invoiceItem struct {
	Description string    `json:"description"`
	Amount      string    `json:"amount"`
	Duration    string    `json:"duration"`
	StartTime   time.Time `json:"start_time"`
	EndTime     time.Time `json:"end_time"`
	SharedBytes int64     `json:"shared_bytes"`
}

func newBillingCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "billing [INVOICE]",
		Short: "Show what clusters and forks cost, in the present month or in that of an invoice",
		Example: `  tine billing
  tine billing -o json`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	o := addClientFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := o.client()
		if err != nil {
			return err
		}
		invoice := "preview"
		if len(args) > 0 {
			invoice = args[0]
		}
		path := "/v2/customers/my/invoices/" + url.PathEscape(invoice)
		var root struct {
			Items json.RawMessage `json:"invoice_items"`
		}
		if err := api.call(cmd.Context(), http.MethodGet, path, nil, &root); err != nil {
			return err
		}
		if o.output == formatJSON {
			return printJSON(cmd.OutOrStdout(), root.Items)
		}
		var summary struct {
			Amount string `json:"amount"`
			Period string `json:"billing_period"`
		}
		if err := api.call(cmd.Context(), http.MethodGet, path+"/summary", nil, &summary); err != nil {
			return err
		}
		note(cmd.ErrOrStderr(), "%s: $%s. All invoices: tine billing list.", summary.Period, summary.Amount)
		return printInvoice(cmd, root.Items)
	}
	cmd.AddCommand(newBillingListCommand(o))
	return cmd
}

func newBillingListCommand(o *clientOptions) *cobra.Command {
	return &cobra.Command{
		Use:               "list",
		Aliases:           []string{"ls"},
		Short:             "List the invoices of the months that are over",
		Args:              takes(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := o.client()
			if err != nil {
				return err
			}
			list, _, err := api.godo.Invoices.List(cmd.Context(), nil)
			if err != nil {
				return fmt.Errorf("list invoices: %w", err)
			}
			if o.output == formatJSON {
				return printJSON(cmd.OutOrStdout(), list.Invoices)
			}
			rows := make([][]string, len(list.Invoices))
			for i, invoice := range list.Invoices {
				rows[i] = []string{invoice.InvoicePeriod, "$" + invoice.Amount, invoice.InvoiceUUID}
			}
			return printTable(cmd.OutOrStdout(), []string{"MONTH", "AMOUNT", "INVOICE"}, rows)
		},
	}
}

func printInvoice(cmd *cobra.Command, raw json.RawMessage) error {
	var items []invoiceItem
	if err := json.Unmarshal(raw, &items); err != nil {
		return fmt.Errorf("decode invoice: %w", err)
	}
	rows := make([][]string, len(items))
	for i, item := range items {
		shared := ""
		if item.SharedBytes > 0 {
			shared = fmt.Sprintf("%.3f GB", float64(item.SharedBytes)/(1<<30))
		}
		rows[i] = []string{item.Description, moment(item.StartTime), moment(item.EndTime), item.Duration, "$" + item.Amount, shared}
	}
	return printTable(cmd.OutOrStdout(), []string{"CLUSTER", "FROM", "TO", "HOURS", "AMOUNT", "NOT COPIED"}, rows)
}
