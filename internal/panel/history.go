package panel

import (
	"time"

	"tine/internal/fleet"
	"tine/internal/store"
)

// mostPoints is how many of a cluster's newest restore points a page shows.
const mostPoints = 100

type historyView struct {
	clusterView
	Window   fleet.Window
	Points   []store.RestorePoint // newest first
	More     int
	Timeline *timeline
}

// HasHistory says whether there is any point in time to fork at.
func (v historyView) HasHistory() bool { return !v.Window.Empty() }

// ForkAt is how a restore point's moment is handed to the page that forks: no earlier than the point.
func (v historyView) ForkAt(p store.RestorePoint) string {
	return micro(p.CompletedAt.Add(time.Microsecond - 1))
}

func (p *panel) showHistory(v visit) (answer, error) {
	base, err := p.clusterPage(v, "history")
	if err != nil {
		return answer{}, err
	}
	h, err := p.fleet.History(v.context(), base.Cluster.ID)
	if err != nil {
		return answer{}, err
	}
	view := historyView{clusterView: base, Window: h.Window, Points: newest(h.RestorePoints, mostPoints)}
	view.More = len(h.RestorePoints) - len(view.Points)
	if view.HasHistory() {
		t, err := p.timeline(v, base.Cluster, h, stretchFrom(v.request.URL.Query(), h.Window))
		if err != nil {
			return answer{}, err
		}
		view.Timeline = &t
	}
	a := answer{page: "history", title: "History of " + base.Cluster.Name, data: view}
	return a, nil
}
