package panel

import (
	"tine/internal/store"
)

// mostEvents is how many of a cluster's newest events are shown.
const mostEvents = 200

type eventsView struct {
	clusterView
	Events []store.Event // newest first
}

func (p *panel) newestEvents(v visit, most int) ([]store.Event, error) {
	events, err := p.fleet.Events(v.context(), v.id())
	return newest(events, most), err
}

func (p *panel) showEvents(v visit) (answer, error) {
	base, err := p.clusterPage(v, "events")
	if err != nil {
		return answer{}, err
	}
	view := eventsView{clusterView: base}
	view.Events, err = p.newestEvents(v, mostEvents)
	return answer{page: "events", title: "Events of " + base.Cluster.Name, data: view}, err
}
