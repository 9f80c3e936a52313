package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"tine/e2e/harness"
)

const (
	apiClusters = 1000    // rows, without nodes
	apiHost     = "bench" // whose they are, so that nobody misses their nodes
	apiMany     = 64      // clients at once
	apiWarmup   = 200 * time.Millisecond
	veryHigh    = 0.99
)

// api measures how long requests take that change nothing, with many clusters.
func (b *bench) api(ctx context.Context) (err error) {
	c, err := b.tine.Make(ctx, harness.CreateRequest(b.newName("api")))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.tine.Remove(context.WithoutCancel(ctx), c.ID)) }()
	control, err := b.controlDatabase(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = control.Close(context.WithoutCancel(ctx)) }()
	row, err := multiply(ctx, control, c.ID)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeRows(context.WithoutCancel(ctx), control)) }()
	client, err := b.apiClient()
	if err != nil {
		return err
	}
	t := table{
		title:  fmt.Sprintf("API, %d clusters", apiClusters+1),
		header: []string{"request", "clients", "p50", "p99", "max", "requests/s"},
		notes: []string{
			"A time runs from the sending of the request until the last byte of its answer. Connections are kept, as by all of DigitalOcean's clients; plain HTTP on the same machine, by a token " +
				"without a rate limit. Of the clusters one has a node, the others are rows.",
		},
	}
	for _, r := range []struct{ name, path string }{
		{"get, a cluster with a node", "/v2/databases/" + c.ID},
		{"get, a row", "/v2/databases/" + row},
		{"list, one page of 20", "/v2/databases?per_page=20"},
		{"list, one page of 200", "/v2/databases?per_page=200&page=3"},
		{"options", "/v2/databases/options"},
	} {
		for _, clients := range []int{1, apiMany} {
			b.progress("api: %s, %d clients", r.name, clients)
			measured, err := client.load(ctx, r.path, clients, b.opts.Round*time.Duration(b.opts.Rounds))
			if err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			t.rows = append(t.rows, measured.row(r.name, clients))
		}
	}
	measured, err := client.listAll(ctx, b.opts.Runs)
	if err != nil {
		return err
	}
	t.rows = append(t.rows, measured.row(fmt.Sprintf("list, all %d in pages of 200", apiClusters+1), 1))
	return t.write(b.out)
}

// controlDatabase connects to the control plane's own database.
func (b *bench) controlDatabase(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.Connect(ctx, "host="+filepath.Join(b.tine.DataDir(), "sockets", "control")+" user=postgres dbname=tine sslmode=disable")
	if err != nil {
		return nil, fmt.Errorf("connect to the control plane's database: %w", err)
	}
	return conn, nil
}

// multiply copies a cluster's row, whatever columns it has, and returns the id of one of the copies.
func multiply(ctx context.Context, control *pgx.Conn, id string) (copied string, err error) {
	const sql = `INSERT INTO tine.clusters
		SELECT (jsonb_populate_record(c, jsonb_build_object('id', gen_random_uuid(), 'name', 'row-' || n, 'node_id', gen_random_uuid(), 'history_id', gen_random_uuid(), 'host', $2::text,
			'port', 1024 + n, 'tags', array['bench', 'n' || n % 10], 'created_at', c.created_at + n * interval '1 ms'))).*
		FROM tine.clusters c, generate_series(1, $3::int) n WHERE c.id = $1 RETURNING id`
	rows, err := control.Query(ctx, sql, id, apiHost, apiClusters)
	if err != nil {
		return "", fmt.Errorf("copy a cluster's row: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[[16]byte])
	if err != nil {
		return "", fmt.Errorf("copy a cluster's row: %w", err)
	}
	b := ids[len(ids)/2]
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}

func removeRows(ctx context.Context, control *pgx.Conn) error {
	if _, err := control.Exec(ctx, "DELETE FROM tine.clusters WHERE host = $1", apiHost); err != nil {
		return fmt.Errorf("remove the copies of a cluster's row: %w", err)
	}
	return nil
}

// apiClient sends requests and looks at no more than their status.
type apiClient struct {
	http       *http.Client
	url, token string
}

func (b *bench) apiClient() (*apiClient, error) {
	token, err := os.ReadFile(filepath.Join(b.tine.DataDir(), "admin-token"))
	if err != nil {
		return nil, fmt.Errorf("read token: %w", err)
	}
	return &apiClient{
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: apiMany}},
		url:  b.tine.URL, token: strings.TrimSpace(string(token)),
	}, nil
}

func (c *apiClient) get(ctx context.Context, path string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, http.NoBody)
	if err != nil {
		return fmt.Errorf("prepare request: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	response, err := c.http.Do(r)
	if err != nil {
		return fmt.Errorf("request: %w", err)
	}
	_, err = io.Copy(io.Discard, response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s is answered with %s", path, response.Status)
	}
	return nil
}

// answered are the times of requests, and how long all of them took.
type answered struct {
	times []time.Duration
	took  time.Duration
}

func (a answered) row(name string, clients int) []string {
	return []string{
		name, fmt.Sprint(clients), human(quantile(a.times, median)), human(quantile(a.times, veryHigh)), human(quantile(a.times, 1)),
		digits(float64(len(a.times)) / a.took.Seconds()),
	}
}

// load has that many clients send a request again and again.
func (c *apiClient) load(ctx context.Context, path string, clients int, long time.Duration) (answered, error) {
	times := make([][]time.Duration, clients)
	errs := make([]error, clients)
	begin := time.Now().Add(apiWarmup)
	var running sync.WaitGroup
	for n := range clients {
		running.Go(func() {
			for {
				sent := time.Now()
				if sent.Sub(begin) > long {
					return
				}
				if errs[n] = c.get(ctx, path); errs[n] != nil {
					return
				}
				if sent.After(begin) {
					times[n] = append(times[n], time.Since(sent))
				}
			}
		})
	}
	running.Wait()
	a := answered{took: time.Since(begin)}
	for _, list := range times {
		a.times = append(a.times, list...)
	}
	return a, errors.Join(errs...)
}

// listAll lists all clusters, page by page, as a client does that wants all of them.
func (c *apiClient) listAll(ctx context.Context, runs int) (answered, error) {
	const perPage = 200
	a := answered{}
	begin := time.Now()
	for range runs {
		sent := time.Now()
		for page := 1; (page-1)*perPage < apiClusters+1; page++ {
			if err := c.get(ctx, fmt.Sprintf("/v2/databases?per_page=%d&page=%d", perPage, page)); err != nil {
				return a, err
			}
		}
		a.times = append(a.times, time.Since(sent))
	}
	a.took = time.Since(begin)
	return a, nil
}
