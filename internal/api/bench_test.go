package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// BenchmarkCreate is the control plane's share of a creation: from the request to the 201.
func BenchmarkCreate(b *testing.B) {
	server := setup(b)
	for i := 0; b.Loop(); i++ {
		body := strings.Replace(valid, "prod", fmt.Sprintf("prod-%d", i), 1)
		if a := server.do(b, http.MethodPost, "/v2/databases", body); a.status != http.StatusCreated {
			b.Fatal(a.body)
		}
	}
}

// BenchmarkGet is one request of a client that waits for its cluster.
func BenchmarkGet(b *testing.B) {
	server := setup(b)
	a := server.do(b, http.MethodPost, "/v2/databases", valid)
	database, _ := a.json(b)["database"].(map[string]any)
	path := fmt.Sprint("/v2/databases/", database["id"])
	for b.Loop() {
		if a := server.do(b, http.MethodGet, path, ""); a.status != http.StatusOK {
			b.Fatal(a.body)
		}
	}
}
