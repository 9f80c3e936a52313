package panel

import (
	"net/http"
	"net/url"
	"strings"

	"tine/internal/fleet"
)

// engine is the one there is.
const engine = "mongodb"

// actionPrice is what the button sends that only asks for the price.
const actionPrice = "price"

type createView struct {
	Form    form
	Choices choices
	Price   price
}

func (p *panel) askCreate(visit) (answer, error) {
	catalog := p.fleet.Catalog()
	f := form{values: url.Values{"version": {catalog.DefaultVersion}}}
	if len(catalog.Plans) > 0 {
		f.values.Set("size", catalog.Plans[0].Slug)
	}
	if len(catalog.Regions) > 0 {
		f.values.Set("region", catalog.Regions[0].Slug)
	}
	return p.createPage(f), nil
}

func (p *panel) createPage(f form) answer {
	storage, _ := f.storage()
	return answer{status: f.status(), page: "create", title: "Create a database cluster", data: createView{
		Form: f, Choices: p.choices(f), Price: p.priceOf(f.Value("size"), p.nodes(), storage),
	}}
}

// nodes is how many nodes a new cluster has: the least that can be had.
func (p *panel) nodes() int {
	if counts := p.fleet.Catalog().NodeCounts; len(counts) > 0 {
		return counts[0]
	}
	return 1
}

func (p *panel) create(v visit) (answer, error) {
	f := sentForm(v.request)
	storage, f := f.storage()
	if f.Problem != "" || f.Value("action") == actionPrice {
		return p.createPage(f), nil
	}
	created, err := p.fleet.Create(v.context(), fleet.CreateRequest{
		Name: strings.TrimSpace(f.Value("name")), Engine: engine, Version: f.Value("version"), Region: f.Value("region"),
		Size: f.Value("size"), NumNodes: p.nodes(), StorageMiB: storage, ReceivedAt: v.received,
	})
	if err != nil {
		f, err = f.refused(err)
		return p.createPage(f), err
	}
	return createdPage(created), nil
}

// createdPage is the only one that ever shows the password. It answers the form itself, so that the password need not be kept for a moment.
func createdPage(created fleet.Created) answer {
	return answer{status: http.StatusCreated, page: "created", made: created.Cluster.ID, title: created.Cluster.Name, data: created}
}
