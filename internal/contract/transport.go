package contract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// Transport is a client's transport that fails where a server does something else than it describes at /openapi.yaml.
type Transport struct {
	base http.RoundTripper

	mu struct {
		sync.Mutex
		contract *Contract // nil until the server has answered
	}
}

var _ http.RoundTripper = (*Transport)(nil)

// Wrap returns a Transport to one server over base.
func Wrap(base http.RoundTripper) http.RoundTripper { return &Transport{base: base} }

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	contract, err := t.described(r)
	if err != nil {
		return nil, err
	}
	var sent []byte
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, fmt.Errorf("read the request's body: %w", err)
		}
		_ = r.Body.Close()
		sent, r = body, r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	response, err := t.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	received, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		return nil, fmt.Errorf("read the answer's body: %w", err)
	}
	response.Body = io.NopCloser(bytes.NewReader(received))
	err = contract.Check(r.Context(), Exchange{
		Request: r, RequestBody: sent, Status: response.StatusCode, Header: response.Header, Body: received,
	})
	if err != nil {
		return nil, err
	}
	return response, nil
}

// described is the description of the server that the request goes to.
func (t *Transport) described(r *http.Request) (*Contract, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.contract != nil {
		return t.mu.contract, nil
	}
	contract, err := t.load(r.Context(), r)
	if err != nil {
		return nil, err
	}
	t.mu.contract = contract
	return contract, nil
}

func (t *Transport) load(ctx context.Context, r *http.Request) (*Contract, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL.Scheme+"://"+r.URL.Host+"/openapi.yaml", http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("get the OpenAPI description: %w", err)
	}
	response, err := t.base.RoundTrip(request)
	if err != nil {
		return nil, fmt.Errorf("get the OpenAPI description: %w", err)
	}
	description, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return nil, fmt.Errorf("get the OpenAPI description: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get the OpenAPI description: status %s", response.Status)
	}
	return Load(ctx, description)
}
