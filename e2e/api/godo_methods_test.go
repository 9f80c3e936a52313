package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/digitalocean/godo"

	"tine/e2e/harness"
)

func mongoUser(role string) *godo.DatabaseUserSettings {
	return &godo.DatabaseUserSettings{MongoUserSettings: &godo.MongoUserSettings{Databases: []string{"shop"}, Role: role}}
}

func sources(address string) *godo.DatabaseUpdateFirewallRulesRequest {
	return &godo.DatabaseUpdateFirewallRulesRequest{Rules: []*godo.DatabaseFirewallRule{{Type: "ip_addr", Value: address}}}
}

func settings(name string) *godo.DatabaseUpdateDOSettingsRequest {
	return &godo.DatabaseUpdateDOSettingsRequest{DOSettings: &godo.DOSettings{ServiceCnames: []string{name}}}
}

func credentials(user string) *godo.DatabaseUpdateMetricsCredentialsRequest {
	return &godo.DatabaseUpdateMetricsCredentialsRequest{
		Credentials: &godo.DatabaseMetricsCredentials{BasicAuthUsername: user, BasicAuthPassword: "a long password"},
	}
}

// methods are those that MongoDB has, in an order in which each finds what it needs.
func methods() []method {
	return slices.Concat(contentMethods(), settingMethods(), changeMethods())
}

// contentMethods are about what there is: clusters, users and databases.
func contentMethods() []method {
	return []method{
		{
			name:   "List",
			global: true,
			call: func(ctx context.Context, api godo.DatabasesService, _ string) (*godo.Response, error) {
				_, response, err := api.List(ctx, nil)
				return response, err
			},
			refused: map[int]func(context.Context, godo.DatabasesService, string) (*godo.Response, error){
				http.StatusUnprocessableEntity: func(ctx context.Context, api godo.DatabasesService, _ string) (*godo.Response, error) {
					_, response, err := api.List(ctx, &godo.ListOptions{PerPage: 201})
					return response, err
				},
			},
		},
		{
			name:   "ListOptions",
			global: true,
			call: func(ctx context.Context, api godo.DatabasesService, _ string) (*godo.Response, error) {
				_, response, err := api.ListOptions(ctx)
				return response, err
			},
		},
		{
			name:   "Create",
			global: true,
			call: func(ctx context.Context, api godo.DatabasesService, _ string) (*godo.Response, error) {
				made, response, err := api.Create(ctx, harness.CreateRequest(newName("made")))
				if err != nil {
					return response, err
				}
				return api.Delete(ctx, made.ID)
			},
			refused: map[int]func(context.Context, godo.DatabasesService, string) (*godo.Response, error){
				http.StatusUnprocessableEntity: func(ctx context.Context, api godo.DatabasesService, _ string) (*godo.Response, error) {
					_, response, err := api.Create(ctx, harness.CreateRequest("Not a name"))
					return response, err
				},
				http.StatusNotFound: func(ctx context.Context, api godo.DatabasesService, _ string) (*godo.Response, error) {
					_, response, err := api.Create(ctx, harness.ForkRequest("nobody", newName("fork"), time.Time{}))
					return response, err
				},
			},
		},
		{
			name: "Get",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				_, response, err := api.Get(ctx, id)
				return response, err
			},
		},
		{
			name: "GetCA",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				_, response, err := api.GetCA(ctx, id)
				return response, err
			},
		},
		{
			name: "ListBackups",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				_, response, err := api.ListBackups(ctx, id, nil)
				return response, err
			},
		},
		{
			name: "ListDatabaseEvents",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				_, response, err := api.ListDatabaseEvents(ctx, id, nil)
				return response, err
			},
		},
		{
			name: "CreateUser",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				_, response, err := api.CreateUser(ctx, id, &godo.DatabaseCreateUserRequest{Name: "ada"})
				return response, err
			},
			refused: map[int]func(context.Context, godo.DatabasesService, string) (*godo.Response, error){
				http.StatusUnprocessableEntity: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
					_, response, err := api.CreateUser(ctx, id, &godo.DatabaseCreateUserRequest{Name: "doadmin"})
					return response, err
				},
			},
		},
		{
			name: "ListUsers",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				_, response, err := api.ListUsers(ctx, id, nil)
				return response, err
			},
		},
		{
			name: "GetUser",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				_, response, err := api.GetUser(ctx, id, "ada")
				return response, err
			},
			refused: map[int]func(context.Context, godo.DatabasesService, string) (*godo.Response, error){
				http.StatusNotFound: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
					_, response, err := api.GetUser(ctx, id, "bob")
					return response, err
				},
			},
		},
		{
			name: "UpdateUser",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				_, response, err := api.UpdateUser(ctx, id, "ada", &godo.DatabaseUpdateUserRequest{Settings: mongoUser("readOnly")})
				return response, err
			},
			refused: map[int]func(context.Context, godo.DatabasesService, string) (*godo.Response, error){
				http.StatusUnprocessableEntity: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
					_, response, err := api.UpdateUser(ctx, id, "ada", &godo.DatabaseUpdateUserRequest{Settings: mongoUser("king")})
					return response, err
				},
				http.StatusNotFound: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
					_, response, err := api.UpdateUser(ctx, id, "bob", &godo.DatabaseUpdateUserRequest{Settings: mongoUser("readOnly")})
					return response, err
				},
			},
		},
		{
			name: "ResetUserAuth",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				_, response, err := api.ResetUserAuth(ctx, id, "ada", &godo.DatabaseResetUserAuthRequest{})
				return response, err
			},
			refused: map[int]func(context.Context, godo.DatabasesService, string) (*godo.Response, error){
				http.StatusNotFound: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
					_, response, err := api.ResetUserAuth(ctx, id, "bob", &godo.DatabaseResetUserAuthRequest{})
					return response, err
				},
			},
		},
		{
			name: "DeleteUser",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				return api.DeleteUser(ctx, id, "ada")
			},
			refused: map[int]func(context.Context, godo.DatabasesService, string) (*godo.Response, error){
				http.StatusUnprocessableEntity: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
					return api.DeleteUser(ctx, id, "doadmin")
				},
				http.StatusNotFound: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
					return api.DeleteUser(ctx, id, "bob")
				},
			},
		},
		{
			name: "CreateDB",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				_, response, err := api.CreateDB(ctx, id, &godo.DatabaseCreateDBRequest{Name: "shop"})
				return response, err
			},
			refused: map[int]func(context.Context, godo.DatabasesService, string) (*godo.Response, error){
				http.StatusUnprocessableEntity: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
					_, response, err := api.CreateDB(ctx, id, &godo.DatabaseCreateDBRequest{Name: "admin"})
					return response, err
				},
			},
		},
		{
			name: "ListDBs",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				_, response, err := api.ListDBs(ctx, id, nil)
				return response, err
			},
		},
		{
			name: "GetDB",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				_, response, err := api.GetDB(ctx, id, "shop")
				return response, err
			},
			refused: map[int]func(context.Context, godo.DatabasesService, string) (*godo.Response, error){
				http.StatusNotFound: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
					_, response, err := api.GetDB(ctx, id, "nothing")
					return response, err
				},
			},
		},
		{
			name: "DeleteDB",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				return api.DeleteDB(ctx, id, "shop")
			},
			refused: map[int]func(context.Context, godo.DatabasesService, string) (*godo.Response, error){
				http.StatusUnprocessableEntity: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
					return api.DeleteDB(ctx, id, "defaultdb")
				},
				http.StatusNotFound: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
					return api.DeleteDB(ctx, id, "nothing")
				},
			},
		},
	}
}

// settingMethods are about settings.
func settingMethods() []method {
	return []method{
		{
			name: "UpdateFirewallRules",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				return api.UpdateFirewallRules(ctx, id, sources("192.0.2.0/24"))
			},
			refused: map[int]func(context.Context, godo.DatabasesService, string) (*godo.Response, error){
				http.StatusUnprocessableEntity: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
					return api.UpdateFirewallRules(ctx, id, sources("192.0.2.0/99"))
				},
			},
		},
		{
			name: "GetFirewallRules",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				_, response, err := api.GetFirewallRules(ctx, id)
				return response, err
			},
		},
		{
			name: "UpdateDOSettings",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				return api.UpdateDOSettings(ctx, id, settings("db.example.com"))
			},
			refused: map[int]func(context.Context, godo.DatabasesService, string) (*godo.Response, error){
				http.StatusUnprocessableEntity: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
					return api.UpdateDOSettings(ctx, id, settings("no name"))
				},
			},
		},
		{
			name: "GetDOSettings",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				_, response, err := api.GetDOSettings(ctx, id)
				return response, err
			},
		},
		{
			name: "UpdateMongoDBConfig",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				return api.UpdateMongoDBConfig(ctx, id, &godo.MongoDBConfig{DefaultReadConcern: new("majority")})
			},
			refused: map[int]func(context.Context, godo.DatabasesService, string) (*godo.Response, error){
				http.StatusUnprocessableEntity: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
					return api.UpdateMongoDBConfig(ctx, id, &godo.MongoDBConfig{DefaultReadConcern: new("most")})
				},
			},
		},
		{
			name: "GetMongoDBConfig",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				_, response, err := api.GetMongoDBConfig(ctx, id)
				return response, err
			},
		},
		{
			name: "UpdateStorageAutoscale",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				return api.UpdateStorageAutoscale(ctx, id, &godo.DatabaseStorageAutoscale{Enabled: true})
			},
			refused: map[int]func(context.Context, godo.DatabasesService, string) (*godo.Response, error){
				http.StatusUnprocessableEntity: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
					return api.UpdateStorageAutoscale(ctx, id, &godo.DatabaseStorageAutoscale{Enabled: true, ThresholdPercent: new(1)})
				},
			},
		},
		{
			name: "GetStorageAutoscale",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				_, response, err := api.GetStorageAutoscale(ctx, id)
				return response, err
			},
		},
		{
			name: "UpdateMaintenance",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				return api.UpdateMaintenance(ctx, id, &godo.DatabaseUpdateMaintenanceRequest{Day: "friday", Hour: "04:00"})
			},
			refused: map[int]func(context.Context, godo.DatabasesService, string) (*godo.Response, error){
				http.StatusUnprocessableEntity: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
					return api.UpdateMaintenance(ctx, id, &godo.DatabaseUpdateMaintenanceRequest{Day: "someday", Hour: "04:00"})
				},
			},
		},
		{
			name:   "UpdateMetricsCredentials",
			global: true,
			call: func(ctx context.Context, api godo.DatabasesService, _ string) (*godo.Response, error) {
				return api.UpdateMetricsCredentials(ctx, credentials("prometheus"))
			},
			refused: map[int]func(context.Context, godo.DatabasesService, string) (*godo.Response, error){
				http.StatusUnprocessableEntity: func(ctx context.Context, api godo.DatabasesService, _ string) (*godo.Response, error) {
					return api.UpdateMetricsCredentials(ctx, credentials(""))
				},
			},
		},
		{
			name:   "GetMetricsCredentials",
			global: true,
			call: func(ctx context.Context, api godo.DatabasesService, _ string) (*godo.Response, error) {
				_, response, err := api.GetMetricsCredentials(ctx)
				return response, err
			},
		},
		{
			name:   "CreateLogsink",
			unable: "godo has no field for the key of Datadog, the one type that MongoDB has",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				_, response, err := api.CreateLogsink(ctx, id, &godo.DatabaseCreateLogsinkRequest{Name: "x", Type: "datadog", Config: &godo.DatabaseLogsinkConfig{}})
				return response, err
			},
		},
		{
			name: "ListLogsinks",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				_, response, err := api.ListLogsinks(ctx, id, nil)
				return response, err
			},
		},
		{
			name: "GetLogsink",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				sinks, response, err := api.ListLogsinks(ctx, id, nil)
				if err != nil || len(sinks) == 0 {
					return response, err
				}
				_, response, err = api.GetLogsink(ctx, id, sinks[0].ID)
				return response, err
			},
			refused: map[int]func(context.Context, godo.DatabasesService, string) (*godo.Response, error){
				http.StatusNotFound: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
					_, response, err := api.GetLogsink(ctx, id, nobody)
					return response, err
				},
			},
		},
		{
			name:   "UpdateLogsink",
			unable: "godo has no field for the key of Datadog",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				sinks, response, err := api.ListLogsinks(ctx, id, nil)
				if err != nil || len(sinks) == 0 {
					return response, err
				}
				return api.UpdateLogsink(ctx, id, sinks[0].ID, &godo.DatabaseUpdateLogsinkRequest{Config: &godo.DatabaseLogsinkConfig{}})
			},
			refused: map[int]func(context.Context, godo.DatabasesService, string) (*godo.Response, error){
				http.StatusNotFound: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
					return api.UpdateLogsink(ctx, id, nobody, &godo.DatabaseUpdateLogsinkRequest{Config: &godo.DatabaseLogsinkConfig{}})
				},
			},
		},
		{
			name: "DeleteLogsink",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				sinks, response, err := api.ListLogsinks(ctx, id, nil)
				if err != nil || len(sinks) == 0 {
					return response, err
				}
				return api.DeleteLogsink(ctx, id, sinks[0].ID)
			},
			refused: map[int]func(context.Context, godo.DatabasesService, string) (*godo.Response, error){
				http.StatusNotFound: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
					return api.DeleteLogsink(ctx, id, nobody)
				},
			},
		},
	}
}

// changeMethods change the cluster, and destroy it in the end.
func changeMethods() []method {
	return []method{
		{
			name: "Resize",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				return api.Resize(ctx, id, &godo.DatabaseResizeRequest{SizeSlug: "db-s-1vcpu-1gb", NumNodes: 1, StorageSizeMib: 25600})
			},
			refused: map[int]func(context.Context, godo.DatabasesService, string) (*godo.Response, error){
				http.StatusUnprocessableEntity: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
					return api.Resize(ctx, id, &godo.DatabaseResizeRequest{SizeSlug: "db-s-1vcpu-1gb", NumNodes: 2})
				},
			},
		},
		{
			name: "Migrate",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				return api.Migrate(ctx, id, &godo.DatabaseMigrateRequest{Region: "ams3"})
			},
			refused: map[int]func(context.Context, godo.DatabasesService, string) (*godo.Response, error){
				http.StatusUnprocessableEntity: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
					return api.Migrate(ctx, id, &godo.DatabaseMigrateRequest{Region: "moon1"})
				},
			},
		},
		{
			name: "UpgradeMajorVersion",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				return api.UpgradeMajorVersion(ctx, id, &godo.UpgradeVersionRequest{Version: "8"})
			},
			refused: map[int]func(context.Context, godo.DatabasesService, string) (*godo.Response, error){
				http.StatusUnprocessableEntity: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
					return api.UpgradeMajorVersion(ctx, id, &godo.UpgradeVersionRequest{Version: "6"})
				},
			},
		},
		{
			name: "InstallUpdate",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				return api.InstallUpdate(ctx, id)
			},
		},
		{
			name: "Delete",
			call: func(ctx context.Context, api godo.DatabasesService, id string) (*godo.Response, error) {
				return api.Delete(ctx, id)
			},
		},
	}
}
