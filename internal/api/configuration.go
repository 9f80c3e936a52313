package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"tine/internal/fleet"
	"tine/internal/store"
)

// accepted answers a request that is carried out afterwards.
func accepted() (response, error) { return response{status: http.StatusAccepted}, nil }

func (s *server) resizeDatabase(r *http.Request) (response, error) {
	var body struct {
		Size       string `json:"size"`
		NumNodes   int    `json:"num_nodes"`
		StorageMiB int64  `json:"storage_size_mib"`
	}
	if err := s.change(r, &body); err != nil {
		return response{}, err
	}
	err := s.fleet.Resize(r.Context(), r.PathValue("id"), fleet.ResizeRequest{Size: body.Size, NumNodes: body.NumNodes, StorageMiB: body.StorageMiB})
	if err != nil {
		return response{}, err
	}
	return accepted()
}

func (s *server) migrateDatabase(r *http.Request) (response, error) {
	var body struct {
		Region string `json:"region"`
	}
	if err := s.change(r, &body); err != nil {
		return response{}, err
	}
	if err := s.fleet.Migrate(r.Context(), r.PathValue("id"), body.Region); err != nil {
		return response{}, err
	}
	return accepted()
}

func (s *server) upgradeDatabase(r *http.Request) (response, error) {
	var body struct {
		Version string `json:"version"`
	}
	if err := s.change(r, &body); err != nil {
		return response{}, err
	}
	if err := s.fleet.Upgrade(r.Context(), r.PathValue("id"), body.Version); err != nil {
		return response{}, err
	}
	return noContent()
}

func (s *server) installUpdate(r *http.Request) (response, error) {
	if _, err := s.cluster(r.Context(), r.PathValue("id"), false); err != nil {
		return response{}, err
	}
	if err := s.fleet.InstallUpdate(r.Context(), r.PathValue("id")); err != nil {
		return response{}, err
	}
	return noContent()
}

func (s *server) putMaintenance(r *http.Request) (response, error) {
	var body struct {
		Day  string `json:"day"`
		Hour string `json:"hour"`
	}
	if err := s.change(r, &body); err != nil {
		return response{}, err
	}
	if err := s.fleet.SetMaintenance(r.Context(), r.PathValue("id"), fleet.MaintenanceWindow{Day: body.Day, Hour: body.Hour}); err != nil {
		return response{}, err
	}
	return noContent()
}

// getAutoscale answers in the shape of the specification and in that which godo reads.
func (s *server) getAutoscale(r *http.Request) (response, error) {
	c, err := s.cluster(r.Context(), r.PathValue("id"), false)
	if err != nil {
		return response{}, err
	}
	shape := autoscale{Storage: encodeAutoscale(c)}
	return ok(map[string]any{"autoscale": shape, "storage": shape.Storage})
}

func (s *server) putAutoscale(r *http.Request) (response, error) {
	var body autoscaleBody
	if err := s.change(r, &body); err != nil {
		return response{}, err
	}
	asked := body.Storage
	if asked == nil {
		asked = body.Autoscale.Storage
	}
	if asked == nil {
		return response{}, &statusError{http.StatusUnprocessableEntity, "storage must be an object that says whether it is enabled"}
	}
	if err := s.fleet.SetAutoscale(r.Context(), r.PathValue("id"), asked.autoscale()); err != nil {
		return response{}, err
	}
	return noContent()
}

// autoscaleBody has both shapes.
type autoscaleBody struct {
	Storage   *storageAutoscale `json:"storage"`
	Autoscale struct {
		Storage *storageAutoscale `json:"storage"`
	} `json:"autoscale"`
}

func (a *storageAutoscale) autoscale() store.Autoscale {
	if a == nil {
		return store.Autoscale{}
	}
	return store.Autoscale{Enabled: a.Enabled, ThresholdPercent: a.ThresholdPercent, IncrementGiB: a.IncrementGiB}
}

func encodeAutoscale(c store.Cluster) storageAutoscale {
	return storageAutoscale{Enabled: c.Autoscale.Enabled, ThresholdPercent: c.Autoscale.ThresholdPercent, IncrementGiB: c.Autoscale.IncrementGiB}
}

// config is DigitalOcean's configuration of a MongoDB cluster.
type config struct {
	DefaultReadConcern         string `json:"default_read_concern"`
	DefaultWriteConcern        string `json:"default_write_concern"`
	TransactionLifetimeSeconds int64  `json:"transaction_lifetime_limit_seconds"`
	SlowOperationMS            int64  `json:"slow_op_threshold_ms"`
	Verbosity                  int64  `json:"verbosity"`
}

func (s *server) getConfig(r *http.Request) (response, error) {
	if _, err := s.cluster(r.Context(), r.PathValue("id"), false); err != nil {
		return response{}, err
	}
	c, err := s.fleet.Configuration(r.Context(), r.PathValue("id"))
	if err != nil {
		return response{}, err
	}
	return ok(map[string]any{"config": config(c)})
}

func (s *server) patchConfig(r *http.Request) (response, error) {
	var body struct {
		Config *struct {
			DefaultReadConcern         *string       `json:"default_read_concern"`
			DefaultWriteConcern        *wordOrNumber `json:"default_write_concern"`
			TransactionLifetimeSeconds *int64        `json:"transaction_lifetime_limit_seconds"`
			SlowOperationMS            *int64        `json:"slow_op_threshold_ms"`
			Verbosity                  *int64        `json:"verbosity"`
		} `json:"config"`
	}
	if err := s.change(r, &body); err != nil {
		return response{}, err
	}
	if body.Config == nil {
		return response{}, &statusError{http.StatusUnprocessableEntity, "config must be an object with the settings to change"}
	}
	err := s.fleet.Configure(r.Context(), r.PathValue("id"), store.Settings{
		DefaultReadConcern: body.Config.DefaultReadConcern, DefaultWriteConcern: (*string)(body.Config.DefaultWriteConcern),
		TransactionLifetimeSeconds: body.Config.TransactionLifetimeSeconds, SlowOperationMS: body.Config.SlowOperationMS,
		Verbosity: body.Config.Verbosity,
	})
	if err != nil {
		return response{}, err
	}
	return response{status: http.StatusOK}, nil
}

// wordOrNumber is a text that some clients send as a number.
type wordOrNumber string

var _ json.Unmarshaler = (*wordOrNumber)(nil)

// UnmarshalJSON implements json.Unmarshaler.
func (w *wordOrNumber) UnmarshalJSON(text []byte) error {
	var n int64
	if err := json.Unmarshal(text, &n); err == nil {
		*w = wordOrNumber(strconv.FormatInt(n, 10))
		return nil
	}
	if err := json.Unmarshal(text, (*string)(w)); err != nil {
		return fmt.Errorf("decode write concern: %w", err)
	}
	return nil
}

// change reads the body of a request that changes a cluster which the client may see.
func (s *server) change(r *http.Request, body any) error {
	if _, err := s.cluster(r.Context(), r.PathValue("id"), false); err != nil {
		return err
	}
	return decode(r, body)
}
