package api_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v4"

	"tine/internal/api"
	"tine/internal/contract"
	"tine/internal/store"
)

// described is the API's description, read once.
var described = sync.OnceValues(func() (*contract.Contract, error) {
	text, err := api.OpenAPI()
	if err != nil {
		return nil, err
	}
	return contract.Load(context.Background(), text)
})

// asDescribed makes a test fail if the API does anything that is not in its description.
func asDescribed(t testing.TB, handler http.Handler) http.Handler {
	t.Helper()
	if _, measures := t.(*testing.B); measures {
		return handler
	}
	c, err := described()
	if err != nil {
		t.Fatal(err)
	}
	return c.Handler(handler, func(err error) { t.Error(err) })
}

// document is the API's description.
func document(t *testing.T) *openapi3.T {
	t.Helper()
	c, err := described()
	if err != nil {
		t.Fatal(err)
	}
	return c.Document()
}

func TestOpenAPIIsServedToEverybody(t *testing.T) {
	t.Parallel()
	b := setup(t)
	want, err := api.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	a := b.do(t, http.MethodGet, "/openapi.yaml", "", "Authorization", "")
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/yaml" || a.body != string(want) {
		t.Errorf("answer %d %s", a.status, a.header.Get("Content-Type"))
	}
}

// parameter is a part of a path that may be anything; the description has DigitalOcean's names for them.
var parameter = regexp.MustCompile(`\{[^}]+\}`)

func shape(path string) string { return parameter.ReplaceAllString(path, "{}") }

func TestEveryRouteIsDescribedWithItsScope(t *testing.T) {
	t.Parallel()
	want := map[string]string{"GET /metrics": store.ScopeDatabaseRead}
	for _, r := range api.Routes() {
		want[r.Method+" "+shape(r.Path)] = r.Scope
	}
	got := map[string]string{}
	for path, item := range document(t).Paths.Map() {
		for method, operation := range item.Operations() {
			got[method+" "+shape(path)] = scopeOf(t, operation)
		}
	}
	for route, scope := range want {
		if described, exists := got[route]; !exists {
			t.Errorf("%s has no description in internal/api/openapi", route)
		} else if described != scope {
			t.Errorf("%s is described with the scope %q; it needs %q", route, described, scope)
		}
	}
	for route := range got {
		if _, exists := want[route]; !exists {
			t.Errorf("%s is described but does not exist", route)
		}
	}
}

// scopeOf is the scope that an operation is described to need; empty: it needs no token.
func scopeOf(t *testing.T, o *openapi3.Operation) string {
	t.Helper()
	if o.Security == nil {
		t.Fatalf("%s does not say what scope it needs", o.OperationID)
	}
	if len(*o.Security) == 0 {
		return ""
	}
	scopes := (*o.Security)[0]["bearer_auth"]
	if len(scopes) != 1 {
		t.Fatalf("%s needs %v, want one scope", o.OperationID, *o.Security)
	}
	return scopes[0]
}

// An answer's field that is not described has to fail, so objects must be closed, at any depth.
func TestAnswersAreDescribedCompletely(t *testing.T) {
	t.Parallel()
	for path, item := range document(t).Paths.Map() {
		for method, operation := range item.Operations() {
			for status, answer := range operation.Responses.Map() {
				name := fmt.Sprintf("%s %s %s", method, path, status)
				if answer.Value.Headers["X-Request-Id"] == nil {
					t.Errorf("%s does not describe X-Request-Id", name)
				}
				if limited := answer.Value.Headers["ratelimit-limit"] != nil; limited != isLimited(operation, status) {
					t.Errorf("%s: rate limit headers are described: %t", name, limited)
				}
				for kind, media := range answer.Value.Content {
					if kind == "application/json" {
						wantClosed(t, name, media.Schema)
					}
				}
			}
		}
	}
}

// isLimited tells whether an answer counts for a token's rate limit for certain.
func isLimited(o *openapi3.Operation, status string) bool {
	return len(*o.Security) > 0 && status != "401" && status != "500"
}

func wantClosed(t *testing.T, name string, ref *openapi3.SchemaRef) {
	t.Helper()
	schema := ref.Value
	if len(schema.AllOf)+len(schema.AnyOf)+len(schema.OneOf) > 0 || schema.Type == nil {
		t.Errorf("%s must have one type, and be no combination: objects of a combination cannot be closed", name)
		return
	}
	if schema.Type.Is("object") && (schema.AdditionalProperties.Has == nil || *schema.AdditionalProperties.Has) {
		t.Errorf("%s must have additionalProperties: false", name)
	}
	for _, property := range slices.Sorted(maps.Keys(schema.Properties)) {
		wantClosed(t, name+" "+property, schema.Properties[property])
	}
	if schema.Items != nil {
		wantClosed(t, name+"[]", schema.Items)
	}
}

func TestAdditionsAreMarkedAndSaySo(t *testing.T) {
	t.Parallel()
	text, err := api.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var whole any
	if err := yaml.Unmarshal(text, &whole); err != nil {
		t.Fatal(err)
	}
	wantMarked(t, "", whole)
}

func wantMarked(t *testing.T, path string, value any) {
	t.Helper()
	switch value := value.(type) {
	case map[string]any:
		says := false
		for _, words := range []any{value["summary"], value["description"]} {
			text, _ := words.(string)
			says = says || strings.HasPrefix(text, "Ours")
		}
		if marked := value["x-tine"] == true; marked != says {
			t.Errorf("%s: marked with x-tine: %t; its summary or description begins with Ours: %t", path, marked, says)
		}
		for name, member := range value {
			wantMarked(t, path+"/"+name, member)
		}
	case []any:
		for n, member := range value {
			wantMarked(t, fmt.Sprintf("%s/%d", path, n), member)
		}
	}
}

// Every kind of event that is ever recorded is in the description.
func TestEveryKindOfEventIsDescribed(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../store/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var source []byte
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		source = append(source, text...)
	}
	description, err := os.ReadFile("openapi/schemas_databases.yaml")
	if err != nil {
		t.Fatal(err)
	}
	kinds := regexp.MustCompile(`\bEvent\w+ += "(\w+)"`).FindAllSubmatch(source, -1)
	if len(kinds) < 10 {
		t.Fatalf("%d kinds of events were found", len(kinds))
	}
	for _, kind := range kinds {
		if !strings.Contains(string(description), "            - "+string(kind[1])+"\n") {
			t.Errorf("%s is not described", kind[1])
		}
	}
}
