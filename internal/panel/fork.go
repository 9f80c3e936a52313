package panel

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tine/internal/fleet"
	"tine/internal/store"
)

type forkView struct {
	stateView
	Choices choices
	Summary summary
}

// summary is what the button will do, and what that costs.
type summary struct {
	Price    price
	Estimate *fleet.Estimate // nil: it is not known
	// Checked says that nothing is wrong with the form as it is.
	Checked bool
}

func (p *panel) askFork(v visit) (answer, error) {
	source, err := p.fleet.Get(v.context(), v.id())
	if err != nil {
		return answer{}, err
	}
	name, err := p.freeName(v, source.Name)
	if err != nil {
		return answer{}, err
	}
	f := form{values: url.Values{
		"state": {stateLatest}, "size": {source.Size}, "name": {name}, "nodes": {strconv.Itoa(source.NumNodes)}, "region": {source.Region},
		"loaded": {micro(v.received)},
		"at":     {milli(v.received)}, // a moment that can be chosen, to be edited
	}}
	query := v.request.URL.Query()
	for _, name := range []string{"view_from", "view_to"} {
		f.values.Set(name, query.Get(name))
	}
	f.chooseState(query)
	return p.forkPage(v, f, source)
}

// previewFork shows the form again as it would be answered, and makes nothing: all of the page, or the part that a script asks for.
func (p *panel) previewFork(v visit) (answer, error) {
	source, err := p.fleet.Get(v.context(), v.id())
	if err != nil {
		return answer{}, err
	}
	f := sentForm(v.request)
	if pick := f.Value("pick"); pick != "" {
		f.values.Set("state", statePoint)
		f.values.Set("at", pick)
	}
	if f.Value("action") == "refresh" {
		f.values.Set("loaded", micro(v.received))
	}
	a, err := p.forkPage(v, f, source)
	switch v.part() {
	case "summary", "timeline":
		a.part = v.part()
	}
	a.status = 0 // it was asked what is wrong: saying so is no failure
	return a, err
}

func (p *panel) forkPage(v visit, f form, source store.Cluster) (answer, error) {
	h, err := p.fleet.History(v.context(), source.ID)
	if err != nil {
		return answer{}, err
	}
	view := forkView{stateView: stateView{Form: f, Source: source, Window: h.Window}, Choices: p.choices(f)}
	if view.Choices.Groups, err = p.forkPlans(v, f, source); err != nil {
		return answer{}, err
	}
	if err := p.foresee(v, &view); err != nil {
		return answer{}, err
	}
	if view.HasHistory() {
		view.Loaded = view.Window.To
		if at, ok := parseMoment(f.Value("loaded")); ok {
			view.Loaded = at
		}
	}
	if view.HasHistory() && v.part() != "summary" {
		if err := p.drawTimeline(v, &view, h); err != nil {
			return answer{}, err
		}
	}
	return answer{status: view.Form.status(), page: "fork", title: "Fork " + source.Name, data: view}, nil
}

// drawTimeline draws the part of the history that the form says, with its handle.
func (p *panel) drawTimeline(v visit, view *forkView, h fleet.History) error {
	s := stretchFrom(view.Form.values, h.Window)
	at, _ := parseMoment(view.Form.Value("at"))
	if action, ok := strings.CutPrefix(view.Form.Value("action"), "zoom-"); ok {
		s = s.moved(action, at, h.Window)
	}
	t, err := p.timeline(v, view.Source, h, s)
	t.At = at
	view.Timeline = &t
	return err
}

// foresee finds out what the form would lead to. What is already known to be wrong with it stays.
func (p *panel) foresee(v visit, view *forkView) error {
	request, f := forkRequest(view.Form, view.Source, v.received)
	if view.Form.Problem == "" {
		view.Form = f
	}
	storage := request.StorageMiB
	if f.Problem == "" {
		would, err := p.fleet.Check(v.context(), request)
		if err == nil {
			view.Summary.Checked, storage = true, would.StorageMiB
		} else if f, err = f.refused(err); err != nil {
			return err
		} else if view.Form.Problem == "" && v.request.Method != http.MethodGet {
			view.Form = f
		}
	}
	if storage == 0 {
		storage = view.Source.StorageMiB
	}
	view.Summary.Price = p.priceOf(view.Form.Value("size"), view.Source.NumNodes, storage)
	return p.estimate(v, view, request)
}

// estimate asks how long the fork will take. That it cannot be told is no failure.
func (p *panel) estimate(v visit, view *forkView, request fleet.CreateRequest) error {
	if !view.Source.IsServed() || request.Source == nil || view.IsTransaction() {
		return nil
	}
	var at time.Time
	if request.Source.At != nil {
		at = *request.Source.At
	}
	e, err := p.fleet.ForkEstimate(v.context(), view.Source.ID, at, request.Region)
	if isRefusal(err) {
		return nil
	}
	view.Summary.Estimate = &e
	return err
}

func (p *panel) fork(v visit) (answer, error) {
	source, err := p.fleet.Get(v.context(), v.id())
	if err != nil {
		return answer{}, err
	}
	request, f := forkRequest(sentForm(v.request), source, v.received)
	if f.Problem != "" {
		return p.forkPage(v, f, source)
	}
	created, err := p.fleet.Create(v.context(), request)
	if err == nil {
		return createdPage(v, created), nil
	}
	if f, err = f.refused(err); err != nil {
		return answer{}, err
	}
	return p.forkPage(v, f, source)
}

// forkRequest reads the form, which comes back with the problem if it cannot be read.
func forkRequest(f form, source store.Cluster, received time.Time) (fleet.CreateRequest, form) {
	from, f := f.state()
	if f.Problem != "" {
		return fleet.CreateRequest{}, f
	}
	from.ID = source.ID
	storage, f := f.storage()
	if f.Problem != "" {
		return fleet.CreateRequest{}, f
	}
	end, f := f.end(received)
	if f.Problem != "" {
		return fleet.CreateRequest{}, f
	}
	request := fleet.CreateRequest{
		Name: strings.TrimSpace(f.Value("name")), Engine: engine, Size: f.Value("size"), StorageMiB: storage, Region: f.Value("region"), Source: &from,
		ExpiresAt: end, ReceivedAt: received,
	}
	request.NumNodes, _ = strconv.Atoi(f.Value("nodes"))
	return request, f
}

// forkPlans are the plans that can hold the source's data; the others say why they cannot.
func (p *panel) forkPlans(v visit, f form, source store.Cluster) ([]planGroup, error) {
	offers, err := p.fleet.ForkPlans(v.context(), source.ID)
	return groupPlans(offers, f.Value("size")), err
}

// freeName suggests a name for a fork.
func (p *panel) freeName(v visit, source string) (string, error) {
	const longest = 63
	for _, layout := range []string{"1504", "150405"} {
		suffix := "-fork-" + v.received.UTC().Format(layout)
		name := source[:min(len(source), longest-len(suffix))] + suffix
		found, err := p.fleet.Find(v.context(), name)
		if err != nil {
			return "", err
		}
		if len(found) == 0 {
			return name, nil
		}
	}
	return "", nil // whoever forks twice a second finds a name
}

// OneNode says whether clusters can have one node only.
func (c choices) OneNode() bool { return len(c.counts) < 2 }

// OneRegion says whether there is one region only.
func (c choices) OneRegion() bool { return len(c.Regions) < 2 }

// Standby lists the numbers of standby nodes that there could be.
func (c choices) Standby() []choice {
	labels := []string{"No standby nodes", "1 standby node", "2 standby nodes"}
	list := make([]choice, len(labels))
	for i, label := range labels {
		list[i] = choice{Value: strconv.Itoa(i + 1), Label: label, Selected: i+1 == c.nodes, Unavailable: !slices.Contains(c.counts, i+1)}
	}
	return list
}
