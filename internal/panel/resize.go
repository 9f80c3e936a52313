package panel

import (
	"net/url"
	"strconv"

	"tine/internal/fleet"
)

type resizeView struct {
	clusterView
	Form    form
	Choices choices
	Summary summary
}

func (p *panel) askResize(v visit) (answer, error) {
	base, err := p.clusterPage(v, "settings")
	if err != nil {
		return answer{}, err
	}
	const mibPerGiB = 1024
	return p.resizePage(base, form{values: url.Values{
		"size": {base.Cluster.Size}, "storage": {strconv.FormatInt(base.Cluster.StorageMiB/mibPerGiB, 10)},
	}}), nil
}

func (p *panel) resizePage(base clusterView, f form) answer {
	view := resizeView{clusterView: base, Form: f, Choices: p.choices(f)}
	view.Choices.Groups = groupPlans(p.fleet.ResizePlans(base.Cluster), f.Value("size"))
	storage, _ := f.storage()
	view.Summary.Price = p.priceOf(f.Value("size"), base.Cluster.NumNodes, storage)
	return answer{status: f.status(), page: "resize", title: "Resize " + base.Cluster.Name, data: view}
}

func (p *panel) previewResize(v visit) (answer, error) {
	base, err := p.clusterPage(v, "settings")
	if err != nil {
		return answer{}, err
	}
	_, f := sentForm(v.request).storage()
	a := p.resizePage(base, f)
	a.status = 0
	if v.part() == "summary" {
		a.part = "summary"
	}
	return a, nil
}

func (p *panel) resize(v visit) (answer, error) {
	base, err := p.clusterPage(v, "settings")
	if err != nil {
		return answer{}, err
	}
	storage, f := sentForm(v.request).storage()
	if f.Problem != "" {
		return p.resizePage(base, f), nil
	}
	err = p.fleet.Resize(v.context(), base.Cluster.ID, fleet.ResizeRequest{
		Size: f.Value("size"), NumNodes: base.Cluster.NumNodes, StorageMiB: storage,
	})
	if err != nil {
		f, err = f.refused(err)
		return p.resizePage(base, f), err
	}
	return redirect("/databases/" + base.Cluster.ID + "?done=resize"), nil
}
