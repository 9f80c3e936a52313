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
	count          int
}

func (t *transactionsFlags) add(cmd *cobra.Command) {
	const usual = 20
	flags := cmd.Flags()
	flags.BoolVar(&t.wanted, "transactions", false, "list transactions")
	flags.StringVar(&t.around, "around", "", "`moment` around which they are listed: RFC 3339, how long ago, or a time of today, like 14:03:07 (default: now)")
	flags.IntVar(&t.count, "count", usual, "how many at most before the moment, and after it")
	flags.BoolVar(&t.schema, "schema", false, "list those only that changed the schema")
	cmd.MarkFlagsMutuallyExclusive("at", "transactions")
}

// transaction is one as the API lists it.
type transaction struct {
	ID          string    `json:"id"`
	CommittedAt time.Time `json:"committed_at"`
	Number      uint32    `json:"number"`
	Changes     []string  `json:"changes"`
}

func (o *clientOptions) listTransactions(cmd *cobra.Command, api *client, c cluster, t transactionsFlags) error {
	query := url.Values{"count": {strconv.Itoa(t.count)}, "schema": {strconv.FormatBool(t.schema)}}
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
