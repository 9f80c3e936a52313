package api

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"testing"

	"github.com/digitalocean/godo"

	"tine/e2e/harness"
)

// nobody is the id of no cluster.
const nobody = "11111111-2222-4333-8444-555555555555"

// method is how one of godo's is tried.
type method struct {
	name string
	// call is a request that succeeds on the cluster.
	call func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error)
	// global says that the method is not about one cluster, unable why godo's request cannot succeed, whatever is in it.
	global bool
	unable string
	// refused are requests that fail, by the status that says so. That the token is wrong, and that there is no such cluster, is tried of all.
	refused map[int]func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error)
}

// foreign are the methods for other engines than MongoDB, which Tine does not have: the reason is that engine.
func foreign() map[string]string {
	reasons := map[string][]string{
		"connection pools are PgBouncer's, for PostgreSQL":           {"ListPools", "CreatePool", "GetPool", "DeletePool", "UpdatePool"},
		"read replicas of DigitalOcean are for PostgreSQL and MySQL": {"GetReplica", "ListReplicas", "CreateReplica", "DeleteReplica", "PromoteReplicaToPrimary"},
		"eviction policies are Redis' and Valkey's":                  {"GetEvictionPolicy", "SetEvictionPolicy"},
		"SQL modes are MySQL's":                                      {"GetSQLMode", "SetSQLMode"},
		"the configuration of another engine": {
			"GetPostgreSQLConfig", "GetRedisConfig", "GetValkeyConfig", "GetMySQLConfig", "GetOpensearchConfig", "GetKafkaConfig",
			"GetAdvancedPostgresSQLConfig", "GetAdvancedMySQLConfig", "UpdatePostgreSQLConfig", "UpdateRedisConfig", "UpdateValkeyConfig",
			"UpdateMySQLConfig", "UpdateOpensearchConfig", "UpdateKafkaConfig", "UpdateAdvancedPostgresSQLConfig", "UpdateAdvancedMySQLConfig",
		},
		"topics are Kafka's":                                {"ListTopics", "CreateTopic", "GetTopic", "DeleteTopic", "UpdateTopic"},
		"indexes that the API manages are OpenSearch's":     {"ListIndexes", "DeleteIndex"},
		"online migration is for PostgreSQL, MySQL, Valkey": {"StartOnlineMigration", "StopOnlineMigration", "GetOnlineMigrationStatus"},
		"schema registries are Kafka's": {
			"ListKafkaSchemaRegistry", "CreateKafkaSchemaRegistry", "GetKafkaSchemaRegistry", "DeleteKafkaSchemaRegistry",
			"GetKafkaSchemaRegistryConfig", "UpdateKafkaSchemaRegistryConfig", "GetKafkaSchemaRegistrySubjectConfig",
			"UpdateKafkaSchemaRegistrySubjectConfig",
		},
	}
	byName := map[string]string{}
	for reason, names := range reasons {
		for _, name := range names {
			byName[name] = reason
		}
	}
	return byName
}

// Every method of godo's is tried on a real cluster, with what it is refused for, or is another engine's. A method that a later godo adds makes this fail.
func TestEveryMethodOfGodo(t *testing.T) {
	t.Parallel()
	var tried []string
	for _, m := range methods() {
		tried = append(tried, m.name)
	}
	others := foreign()
	service := reflect.TypeFor[godo.DatabasesService]()
	for m := range service.Methods() {
		name := m.Name
		_, other := others[name]
		if other == slices.Contains(tried, name) {
			t.Errorf("%s is tried: %v, is another engine's: %v; want one of them", name, !other, other)
		}
	}
	if len(tried)+len(others) != service.NumMethod() {
		t.Errorf("%d methods are tried and %d are other engines', of %d", len(tried), len(others), service.NumMethod())
	}
	if t.Failed() {
		return
	}
	old := harness.CreateRequest(newName("godo"))
	old.Version = "7" // which can be upgraded
	cluster := makeClusterOf(t, shared, old)
	call(t, http.MethodPost, "/v2/databases/"+cluster.ID+"/logsink",
		`{"sink_name": "logs", "sink_type": "datadog", "config": {"site": "datadoghq.eu", "datadog_api_key": "key-of-godo"}}`, nil)
	stranger, err := godo.New(nil, godo.SetBaseURL(shared.URL), godo.SetRequestHeaders(map[string]string{"Authorization": "Bearer nonsense"}))
	if err != nil {
		t.Fatal(err)
	}
	api := shared.API.Databases
	for _, m := range methods() {
		want := func(what string, status int, response *godo.Response, err error) {
			t.Helper()
			if response == nil || response.StatusCode != status || (status >= http.StatusBadRequest) != (err != nil) {
				t.Errorf("%s, %s: answered %v, %v; want status %d", m.name, what, response, err, status)
			}
		}
		response, err := m.call(t.Context(), stranger.Databases, cluster.ID)
		want("with a wrong token", http.StatusUnauthorized, response, err)
		if !m.global {
			response, err = m.call(t.Context(), api, nobody)
			want("of no cluster", http.StatusNotFound, response, err)
		}
		if err := shared.WaitOnline(t.Context(), cluster.ID); err != nil { // the method before may still be carried out
			t.Fatal(m.name, err)
		}
		for status, call := range m.refused {
			response, err = call(t.Context(), api, cluster.ID)
			want("a request that is refused", status, response, err)
		}
		if m.unable != "" {
			response, err = m.call(t.Context(), api, cluster.ID)
			want(m.unable, http.StatusUnprocessableEntity, response, err)
			continue
		}
		response, err = m.call(t.Context(), api, cluster.ID)
		if err != nil || response.StatusCode >= http.StatusBadRequest {
			t.Errorf("%s: %v", m.name, err)
		}
	}
	if err := shared.WaitGone(t.Context(), cluster.ID); err != nil {
		t.Error(err)
	}
}
