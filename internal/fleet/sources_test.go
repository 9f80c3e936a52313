package fleet_test

import (
	"strconv"
	"strings"
	"testing"

	"tine/internal/fleet"
	"tine/internal/store"
)

func rules(values ...string) []fleet.SourceRule {
	list := []fleet.SourceRule{}
	for _, value := range values {
		list = append(list, fleet.SourceRule{Type: "ip_addr", Value: value})
	}
	return list
}

func values(c store.Cluster) string {
	var list []string
	for _, s := range c.TrustedSources {
		list = append(list, s.Value)
	}
	return strings.Join(list, " ")
}

func (b bundle) get(t *testing.T, id string) store.Cluster {
	t.Helper()
	c, err := b.fleet.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTrustedSourcesKeepWhoTheyAre(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := request("prod")
	r.Rules = rules("192.0.2.7", "10.0.0.0/8", "192.0.2.7/32") // the first once more
	c := b.create(t, r)
	if values(c) != "192.0.2.7 10.0.0.0/8" {
		t.Fatalf("created with %s", values(c))
	}
	const given = "11111111-2222-4333-8444-555555555555"
	next := rules("2001:db8::/32", "10.0.0.0/8", "192.0.2.8")
	next[0].ID, next[1].ID, next[2].ID = given, "", given
	next[1].Description = "office"
	if err := b.fleet.SetTrustedSources(t.Context(), c.ID, next); err != nil {
		t.Fatal(err)
	}
	now := b.get(t, c.ID).TrustedSources
	if len(now) != 3 || now[0].ID != given || now[1].ID != c.TrustedSources[1].ID || now[2].ID == given || len(now[2].ID) != len(given) {
		t.Errorf("the ids are %+v, before %+v", now, c.TrustedSources)
	}
	if now[1].Description != "office" || !now[1].CreatedAt.Equal(c.TrustedSources[1].CreatedAt) {
		t.Errorf("the one that stays is %+v, was %+v", now[1], c.TrustedSources[1])
	}
	if err := b.fleet.SetTrustedSources(t.Context(), c.ID, rules()); err != nil || values(b.get(t, c.ID)) != "" {
		t.Errorf("after the last one was removed there are %s, %v", values(b.get(t, c.ID)), err)
	}
}

func TestTrustedSourcesOfForks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := request("prod")
	r.Rules = rules("192.0.2.7")
	b.online(t, r, now)
	for name, test := range map[string]struct {
		rules []fleet.SourceRule
		want  string
	}{"inherits": {nil, "192.0.2.7"}, "open-to-all": {rules(), ""}, "has-its-own": {rules("10.0.0.0/8"), "10.0.0.0/8"}} {
		fork := fleet.CreateRequest{Name: name, Source: &fleet.Source{Name: "prod"}, Rules: test.rules}
		if got := values(b.create(t, fork)); got != test.want {
			t.Errorf("%s: trusted are %q, want %q", name, got, test.want)
		}
	}
}

func TestTrustedSourcesAreRefusedInWords(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.create(t, request("prod"))
	many := rules()
	for i := range 101 {
		many = append(many, rules("10.0.0."+strconv.Itoa(i))...)
	}
	const form = "rules[0].value must be an IP address or a CIDR block, such as 192.0.2.7 or 192.0.2.0/24; got "
	for name, test := range map[string]struct {
		rules       []fleet.SourceRule
		field, want string
	}{
		"nothing":      {rules(""), "rules[0].value", form + `""`},
		"a name":       {rules("db.example.com"), "rules[0].value", form + `"db.example.com"`},
		"octal":        {rules("192.0.02.7"), "rules[0].value", form + `"192.0.02.7"`},
		"too narrow":   {rules("192.0.2.0/33"), "rules[0].value", form + `"192.0.2.0/33"`},
		"a zone":       {rules("fe80::1%eth0"), "rules[0].value", form + `"fe80::1%eth0"`},
		"mapped":       {rules("::ffff:192.0.2.7"), "rules[0].value", `rules[0].value must be an IPv4 address as such, like 192.0.2.7; got "::ffff:192.0.2.7"`},
		"inside":       {rules("10.0.0.0/8", "192.0.2.7/24"), "rules[1].value", `rules[1].value must be one address, 192.0.2.7, or the block that has it, 192.0.2.0/24; got "192.0.2.7/24"`},
		"no such type": {[]fleet.SourceRule{{Type: "person", Value: "1"}}, "rules[0].type", `rules[0].type must be one of ip_addr, tag, droplet, k8s, app; got "person"`},
		"no droplet":   {[]fleet.SourceRule{{Type: "droplet"}}, "rules[0].value", `rules[0].value must be a text of 1 to 255 characters`},
		"no UUID":      {[]fleet.SourceRule{{ID: "x", Type: "ip_addr", Value: "192.0.2.7"}}, "rules[0].uuid", `rules[0].uuid must be a UUID or empty; got "x"`},
		"a NUL":        {[]fleet.SourceRule{{Type: "ip_addr", Value: "192.0.2.7", Description: "\x00"}}, "rules[0].description", "rules[0].description must be a text of at most 255 characters"},
		"more than it": {many, "rules", "rules must be at most 100; got 101"},
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, b.fleet.SetTrustedSources(t.Context(), c.ID, test.rules), fleet.Invalid, test.field, test.want)
			r := request("fresh")
			r.Rules = test.rules
			b.refused(t, r, fleet.Invalid, test.field, test.want)
		})
	}
	const nobody = "11111111-2222-4333-8444-555555555555"
	wantError(t, b.fleet.SetTrustedSources(t.Context(), nobody, nil), fleet.NotFound, "", `there is no cluster with the id "`+nobody+`"`)
}
