package panel

import (
	"net/url"
	"strings"
	"time"

	"tine/internal/fleet"
	"tine/internal/store"
)

// What the input "state" can be.
const (
	stateLatest = "latest"
	statePoint  = "point"
)

type forkView struct {
	Form    form
	Source  store.Cluster
	Window  fleet.Window
	Choices choices
	Price   price
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
		"state": {stateLatest}, "size": {source.Size}, "name": {name},
		"at": {milli(v.received)}, // a moment that can be chosen, to be edited
	}}
	if at := v.request.URL.Query().Get("at"); at != "" {
		f.values.Set("state", statePoint)
		f.values.Set("at", at)
	}
	return p.forkPage(v, f, source)
}

func (p *panel) forkPage(v visit, f form, source store.Cluster) (answer, error) {
	h, err := p.fleet.History(v.context(), source.ID)
	if err != nil {
		return answer{}, err
	}
	storage, _ := f.storage()
	if storage == 0 {
		storage = source.StorageMiB
	}
	return answer{status: f.status(), page: "fork", title: "Fork " + source.Name, data: forkView{
		Form: f, Source: source, Window: h.Window, Choices: p.choices(f), Price: p.priceOf(f.Value("size"), source.NumNodes, storage),
	}}, nil
}

func (p *panel) fork(v visit) (answer, error) {
	source, err := p.fleet.Get(v.context(), v.id())
	if err != nil {
		return answer{}, err
	}
	f := sentForm(v.request)
	if f.Value("action") == actionPrice {
		_, f = f.storage()
		return p.forkPage(v, f, source)
	}
	request, f := forkRequest(f, source)
	if f.Problem != "" {
		return p.forkPage(v, f, source)
	}
	request.ReceivedAt = v.received
	created, err := p.fleet.Create(v.context(), request)
	if err == nil {
		return createdPage(created), nil
	}
	if f, err = f.refused(err); err != nil {
		return answer{}, err
	}
	return p.forkPage(v, f, source)
}

// forkRequest reads the form, which comes back with the problem if it cannot be read.
func forkRequest(f form, source store.Cluster) (fleet.CreateRequest, form) {
	from := &fleet.Source{ID: source.ID}
	switch f.Value("state") {
	case stateLatest:
	case statePoint:
		at, read := f.moment()
		if read.Problem != "" {
			return fleet.CreateRequest{}, read
		}
		from.At = &at
	default:
		return fleet.CreateRequest{}, f.wrong("state", "Choose a state: the latest transaction, or a point in time.")
	}
	storage, f := f.storage()
	return fleet.CreateRequest{
		Name: strings.TrimSpace(f.Value("name")), Engine: engine, Size: f.Value("size"), StorageMiB: storage,
		Source: from,
	}, f
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

// IsPoint says whether a point in time is chosen.
func (v forkView) IsPoint() bool { return v.Form.Value("state") == statePoint }

// HasHistory says whether there is any point in time to choose.
func (v forkView) HasHistory() bool { return !v.Window.Empty() }

// Earliest is the beginning of the window, in whole milliseconds that are inside of it.
func (v forkView) Earliest() time.Time {
	return v.Window.From.Add(time.Millisecond - 1).Truncate(time.Millisecond)
}
