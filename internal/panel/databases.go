package panel

import (
	"strconv"

	"tine/internal/store"
)

// perPage is how many clusters a page of the list has.
const perPage = 100

type listView struct {
	Clusters []listRow
	Total    int
	Previous int // number of the page; 0: there is none
	Next     int
}

type listRow struct {
	store.Cluster
	Price price
}

func (p *panel) listDatabases(v visit) (answer, error) {
	number, err := strconv.Atoi(v.request.URL.Query().Get("page"))
	const beyondAll = 1_000_000
	if err != nil || number < 1 || number > beyondAll {
		number = 1
	}
	// Those being destroyed are shown: until that is complete they have their name.
	clusters, total, err := p.fleet.List(v.context(), store.Page{Number: number, Size: perPage, WithDestroying: true})
	if err != nil {
		return answer{}, err
	}
	view := listView{Total: total, Previous: number - 1}
	for _, c := range clusters {
		view.Clusters = append(view.Clusters, listRow{Cluster: c, Price: p.priceOf(c.Size, c.NumNodes, c.StorageMiB)})
	}
	if number*perPage < total {
		view.Next = number + 1
	}
	return answer{page: "databases", title: "Databases", data: view}, nil
}
