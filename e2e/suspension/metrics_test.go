package suspension

import (
	"bufio"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tine/e2e/harness"
)

// What Prometheus sees of suspensions and wakes.
func TestSuspensionsAreMeasured(t *testing.T) { //nolint:paralleltest // see tine
	c := tine.NewCluster(t, harness.CreateRequest(tine.NewName("measured")))
	insert(t, c, 1)
	before := metrics(t)
	suspend(t, c, 0)
	var asleep map[string]float64
	tine.WaitFor(t, "the suspension to be complete", func() bool {
		asleep = metrics(t)
		return asleep["tine_host_clusters_suspended"] == 1
	})
	wantIDs(t, c, 1)
	awake := metrics(t)
	for _, m := range []struct {
		name                          string
		before, whenAsleep, whenAwake float64
	}{
		{"tine_host_clusters_suspended", 0, 1, 0},
		{"tine_host_suspensions_total", before["tine_host_suspensions_total"], 1 + before["tine_host_suspensions_total"], 1 + before["tine_host_suspensions_total"]},
		{
			"tine_host_wake_duration_seconds_count",
			before["tine_host_wake_duration_seconds_count"], before["tine_host_wake_duration_seconds_count"], 1 + before["tine_host_wake_duration_seconds_count"],
		},
		{"tine_host_wakes_failed_total", 0, 0, 0},
	} {
		for i, got := range []map[string]float64{before, asleep, awake} {
			if want := []float64{m.before, m.whenAsleep, m.whenAwake}[i]; got[m.name] != want {
				t.Errorf("%s is %v, want %v, at %d", m.name, got[m.name], want, i)
			}
		}
	}
	if awake["tine_host_wake_duration_seconds_sum"] <= asleep["tine_host_wake_duration_seconds_sum"] {
		t.Error("the wake took no time")
	}
}

// metrics are the present values of the host's series.
func metrics(t *testing.T) map[string]float64 {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, tine.URL+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	token, err := os.ReadFile(filepath.Join(tine.DataDir(), "admin-token"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	values := map[string]float64{}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		name, text, _ := strings.Cut(lines.Text(), " ")
		if value, err := strconv.ParseFloat(text, 64); err == nil && strings.HasPrefix(name, "tine_host_") {
			values[name] = value
		}
	}
	if err := lines.Err(); err != nil || len(values) == 0 {
		t.Fatalf("there are no metrics of the host: %v", err)
	}
	return values
}
