package api

import (
	"net"
	"net/http"
	"strconv"
	"strings"

	"tine/internal/store"
)

// audited serves a request that may change something, and writes to the audit log that it was tried and how it ended.
func (s *server) audited(r *http.Request, action string, serve func(*http.Request) (response, error)) (response, error) {
	i := infoOf(r)
	about := ""
	if strings.HasPrefix(action, r.Method+" "+databasePath) {
		about = r.PathValue("id")
	}
	end, err := s.fleet.Record(r.Context(), store.AuditRecord{
		TokenID: i.token.ID, TokenName: i.token.Name, Remote: remoteHost(r), RequestID: i.id,
		Action: action, Path: quotePath(r), ClusterID: about,
		InStore: action == http.MethodPost+" "+databasesPath,
	})
	if err != nil {
		return response{}, err
	}
	answer, failure := serve(r)
	outcome := store.AuditOutcome{Status: answer.status, ClusterID: i.made}
	if failure != nil {
		outcome.Status, outcome.Message = statusOf(failure)
	}
	if err := end(outcome); err != nil {
		// The change has happened: its client must learn of it all the same.
		s.log.ErrorContext(r.Context(), "outcome is missing in the audit log", "request_id", i.id, "error", err)
	}
	return answer, failure
}

// remoteHost is where a request came from: the address that the connection has, which nobody can choose.
func remoteHost(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

type auditRecord struct {
	ID        string        `json:"id"`
	At        string        `json:"at"`
	TokenID   string        `json:"token_id"`
	TokenName string        `json:"token_name"`
	Remote    string        `json:"remote"`
	RequestID string        `json:"request_id"`
	Action    string        `json:"action"`
	Path      string        `json:"path"`
	ClusterID string        `json:"cluster_id,omitempty"`
	Outcome   *auditOutcome `json:"outcome"` // null: it was interrupted, and may have happened
}

type auditOutcome struct {
	At      string `json:"at"`
	Status  int    `json:"status"`
	Message string `json:"message,omitempty"`
}

// listAudit answers with the newest records; before leads to older ones.
func (s *server) listAudit(r *http.Request) (response, error) {
	query := r.URL.Query()
	size, err := number(query, "per_page", perPage, maxPerPage)
	if err != nil {
		return response{}, err
	}
	page := store.AuditPage{ClusterID: query.Get("cluster_id"), Size: size}
	if text := query.Get("before"); text != "" {
		if page.Before, err = strconv.ParseInt(text, 10, 64); err != nil || page.Before < 1 {
			return response{}, &statusError{http.StatusUnprocessableEntity, "before must be the id of a record"}
		}
	}
	list, err := s.fleet.Audit(r.Context(), page)
	if err != nil {
		return response{}, err
	}
	records := make([]auditRecord, len(list))
	for i, record := range list {
		records[i] = encodeAudit(record)
	}
	return ok(map[string]any{"audit": records})
}

func encodeAudit(r store.AuditRecord) auditRecord {
	record := auditRecord{
		ID: strconv.FormatInt(r.ID, 10), At: exact(r.At), TokenID: r.TokenID, TokenName: r.TokenName, Remote: r.Remote,
		RequestID: r.RequestID, Action: r.Action, Path: r.Path, ClusterID: r.ClusterID,
	}
	if r.Outcome != nil {
		record.Outcome = &auditOutcome{At: exact(r.Outcome.At), Status: r.Outcome.Status, Message: r.Outcome.Message}
	}
	return record
}
