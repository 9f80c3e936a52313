package api

import (
	"context"
	"net/http"

	"tine/internal/fleet"
	"tine/internal/store"
)

// createBody is what clients send to make a cluster.
type createBody struct {
	Name               string   `json:"name"`
	Engine             string   `json:"engine"`
	Version            string   `json:"version"`
	Region             string   `json:"region"`
	Size               string   `json:"size"`
	NumNodes           int      `json:"num_nodes"`
	StorageSizeMiB     int64    `json:"storage_size_mib"`
	Tags               []string `json:"tags"`
	ProjectID          string   `json:"project_id"`
	PrivateNetworkUUID string   `json:"private_network_uuid"`
	BackupRestore      *struct {
		DatabaseName    string `json:"database_name"`
		BackupCreatedAt string `json:"backup_created_at"`
		Before          string `json:"before_transaction"` // ours
		After           string `json:"after_transaction"`  // ours
	} `json:"backup_restore"`
	Rules     []firewallRule `json:"rules"`
	Autoscale struct {
		Storage *storageAutoscale `json:"storage"`
	} `json:"autoscale"`
	StorageAutoscale    *storageAutoscale `json:"storage_autoscale"`
	SuspendAfterMinutes *int64            `json:"suspend_after_minutes"` // ours
	DOSettings          struct {
		ServiceCNAMEs []string `json:"service_cnames"`
	} `json:"do_settings"`
	ExpiresInSeconds *int64 `json:"expires_in_seconds"` // ours
	ExpiresAt        string `json:"expires_at"`         // ours
	FreshPasswords   bool   `json:"fresh_passwords"`    // ours
}

func (s *server) createDatabase(r *http.Request) (response, error) {
	received := s.clock()
	var body createBody
	if err := decode(r, &body); err != nil {
		return response{}, err
	}
	request, err := body.request()
	if err != nil {
		return response{}, err
	}
	request.ReceivedAt = received
	created, err := s.fleet.Create(r.Context(), request)
	if err != nil {
		return response{}, err
	}
	infoOf(r).made = created.Cluster.ID
	return response{http.StatusCreated, map[string]any{
		"database": s.encodeDatabase(r, created.Cluster, created.Connection, created.Contents),
	}}, nil
}

func (b *createBody) request() (fleet.CreateRequest, error) {
	request := fleet.CreateRequest{
		Name: b.Name, Engine: b.Engine, Version: b.Version, Region: b.Region, Size: b.Size, NumNodes: b.NumNodes,
		StorageMiB: b.StorageSizeMiB, Tags: b.Tags, ProjectID: b.ProjectID, PrivateNetworkUUID: b.PrivateNetworkUUID,
		Rules:        sourceRules(b.Rules),
		ServiceNames: b.DOSettings.ServiceCNAMEs,
		Autoscale:    b.Autoscale.Storage.autoscale(),
		SuspendAfter: minutes(b.SuspendAfterMinutes),
	}
	request.FreshPasswords = b.FreshPasswords
	if err := b.setExpiry(&request); err != nil {
		return request, err
	}
	if b.Autoscale.Storage == nil {
		request.Autoscale = b.StorageAutoscale.autoscale()
	}
	if b.BackupRestore == nil {
		return request, nil
	}
	request.Source = &fleet.Source{Name: b.BackupRestore.DatabaseName, Before: b.BackupRestore.Before, After: b.BackupRestore.After}
	if text := b.BackupRestore.BackupCreatedAt; text != "" {
		at, err := parseTime("backup_restore.backup_created_at", text)
		if err != nil {
			return request, err
		}
		request.Source.At = &at
	}
	return request, nil
}

func (b *createBody) setExpiry(request *fleet.CreateRequest) error {
	if b.ExpiresInSeconds != nil {
		request.ExpiresIn = new(secondsOf(*b.ExpiresInSeconds))
	}
	if b.ExpiresAt == "" {
		return nil
	}
	if b.ExpiresInSeconds != nil {
		return twoExpiries()
	}
	at, err := parseTime("expires_at", b.ExpiresAt)
	request.ExpiresAt = &at
	return err
}

func (s *server) getDatabase(r *http.Request) (response, error) {
	destroying, err := flag(r.URL.Query(), "include_destroying")
	if err != nil {
		return response{}, err
	}
	c, err := s.cluster(r.Context(), r.PathValue("id"), destroying)
	if err != nil {
		return response{}, err
	}
	known := []database{s.encodeKnown(r, c, s.fleet.Contents(r.Context(), c))}
	if err := s.addSpace(r.Context(), known); err != nil {
		return response{}, err
	}
	return ok(map[string]any{"database": known[0]})
}

func (s *server) deleteDatabase(r *http.Request) (response, error) {
	if err := s.fleet.Destroy(r.Context(), r.PathValue("id")); err != nil {
		return response{}, err
	}
	return noContent()
}

func (s *server) listDatabases(r *http.Request) (response, error) {
	page, err := pageOf(r.URL.Query())
	if err != nil {
		return response{}, err
	}
	list, total, err := s.list(r.Context(), r.URL.Query().Get("name"), page)
	if err != nil {
		return response{}, err
	}
	databases := make([]database, len(list))
	for i, c := range list {
		databases[i] = s.encodeKnown(r, c, s.fleet.KnownContents(c)) // as far as it is known: 200 nodes are not asked for a list
	}
	if err := s.addSpace(r.Context(), databases); err != nil {
		return response{}, err
	}
	return ok(map[string]any{
		"databases": databases,
		"links":     links(r, page, total),
		"meta":      map[string]int{"total": total},
	})
}

// list returns the page, or the one cluster of that name.
func (s *server) list(ctx context.Context, name string, page store.Page) ([]store.Cluster, int, error) {
	if name == "" {
		return s.fleet.List(ctx, page)
	}
	found, err := s.fleet.Find(ctx, name)
	if err != nil {
		return nil, 0, err
	}
	if len(found) == 1 && found[0].Status == store.StatusDestroying && !page.WithDestroying {
		found = nil
	}
	return found, len(found), nil
}

// cluster returns a cluster that a client may still see. To all clients 404 is what says that a destruction succeeded.
func (s *server) cluster(ctx context.Context, id string, destroying bool) (store.Cluster, error) {
	c, err := s.fleet.Get(ctx, id)
	if err != nil {
		return store.Cluster{}, err
	}
	if c.Status == store.StatusDestroying && !destroying {
		return store.Cluster{}, &statusError{http.StatusNotFound, "the cluster " + id + " is being destroyed"}
	}
	return c, nil
}
