package api_test

import (
	"encoding/json"
	"testing"
	"time"

	"tine/internal/api"
	"tine/internal/store"
)

// Two forks at one transaction are told apart by the side that they are on.
func TestForkSaysWhatItWasMadeFrom(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 8, 10, 11, 0, 0, 123_456_789, time.UTC)
	const source = `{"id":"s","name":"prod","at":`
	for name, test := range map[string]struct {
		fork store.Cluster
		want string
	}{
		"no fork":     {store.Cluster{}, `null`},
		"latest":      {store.Cluster{SourceID: "s", SourceName: "prod"}, source + `null}`},
		"moment":      {store.Cluster{SourceID: "s", SourceName: "prod", ForkAt: &at}, source + `"2026-08-10T11:00:00.123456Z"}`},
		"transaction": {store.Cluster{SourceID: "s", SourceName: "prod", ForkAt: &at, ForkLSN: 0x1_03A2F198}, source + `"2026-08-10T11:00:00.123456Z","before_transaction":"1/3A2F198"}`},
		"other side":  {store.Cluster{SourceID: "s", SourceName: "prod", ForkAt: &at, ForkLSN: 0x1_03A2F198, ForkAfter: true}, source + `"2026-08-10T11:00:00.123456Z","after_transaction":"1/3A2F198"}`},
	} {
		if got, err := json.Marshal(api.ForkedFrom(test.fork)); err != nil || string(got) != test.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, test.want)
		}
	}
}
