package api_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v4"
)

// reference is testdata/digitalocean.yaml.
type reference struct {
	Endpoints map[string]struct {
		Scope   string
		Query   []string
		Request string // a shape
		Status  int
		Answer  string // a shape
	}
	Shapes map[string]map[string]string
}

// notYet are the endpoints that the API lacks. The list only shrinks.
func notYet() []string { return nil }

// absent are the optional fields that the API lacks, by the end of their path. The list only shrinks.
func absent() []string {
	return []string{
		"answer.backup_progress", // DigitalOcean leaves it out unless a backup is being made; here that takes no time
	}
}

// ofClients are the fields that the specification does not have but DigitalOcean's clients read.
func ofClients() []string {
	return []string{
		"connection.protocol", ".storage_autoscale", ".autoscale", ".default_version", "[].default", "answer.links", "answer.meta",
		"autoscale answer.storage", // where godo reads it
		"answer.credentials.basic_auth_username", "answer.credentials.basic_auth_password",
	}
}

func readReference(t *testing.T) reference {
	t.Helper()
	text, err := os.ReadFile("testdata/digitalocean.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var r reference
	if err := yaml.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// comparison holds a description against the reference.
type comparison struct {
	t      *testing.T
	shapes map[string]map[string]string
	lacks  map[string]bool // what was used of absent
	adds   map[string]bool // what was used of ofClients
}

func TestDescriptionHasWhatDigitalOceanHas(t *testing.T) {
	t.Parallel()
	r := readReference(t)
	c := comparison{t, r.Shapes, map[string]bool{}, map[string]bool{}}
	ours := map[string]*openapi3.Operation{}
	for path, item := range document(t).Paths.Map() {
		for method, operation := range item.Operations() {
			ours[method+" "+shape(path)] = operation
		}
	}
	for route, theirs := range r.Endpoints {
		operation, exists := ours[shape(route)]
		if missing := slices.Contains(notYet(), shape(route)); exists == missing {
			t.Errorf("%s: exists %t, is in the list of what is not there yet %t", route, exists, missing)
		}
		if !exists {
			continue
		}
		if got := scopeOf(t, operation); got != theirs.Scope {
			t.Errorf("%s needs the scope %s, DigitalOcean's %s", route, got, theirs.Scope)
		}
		for _, name := range theirs.Query {
			if operation.Parameters.GetByInAndName("query", name) == nil {
				t.Errorf("%s lacks the query's %s", route, name)
			}
		}
		c.request(route, operation, theirs.Request)
		c.answer(route, operation, theirs.Status, theirs.Answer)
	}
	wantUsed(t, "absent", absent(), c.lacks)
	wantUsed(t, "ofClients", ofClients(), c.adds)
}

func (c comparison) request(route string, o *openapi3.Operation, shape string) {
	c.t.Helper()
	if shape == "" {
		return
	}
	if o.RequestBody == nil {
		c.t.Errorf("%s has no request body", route)
		return
	}
	schema := o.RequestBody.Value.Content["application/json"].Schema.Value
	c.fields(route+" request", schema, shape, func(path string, required, theirs bool) {
		// An endpoint that replaces what there is by nothing because a name was misspelled would be worse than a stricter one.
		if required && !theirs && suffixOf(path, []string{
			"firewall request.rules", "metrics/credentials request.credentials",
			"basic_auth_username", "basic_auth_password", "upgrade request.version", "config request.config",
		}) == "" {
			c.t.Errorf("%s is required, and DigitalOcean does not require it", path)
		}
	})
}

func (c comparison) answer(route string, o *openapi3.Operation, status int, shape string) {
	c.t.Helper()
	for code := range o.Responses.Map() {
		if strings.HasPrefix(code, "2") && o.Responses.Status(status) != o.Responses.Value(code) {
			c.t.Errorf("%s answers %s, DigitalOcean's %d", route, code, status)
		}
	}
	described := o.Responses.Status(status)
	switch {
	case described == nil:
		c.t.Errorf("%s never answers %d", route, status)
	case shape != "":
		schema := described.Value.Content["application/json"].Schema.Value
		c.fields(route+" answer", schema, shape, func(path string, required, theirs bool) {
			if theirs && !required {
				c.t.Errorf("%s may be missing, and DigitalOcean requires it", path)
			}
		})
		c.additions(route+" answer", schema, shape)
	}
}

// fields checks that a schema has each field of a shape with its type, and tells demand which are required by us and by them.
func (c comparison) fields(path string, schema *openapi3.Schema, shape string, demand func(path string, required, theirs bool)) {
	c.t.Helper()
	for name, kind := range c.shapes[shape] {
		kind, theirs := strings.CutSuffix(kind, "!")
		at := path + "." + name
		property := schema.Properties[name]
		lacking := suffixOf(at, absent())
		if property == nil && lacking != "" && !theirs {
			c.lacks[lacking] = true
			continue
		}
		if property == nil {
			c.t.Errorf("%s is missing", at)
			continue
		}
		demand(at, slices.Contains(schema.Required, name), theirs)
		c.kind(at, property.Value, kind, demand)
	}
}

// kind checks a type: "string", "object SHAPE" or "array of KIND".
func (c comparison) kind(path string, schema *openapi3.Schema, kind string, demand func(path string, required, theirs bool)) {
	c.t.Helper()
	name, of, _ := strings.Cut(kind, " ")
	if schema.Type == nil && strings.HasSuffix(path, "request.config.default_write_concern") {
		return // a string as they have it, or a number
	}
	if !schema.Type.Is(name) {
		c.t.Errorf("%s is %v, DigitalOcean's is %s", path, schema.Type, kind)
		return
	}
	switch name {
	case "object":
		c.fields(path, schema, of, demand)
	case "array":
		c.kind(path+"[]", schema.Items.Value, strings.TrimPrefix(of, "of "), demand)
	}
}

// additions checks that what we have and they do not is marked as ours, or is known to be read by their clients.
func (c comparison) additions(path string, schema *openapi3.Schema, shape string) {
	c.t.Helper()
	for name, property := range schema.Properties {
		at, known := path+"."+name, ""
		kind, theirs := c.shapes[shape][name]
		if !theirs && property.Value.Extensions["x-tine"] != true {
			if known = suffixOf(at, ofClients()); known == "" {
				c.t.Errorf("%s is not DigitalOcean's and is not marked with x-tine", at)
			}
			c.adds[known] = true
		}
		inner := property.Value
		if inner.Items != nil {
			at, inner = at+"[]", inner.Items.Value
		}
		if _, of, isObject := strings.Cut(kind, "object "); isObject && inner.Properties != nil {
			c.additions(at, inner, strings.TrimSuffix(of, "!"))
		}
	}
}

// suffixOf is the member of a list that a path ends with; empty: none.
func suffixOf(path string, list []string) string {
	for _, suffix := range list {
		if strings.HasSuffix(path, suffix) {
			return suffix
		}
	}
	return ""
}

func wantUsed(t *testing.T, name string, list []string, used map[string]bool) {
	t.Helper()
	for _, entry := range list {
		if !used[entry] {
			t.Errorf("%s has %q, which is no longer true: take it out", name, entry)
		}
	}
}
