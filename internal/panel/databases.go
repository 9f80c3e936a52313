package panel

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tine/internal/store"
)

const (
	// perPage is how many clusters a page of the list has.
	perPage = 50
	// mostListed bounds how many clusters the list looks at. Forks are shown below their sources, for which all must be known.
	mostListed = 20_000
	// deepest is how far forks of forks are indented.
	deepest = 6
)

type listView struct {
	Rows     []listRow
	Total    int // of all clusters
	Found    int
	Search   string
	Tag      string
	Tags     []choice
	Previous string // path; empty: there is none
	Next     string
	Monthly  float64 // of what was found
}

type listRow struct {
	store.Cluster
	Depth int
	Forks int // how many clusters were forked from it and are there
	Price price
	Used  int64 // bytes of data; 0 if they are not known
}

// UsedPercent is how much of the storage is in use.
func (r listRow) UsedPercent() int64 {
	const mib, percent = 1 << 20, 100
	if r.StorageMiB == 0 {
		return 0
	}
	return min(r.Used*percent/(r.StorageMiB*mib), percent)
}

// IsOnline says whether forks can be made.
func (r listRow) IsOnline() bool { return r.IsServed() }

// IsLeaving says whether the cluster is being destroyed.
func (r listRow) IsLeaving() bool { return r.Status == store.StatusDestroying }

func (p *panel) listDatabases(v visit) (answer, error) {
	query := v.request.URL.Query()
	view := listView{Search: shortened(strings.TrimSpace(query.Get("q"))), Tag: query.Get("tag")}
	// Those being destroyed are shown: until that is complete they have their name.
	clusters, total, err := p.fleet.List(v.context(), store.Page{Number: 1, Size: mostListed, WithDestroying: true})
	if err != nil {
		return answer{}, err
	}
	view.Total = total
	rows := lineage(clusters, view.matches)
	for i, row := range rows {
		rows[i].Price = p.priceOf(row.Size, row.NumNodes, row.StorageMiB)
		if row.Status != store.StatusFailed && !row.IsLeaving() {
			view.Monthly += rows[i].Price.Monthly
		}
	}
	view.Found = len(rows)
	view.turnTo(query, rows)
	if err := p.fillIn(v, view.Rows); err != nil {
		return answer{}, err
	}
	if view.Tags, err = p.tagChoices(v, view.Tag); err != nil {
		return answer{}, err
	}
	a := answer{page: "databases", title: "Databases", data: view}
	if v.part() == "clusters" {
		a.part = "clusters"
	}
	return a, nil
}

func (view listView) matches(c store.Cluster) bool {
	if view.Tag != "" && !slices.Contains(c.Tags, view.Tag) {
		return false
	}
	return view.Search == "" || strings.Contains(c.Name, strings.ToLower(view.Search)) || c.ID == view.Search
}

// turnTo selects the rows of one page.
func (view *listView) turnTo(query url.Values, rows []listRow) {
	number, err := strconv.Atoi(query.Get("page"))
	if err != nil || number < 1 || number > mostListed {
		number = 1
	}
	pathOf := func(number int) string {
		return homePath + "?" + url.Values{"q": {view.Search}, "tag": {view.Tag}, "page": {strconv.Itoa(number)}}.Encode()
	}
	first := min((number-1)*perPage, len(rows))
	last := min(first+perPage, len(rows))
	view.Rows = rows[first:last]
	if number > 1 {
		view.Previous = pathOf(number - 1)
	}
	if last < len(rows) {
		view.Next = pathOf(number + 1)
	}
}

// fillIn looks up what only the rows of a page need.
func (p *panel) fillIn(v visit, rows []listRow) error {
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	used, err := p.fleet.StorageInUse(v.context(), ids)
	for i := range rows {
		rows[i].Used = used[rows[i].ID]
	}
	return err
}

func (p *panel) tagChoices(v visit, chosen string) ([]choice, error) {
	tags, err := p.fleet.Tags(v.context())
	list := make([]choice, 0, len(tags))
	for _, t := range tags {
		list = append(list, choice{Value: t.Name, Label: t.Name, Selected: t.Name == chosen})
	}
	return list, err
}

// lineage puts the clusters that are wanted into the order of a tree: by name, the forks of each below it. A fork whose source is gone, or
// not wanted, stands for itself.
func lineage(clusters []store.Cluster, wanted func(store.Cluster) bool) []listRow {
	present := map[string]bool{}
	for _, c := range clusters {
		present[c.ID] = wanted(c)
	}
	children := map[string][]store.Cluster{}
	forks := map[string]int{}
	for _, c := range clusters {
		forks[c.SourceID]++
		switch {
		case !present[c.ID]:
		case present[c.SourceID]:
			children[c.SourceID] = append(children[c.SourceID], c)
		default:
			children[""] = append(children[""], c)
		}
	}
	rows := make([]listRow, 0, len(clusters))
	var add func(list []store.Cluster, depth int)
	add = func(list []store.Cluster, depth int) {
		slices.SortFunc(list, func(a, b store.Cluster) int { return strings.Compare(a.Name, b.Name) })
		for _, c := range list {
			rows = append(rows, listRow{Cluster: c, Depth: min(depth, deepest), Forks: forks[c.ID]})
			add(children[c.ID], depth+1)
		}
	}
	add(children[""], 0)
	return rows
}
