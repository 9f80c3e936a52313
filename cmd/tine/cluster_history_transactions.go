package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// transactionsFlags say which transactions of a history are listed.
type transactionsFlags struct {
	wanted, schema bool
	around         string
	count          quantity
}

func (t *transactionsFlags) add(cmd *cobra.Command) {
	t.count = 20
	flags := cmd.Flags()
	flags.BoolVar(&t.wanted, "transactions", false, "list transactions")
	flags.StringVar(&t.around, "around", "", "with --transactions: `moment` around which they are listed: "+momentForms+" (default: now)")
	flags.Var(&t.count, "count", "with --transactions: how many at most before the moment, and after it, up to 1000")
	flags.BoolVar(&t.schema, "schema", false, "with --transactions: list those only that changed the schema")
}

// check refuses flags of the one list with the other, where they would say nothing.
func (t *transactionsFlags) check(cmd *cobra.Command) error {
	others, need := []string{"around", "count", "schema"}, "--%s needs --transactions"
	if t.wanted {
		others, need = []string{"at", "region"}, "--%s is for the estimate of a fork and not for --transactions, which have --around"
	}
	for _, name := range others {
		if cmd.Flags().Changed(name) {
			return &usageError{fmt.Sprintf(need, name)}
		}
	}
	return atMostOne(cmd, "at")
}

// transaction is one as the API lists it.
type transaction struct {
	ID          string    `json:"id"`
	CommittedAt time.Time `json:"committed_at"`
	Number      uint32    `json:"number"`
	Changes     []string  `json:"changes"`
}

func (o *clientOptions) listTransactions(cmd *cobra.Command, api *client, c cluster, t transactionsFlags) error {
	query := url.Values{"count": {strconv.Itoa(int(t.count))}, "schema": {strconv.FormatBool(t.schema)}}
	if t.around != "" {
		at, err := parseMoment(t.around, time.Now())
		if err != nil {
			return err
		}
		query.Set("around", formatMoment(at))
	}
	var raw json.RawMessage
	path := clustersPath + "/" + url.PathEscape(c.ID) + "/history/transactions?" + query.Encode()
	if err := api.call(cmd.Context(), http.MethodGet, path, nil, &raw); err != nil {
		return err
	}
	if o.output == formatJSON {
		return printJSON(cmd.OutOrStdout(), raw)
	}
	var answer struct {
		Transactions []transaction `json:"transactions"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return fmt.Errorf("decode transactions: %w", err)
	}
	rows := make([][]string, len(answer.Transactions))
	for i, t := range answer.Transactions {
		rows[i] = []string{t.ID, moment(t.CommittedAt), strings.Join(t.Changes, "; ")}
	}
	return printTable(cmd.OutOrStdout(), []string{"TRANSACTION", "COMMITTED", "CHANGED"}, rows)
}
