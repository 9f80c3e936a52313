package contract_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tine/internal/contract"
)

const description = `
openapi: 3.0.3
info: {title: things, version: '1'}
paths:
  /things/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    put:
      parameters: [{name: n, in: query, schema: {type: integer}}]
      requestBody:
        required: true
        content: {application/json: {schema: {type: object, required: [name], properties: {name: {type: string}}}}}
      responses:
        '200':
          description: it
          headers: {X-Id: {required: true, schema: {type: string}}}
          content: {application/json: {schema: {$ref: '#/components/schemas/thing'}}}
        '204': {description: nothing}
        '422': {description: no, content: {application/json: {schema: {$ref: '#/components/schemas/error'}}}}
    get:
      responses:
        '200': {description: it, content: {application/json: {schema: {$ref: '#/components/schemas/thing'}}}}
  /openapi.yaml:
    get:
      responses:
        '200': {description: this, content: {application/yaml: {schema: {type: object}}}}
components:
  schemas:
    thing:
      type: object
      additionalProperties: false
      required: [id, at]
      properties:
        id: {type: string, format: uuid}
        at: {type: string, format: date-time}
        n: {type: integer}
    error: {type: object, additionalProperties: false, required: [message], properties: {message: {type: string}}}
`

const good = `{"id":"5d1f7c1e-0000-4000-8000-74696e650001","at":"2026-08-10T12:00:00Z","n":1}`

// exchange is what a client sends and what the server says to it.
type exchange struct {
	method, path, body string
	status             int
	answer             string
}

func exchanges() map[string]struct {
	exchange
	wrong string // part of what must be reported; empty for an exchange that is as described
} {
	type row = struct {
		exchange
		wrong string
	}
	put := func(path, body string, status int, answer string) exchange {
		return exchange{http.MethodPut, path, body, status, answer}
	}
	const valid = `{"name":"a","surprise":1}`
	return map[string]row{
		"as described":        {put("/things/1", valid, 200, good), ""},
		"no body":             {put("/things/1", valid, 204, ""), ""},
		"refused":             {put("/things/1", `{}`, 422, `{"message":"no"}`), ""},
		"no such path":        {exchange{http.MethodGet, "/nothing", "", 404, `{"message":"no"}`}, ""},
		"no such method":      {exchange{http.MethodPatch, "/things/1", "", 405, `{"message":"no"}`}, ""},
		"HEAD":                {exchange{http.MethodHead, "/things/1", "", 200, good}, ""},
		"field too many":      {put("/things/1", valid, 200, strings.Replace(good, `"n"`, `"m"`, 1)), `property "m" is unsupported`},
		"field too few":       {put("/things/1", valid, 200, strings.Replace(good, `"at":"2026-08-10T12:00:00Z",`, "", 1)), `property "at" is missing`},
		"wrong type":          {put("/things/1", valid, 200, strings.Replace(good, `1}`, `1.5}`, 1)), "integer"},
		"no UUID":             {put("/things/1", valid, 200, strings.Replace(good, `5d1f7c1e-`, ``, 1)), "uuid"},
		"no time":             {put("/things/1", valid, 200, strings.Replace(good, `T12`, ` 12`, 1)), "date-time"},
		"no header":           {exchange{http.MethodPut, "/things/without-header", valid, 200, good}, "X-Id"},
		"status":              {put("/things/1", valid, 202, ""), "status is not supported"},
		"body":                {put("/things/1", valid, 422, `{"message":"no","id":"x"}`), `property "id" is unsupported`},
		"accepted body":       {put("/things/1", `{"name":1}`, 204, ""), "should have been refused"},
		"accepted query":      {put("/things/1?n=x", valid, 204, ""), "should have been refused"},
		"undescribed path":    {exchange{http.MethodGet, "/nothing", "", 200, good}, "no such path"},
		"undescribed error":   {exchange{http.MethodGet, "/nothing", "", 404, `{"error":"no"}`}, "the error is not as described"},
		"error that is words": {exchange{http.MethodGet, "/nothing", "", 404, `404 page not found`}, "invalid character"},
	}
}

// serve answers as the exchange says, with the description at its place.
func serve(e exchange) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/openapi.yaml" {
			w.Header().Set("Content-Type", "application/yaml")
			_, _ = io.WriteString(w, description)
			return
		}
		if r.URL.Path != "/things/without-header" {
			w.Header().Set("X-Id", "1")
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(e.status)
		_, _ = io.WriteString(w, e.answer)
	})
}

func send(ctx context.Context, client *http.Client, base string, e exchange) error {
	r, err := http.NewRequestWithContext(ctx, e.method, base+e.path, strings.NewReader(e.body))
	if err != nil {
		return err
	}
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

func TestHandlerReportsWhatIsNotAsDescribed(t *testing.T) {
	t.Parallel()
	c, err := contract.Load(t.Context(), []byte(description))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range exchanges() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reports := make(chan error, 1)
			server := httptest.NewServer(c.Handler(serve(tt.exchange), func(err error) { reports <- err }))
			err := send(t.Context(), server.Client(), server.URL, tt.exchange)
			server.Close() // returns when the handler has
			if err != nil {
				t.Fatal(err)
			}
			close(reports)
			wantWrong(t, <-reports, tt.wrong)
		})
	}
}

func TestTransportFailsWhereAnAnswerIsNotAsDescribed(t *testing.T) {
	t.Parallel()
	for name, tt := range exchanges() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(serve(tt.exchange))
			defer server.Close()
			client := &http.Client{Transport: contract.Wrap(server.Client().Transport)}
			wantWrong(t, send(t.Context(), client, server.URL, tt.exchange), tt.wrong)
		})
	}
}

func TestTransportNeedsADescription(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	client := &http.Client{Transport: contract.Wrap(server.Client().Transport)}
	err := send(t.Context(), client, server.URL, exchange{method: http.MethodGet, path: "/things/1"})
	wantWrong(t, err, "get the OpenAPI description: status 404")
}

func wantWrong(t *testing.T, err error, wrong string) {
	t.Helper()
	switch {
	case wrong == "" && err != nil:
		t.Errorf("an exchange that is as described: %v", err)
	case wrong != "" && (err == nil || !strings.Contains(err.Error(), wrong)):
		t.Errorf("got %v, want an error that has %q", err, wrong)
	}
}
