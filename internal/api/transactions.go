package api

import (
	"net/http"
	"strconv"

	"tine/internal/fleet"
)

type transaction struct {
	ID          string   `json:"id"` // what a fork before or after it is asked for by
	CommittedAt string   `json:"committed_at"`
	Number      uint32   `json:"number"`  // PostgreSQL's
	Changes     []string `json:"changes"` // to the schema
}

// listTransactions lists those around a moment.
func (s *server) listTransactions(r *http.Request) (response, error) {
	if _, err := s.cluster(r.Context(), r.PathValue("id"), false); err != nil {
		return response{}, err
	}
	q, err := transactionsQuery(r)
	if err != nil {
		return response{}, err
	}
	list, err := s.fleet.Transactions(r.Context(), r.PathValue("id"), q)
	if err != nil {
		return response{}, err
	}
	transactions := make([]transaction, len(list))
	for i, t := range list {
		transactions[i] = transaction{ID: t.Start.String(), CommittedAt: exact(t.At), Number: t.XID, Changes: append([]string{}, t.Marks...)}
	}
	return response{http.StatusOK, map[string]any{"transactions": transactions}}, nil
}

func transactionsQuery(r *http.Request) (q fleet.TransactionsQuery, err error) {
	values := r.URL.Query()
	if text := values.Get("around"); text != "" {
		if q.Around, err = parseTime("around", text); err != nil {
			return q, err
		}
	}
	if text := values.Get("count"); text != "" {
		if q.Count, err = strconv.Atoi(text); err != nil || q.Count == 0 {
			return q, &fleet.Error{Kind: fleet.Invalid, Field: "count", Message: "count must be a number between 1 and " + strconv.Itoa(fleet.MostTransactions)}
		}
	}
	q.SchemaOnly, err = flag(values, "schema")
	return q, err
}
