package panel

import (
	"net/url"
	"slices"
	"strings"

	"tine/internal/fleet"
)

// transactionsShown is how many a page shows at most on each side of its moment.
const transactionsShown = 50

type transactionsView struct {
	clusterView
	Form   form
	Window fleet.Window
	Found  []fleet.Transaction // newest first
}

// HasHistory says whether there is any transaction to find.
func (v transactionsView) HasHistory() bool { return !v.Window.Empty() }

// All says whether those are shown, too, that did not change the schema.
func (v transactionsView) All() bool { return v.Form.Value("all") != "" }

// showTransactions lists the transactions around a moment; at first, those that changed the schema.
func (p *panel) showTransactions(v visit) (answer, error) {
	base, err := p.clusterPage(v, "history")
	if err != nil {
		return answer{}, err
	}
	query := v.request.URL.Query()
	view := transactionsView{clusterView: base, Form: form{values: url.Values{"at": {query.Get("at")}, "all": {query.Get("all")}}}}
	if view.Window, err = p.fleet.Window(v.context(), base.Cluster.ID); err != nil {
		return answer{}, err
	}
	if view.HasHistory() {
		err = p.findTransactions(v, &view)
	}
	return answer{status: view.Form.status(), page: "transactions", title: "Transactions of " + base.Cluster.Name, data: view}, err
}

func (p *panel) findTransactions(v visit, view *transactionsView) error {
	q := fleet.TransactionsQuery{Count: transactionsShown, SchemaOnly: !view.All()}
	if strings.TrimSpace(view.Form.Value("at")) != "" {
		if q.Around, view.Form = view.Form.moment(); view.Form.Problem != "" {
			return nil
		}
	}
	found, err := p.fleet.Transactions(v.context(), view.Cluster.ID, q)
	if err != nil {
		view.Form, err = view.Form.refused(err)
		return err
	}
	view.Found = slices.Clone(found)
	slices.Reverse(view.Found)
	return nil
}
