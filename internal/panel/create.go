package panel

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"tine/internal/fleet"
	"tine/internal/store"
)

// engine is the one there is.
const engine = "mongodb"

type createView struct {
	Form    form
	Choices choices
	Summary summary
	Address string // of the visitor
}

func (p *panel) askCreate(v visit) (answer, error) {
	catalog := p.fleet.Catalog()
	f := form{values: url.Values{"version": {catalog.DefaultVersion}, "nodes": {"1"}}}
	if len(catalog.Plans) > 0 {
		f.values.Set("size", catalog.Plans[0].Slug)
	}
	if len(catalog.Regions) > 0 {
		f.values.Set("region", catalog.Regions[0].Slug)
	}
	return p.createPage(v, f), nil
}

func (p *panel) createPage(v visit, f form) answer {
	view := createView{Form: f, Choices: p.choices(f), Address: v.address()}
	view.Choices.Groups = groupPlans(p.fleet.Plans(), f.Value("size"))
	storage, _ := f.storage()
	view.Summary.Price = p.priceOf(f.Value("size"), p.nodes(), storage)
	return answer{status: f.status(), page: "create", title: "Create a database cluster", data: view}
}

// previewCreate shows the form again as it would be answered, and makes nothing.
func (p *panel) previewCreate(v visit) (answer, error) {
	request, f := p.createRequest(v)
	if f.Problem == "" {
		if _, err := p.fleet.Check(v.context(), request); err != nil {
			if f, err = f.refused(err); err != nil {
				return answer{}, err
			}
		}
	}
	a := p.createPage(v, f)
	a.status = 0
	if v.part() == "summary" {
		a.part = "summary"
	}
	return a, nil
}

// nodes is how many nodes a new cluster has: the least that can be had.
func (p *panel) nodes() int {
	if counts := p.fleet.Catalog().NodeCounts; len(counts) > 0 {
		return counts[0]
	}
	return 1
}

func (p *panel) createRequest(v visit) (fleet.CreateRequest, form) {
	storage, f := sentForm(v.request).storage()
	var end *time.Time
	if f.Problem == "" {
		end, f = f.end(v.received)
	}
	request := fleet.CreateRequest{
		Name: strings.TrimSpace(f.Value("name")), Engine: engine, Version: f.Value("version"), Region: f.Value("region"),
		Size: f.Value("size"), NumNodes: p.nodes(), StorageMiB: storage, ReceivedAt: v.received, Tags: words(f.Value("tags")),
		ExpiresAt: end,
	}
	for _, source := range words(f.Value("sources")) {
		request.Rules = append(request.Rules, fleet.SourceRule{Type: store.AddressSource, Value: source})
	}
	return request, f
}

// words splits a list of what has no blanks and commas in it.
func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' })
}

func (p *panel) create(v visit) (answer, error) {
	request, f := p.createRequest(v)
	if f.Problem != "" {
		return p.createPage(v, f), nil
	}
	created, err := p.fleet.Create(v.context(), request)
	if err != nil {
		f, err = f.refused(err)
		return p.createPage(v, f), err
	}
	return createdPage(v, created), nil
}

type createdView struct {
	fleet.Created
	Progress *progressView
	// Shown says whether the visitor may see the password. Who may not resets it with a token that may.
	Shown bool
}

// createdPage is the only one that ever shows the password. It answers the form itself, so that the password need not be kept for a moment.
func createdPage(v visit, created fleet.Created) answer {
	view := createdView{Created: created, Progress: newProgress(created.Cluster, false), Shown: v.token.Allows(store.ScopeViewCredentials)}
	if !view.Shown {
		view.Password, view.Connection.Password, view.Connection.URI = "", "", ""
	}
	return answer{status: http.StatusCreated, page: "created", made: created.Cluster.ID, title: created.Cluster.Name, data: view}
}
