package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// errorSchema is the schema of all errors, also of those that belong to no path.
const errorSchema = "error"

// Contract is a description that exchanges can be held against.
type Contract struct {
	document *openapi3.T
	router   routers.Router
	options  *openapi3filter.Options
}

// Exchange is a request and its answer.
type Exchange struct {
	Request     *http.Request
	RequestBody []byte
	Status      int
	Header      http.Header
	Body        []byte
}

// Load reads a description; it must be valid and have a schema named error.
func Load(ctx context.Context, description []byte) (*Contract, error) {
	document, err := openapi3.NewLoader().LoadFromData(description)
	if err != nil {
		return nil, fmt.Errorf("read the OpenAPI description: %w", err)
	}
	if err := document.Validate(ctx); err != nil {
		return nil, fmt.Errorf("the OpenAPI description is not valid: %w", err)
	}
	if document.Components == nil || document.Components.Schemas[errorSchema] == nil {
		return nil, errors.New("the OpenAPI description has no schema named " + errorSchema)
	}
	router, err := gorillamux.NewRouter(document)
	if err != nil {
		return nil, fmt.Errorf("read the paths of the OpenAPI description: %w", err)
	}
	uuids := openapi3.NewRegexpFormatValidator(openapi3.FormatOfStringForUUIDOfRFC4122)
	options := &openapi3filter.Options{
		IncludeResponseStatus: true, MultiError: true, SkipSettingDefaults: true,
		AuthenticationFunc:      openapi3filter.NoopAuthenticationFunc,
		SchemaValidationOptions: []openapi3.SchemaValidationOption{openapi3.WithStringFormatValidator("uuid", uuids)},
	}
	options.WithCustomSchemaErrorFunc(brief)
	return &Contract{document: document, router: router, options: options}, nil
}

// brief says what is wrong where, without the value, which may be secret.
func brief(e *openapi3.SchemaError) string {
	return "/" + strings.Join(e.JSONPointer(), "/") + ": " + e.Reason
}

// Document is the description itself.
func (c *Contract) Document() *openapi3.T { return c.document }

// Check returns an error if the exchange is not one that the description has.
func (c *Contract) Check(ctx context.Context, e Exchange) error {
	if err := c.check(ctx, e); err != nil {
		return fmt.Errorf("%s %s answered %d, which is not as described: %w", e.Request.Method, e.Request.URL.Path, e.Status, err)
	}
	return nil
}

func (c *Contract) check(ctx context.Context, e Exchange) error {
	request := plainRequest(ctx, e)
	route, params, err := c.router.FindRoute(request)
	if err != nil {
		return c.checkOutside(e)
	}
	input := &openapi3filter.RequestValidationInput{Request: request, PathParams: params, Route: route, Options: c.options}
	if e.Status < http.StatusBadRequest {
		if err := openapi3filter.ValidateRequest(ctx, input); err != nil {
			return fmt.Errorf("the request should have been refused: %w", err)
		}
	}
	return c.checkAnswer(ctx, input, e)
}

// plainRequest is the request as it is matched with the description: HEAD is GET without a body, and every body is read as JSON.
func plainRequest(ctx context.Context, e Exchange) *http.Request {
	request := e.Request.Clone(ctx)
	if request.Method == http.MethodHead {
		request.Method = http.MethodGet
	}
	request.Body = io.NopCloser(bytes.NewReader(e.RequestBody))
	request.ContentLength = int64(len(e.RequestBody))
	request.Header.Set("Content-Type", "application/json")
	return request
}

func (c *Contract) checkAnswer(ctx context.Context, input *openapi3filter.RequestValidationInput, e Exchange) error {
	options := *c.options
	options.ExcludeResponseBody = e.Request.Method == http.MethodHead && len(e.Body) == 0
	answer := &openapi3filter.ResponseValidationInput{RequestValidationInput: input, Status: e.Status, Header: e.Header, Options: &options}
	answer.SetBodyBytes(e.Body)
	if err := openapi3filter.ValidateResponse(ctx, answer); err != nil {
		return err
	}
	described := input.Route.Operation.Responses.Status(e.Status)
	if described != nil && len(described.Value.Content) == 0 && len(e.Body) > 0 {
		return fmt.Errorf("it has a body of %d bytes", len(e.Body))
	}
	return nil
}

// checkOutside checks the answer to a request for what the description does not have.
func (c *Contract) checkOutside(e Exchange) error {
	if e.Status != http.StatusNotFound && e.Status != http.StatusMethodNotAllowed {
		return errors.New("there is no such path and method in the description")
	}
	if e.Request.Method == http.MethodHead && len(e.Body) == 0 {
		return nil
	}
	var value any
	if err := json.Unmarshal(e.Body, &value); err != nil {
		return err
	}
	if err := c.document.Components.Schemas[errorSchema].Value.VisitJSON(value, openapi3.VisitAsResponse(), openapi3.SetSchemaErrorMessageCustomizer(brief)); err != nil {
		return fmt.Errorf("the error is not as described: %w", err)
	}
	return nil
}
