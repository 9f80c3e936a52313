package main

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

// Serve gives the server a TLS configuration of its own, for HTTP/2.
func TestURLStaysPlainWhileItServes(t *testing.T) {
	t.Parallel()
	s, err := listenAPI(t.Context(), "127.0.0.1:0", http.NotFoundHandler(), nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if url := s.URL(); !strings.HasPrefix(url, "http://") {
		t.Errorf("after a request the URL is %s", url)
	}
}
