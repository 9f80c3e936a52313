package fleet

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"tine/internal/store"
)

// SinkDatadog is the one type of log sinks that clusters can have, as at DigitalOcean.
const SinkDatadog = "datadog"

// LogSink is where the logs of a cluster are delivered to.
type LogSink struct {
	ID, Name, Type string
	Site           string // of Datadog
	APIKey         string
}

// DatadogSites are where Datadog takes logs, in its own words.
func DatadogSites() []string {
	return []string{
		"datadoghq.com", "us3.datadoghq.com", "us5.datadoghq.com", "datadoghq.eu", "ap1.datadoghq.com", "ap2.datadoghq.com", "ddog-gov.com",
	}
}

var apiKeyForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)

// CreateSink has a cluster's logs delivered to one more place.
func (f *Fleet) CreateSink(ctx context.Context, clusterID string, sink LogSink) (LogSink, error) {
	if _, err := f.Get(ctx, clusterID); err != nil {
		return LogSink{}, err
	}
	if err := checkNewSink(sink); err != nil {
		return LogSink{}, err
	}
	id, err := uuid.NewRandomFromReader(f.cfg.Random)
	if err != nil {
		return LogSink{}, err
	}
	sink.ID = id.String()
	row, err := f.sealSink(clusterID, sink)
	if err != nil {
		return LogSink{}, err
	}
	err = f.cfg.Store.AddLogSink(ctx, row)
	switch {
	case errors.Is(err, store.ErrNameTaken):
		return LogSink{}, invalid("sink_name", "must be unique; the cluster has a log sink %s already", quote(sink.Name))
	case errors.Is(err, store.ErrTooMany):
		return LogSink{}, &Error{Kind: Invalid, Message: "the cluster has as many log sinks as there may be; remove one first"}
	}
	return sink, notFound(err, clusterID)
}

// Sinks returns a cluster's log sinks, oldest first. The keys are opened only if they are to be shown.
func (f *Fleet) Sinks(ctx context.Context, clusterID string, withKeys bool) ([]LogSink, error) {
	rows, err := f.cfg.Store.LogSinks(ctx, clusterID)
	if err != nil {
		return nil, err
	}
	sinks := make([]LogSink, len(rows))
	for i, row := range rows {
		sinks[i] = LogSink{ID: row.ID, Name: row.Name, Type: row.Type, Site: row.Site}
		if !withKeys {
			continue
		}
		if sinks[i].APIKey, err = f.openSecret(row.APIKey, row.KeyPurpose()); err != nil {
			return nil, err
		}
	}
	return sinks, nil
}

// Sink returns one of a cluster's log sinks.
func (f *Fleet) Sink(ctx context.Context, clusterID, id string, withKey bool) (LogSink, error) {
	sinks, err := f.Sinks(ctx, clusterID, withKey)
	if err != nil {
		return LogSink{}, err
	}
	i := slices.IndexFunc(sinks, func(s LogSink) bool { return s.ID == id })
	if i < 0 {
		return LogSink{}, noSink(id)
	}
	return sinks[i], nil
}

// UpdateSink replaces where a sink delivers to: Site and APIKey count.
func (f *Fleet) UpdateSink(ctx context.Context, clusterID string, changed LogSink) error {
	sink, err := f.Sink(ctx, clusterID, changed.ID, false)
	if err != nil {
		return err
	}
	sink.Site, sink.APIKey = changed.Site, changed.APIKey
	if err := checkDatadog(sink); err != nil {
		return err
	}
	row, err := f.sealSink(clusterID, sink)
	if err != nil {
		return err
	}
	return sinkGone(f.cfg.Store.UpdateLogSink(ctx, row), sink.ID)
}

// DeleteSink ends the delivery to a sink.
func (f *Fleet) DeleteSink(ctx context.Context, clusterID, id string) error {
	sink, err := f.Sink(ctx, clusterID, id, false)
	if err != nil {
		return err
	}
	return sinkGone(f.cfg.Store.DeleteLogSink(ctx, store.LogSink{ID: id, ClusterID: clusterID, Name: sink.Name}), id)
}

func (f *Fleet) sealSink(clusterID string, sink LogSink) (store.LogSink, error) {
	row := store.LogSink{ID: sink.ID, ClusterID: clusterID, Name: sink.Name, Type: sink.Type, Site: sink.Site}
	var err error
	row.APIKey, err = f.sealSecret(sink.APIKey, row.KeyPurpose())
	return row, err
}

func checkNewSink(sink LogSink) error {
	const longest = 255
	switch sink.Type {
	case SinkDatadog:
	case "rsyslog", "elasticsearch", "opensearch":
		return &Error{Kind: Invalid, Field: "sink_type", Message: sink.Type + " log sink not supported for MongoDB clusters; sink_type must be datadog"}
	default:
		return oneOf("sink_type", sink.Type, []string{SinkDatadog})
	}
	n := utf8.RuneCountInString(sink.Name)
	if n == 0 || n > longest || !utf8.ValidString(sink.Name) || strings.ContainsFunc(sink.Name, func(r rune) bool { return r < ' ' }) {
		return invalid("sink_name", "must be 1 to %d characters without control characters; got %s", longest, quote(sink.Name))
	}
	return checkDatadog(sink)
}

func checkDatadog(sink LogSink) error {
	if sites := DatadogSites(); !slices.Contains(sites, store.LogSink{Site: sink.Site}.DatadogSite()) {
		return oneOf("config.site", sink.Site, sites)
	}
	if !apiKeyForm.MatchString(sink.APIKey) {
		// What was sent is not repeated: it may be a key with a blank too many.
		return invalid("config.datadog_api_key", "must be an API key of Datadog: letters, digits, hyphens and underscores")
	}
	return nil
}

func noSink(id string) *Error {
	return &Error{Kind: NotFound, Message: "the cluster has no log sink with the id " + quote(id)}
}

func sinkGone(err error, id string) error {
	if errors.Is(err, store.ErrNotFound) {
		return noSink(id)
	}
	return err
}
