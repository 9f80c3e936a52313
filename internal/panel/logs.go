package panel

import (
	"slices"

	"tine/internal/fleet"
)

// mostLines is how many of a log's newest lines are shown.
const mostLines = 300

type logsView struct {
	clusterView
	Lines []fleet.LogLine // newest first
}

func (p *panel) showLogs(v visit) (answer, error) {
	base, err := p.clusterPage(v, "logs")
	if err != nil {
		return answer{}, err
	}
	view := logsView{clusterView: base}
	if view.Lines, err = p.fleet.Logs(v.context(), base.Cluster.ID, mostLines); err != nil {
		return answer{}, err
	}
	slices.Reverse(view.Lines)
	return answer{page: "logs", title: "Logs of " + base.Cluster.Name, data: view}, nil
}
