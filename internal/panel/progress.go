package panel

import (
	"math"
	"time"

	"tine/internal/store"
)

// progressView is how far the making of a cluster is, or its way to another region, or to other data.
type progressView struct {
	Cluster  store.Cluster
	Phases   []phaseView   // of the making
	Transfer *transferView // nil: nothing of it is being sent
	// Reload says that the page around it changes when the cluster is online.
	Reload bool
}

type phaseView struct {
	Label string
	State string // done, now or next
}

// transferView is how far a cluster is that is sent to another region.
type transferView struct {
	store.Transfer
}

// Percent is how much of it is sent, less than all until it is over.
func (v transferView) Percent() int64 {
	const all = 100
	if v.TotalBytes == 0 {
		return 0
	}
	return min(v.SentBytes*all/v.TotalBytes, all-1)
}

// TimeLeft is how long the rest takes, empty while nobody knows.
func (v transferView) TimeLeft() string {
	left, ok := v.Left()
	if !ok {
		return ""
	}
	return (time.Duration(math.Ceil(left.Seconds())) * time.Second).String()
}

// progressOf reads how far a cluster is.
func (p *panel) progressOf(v visit, c store.Cluster, reload bool) (*progressView, error) {
	view := newProgress(c, reload)
	t, err := p.fleet.Transfer(v.context(), c)
	if t != nil {
		view.Transfer = &transferView{*t}
	}
	return view, err
}

// newProgress reads how far the making of a cluster is from its row.
func newProgress(c store.Cluster, reload bool) *progressView {
	view := &progressView{Cluster: c, Reload: reload}
	if c.Status == store.StatusMigrating || c.IsExchanged() {
		return view
	}
	labels := []struct{ phase, created, forked string }{
		{"volume", "Make the volume", "Share the data of " + c.SourceName},
		{"node", "Start the node", "Start the node and bring it to the moment"},
		{"doadmin", "Set the password of doadmin", "Set the new password of doadmin"},
		{"durable", "Take the first restore point", "Take the first restore point"},
		{"gateway", "Open the cluster for clients", "Open the cluster for clients"},
	}
	done := c.Status != store.StatusCreating && c.Status != store.StatusForking
	at := -1
	for i, l := range labels {
		if l.phase == c.Phase {
			at = i
		}
	}
	for i, l := range labels {
		phase := phaseView{Label: l.created, State: "next"}
		if c.IsFork() {
			phase.Label = l.forked
		}
		switch {
		case done || i <= at:
			phase.State = "done"
		case i == at+1:
			phase.State = "now"
		}
		view.Phases = append(view.Phases, phase)
	}
	return view
}

// IsOnline says that clients can connect.
func (v progressView) IsOnline() bool { return v.Cluster.IsServed() }

// HasFailed says that the making was given up.
func (v progressView) HasFailed() bool { return v.Cluster.Status == store.StatusFailed }

// Goes says whether there is more to come.
func (v progressView) Goes() bool { return isUnderWay(v.Cluster) }

// Moves says that the cluster is on its way to another region.
func (v progressView) Moves() bool { return v.Cluster.Status == store.StatusMigrating }

// Exchanges says that the cluster gets other data.
func (v progressView) Exchanges() bool { return v.Cluster.IsExchanged() }

func isUnderWay(c store.Cluster) bool {
	return c.Status == store.StatusCreating || c.Status == store.StatusForking || c.Status == store.StatusMigrating || c.IsExchanged()
}

func (p *panel) showProgress(v visit) (answer, error) {
	c, err := p.fleet.Get(v.context(), v.id())
	if err != nil {
		return answer{}, err
	}
	reload := v.request.URL.Query().Get("reload") != ""
	view, err := p.progressOf(v, c, reload)
	return answer{page: "progress", part: "progress", reload: reload && !view.Goes(), data: view}, err
}
