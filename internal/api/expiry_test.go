package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestExpiryIsChanged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	db := b.online(t, "prod")
	path := "/v2/databases/" + db.ID + "/expiry"
	const at = `{"expires_at":"2026-08-11T12:00:00Z"}`
	for body, want := range map[string]string{
		`{"expires_in_seconds":86400}`:          at,
		`{"expires_at":"2026-08-11T12:00:00Z"}`: at,
		`{"expires_in_seconds":null}`:           `{"expires_at":null}`,
		`{"expires_at":null}`:                   `{"expires_at":null}`,
	} {
		if a := b.do(t, http.MethodPut, path, body); a.status != http.StatusOK || strings.TrimSpace(a.body) != want {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	if a := b.do(t, http.MethodPut, path, at); a.status != http.StatusOK {
		t.Fatal(a.body)
	}
	const missing = "expires_in_seconds or expires_at must be given; null is for never"
	for body, message := range map[string]string{
		`{}`:                           missing,
		`null`:                         missing,
		`{"expires_in_second":600}`:    missing,
		`[]`:                           "the body must be an object; got array",
		`{"expires_in_seconds":"12h"}`: "expires_in_seconds must be a whole number; got string",
		`{"expires_in_seconds":1e30}`:  "expires_in_seconds must be a whole number; got number 1e30",
		`{"expires_at":7}`:             "expires_at must be a string; got number",
		`{"expires_in_seconds":600,"expires_at":null}`: "expires_in_seconds and expires_at must not both be given",
		`{"expires_in_seconds":0}`:                     "expires_in_seconds must be between 1 minute and 10 years from now; got 0s",
		`{"expires_in_seconds":400000000}`:             "expires_in_seconds must be between 1 minute and 10 years from now; got 4629 days",
		`{"expires_at":"2020-01-01T00:00:00Z"}`:        "expires_at must be between 1 minute and 10 years from now; got 2020-01-01T00:00:00Z",
		`{"expires_at":"9999-01-01T00:00:00+02:00"}`:   "expires_at must be between 1 minute and 10 years from now; got 9998-12-31T22:00:00Z",
		`{"expires_at":""}`:                            `expires_at must be a time like 2026-08-01T18:42:27.123456Z; got ""`,
	} {
		b.do(t, http.MethodPut, path, body).wantError(t, http.StatusUnprocessableEntity, "unprocessable_entity", message)
	}
	wantExpiry(t, b, db.ID)
}

func wantExpiry(t *testing.T, b *bundle, id string) {
	t.Helper()
	database, _ := b.do(t, http.MethodGet, "/v2/databases/"+id, "").json(t)["database"].(map[string]any)
	if database["expires_at"] != "2026-08-11T12:00:00Z" {
		t.Errorf("it expires at %v", database["expires_at"])
	}
}

// A cluster that is made with an end has it, however that is said; what cannot be an end is refused, and no cluster made that would live for ever.
func TestExpiryIsChosenAtTheCreation(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const create = `{"name":%q,"engine":"mongodb","num_nodes":1,"size":"db-s-1vcpu-1gb","region":"nyc1",%s}`
	for i, end := range []string{`"expires_in_seconds":86400`, `"expires_at":"2026-08-11T12:00:00Z"`, `"expires_at":"2026-08-11T14:00:00+02:00","expires_in_seconds":null`} {
		a := b.do(t, http.MethodPost, "/v2/databases", fmt.Sprintf(create, fmt.Sprintf("made-%d", i), end))
		database, _ := a.json(t)["database"].(map[string]any)
		id, _ := database["id"].(string)
		if a.status != http.StatusCreated || database["expires_at"] != "2026-08-11T12:00:00Z" {
			t.Errorf("%s: %d %s", end, a.status, a.body)
		}
		wantExpiry(t, b, id)
	}
	for end, message := range map[string]string{
		`"expires_at":"soon"`:                                          `expires_at must be a time like 2026-08-01T18:42:27.123456Z; got "soon"`,
		`"expires_at":"2020-01-01T00:00:00Z"`:                          "expires_at must be between 1 minute and 10 years from now; got 2020-01-01T00:00:00Z",
		`"expires_at":"2026-08-11T12:00:00Z","expires_in_seconds":600`: "expires_in_seconds and expires_at must not both be given",
	} {
		b.do(t, http.MethodPost, "/v2/databases", fmt.Sprintf(create, "refused", end)).wantError(t, http.StatusUnprocessableEntity, "unprocessable_entity", message)
	}
	for _, none := range []string{`"expires_at":null`, `"expires_at":""`} { // what is null or empty is absent
		a := b.do(t, http.MethodPost, "/v2/databases", fmt.Sprintf(create, fmt.Sprintf("ever-%d", len(none)), none))
		if database, _ := a.json(t)["database"].(map[string]any); a.status != http.StatusCreated || database["expires_at"] != nil {
			t.Errorf("%s: %d %s", none, a.status, a.body)
		}
	}
}
