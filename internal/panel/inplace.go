package panel

import (
	"context"
	"net/url"
	"strings"

	"tine/internal/fleet"
	"tine/internal/store"
)

// replacement is a way to give a cluster another state in place.
type replacement struct {
	name, participle string // of the path, and in sentences
	ofSource         bool   // whether the state is the source's, of which the latest can be chosen, too
	begin            func(ctx context.Context, id string, r fleet.RestoreRequest) (fleet.InPlace, error)
}

func (p *panel) restoring() replacement {
	return replacement{"restore", "restored", false, p.fleet.RestoreInPlace}
}

func (p *panel) resetting() replacement { return replacement{"reset", "reset", true, p.fleet.Reset} }

type inPlaceView struct {
	clusterView
	stateView
	Name string // of the replacement
}

// IsReset says whether the state is that of the cluster's source.
func (v inPlaceView) IsReset() bool { return v.Cluster.ID != v.Source.ID }

// askReplace asks for the state that the cluster is to get.
func (p *panel) askReplace(by replacement) handler {
	return func(v visit) (answer, error) {
		base, err := p.clusterPage(v, "history")
		if err != nil {
			return answer{}, err
		}
		f := form{values: url.Values{"state": {stateLatest}, "at": {milli(v.received)}}}
		if !by.ofSource {
			f.values.Set("state", statePoint)
		}
		f.chooseState(v.request.URL.Query())
		return p.replacePage(v, base, by, f)
	}
}

func (p *panel) replacePage(v visit, base clusterView, by replacement, f form) (answer, error) {
	view := inPlaceView{base, stateView{Form: f, Source: base.Cluster, NoLatest: !by.ofSource}, by.name}
	var err error
	if by.ofSource {
		if view.Source, err = p.fleet.ResetSource(v.context(), base.Cluster); err != nil {
			return answer{}, err
		}
	}
	view.Window, err = p.fleet.Window(v.context(), view.Source.ID)
	title := strings.ToUpper(by.name[:1]) + by.name[1:] + " " + base.Cluster.Name
	return answer{status: f.status(), page: "inplace", title: title, data: view}, err
}

// replace wants the name typed, as destroy does: clients are cut off, and see other data when they come back.
func (p *panel) replace(by replacement) handler {
	return func(v visit) (answer, error) {
		base, err := p.clusterPage(v, "history")
		if err != nil {
			return answer{}, err
		}
		state, f := sentForm(v.request).state()
		if f.Problem == "" && f.Value("state") == stateLatest && !by.ofSource {
			f = f.wrong("state", "Choose a state: a point in time, or a transaction.")
		}
		if f = f.confirmed(base.Cluster.Name, by.participle); f.Problem == "" {
			_, err = by.begin(v.context(), base.Cluster.ID, fleet.RestoreRequest{At: state.At, Before: state.Before, After: state.After, ReceivedAt: v.received})
			if err == nil {
				return redirect("/databases/" + base.Cluster.ID + "?done=" + by.name), nil
			}
			if f, err = f.refused(err); err != nil {
				return answer{}, err
			}
		}
		return p.replacePage(v, base, by, f.marking("state", "at", "transaction", "confirm"))
	}
}

type swapView struct {
	clusterView
	Form     form
	Partners []choice
}

func (p *panel) askSwap(v visit) (answer, error) {
	base, err := p.clusterPage(v, "history")
	if err != nil {
		return answer{}, err
	}
	return p.swapPage(v, base, form{})
}

func (p *panel) swapPage(v visit, base clusterView, f form) (answer, error) {
	partners, err := p.fleet.SwapPartners(v.context(), base.Cluster)
	view := swapView{clusterView: base, Form: f}
	for _, c := range partners {
		label := c.Name + kinship(base.Cluster, c)
		view.Partners = append(view.Partners, choice{Value: c.ID, Label: label, Selected: c.ID == f.Value("with")})
	}
	return answer{status: f.status(), page: "swap", title: "Swap " + base.Cluster.Name, data: view}, err
}

// kinship says in a list how another cluster is related to c.
func kinship(c, other store.Cluster) string {
	switch {
	case other.SourceID == c.ID:
		return " (its fork)"
	case other.ID == c.SourceID:
		return " (its source)"
	default:
		return ""
	}
}

func (p *panel) swap(v visit) (answer, error) {
	base, err := p.clusterPage(v, "history")
	if err != nil {
		return answer{}, err
	}
	f := sentForm(v.request).confirmed(base.Cluster.Name, "swapped")
	if f.Problem == "" {
		if err = p.fleet.Swap(v.context(), base.Cluster.ID, f.Value("with")); err == nil {
			return redirect("/databases/" + base.Cluster.ID + "?done=swap"), nil
		}
		if f, err = f.refused(err); err != nil {
			return answer{}, err
		}
	}
	return p.swapPage(v, base, f.marking("with", "confirm"))
}
