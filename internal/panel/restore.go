package panel

import (
	"net/url"
	"strings"

	"tine/internal/fleet"
)

type restoreView struct {
	clusterView
	Form   form
	Window fleet.Window
}

// HasHistory says whether there is any moment to go back to.
func (v restoreView) HasHistory() bool { return !v.Window.Empty() }

func (p *panel) askRestore(v visit) (answer, error) {
	base, err := p.clusterPage(v, "history")
	if err != nil {
		return answer{}, err
	}
	at := v.request.URL.Query().Get("at")
	if at == "" {
		at = milli(v.received)
	}
	return p.restorePage(v, base, form{values: url.Values{"at": {at}}})
}

func (p *panel) restorePage(v visit, base clusterView, f form) (answer, error) {
	window, err := p.fleet.Window(v.context(), base.Cluster.ID)
	return answer{
		status: f.status(), page: "restore", title: "Restore " + base.Cluster.Name, data: restoreView{base, f, window},
	}, err
}

// restore wants the name typed, as destroy does: clients are cut off, and see older data when they come back.
func (p *panel) restore(v visit) (answer, error) {
	base, err := p.clusterPage(v, "history")
	if err != nil {
		return answer{}, err
	}
	at, f := sentForm(v.request).moment()
	if f.Problem == "" && strings.TrimSpace(f.Value("confirm")) != base.Cluster.Name {
		f = f.wrong("confirm", "Type the name of the cluster, %s, to confirm. Nothing was restored.", base.Cluster.Name)
	}
	if f.Problem != "" {
		return p.restorePage(v, base, f)
	}
	_, err = p.fleet.RestoreInPlace(v.context(), base.Cluster.ID, fleet.RestoreRequest{At: &at, ReceivedAt: v.received})
	if err == nil {
		return redirect("/databases/" + base.Cluster.ID + "?done=restore"), nil
	}
	if f, err = f.refused(err); err != nil {
		return answer{}, err
	}
	return p.restorePage(v, base, f)
}
