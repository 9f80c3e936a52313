package panel

import (
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tine/internal/fleet"
	"tine/internal/store"
)

type settingsView struct {
	clusterView
	Form     form
	Config   fleet.Configuration
	Sinks    []fleet.LogSink
	Address  string // of the visitor
	Versions []choice
	Regions  []choice // that the cluster can be migrated to
	Tags     []choice // that the cluster does not have yet
}

// address is where the visitor comes from, as far as the server sees it.
func (v visit) address() string {
	host, _, err := net.SplitHostPort(v.request.RemoteAddr)
	if err != nil {
		return v.request.RemoteAddr
	}
	return host
}

func (p *panel) showSettings(v visit) (answer, error) {
	base, err := p.clusterPage(v, "settings")
	if err != nil {
		return answer{}, err
	}
	return p.settingsPage(v, base, form{})
}

// settingsPage shows all settings as they are, but what somebody typed into the form that was refused.
func (p *panel) settingsPage(v visit, base clusterView, f form) (answer, error) {
	view := settingsView{clusterView: base, Form: f, Address: v.address()}
	var err error
	if view.Config, err = p.fleet.Configuration(v.context(), base.Cluster.ID); err != nil {
		return answer{}, err
	}
	if view.Sinks, err = p.fleet.Sinks(v.context(), base.Cluster.ID, false); err != nil {
		return answer{}, err
	}
	if view.Tags, err = p.tagChoices(v, ""); err != nil {
		return answer{}, err
	}
	view.Tags = slices.DeleteFunc(view.Tags, func(c choice) bool { return slices.Contains(base.Cluster.Tags, c.Value) })
	for _, version := range p.choices(form{}).Versions {
		before, _ := strconv.Atoi(base.Cluster.Version)
		if after, _ := strconv.Atoi(version.Value); after > before {
			view.Versions = append(view.Versions, version)
		}
	}
	for _, region := range p.fleet.Catalog().Regions {
		if region.Slug != base.Cluster.Region {
			view.Regions = append(view.Regions, choice{Value: region.Slug, Label: region.Name + " (" + region.Slug + ")", Selected: region.Slug == f.Value("region")})
		}
	}
	if len(view.Versions) == 0 && f.Field == "version" {
		view.Form.Field = "" // there is no such input to point at
	}
	view.Form.values = view.filled()
	return answer{status: f.status(), page: "settings", title: "Settings of " + base.Cluster.Name, data: view}, nil
}

// filled are the inputs of all forms: as the cluster is, unless they were sent.
func (v settingsView) filled() url.Values {
	c := v.Cluster
	all := url.Values{
		"day": {c.Maintenance.Day}, "hour": {strings.TrimSuffix(c.Maintenance.Hour, ":00")},
		"threshold": {strconv.Itoa(c.Autoscale.ThresholdPercent)}, "increment": {strconv.Itoa(c.Autoscale.IncrementGiB)},
		"after_minutes":        {strconv.FormatInt(int64((c.SuspendAfter+time.Minute-1)/time.Minute), 10)},
		"default_read_concern": {v.Config.DefaultReadConcern}, "default_write_concern": {v.Config.DefaultWriteConcern},
		"transaction_lifetime_limit_seconds": {strconv.FormatInt(v.Config.TransactionLifetimeSeconds, 10)},
		"slow_op_threshold_ms":               {strconv.FormatInt(v.Config.SlowOperationMS, 10)},
		"verbosity":                          {strconv.FormatInt(v.Config.Verbosity, 10)},
	}
	if c.ExpiresAt != nil {
		all.Set("expires_at", micro(*c.ExpiresAt))
	}
	if c.Autoscale.Enabled {
		all.Set("autoscale", "on")
	}
	if v.Form.Problem != "" {
		maps.Copy(all, v.Form.values)
	}
	all.Del("key") // a key is never sent back
	return all
}

func options(chosen string, values ...string) []choice {
	list := make([]choice, len(values))
	for i, value := range values {
		list[i] = choice{Value: value, Label: strings.ToUpper(value[:1]) + value[1:], Selected: value == chosen}
	}
	return list
}

// Days are those of the maintenance window.
func (v settingsView) Days() []choice {
	return options(v.Form.Value("day"), "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
}

// ReadConcerns are those that can be the default.
func (v settingsView) ReadConcerns() []choice {
	return options(v.Form.Value("default_read_concern"), "local", "available", "majority")
}

// Sites are where Datadog takes logs.
func (v settingsView) Sites() []choice {
	list := options(v.Form.Value("site"), fleet.DatadogSites()...)
	for i := range list {
		list[i].Label = list[i].Value
	}
	return list
}

// change carries out what one of the forms asks for, and leads back to the settings.
func (p *panel) change(v visit, done string, do func(c store.Cluster, f form) (form, error)) (answer, error) {
	base, err := p.clusterPage(v, "settings")
	if err != nil {
		return answer{}, err
	}
	f, err := do(base.Cluster, sentForm(v.request))
	if err != nil {
		if f, err = f.refused(err); err != nil {
			return answer{}, err
		}
	}
	if f.Problem != "" {
		return p.settingsPage(v, base, f)
	}
	return redirect("/databases/" + base.Cluster.ID + "/settings?done=" + done), nil
}

func (p *panel) addSource(v visit) (answer, error) {
	return p.change(v, "source", func(c store.Cluster, f form) (form, error) {
		rules := rulesOf(c)
		rules = append(rules, fleet.SourceRule{
			Type: store.AddressSource, Value: strings.TrimSpace(f.Value("sources")), Description: strings.TrimSpace(f.Value("description")),
		})
		return f, p.fleet.SetTrustedSources(v.context(), c.ID, rules)
	})
}

func (p *panel) removeSource(v visit) (answer, error) {
	return p.change(v, "source", func(c store.Cluster, f form) (form, error) {
		rules := slices.DeleteFunc(rulesOf(c), func(r fleet.SourceRule) bool { return r.ID == f.Value("source") })
		return f, p.fleet.SetTrustedSources(v.context(), c.ID, rules)
	})
}

func rulesOf(c store.Cluster) []fleet.SourceRule {
	var rules []fleet.SourceRule
	for _, s := range c.TrustedSources {
		rule := fleet.SourceRule{ID: s.ID, Type: s.Type, Value: s.Value, Description: s.Description}
		if rule.Type == "" {
			rule.Type = store.AddressSource
		}
		rules = append(rules, rule)
	}
	return rules
}

func (p *panel) setMaintenance(v visit) (answer, error) {
	return p.change(v, "maintenance", func(c store.Cluster, f form) (form, error) {
		return f, p.fleet.SetMaintenance(v.context(), c.ID, fleet.MaintenanceWindow{Day: f.Value("day"), Hour: strings.TrimSpace(f.Value("hour"))})
	})
}

func (p *panel) installUpdate(v visit) (answer, error) {
	return p.change(v, "update", func(c store.Cluster, f form) (form, error) {
		return f, p.fleet.InstallUpdate(v.context(), c.ID)
	})
}

func (p *panel) upgrade(v visit) (answer, error) {
	return p.change(v, "version", func(c store.Cluster, f form) (form, error) {
		return f, p.fleet.Upgrade(v.context(), c.ID, f.Value("version"))
	})
}

func (p *panel) migrate(v visit) (answer, error) {
	return p.change(v, "region", func(c store.Cluster, f form) (form, error) {
		return f, p.fleet.Migrate(v.context(), c.ID, f.Value("region"))
	})
}

func (p *panel) setAutoscale(v visit) (answer, error) {
	return p.change(v, "autoscale", func(c store.Cluster, f form) (form, error) {
		threshold, f := f.whole("threshold", "The threshold")
		if f.Problem != "" {
			return f, nil
		}
		increment, f := f.whole("increment", "The step")
		if f.Problem != "" {
			return f, nil
		}
		return f, p.fleet.SetAutoscale(v.context(), c.ID, store.Autoscale{
			Enabled: f.Value("autoscale") != "", ThresholdPercent: int(threshold), IncrementGiB: int(increment),
		})
	})
}

func (p *panel) setSuspension(v visit) (answer, error) {
	return p.change(v, "suspension", func(c store.Cluster, f form) (form, error) {
		minutes, f := f.whole("after_minutes", "The time without work")
		if f.Problem != "" {
			return f, nil
		}
		const most = 1 << 30 // more is refused all the same
		after := time.Duration(max(-most, min(minutes, most))) * time.Minute
		return f, p.fleet.Suspend(v.context(), c.ID, fleet.SuspendRequest{After: &after})
	})
}

func (p *panel) suspend(v visit) (answer, error) {
	return p.change(v, "suspend", func(c store.Cluster, f form) (form, error) {
		return f, p.fleet.Suspend(v.context(), c.ID, fleet.SuspendRequest{Now: true})
	})
}

func (p *panel) setTTL(v visit) (answer, error) {
	enabled := v.request.PostForm.Get("ttl") == "on"
	done := map[bool]string{true: "ttl-on", false: "ttl-off"}[enabled]
	return p.change(v, done, func(c store.Cluster, f form) (form, error) {
		return f, p.fleet.SetTTL(v.context(), c.ID, enabled)
	})
}

func (p *panel) setExpiry(v visit) (answer, error) {
	return p.change(v, "expiry", func(c store.Cluster, f form) (form, error) {
		end, f := f.end(v.received)
		if f.Problem != "" {
			return f, nil
		}
		return f, p.fleet.SetExpiry(v.context(), c.ID, end)
	})
}

func (p *panel) configure(v visit) (answer, error) {
	return p.change(v, "config", func(c store.Cluster, f form) (form, error) {
		read, write := f.Value("default_read_concern"), strings.TrimSpace(f.Value("default_write_concern"))
		change := store.Settings{DefaultReadConcern: &read, DefaultWriteConcern: &write}
		for _, number := range []struct {
			input, label string
			to           **int64
		}{
			{"transaction_lifetime_limit_seconds", "The lifetime of transactions", &change.TransactionLifetimeSeconds},
			{"slow_op_threshold_ms", "The threshold", &change.SlowOperationMS},
			{"verbosity", "The verbosity", &change.Verbosity},
		} {
			n, read := f.whole(number.input, number.label)
			if read.Problem != "" {
				return read, nil
			}
			*number.to = &n
		}
		return f, p.fleet.Configure(v.context(), c.ID, change)
	})
}

func (p *panel) addTag(v visit) (answer, error) {
	return p.change(v, "tag", func(c store.Cluster, f form) (form, error) {
		name := strings.TrimSpace(f.Value("tag"))
		_, err := p.fleet.CreateTag(v.context(), name)
		if err == nil {
			err = p.fleet.ChangeTags(v.context(), fleet.Tagging{Tag: name, Clusters: []string{c.ID}})
		}
		if isRefusal(err) {
			if f, err = f.refused(err); err == nil {
				f.Field = "tag"
			}
		}
		return f, err
	})
}

func (p *panel) removeTag(v visit) (answer, error) {
	return p.change(v, "tag", func(c store.Cluster, f form) (form, error) {
		return f, p.fleet.ChangeTags(v.context(), fleet.Tagging{Tag: f.Value("tag"), Clusters: []string{c.ID}, Remove: true})
	})
}

func (p *panel) addSink(v visit) (answer, error) {
	return p.change(v, "sink", func(c store.Cluster, f form) (form, error) {
		_, err := p.fleet.CreateSink(v.context(), c.ID, fleet.LogSink{
			Name: strings.TrimSpace(f.Value("sink")), Type: fleet.SinkDatadog, Site: f.Value("site"), APIKey: strings.TrimSpace(f.Value("key")),
		})
		return f, err
	})
}

func (p *panel) removeSink(v visit) (answer, error) {
	return p.change(v, "sink", func(c store.Cluster, f form) (form, error) {
		return f, p.fleet.DeleteSink(v.context(), c.ID, f.Value("sink_id"))
	})
}
