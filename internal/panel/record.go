package panel

import (
	"net"
	"net/http"

	"github.com/google/uuid"

	"tine/internal/store"
)

// serve serves a request; one that may change something is in the audit log.
func (p *panel) serve(v visit, to route) (answer, error) {
	r := v.request
	if r.Method != http.MethodPost || to.quiet {
		return to.admitted(v)
	}
	remote, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		remote = r.RemoteAddr
	}
	end, err := p.fleet.Record(r.Context(), store.AuditRecord{
		TokenID: v.token.ID, TokenName: v.token.Name, Remote: remote, RequestID: uuid.NewString(),
		Action: "panel: " + r.Pattern, Path: r.URL.EscapedPath(), ClusterID: v.id(),
	})
	if err != nil {
		return answer{}, err
	}
	a, failure := to.admitted(v)
	if err := end(outcomeOf(a, failure)); err != nil {
		p.log.ErrorContext(r.Context(), "outcome is missing in the audit log", "path", r.URL.Path, "error", err)
	}
	return a, failure
}

func outcomeOf(a answer, failure error) store.AuditOutcome {
	if failure != nil {
		status, title, message := explain(failure)
		return store.AuditOutcome{Status: status, Message: title + ": " + message}
	}
	outcome := store.AuditOutcome{Status: a.status, ClusterID: a.made}
	switch {
	case a.location != "":
		outcome.Status = http.StatusSeeOther
	case a.status == 0:
		outcome.Status = http.StatusOK
	}
	return outcome
}
