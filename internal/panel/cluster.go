package panel

import (
	"net/http"
	"slices"
	"time"

	"tine/internal/fleet"
	"tine/internal/store"
)

const (
	// mostPoints and mostEvents are how many of a cluster's newest restore points and events its page shows.
	mostPoints, mostEvents = 10, 50
	// refreshEvery is how often, in seconds, the page of a cluster that is being made asks again.
	refreshEvery = 2
)

type clusterView struct {
	Cluster    store.Cluster
	Price      price
	Connection fleet.Connection
	Window     fleet.Window
	Points     []store.RestorePoint // newest first
	MorePoints int
	Events     []store.Event // newest first
}

func (p *panel) showDatabase(v visit) (answer, error) {
	c, err := p.fleet.Get(v.context(), v.id())
	if isNotFound(err) {
		return p.goneDatabase(v, err)
	}
	if err != nil {
		return answer{}, err
	}
	events, err := p.newestEvents(v)
	if err != nil {
		return answer{}, err
	}
	h, err := p.fleet.History(v.context(), c.ID)
	if err != nil {
		return answer{}, err
	}
	view := clusterView{
		Cluster: c, Price: p.priceOf(c.Size, c.NumNodes, c.StorageMiB), Connection: p.fleet.Connection(c, ""),
		Window: h.Window, Points: newest(h.RestorePoints, mostPoints), Events: events,
	}
	view.MorePoints = len(h.RestorePoints) - len(view.Points)
	a := answer{page: "cluster", title: c.Name, data: view}
	if view.InTheMaking() {
		a.refresh = refreshEvery
	}
	return a, nil
}

// goneDatabase shows what happened to a cluster that is no more, as long as that is known.
func (p *panel) goneDatabase(v visit, notFound error) (answer, error) {
	events, err := p.newestEvents(v)
	if isNotFound(err) || err == nil && len(events) == 0 {
		return answer{}, notFound
	}
	if err != nil {
		return answer{}, err
	}
	return answer{
		status: http.StatusNotFound, page: "gone", title: events[0].ClusterName + " is gone", data: clusterView{Events: events},
	}, nil
}

func (p *panel) newestEvents(v visit) ([]store.Event, error) {
	events, err := p.fleet.Events(v.context(), v.id())
	return newest(events, mostEvents), err
}

// newest returns the last items of a list, the very last first.
func newest[T any](list []T, most int) []T {
	list = slices.Clone(list[max(0, len(list)-most):])
	slices.Reverse(list)
	return list
}

// InTheMaking says whether the cluster will be online without anyone's doing.
func (v clusterView) InTheMaking() bool {
	return v.Cluster.Status == store.StatusCreating || v.Cluster.Status == store.StatusForking
}

// IsOnline says whether clients can connect, and forks be made.
func (v clusterView) IsOnline() bool { return v.Cluster.Status == store.StatusOnline }

// IsLeaving says whether the cluster is being destroyed.
func (v clusterView) IsLeaving() bool { return v.Cluster.Status == store.StatusDestroying }

// HasHistory says whether there is any point in time to fork at.
func (v clusterView) HasHistory() bool { return !v.Window.Empty() }

// ForkAt is how a restore point's moment is handed to the page that forks: no earlier than the point.
func (v clusterView) ForkAt(p store.RestorePoint) string {
	return micro(p.CompletedAt.Add(time.Microsecond - 1))
}
