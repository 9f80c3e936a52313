package panel

import (
	"net/url"
	"strconv"

	"tine/internal/store"
)

// auditPerPage is how many changes a page of the audit log has.
const auditPerPage = 50

type auditView struct {
	Records []store.AuditRecord // newest first
	Cluster string              // id of the cluster that all of them are about; empty: of all
	Older   string              // path of the next page; empty: there is none
}

func (p *panel) listAudit(v visit) (answer, error) {
	query := v.request.URL.Query()
	page := store.AuditPage{ClusterID: query.Get("cluster"), Size: auditPerPage + 1}
	page.Before, _ = strconv.ParseInt(query.Get("before"), 10, 64)
	page.Before = max(page.Before, 0)
	records, err := p.fleet.Audit(v.context(), page)
	if err != nil {
		return answer{}, err
	}
	view := auditView{Records: records, Cluster: page.ClusterID}
	if len(records) > auditPerPage {
		view.Records = records[:auditPerPage]
		last := view.Records[auditPerPage-1].ID
		view.Older = "/audit?" + url.Values{"cluster": {view.Cluster}, "before": {strconv.FormatInt(last, 10)}}.Encode()
	}
	return answer{page: "audit", title: "Audit log", data: view}, nil
}
