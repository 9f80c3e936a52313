package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// Clients repeat what got a 5xx, POST included. So no field may get one, whatever is in it.
func TestNoValueMakesAServerError(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.online(t, "source")
	values := []string{
		`null`, `true`, `0`, `-1`, `1.5`, `1e300`, `9223372036854775807`, `9223372036854775808`, `""`, `" "`, `"\u0000"`, `"\ud800"`, `"'; --"`,
		`"` + strings.Repeat("a", 70_000) + `"`, `"{11111111-2222-4333-8444-555555555555}"`, `"0001-01-01T00:00:00Z"`, `"9999-12-31T23:59:59.999999999+23:59"`,
		`[]`, `[null]`, `[{}]`, `["\u0000"]`, `{}`, `{"storage":null}`, `{"service_cnames":[null]}`, strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
	}
	fields := []string{
		"name", "engine", "version", "region", "size", "num_nodes", "storage_size_mib", "tags", "project_id", "private_network_uuid",
		"backup_restore", "database_name", "backup_created_at", "rules", "autoscale", "storage_autoscale", "do_settings",
	}
	for n, field := range fields {
		for m, value := range values {
			body := nastyBody(t, fmt.Sprintf("nasty-%d-%d", n, m), field, value)
			a := b.do(t, http.MethodPost, "/v2/databases", body)
			if a.status >= http.StatusInternalServerError {
				t.Errorf("%s = %.60s: answer %d %s", field, value, a.status, a.body)
			}
			if message, _ := a.json(t)["message"].(string); a.status != http.StatusCreated && (message == "" || len(message) > 700) {
				t.Errorf("%s = %.60s: message %.900q", field, value, message)
			}
		}
	}
}

// nastyBody is a valid body but for one field.
func nastyBody(t *testing.T, name, field, value string) string {
	t.Helper()
	var body map[string]json.RawMessage
	if err := json.Unmarshal([]byte(strings.Replace(valid, "prod", name, 1)), &body); err != nil {
		t.Fatal(err)
	}
	switch field {
	case "database_name":
		body["backup_restore"] = json.RawMessage(`{"database_name":` + value + `}`)
	case "backup_created_at":
		body["backup_restore"] = json.RawMessage(`{"database_name":"source","backup_created_at":` + value + `}`)
	default:
		body[field] = json.RawMessage(value)
	}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
