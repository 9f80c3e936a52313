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
	// What can be done in place, by those who may: Source is the one that a fork can be reset to, and CanSwap says that there is another cluster to swap with.
	Source  *store.Cluster
	CanSwap bool
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
	if base.Cluster.Status == store.StatusOnline && v.token.Allows(store.ScopeDatabaseUpdate) {
		if err := p.offerInPlace(v, &view); err != nil {
			return answer{}, err
		}
	}
	a := answer{page: "history", title: "History of " + base.Cluster.Name, data: view}
	return a, nil
}

// offerInPlace finds out what can be done beside a restore.
func (p *panel) offerInPlace(v visit, view *historyView) error {
	source, err := p.fleet.ResetSource(v.context(), view.Cluster)
	switch {
	case err == nil:
		view.Source = &source
	case !isRefusal(err):
		return err
	}
	partners, err := p.fleet.SwapPartners(v.context(), view.Cluster)
	view.CanSwap = len(partners) > 0
	return err
}
