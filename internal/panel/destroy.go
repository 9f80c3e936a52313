package panel

import (
	"strings"

	"tine/internal/store"
)

type destroyView struct {
	Form    form
	Cluster store.Cluster
}

func (p *panel) askDestroy(v visit) (answer, error) {
	c, err := p.fleet.Get(v.context(), v.id())
	if err != nil {
		return answer{}, err
	}
	return destroyPage(form{}, c), nil
}

func destroyPage(f form, c store.Cluster) answer {
	return answer{status: f.status(), page: "destroy", title: "Destroy " + c.Name, data: destroyView{Form: f, Cluster: c}}
}

// destroy wants the name typed. That is no rule about clusters but a question to a person, which programs are not asked.
func (p *panel) destroy(v visit) (answer, error) {
	c, err := p.fleet.Get(v.context(), v.id())
	if err != nil {
		return answer{}, err
	}
	f := sentForm(v.request)
	if strings.TrimSpace(f.Value("name")) != c.Name {
		f = f.wrong("name", "Type the name of the cluster, %s, to confirm. Nothing was destroyed.", c.Name)
		return destroyPage(f, c), nil
	}
	if err := p.fleet.Destroy(v.context(), c.ID); err != nil {
		return answer{}, err
	}
	return redirect(homePath), nil
}
