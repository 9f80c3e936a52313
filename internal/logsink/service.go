package logsink

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tine/internal/secrets"
	"tine/internal/store"
)

// defaultURL is Datadog's intake for logs.
const defaultURL = "https://http-intake.logs.{site}/api/v2/logs"

// Config is what a service needs.
type Config struct {
	Store   *store.Store
	Secrets *secrets.Box
	Host    string // whose clusters' logs are delivered
	Dir     string // where the nodes' logs are
	Log     *slog.Logger

	URL      string        // of the intake, with {site} for Datadog's site; default: Datadog's
	Client   *http.Client  // default: one of its own
	Interval time.Duration // between looks at the store and at logs; default 1 s
	// Pause is how long to wait before a batch is sent for the attempt+1st time; default: from 1 s, doubled each time, to 1 minute.
	Pause func(attempt int) time.Duration
	// RefusedPause is how long to wait after a key was refused; default 5 minutes.
	RefusedPause time.Duration
}

// Service delivers the logs of a host's clusters.
type Service struct {
	cfg     Config
	metrics *metrics

	mu struct {
		sync.RWMutex
		slow map[string]*slowLog // by cluster ID; of the clusters that have sinks
	}
	running map[string]*running // by sink ID; Run's own
}

// running is a delivery at work.
type running struct {
	sink store.ActiveLogSink
	stop context.CancelFunc
	done chan struct{}
}

const longestPause = time.Minute

// New returns a service that does nothing before Run; Store, Secrets, Host, Dir and Log must be set.
func New(cfg Config) *Service {
	if cfg.URL == "" {
		cfg.URL = defaultURL
	}
	if cfg.Client == nil {
		cfg.Client = &http.Client{}
	}
	client := *cfg.Client
	// The key is for the intake that was configured and for nobody that it names.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	cfg.Client = &client
	if cfg.Interval == 0 {
		cfg.Interval = time.Second
	}
	if cfg.Pause == nil {
		cfg.Pause = func(attempt int) time.Duration { return min(time.Second<<min(attempt, 6), longestPause) }
	}
	if cfg.RefusedPause == 0 {
		cfg.RefusedPause = 5 * time.Minute
	}
	s := &Service{cfg: cfg, metrics: newMetrics(), running: map[string]*running{}}
	s.mu.slow = map[string]*slowLog{}
	return s
}

var _ prometheus.Collector = (*Service)(nil)

// Run delivers until ctx ends. It returns when nothing runs any more.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(s.cfg.Interval)
	defer tick.Stop()
	failing := false
	for {
		err := s.converge(ctx)
		if err != nil && !failing && ctx.Err() == nil { // one line a failure, not one a second
			s.cfg.Log.ErrorContext(ctx, "log sinks could not be read; trying again", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			for id := range s.running {
				s.end(id)
			}
			s.keepSlow(nil)
			return
		case <-tick.C:
		}
	}
}

// converge has delivered what the store says.
func (s *Service) converge(ctx context.Context) error {
	sinks, err := s.cfg.Store.ActiveLogSinks(ctx, s.cfg.Host)
	if err != nil {
		return err
	}
	wanted := make(map[string]bool, len(sinks))
	for _, sink := range sinks {
		wanted[sink.ID] = true
	}
	for id := range s.running {
		if !wanted[id] {
			s.end(id)
			s.metrics.forget(id)
		}
	}
	s.forgetPositions(wanted)
	s.keepSlow(sinks)
	for _, sink := range sinks {
		if r := s.running[sink.ID]; r != nil {
			if reflect.DeepEqual(r.sink, sink) {
				continue
			}
			s.end(sink.ID)
		}
		s.begin(ctx, sink)
	}
	return nil
}

func (s *Service) begin(ctx context.Context, sink store.ActiveLogSink) {
	ctx, stop := context.WithCancel(ctx)
	r := &running{sink: sink, stop: stop, done: make(chan struct{})}
	s.running[sink.ID] = r
	d := &delivery{
		service: s, sink: sink,
		node: s.path(sink.NodeID, ".log"), slow: s.path(sink.NodeID, ".slow.log"), state: s.path(sink.NodeID, ".sink."+sink.ID),
		log: s.cfg.Log.With("cluster", sink.ClusterName, "sink", sink.ID),
	}
	go func() {
		defer close(r.done)
		d.run(ctx)
	}()
}

func (s *Service) end(id string) {
	r := s.running[id]
	delete(s.running, id)
	r.stop()
	<-r.done
}

func (s *Service) path(nodeID, suffix string) string { return filepath.Join(s.cfg.Dir, nodeID+suffix) }

// forgetPositions removes what deliveries left that are no more.
func (s *Service) forgetPositions(wanted map[string]bool) {
	names, err := fs.Glob(os.DirFS(s.cfg.Dir), "*.sink.*")
	if err != nil {
		return // the pattern is valid
	}
	for _, name := range names {
		if id := strings.TrimPrefix(filepath.Ext(name), "."); !wanted[strings.TrimSuffix(id, tmpSuffix)] {
			_ = os.Remove(filepath.Join(s.cfg.Dir, name)) // tried again a second later
		}
	}
}

// keepSlow has logs of slow operations for the clusters that have sinks.
func (s *Service) keepSlow(sinks []store.ActiveLogSink) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := make(map[string]bool, len(sinks))
	for _, sink := range sinks {
		wanted[sink.ClusterID] = true
		path := s.path(sink.NodeID, ".slow.log")
		if l := s.mu.slow[sink.ClusterID]; l != nil {
			if l.path == path {
				continue
			}
			l.close() // the cluster has exchanged its node for another one
			delete(s.mu.slow, sink.ClusterID)
		}
		l, err := openSlow(path)
		if err != nil {
			s.cfg.Log.Error("slow operations are not delivered", "cluster", sink.ClusterName, "error", err)
			continue
		}
		s.mu.slow[sink.ClusterID] = l
	}
	for id, l := range s.mu.slow {
		if !wanted[id] {
			l.close()
			delete(s.mu.slow, id)
		}
	}
}

// Slow takes a slow operation of a cluster. It costs nothing if the cluster has no sink, and a write to a file if it has one.
func (s *Service) Slow(clusterID string, at time.Time, attrs []slog.Attr) {
	s.mu.RLock()
	l := s.mu.slow[clusterID]
	s.mu.RUnlock()
	if l == nil {
		return
	}
	if err := l.write(at, attrs); err != nil {
		s.cfg.Log.Error("slow operation not kept for delivery", "cluster_id", clusterID, "error", err)
	}
}

// url is the intake's.
func (s *Service) url(sink store.ActiveLogSink) string {
	return strings.ReplaceAll(s.cfg.URL, "{site}", sink.DatadogSite())
}

// tell writes an event for the cluster's owner.
func (s *Service) tell(ctx context.Context, sink store.ActiveLogSink, format string, args ...any) error {
	return s.cfg.Store.AddEvent(ctx, store.Event{
		ClusterID: sink.ClusterID, ClusterName: sink.ClusterName, Type: store.EventLogSink, Message: fmt.Sprintf(format, args...),
	})
}
