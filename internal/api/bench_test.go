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

// BenchmarkList is a page of many clusters.
func BenchmarkList(b *testing.B) {
	server := setup(b)
	a := server.do(b, http.MethodPost, "/v2/databases", valid)
	database, _ := a.json(b)["database"].(map[string]any)
	const copies = 1000
	_, err := server.store.Pool().Exec(b.Context(), `INSERT INTO tine.clusters
		SELECT (jsonb_populate_record(c, jsonb_build_object('id', gen_random_uuid(), 'name', 'row-' || n, 'node_id', gen_random_uuid(),
			'history_id', gen_random_uuid(), 'host', 'bench', 'port', 1024 + n, 'status', 'online'))).*
		FROM tine.clusters c, generate_series(1, $2::int) n WHERE c.id = $1`, database["id"], copies)
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []int{20, 200} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			for b.Loop() {
				if a := server.do(b, http.MethodGet, fmt.Sprintf("/v2/databases?per_page=%d", size), ""); a.status != http.StatusOK {
					b.Fatal(a.body)
				}
			}
		})
	}
}
