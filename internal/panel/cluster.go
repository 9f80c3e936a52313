package panel

import (
	"net/http"
	"slices"

	"tine/internal/fleet"
	"tine/internal/store"
)

// refreshEvery is how often, in seconds, the page of a cluster that is being made asks again in a browser without scripts.
const refreshEvery = 2

// clusterView is what all pages of a cluster show.
type clusterView struct {
	Cluster store.Cluster
	Price   price
	Tab     string // which of the pages it is
	Making  *progressView
}

// clusterPage begins a page about the cluster of the visit's path.
func (p *panel) clusterPage(v visit, tab string) (clusterView, error) {
	c, err := p.fleet.Get(v.context(), v.id())
	if err != nil {
		return clusterView{}, err
	}
	view := p.viewOf(c, tab)
	if isUnderWay(c) {
		view.Making, err = p.progressOf(v, c, true)
	}
	return view, err
}

func (p *panel) viewOf(c store.Cluster, tab string) clusterView {
	return clusterView{
		Cluster: c, Price: p.priceOf(c.Size, c.NumNodes, c.StorageMiB), Tab: tab,
	}
}

// InTheMaking says whether the cluster will be online without anyone's doing.
func (v clusterView) InTheMaking() bool {
	return v.Cluster.Status == store.StatusCreating || v.Cluster.Status == store.StatusForking
}

// IsOnline says whether clients can connect, and forks be made.
func (v clusterView) IsOnline() bool { return v.Cluster.IsServed() }

// IsChanging says whether it is resized; what else takes its time shows how far it is.
func (v clusterView) IsChanging() bool {
	return v.IsOnline() && v.Cluster.Status != store.StatusOnline && v.Making == nil
}

// IsLeaving says whether the cluster is being destroyed.
func (v clusterView) IsLeaving() bool { return v.Cluster.Status == store.StatusDestroying }

// doneInWords says what a form did that led to the page. The address has its name and nothing that anybody could choose.
func doneInWords(name string) string {
	return map[string]string{
		"source":      "The trusted sources were changed. They hold for new connections at once.",
		"maintenance": "The maintenance window was changed.",
		"update":      "The node is being started again on the newest engine.",
		"region":      "The cluster is being migrated. It stays in use meanwhile, but for a moment at the end.",
		"version":     "The version was changed. Clients connect again by themselves.",
		"autoscale":   "The growth of the storage was changed.",
		"config":      "The configuration was changed. It is in force.",
		"suspension":  "The time after which the cluster is suspended was changed.",
		"suspend":     "The cluster is suspended as soon as nobody uses it; its events tell.",
		"tag":         "The tags were changed.",
		"sink":        "The log sinks were changed.",
		"user":        "The user was changed.",
		"user-gone":   "The user was deleted, and its connections were closed.",
		"db":          "The database was created.",
		"db-gone":     "The database was deleted.",
		"ttl-on":      "TTL indexes were turned on: they delete what has expired.",
		"ttl-off":     "TTL indexes were turned off: they delete nothing any more.",
		"expiry":      "When the cluster expires was changed.",
		"restore":     "The cluster is being restored. Its state before is kept as a cluster of its own.",
		"reset":       "The cluster is being reset. Its state before is kept as a cluster of its own.",
		"swap":        "The clusters exchange their data. Clients connect again by themselves.",
		"resize":      "The cluster is being resized. It stays in use meanwhile.",
		"revoked":     "The token was revoked. It ended at once, and so did the sessions it began.",
	}[name]
}

type overviewView struct {
	clusterView
	Connection fleet.Connection
	HasCA      bool
	Used       int64
	Space      store.ClusterSpace
	Window     fleet.Window
	Forks      []store.Cluster
	Events     []store.Event // newest first
}

// UsedPercent is how much of the storage is in use.
func (v overviewView) UsedPercent() int64 {
	return listRow{Cluster: v.Cluster, Used: v.Used}.UsedPercent()
}

func (p *panel) showDatabase(v visit) (answer, error) {
	base, err := p.clusterPage(v, "overview")
	if isNotFound(err) {
		return p.goneDatabase(v, err)
	}
	if err != nil {
		return answer{}, err
	}
	view := overviewView{clusterView: base, Connection: p.fleet.Connection(base.Cluster, "")}
	if err := p.fillOverview(v, &view); err != nil {
		return answer{}, err
	}
	a := answer{page: "cluster", title: base.Cluster.Name, data: view}
	if view.InTheMaking() {
		a.refresh = refreshEvery
	}
	return a, nil
}

func (p *panel) fillOverview(v visit, view *overviewView) error {
	id := view.Cluster.ID
	used, err := p.fleet.StorageInUse(v.context(), []string{id})
	if err != nil {
		return err
	}
	view.Used = used[id]
	if view.Space, err = p.fleet.Space(v.context(), id); err != nil {
		return err
	}
	if view.Window, err = p.fleet.Window(v.context(), id); err != nil {
		return err
	}
	if view.Forks, err = p.fleet.Forks(v.context(), id); err != nil {
		return err
	}
	const shown = 5
	if view.Events, err = p.newestEvents(v, shown); err != nil {
		return err
	}
	ca, err := p.fleet.CA(v.context(), id)
	view.HasCA = len(ca) > 0
	if isNotFound(err) {
		err = nil // clients need none
	}
	return err
}

// goneDatabase shows what happened to a cluster that is no more, as long as that is known.
func (p *panel) goneDatabase(v visit, notFound error) (answer, error) {
	events, err := p.newestEvents(v, mostEvents)
	if isNotFound(err) || err == nil && len(events) == 0 {
		return answer{}, notFound
	}
	if err != nil {
		return answer{}, err
	}
	return answer{
		status: http.StatusNotFound, page: "gone", title: events[0].ClusterName + " is gone", data: eventsView{Events: events},
	}, nil
}

// downloadCA hands out the certificate that clients have to trust.
func (p *panel) downloadCA(v visit) (answer, error) {
	text, err := p.fleet.CA(v.context(), v.id())
	return answer{file: text, name: "ca.crt"}, err
}

// newest returns the last items of a list, the very last first.
func newest[T any](list []T, most int) []T {
	list = slices.Clone(list[max(0, len(list)-most):])
	slices.Reverse(list)
	return list
}
