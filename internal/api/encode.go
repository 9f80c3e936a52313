package api

import (
	"math"
	"net/http"
	"time"

	"tine/internal/fleet"
	"tine/internal/store"
)

// database is a cluster as DigitalOcean's clients read it. A field without omitempty is always there: some clients
// crash where one is missing or null.
type database struct {
	ID                  string            `json:"id"`
	Name                string            `json:"name"`
	Engine              string            `json:"engine"`
	Version             string            `json:"version"`
	SemanticVersion     string            `json:"semantic_version"`
	NumNodes            int               `json:"num_nodes"`
	Size                string            `json:"size"`
	Region              string            `json:"region"`
	Status              string            `json:"status"`
	Failure             string            `json:"failure,omitempty"`     // ours: why the status is failed
	ForkedFrom          *forkedFrom       `json:"forked_from,omitempty"` // ours
	ExpiresAt           *string           `json:"expires_at,omitempty"`  // ours
	TTLPaused           bool              `json:"ttl_paused,omitempty"`  // ours
	CreatedAt           string            `json:"created_at"`
	PrivateNetwork      string            `json:"private_network_uuid"`
	Tags                []string          `json:"tags"`
	DBNames             []string          `json:"db_names"`
	Connection          connection        `json:"connection"`
	PrivateConnection   connection        `json:"private_connection"`
	Users               []user            `json:"users"`
	Maintenance         maintenanceWindow `json:"maintenance_window"`
	ProjectID           string            `json:"project_id"`
	Rules               []knownRule       `json:"rules"`
	EndOfLife           string            `json:"version_end_of_life,omitempty"`
	EndOfAvailability   string            `json:"version_end_of_availability,omitempty"`
	StorageSizeMiB      int64             `json:"storage_size_mib"`
	MetricsEndpoints    []struct{}        `json:"metrics_endpoints"` // empty for MongoDB, as DigitalOcean's
	Autoscale           autoscale         `json:"autoscale"`         // as the specification has it
	StorageAutoscale    storageAutoscale  `json:"storage_autoscale"` // as godo reads it
	DOSettings          doSettings        `json:"do_settings"`
	SuspendAfterMinutes int64             `json:"suspend_after_minutes"`     // ours; 0: never
	Suspended           bool              `json:"suspended"`                 // ours: the node is stopped until somebody needs it
	SuspendedAt         *string           `json:"suspended_at,omitempty"`    // ours
	ExclusiveBytes      *int64            `json:"exclusive_bytes,omitempty"` // ours: what would be free without the cluster; absent before it was measured
	SharedBytes         *int64            `json:"shared_bytes,omitempty"`    // ours: what other clusters refer to as well
	Transfer            *transfer         `json:"transfer,omitempty"`        // ours: while it is sent to another region
}

type transfer struct {
	FromRegion     string `json:"from_region"`
	ToRegion       string `json:"to_region"`
	SentBytes      int64  `json:"sent_bytes"`
	TotalBytes     int64  `json:"total_bytes"` // an estimate; 0 while there is none
	BytesPerSecond int64  `json:"bytes_per_second"`
	SecondsLeft    *int64 `json:"seconds_left"` // null while nobody knows
}

type forkedFrom struct {
	ID   string  `json:"id"`
	Name string  `json:"name"`
	At   *string `json:"at"` // null: the latest; of a transaction, when it was committed

	Before string `json:"before_transaction,omitempty"` // the fork was made right before it
	After  string `json:"after_transaction,omitempty"`  // the fork was made right after it
}

type connection struct {
	Protocol string `json:"protocol"`
	URI      string `json:"uri"`
	Database string `json:"database"`
	Host     string `json:"host"`
	Port     int    `json:"port"`
	User     string `json:"user"`
	Password string `json:"password"`
	SSL      bool   `json:"ssl"`
}

type user struct {
	Name     string `json:"name"`
	Role     string `json:"role"`
	Password string `json:"password,omitempty"`
	// Settings is left out for who may do everything.
	Settings *userSettings `json:"settings,omitempty"`
}

type maintenanceWindow struct {
	Day         string   `json:"day"`
	Hour        string   `json:"hour"`
	Pending     bool     `json:"pending"`
	Description []string `json:"description"`
}

type storageAutoscale struct {
	Enabled          bool `json:"enabled"`
	ThresholdPercent int  `json:"threshold_percent"`
	IncrementGiB     int  `json:"increment_gib"`
}

type autoscale struct {
	Storage storageAutoscale `json:"storage"`
}

type doSettings struct {
	ServiceCNAMEs []string `json:"service_cnames"`
}

// encodeKnown is a cluster whose password was shown long ago.
func (s *server) encodeKnown(r *http.Request, c store.Cluster, contents fleet.Contents) database {
	return s.encodeDatabase(r, c, s.fleet.Connection(c, ""), contents)
}

// encodeDatabase leaves credentials out that the request's token may not see.
func (s *server) encodeDatabase(r *http.Request, c store.Cluster, conn fleet.Connection, contents fleet.Contents) database {
	credentials := infoOf(r).token.Allows(store.ScopeViewCredentials)
	if !credentials {
		conn.Password, conn.URI = "", ""
	}
	version, _ := s.fleet.Catalog().Version(c.Version)
	reachable := connection(conn)
	d := database{
		ID: c.ID, Name: c.Name, Engine: c.Engine, Version: c.Version, SemanticVersion: version.Semantic, NumNodes: c.NumNodes,
		Size: c.Size, Region: c.Region, Status: c.Status, Failure: c.Failure, ForkedFrom: encodeSource(c), ExpiresAt: secondsOrNull(c.ExpiresAt), TTLPaused: c.TTLPaused,
		CreatedAt: seconds(c.CreatedAt), PrivateNetwork: c.PrivateNetworkUUID, Tags: c.Tags, DBNames: contents.Databases,
		Connection: reachable, PrivateConnection: reachable, Users: make([]user, len(contents.Users)),
		Maintenance: encodeMaintenance(c),
		ProjectID:   projectOf(c), Rules: encodeRules(c), EndOfLife: version.EndOfLife, EndOfAvailability: version.EndOfAvailability,
		StorageSizeMiB: c.StorageMiB, MetricsEndpoints: []struct{}{}, DOSettings: encodeDOSettings(c),
	}
	d.StorageAutoscale = encodeAutoscale(c)
	encodeSuspension(&d, c)
	d.Transfer = s.encodeTransfer(r, c)
	d.Autoscale.Storage = d.StorageAutoscale
	for i, u := range contents.Users {
		d.Users[i] = encodeUser(r, u)
	}
	return d
}

// encodeTransfer says how far a cluster is that is on its way to another region. Without the answer it is a cluster like any other.
func (s *server) encodeTransfer(r *http.Request, c store.Cluster) *transfer {
	t, err := s.fleet.Transfer(r.Context(), c)
	if t == nil || err != nil {
		return nil
	}
	out := &transfer{FromRegion: t.FromRegion, ToRegion: t.ToRegion, SentBytes: t.SentBytes, TotalBytes: t.TotalBytes, BytesPerSecond: t.BytesPerSecond}
	if left, ok := t.Left(); ok {
		out.SecondsLeft = new(int64(math.Ceil(left.Seconds())))
	}
	return out
}

// encodeMaintenance says what the window is waited for.
func encodeMaintenance(c store.Cluster) maintenanceWindow {
	w := maintenanceWindow{Day: c.Maintenance.Day, Hour: c.Maintenance.Hour, Pending: c.UpdatePending, Description: []string{}}
	if w.Pending {
		w.Description = append(w.Description, "The node runs with an older engine or older settings than are installed; it is started again, which takes about a second.")
	}
	return w
}

// projectOf is the project that the request for the cluster named, or the one there is.
func projectOf(c store.Cluster) string {
	if c.ProjectID == "" {
		return projectID
	}
	return c.ProjectID
}

func encodeSource(c store.Cluster) *forkedFrom {
	if !c.IsFork() {
		return nil
	}
	f := &forkedFrom{ID: c.SourceID, Name: c.SourceName}
	if c.ForkAt != nil {
		at := exact(*c.ForkAt)
		f.At = &at
	}
	if c.ForkAfter {
		f.After = c.ForkTransaction()
	} else {
		f.Before = c.ForkTransaction()
	}
	return f
}

// seconds is a time as DigitalOcean writes it.
func seconds(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func secondsOrNull(t *time.Time) *string {
	if t == nil {
		return nil
	}
	text := seconds(*t)
	return &text
}

// exact is a time to the microsecond, as it can be forked at.
func exact(t time.Time) string { return t.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano) }

// gigabytes is rounded to what is worth printing.
func gigabytes(bytes int64) float64 {
	const thousandth = 1 << 30 / 1000.0
	return float64(int64(float64(bytes)/thousandth+0.5)) / 1000
}
