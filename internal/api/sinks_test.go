package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/digitalocean/godo"

	"tine/internal/store"
)

const (
	datadogKey  = "0123456789abcdef0123456789abcdef"
	datadogSink = `{"sink_name": "logs", "sink_type": "datadog", "config": {"site": "datadoghq.eu", "datadog_api_key": "` + datadogKey + `"}}`
	nobody      = "11111111-2222-4333-8444-555555555555"
)

// godo cannot send what Datadog needs, and reads everything else.
func TestGodoReadsAndDeletesLogSinks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	databases := b.godo(t, b.secret).Databases
	db := b.online(t, "prod")
	made := b.do(t, http.MethodPost, "/v2/databases/"+db.ID+"/logsink", datadogSink)
	if made.status != http.StatusCreated || !strings.Contains(made.body, `"sink":{"sink_id":`) || !strings.Contains(made.body, datadogKey) {
		t.Fatalf("created %d %s", made.status, made.body)
	}
	list, _, err := databases.ListLogsinks(t.Context(), db.ID, nil)
	if err != nil || len(list) != 1 || list[0].Name != "logs" || list[0].Type != "datadog" {
		t.Fatalf("list %+v, %v", list, err)
	}
	one, _, err := databases.GetLogsink(t.Context(), db.ID, list[0].ID)
	if err != nil || one.ID != list[0].ID || one.Name != "logs" || one.Config == nil {
		t.Errorf("sink %+v, %v", one, err)
	}
	path := "/v2/databases/" + db.ID + "/logsink/" + one.ID
	put := b.do(t, http.MethodPut, path, `{"config": {"site": "http-intake.logs.us5.datadoghq.com", "datadog_api_key": "other-key"}}`)
	if got := b.do(t, http.MethodGet, path, ""); put.status != http.StatusOK || put.body != "" || !strings.Contains(got.body, "other-key") ||
		!strings.Contains(got.body, "http-intake.logs.us5.datadoghq.com") {
		t.Errorf("PUT %d %s made %s", put.status, put.body, got.body)
	}
	if response, err := databases.DeleteLogsink(t.Context(), db.ID, one.ID); err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("delete: %v", err)
	}
	if list, _, err := databases.ListLogsinks(t.Context(), db.ID, nil); err != nil || len(list) != 0 {
		t.Errorf("list after deletion %+v, %v", list, err)
	}
	gone := `the cluster has no log sink with the id "` + one.ID + `"`
	_, _, err = databases.GetLogsink(t.Context(), db.ID, one.ID)
	wantGodoError(t, err, http.StatusNotFound, gone)
	_, err = databases.DeleteLogsink(t.Context(), db.ID, one.ID)
	wantGodoError(t, err, http.StatusNotFound, gone)
	_, err = databases.UpdateLogsink(t.Context(), db.ID, one.ID, &godo.DatabaseUpdateLogsinkRequest{Config: &godo.DatabaseLogsinkConfig{}})
	wantGodoError(t, err, http.StatusNotFound, gone)
	_, _, err = databases.ListLogsinks(t.Context(), nobody, nil)
	wantGodoError(t, err, http.StatusNotFound, `there is no cluster with the id "`+nobody+`"`)
}

func TestLogSinksThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	db := b.online(t, "prod")
	_, _, err := b.godo(t, b.secret).Databases.CreateLogsink(t.Context(), db.ID, &godo.DatabaseCreateLogsinkRequest{
		Name: "logs", Type: "rsyslog", Config: &godo.DatabaseLogsinkConfig{Server: "192.0.2.1", Port: 514, Format: "rfc5424"},
	})
	wantGodoError(t, err, http.StatusUnprocessableEntity, "rsyslog log sink not supported for MongoDB clusters; sink_type must be datadog")
	path := "/v2/databases/" + db.ID + "/logsink"
	for body, message := range map[string]string{
		`{"sink_name": "x", "sink_type": "opensearch"}`: "opensearch log sink not supported for MongoDB clusters; sink_type must be datadog",
		`{"sink_name": "x", "sink_type": "kafka"}`:      `sink_type must be one of datadog; got "kafka"`,
		`{"sink_name": "x"}`:                            `sink_type must be one of datadog; it is missing`,
		`{"sink_type": "datadog"}`:                      `sink_name must be 1 to 255 characters without control characters; got ""`,
		`{"sink_name": "x", "sink_type": "datadog", "config": {"site": "evil.example.com", "datadog_api_key": "k"}}`: `config.site must be one of ` +
			`datadoghq.com, us3.datadoghq.com, us5.datadoghq.com, datadoghq.eu, ap1.datadoghq.com, ap2.datadoghq.com, ddog-gov.com; got "evil.example.com"`,
		`{"sink_name": "x", "sink_type": "datadog", "config": {"site": "datadoghq.com", "datadog_api_key": "a\nb"}}`: `config.datadog_api_key must be ` +
			`an API key of Datadog: letters, digits, hyphens and underscores`,
		`{"sink_name": 1}`: "sink_name must be a string; got number",
	} {
		b.do(t, http.MethodPost, path, body).wantError(t, http.StatusUnprocessableEntity, "unprocessable_entity", message)
	}
	if a := b.do(t, http.MethodPost, path, datadogSink); a.status != http.StatusCreated {
		t.Fatal(a.body)
	}
	b.do(t, http.MethodPost, path, datadogSink).wantError(t, http.StatusUnprocessableEntity, "unprocessable_entity",
		`sink_name must be unique; the cluster has a log sink "logs" already`)
	for n := range 9 {
		if a := b.do(t, http.MethodPost, path, strings.Replace(datadogSink, "logs", "logs"+string(rune('a'+n)), 1)); a.status != http.StatusCreated {
			t.Fatal(a.body)
		}
	}
	b.do(t, http.MethodPost, path, strings.Replace(datadogSink, "logs", "more", 1)).wantError(t, http.StatusUnprocessableEntity, "unprocessable_entity",
		"the cluster has as many log sinks as there may be; remove one first")
}

func TestKeysOfLogSinksAreSecret(t *testing.T) {
	t.Parallel()
	b := setup(t)
	db := b.online(t, "prod")
	path := "/v2/databases/" + db.ID + "/logsink"
	if a := b.do(t, http.MethodPost, path, datadogSink); a.status != http.StatusCreated {
		t.Fatal(a.body)
	}
	reader := []string{"Authorization", "Bearer " + b.token(t, store.ScopeRead)}
	if a := b.do(t, http.MethodGet, path, "", reader...); strings.Contains(a.body, datadogKey) || !strings.Contains(a.body, `"datadog_api_key":"********"`) {
		t.Errorf("a token without database:view_credentials sees %s", a.body)
	}
	sinks, err := b.store.LogSinks(t.Context(), db.ID)
	if err != nil || len(sinks) != 1 || strings.Contains(string(sinks[0].APIKey), datadogKey) {
		t.Errorf("the store has %+v, %v", sinks, err)
	}
	// What was read back masked is not written for a key.
	b.do(t, http.MethodPut, path+"/"+sinks[0].ID, `{"config": {"site": "datadoghq.eu", "datadog_api_key": "********"}}`).wantError(t, 422,
		"unprocessable_entity", "config.datadog_api_key must be an API key of Datadog: letters, digits, hyphens and underscores")
	if strings.Contains(b.log.String(), datadogKey) {
		t.Error("the key is in the log")
	}
	// A fork starts without: its logs are not its source's.
	request := createRequest("fork")
	request.BackupRestore = &godo.DatabaseBackupRestore{DatabaseName: "prod"}
	fork, _, err := b.godo(t, b.secret).Databases.Create(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if sinks, err := b.store.LogSinks(t.Context(), fork.ID); err != nil || len(sinks) != 0 {
		t.Errorf("the fork has %+v, %v", sinks, err)
	}
}

func TestGodoSetsServiceNames(t *testing.T) {
	t.Parallel()
	b := setup(t)
	databases := b.godo(t, b.secret).Databases
	request := createRequest("prod")
	request.DOSettings = &godo.DOSettings{ServiceCnames: []string{"db.example.com"}}
	db, _, err := databases.Create(t.Context(), request)
	if err != nil || !slices.Equal(db.DOSettings.ServiceCnames, []string{"db.example.com"}) {
		t.Fatalf("created %+v, %v", db, err)
	}
	names := []string{"a.example.com", "B.example.com"}
	response, err := databases.UpdateDOSettings(t.Context(), db.ID, &godo.DatabaseUpdateDOSettingsRequest{DOSettings: &godo.DOSettings{ServiceCnames: names}})
	if err != nil || response.StatusCode != http.StatusNoContent {
		t.Fatal(response, err)
	}
	if got, _, err := databases.GetDOSettings(t.Context(), db.ID); err != nil || !slices.Equal(got.ServiceCnames, names) {
		t.Errorf("settings %+v, %v", got, err)
	}
	if all, err := b.store.ServiceNames(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("all names %v, %v", all, err)
	}
	for _, wrong := range [][]string{{"nodots"}, {"-a.example.com"}, {"a..com"}, {"*.example.com"}, {strings.Repeat("a.", 130) + "com"}, {strings.Repeat("a", 64) + ".com"}} {
		_, err := databases.UpdateDOSettings(t.Context(), db.ID, &godo.DatabaseUpdateDOSettingsRequest{DOSettings: &godo.DOSettings{ServiceCnames: wrong}})
		if err == nil || !strings.Contains(err.Error(), "do_settings.service_cnames must be names such as") {
			t.Errorf("%v: %v", wrong, err)
		}
	}
	many := make([]string, 17)
	for i := range many {
		many[i] = "db.example.com"
	}
	_, err = databases.UpdateDOSettings(t.Context(), db.ID, &godo.DatabaseUpdateDOSettingsRequest{DOSettings: &godo.DOSettings{ServiceCnames: many}})
	wantGodoError(t, err, http.StatusUnprocessableEntity, "do_settings.service_cnames must have at most 16 names; got 17")
	b.do(t, http.MethodPut, "/v2/databases/"+db.ID+"/do_settings", `{}`).wantError(t, http.StatusUnprocessableEntity, "unprocessable_entity",
		"do_settings must be an object with service_cnames; it is missing")
	_, _, err = databases.GetDOSettings(t.Context(), nobody)
	wantGodoError(t, err, http.StatusNotFound, `there is no cluster with the id "`+nobody+`"`)
	_, err = databases.UpdateDOSettings(t.Context(), nobody, &godo.DatabaseUpdateDOSettingsRequest{DOSettings: &godo.DOSettings{}})
	wantGodoError(t, err, http.StatusNotFound, `there is no cluster with the id "`+nobody+`"`)
	if _, err := databases.UpdateDOSettings(t.Context(), db.ID, &godo.DatabaseUpdateDOSettingsRequest{DOSettings: &godo.DOSettings{}}); err != nil {
		t.Error(err)
	}
	if got, err := b.store.Cluster(t.Context(), db.ID); err != nil || len(got.ServiceNames) != 0 {
		t.Errorf("names %v, %v", got.ServiceNames, err)
	}
}
