package panel

import (
	"tine/internal/store"
)

// progressView is how far the making of a cluster is.
type progressView struct {
	Cluster store.Cluster
	Phases  []phaseView
	// Reload says that the page around it changes when the cluster is online.
	Reload bool
}

type phaseView struct {
	Label string
	State string // done, now or next
}

// newProgress reads how far a cluster is from its row.
func newProgress(c store.Cluster, reload bool) *progressView {
	view := &progressView{Cluster: c, Reload: reload}
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
func (v progressView) Goes() bool {
	return v.Cluster.Status == store.StatusCreating || v.Cluster.Status == store.StatusForking
}

func (p *panel) showProgress(v visit) (answer, error) {
	c, err := p.fleet.Get(v.context(), v.id())
	if err != nil {
		return answer{}, err
	}
	reload := v.request.URL.Query().Get("reload") != ""
	return answer{
		page: "progress", part: "progress", reload: reload && c.Status != store.StatusCreating && c.Status != store.StatusForking,
		data: newProgress(c, reload),
	}, nil
}
