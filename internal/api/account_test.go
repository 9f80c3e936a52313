package api_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/digitalocean/godo"
)

func TestGodoTagsAndFindsClustersByTheirTags(t *testing.T) {
	t.Parallel()
	b := setup(t)
	client := b.godo(t, b.secret)
	db := b.online(t, "prod")
	if _, _, err := client.Tags.Create(t.Context(), &godo.TagCreateRequest{Name: "blue"}); err != nil {
		t.Fatal(err)
	}
	resources := []godo.Resource{{ID: db.ID, Type: godo.DatabaseResourceType}}
	if _, err := client.Tags.TagResources(t.Context(), "blue", &godo.TagResourcesRequest{Resources: resources}); err != nil {
		t.Fatal(err)
	}
	tag, _, err := client.Tags.Get(t.Context(), "blue")
	if tag == nil || tag.Resources.Droplets == nil || tag.Resources.Images == nil || tag.Resources.Volumes == nil || tag.Resources.VolumeSnapshots == nil {
		t.Errorf("resources of the tag are %+v; doctl and Terraform read the count of each kind", tag)
	}
	if err != nil || tag.Resources.Count != 1 || tag.Resources.Databases.Count != 1 || tag.Resources.Databases.LastTaggedURI != b.url+"/v2/databases/"+db.ID {
		t.Errorf("tag %+v, %v", tag, err)
	}
	if got := b.do(t, http.MethodGet, "/v2/databases?tag_name=blue", "").json(t); member(got["meta"], "total") != 1.0 {
		t.Errorf("clusters with the tag: %v", got)
	}
	if _, err := client.Tags.UntagResources(t.Context(), "blue", &godo.UntagResourcesRequest{Resources: resources}); err != nil {
		t.Fatal(err)
	}
	if got := b.do(t, http.MethodGet, "/v2/databases?tag_name=blue", "").json(t); member(got["meta"], "total") != 0.0 {
		t.Errorf("clusters without the tag: %v", got)
	}
	list, _, err := client.Tags.List(t.Context(), nil)
	if err != nil || len(list) != 1 {
		t.Errorf("tags %+v, %v", list, err)
	}
	if _, err := client.Tags.Delete(t.Context(), "blue"); err != nil {
		t.Fatal(err)
	}
	_, _, err = client.Tags.Get(t.Context(), "blue")
	wantGodoError(t, err, http.StatusNotFound, `there is no tag "blue"`)
	resources[0].Type = godo.DropletResourceType
	_, err = client.Tags.TagResources(t.Context(), "blue", &godo.TagResourcesRequest{Resources: resources})
	wantGodoError(t, err, http.StatusUnprocessableEntity, "resource_type must be database: Tine has no other resources")
	_, _, err = client.Tags.Create(t.Context(), &godo.TagCreateRequest{Name: "a b"})
	wantGodoError(t, err, http.StatusUnprocessableEntity, `name must have 1 to 255 letters, digits, colons, hyphens and underscores each; "a b" has " "`)
}

func TestGodoFindsClustersInTheProject(t *testing.T) {
	t.Parallel()
	b := setup(t)
	client := b.godo(t, b.secret)
	db := b.online(t, "prod")
	for _, project := range []string{db.ProjectID, "default"} {
		list, response, err := client.Projects.ListResources(t.Context(), project, nil)
		if err != nil || len(list) != 1 || response.Meta.Total != 1 {
			t.Fatalf("resources of %s: %+v, %v", project, list, err)
		}
		if r := list[0]; r.URN != db.URN() || r.Status != "ok" || r.AssignedAt != "2026-08-10T12:00:00Z" || r.Links.Self != b.url+"/v2/databases/"+db.ID {
			t.Errorf("resource %+v", r)
		}
	}
	_, _, err := client.Projects.ListResources(t.Context(), "other", nil)
	wantGodoError(t, err, http.StatusNotFound, "there is no project with that id; the only one is "+db.ProjectID)
}

func TestGodoIsRefusedWhatOnlyOtherEnginesHave(t *testing.T) {
	t.Parallel()
	b := setup(t)
	client := b.godo(t, b.secret).Databases
	db := b.online(t, "prod")
	const refusal = "operation is not supported for this cluster type"
	_, _, err := client.ListPools(t.Context(), db.ID, nil)
	wantGodoError(t, err, http.StatusUnprocessableEntity, refusal)
	_, _, err = client.CreateReplica(t.Context(), db.ID, &godo.DatabaseCreateReplicaRequest{Name: "copy"})
	wantGodoError(t, err, http.StatusUnprocessableEntity, refusal)
	_, err = client.SetSQLMode(t.Context(), db.ID, "ANSI")
	wantGodoError(t, err, http.StatusUnprocessableEntity, refusal)
	for _, feature := range []string{"pools", "replicas", "topics", "schema-registry", "indexes", "sql_mode", "eviction_policy", "online-migration"} {
		b.do(t, http.MethodGet, "/v2/databases/"+db.ID+"/"+feature, "").wantError(t, http.StatusUnprocessableEntity, "unprocessable_entity", refusal)
	}
	b.do(t, http.MethodGet, "/v2/databases/none/pools", "").wantError(t, http.StatusNotFound, "not_found", `there is no cluster with the id "none"`)
}

func TestGodoSeesWhatClustersCost(t *testing.T) {
	t.Parallel()
	b := setup(t)
	client := b.godo(t, b.secret)
	db := b.online(t, "prod")
	request := createRequest("copy")
	request.BackupRestore = &godo.DatabaseBackupRestore{DatabaseName: "prod"}
	if _, _, err := client.Databases.Create(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	b.clock.Advance(10 * time.Hour)
	balance, _, err := client.Balance.Get(t.Context())
	if err != nil || balance.MonthToDateUsage != "0.45" || balance.MonthToDateBalance != "0.45" || balance.AccountBalance != "0.00" {
		t.Errorf("balance %+v, %v", balance, err)
	}
	invoice, response, err := client.Invoices.Get(t.Context(), "preview", nil)
	if err != nil || len(invoice.InvoiceItems) != 2 || response.Meta.Total != 2 {
		t.Fatalf("preview %+v, %v", invoice, err)
	}
	if i := invoice.InvoiceItems[0]; i.ResourceUUID != db.ID || i.Amount != "0.223214" || i.Duration != "10" || i.DurationUnit != "Hours" ||
		i.Description != "prod (db-s-1vcpu-1gb, 1 node, 15 GiB)" {
		t.Errorf("item %+v", i)
	}
	items, _ := b.do(t, http.MethodGet, "/v2/customers/my/invoices/preview", "").json(t)["invoice_items"].([]any)
	if member(items[1], "forked_from") != "prod" || member(items[1], "shared_bytes") != float64(3<<29) {
		t.Errorf("item of the fork %v", items[1])
	}
	b.clock.Advance(31 * 24 * time.Hour)
	list, _, err := client.Invoices.List(t.Context(), nil)
	if err != nil || len(list.Invoices) != 1 || list.Invoices[0].InvoicePeriod != "2026-08" || list.InvoicePreview.InvoicePeriod != "2026-09" {
		t.Fatalf("invoices %+v, %v", list, err)
	}
	summary, _, err := client.Invoices.GetSummary(t.Context(), list.Invoices[0].InvoiceUUID)
	if err != nil || summary.Amount != list.Invoices[0].Amount || summary.ProductCharges.Items[0].Count != "2" {
		t.Errorf("summary %+v, %v", summary, err)
	}
	history, _, err := client.BillingHistory.List(t.Context(), nil)
	if err != nil || len(history.BillingHistory) != 1 || *history.BillingHistory[0].InvoiceUUID != list.Invoices[0].InvoiceUUID ||
		history.BillingHistory[0].Description != "Invoice for August 2026" {
		t.Errorf("history %+v, %v", history, err)
	}
	_, _, err = client.Invoices.Get(t.Context(), "unknown", nil)
	wantGodoError(t, err, http.StatusNotFound, `there is no invoice with the id "unknown"`)
}

func TestGodoFindsTheOneAccountAndProject(t *testing.T) {
	t.Parallel()
	b := setup(t)
	client := b.godo(t, b.secret)
	account, _, err := client.Account.Get(t.Context())
	if err != nil || account.Status != "active" || account.Team.UUID == "" {
		t.Errorf("account %+v, %v", account, err)
	}
	project, _, err := client.Projects.GetDefault(t.Context())
	if err != nil || !project.IsDefault {
		t.Fatalf("project %+v, %v", project, err)
	}
	if db := b.online(t, "prod"); db.ProjectID != project.ID {
		t.Errorf("the cluster is in the project %s, want %s", db.ProjectID, project.ID)
	}
	if list, _, err := client.Projects.List(t.Context(), nil); err != nil || len(list) != 1 {
		t.Errorf("projects %+v, %v", list, err)
	}
	_, _, err = client.Projects.Get(t.Context(), "other")
	wantGodoError(t, err, http.StatusNotFound, "there is no project with that id; the only one is "+project.ID)
	regions, _, err := client.Regions.List(t.Context(), nil)
	if err != nil || len(regions) != 1 || regions[0].Slug != "nyc1" || !regions[0].Available {
		t.Errorf("regions %+v, %v", regions, err)
	}
	sizes, _, err := client.Sizes.List(t.Context(), nil)
	if err != nil || len(sizes) != 19 || sizes[0].Slug != "db-s-1vcpu-1gb" || sizes[0].PriceMonthly != 15 {
		t.Errorf("sizes %+v, %v", sizes, err)
	}
}
