package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"
)

// ErrAlreadyOpen is returned by Open for a cluster that is being served.
var ErrAlreadyOpen = errors.New("cluster is already open")

// Cluster is what the gateway must know of a cluster to serve it.
type Cluster struct {
	ID             string
	Name           string // also the name of the replica set that hello presents
	Version        string // compatibility level: "6", "7" or "8"
	SocketDir      string // where the node's socket is
	MaxConnections int    // clients at a time; 0 means no limit
	// SlowOperation is how long a command takes before it is logged. Default 100 ms; a nanosecond logs all.
	SlowOperation time.Duration
}

// Config configures a Server. The zero value of every field has a default.
type Config struct {
	Log   *slog.Logger     // default: nothing is logged
	Host  string           // host name that hello tells clients to connect to, without a port; default localhost
	Clock func() time.Time // default time.Now
}

// Server serves clusters. Its methods may be called concurrently.
type Server struct {
	cfg Config

	mu       sync.Mutex
	clusters map[string]*cluster // by ID
	prepared map[string]*node    // by the ID of a cluster that is not open yet
}

// NewServer returns a server that serves nothing yet.
func NewServer(cfg Config) *Server {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Host == "" {
		cfg.Host = "localhost"
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	return &Server{cfg: cfg, clusters: map[string]*cluster{}, prepared: map[string]*node{}}
}

// Open serves a cluster on ln until Close or Shutdown, which also close ln. It returns at once and does not need the node to be
// up. If it fails, ln is left alone; the error wraps ErrAlreadyOpen if the cluster is being served. Values in ctx are
// kept, its cancellation is not.
func (s *Server) Open(ctx context.Context, spec Cluster, ln net.Listener) error {
	version, err := parseVersion(spec.Version)
	if err != nil {
		return fmt.Errorf("open cluster %s: %w", spec.ID, err)
	}
	host, err := s.advertised(ln)
	if err != nil {
		return fmt.Errorf("open cluster %s: %w", spec.ID, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clusters[spec.ID] != nil {
		return fmt.Errorf("open cluster %s: %w", spec.ID, ErrAlreadyOpen)
	}
	n := s.prepared[spec.ID]
	delete(s.prepared, spec.ID)
	if n == nil {
		n = newNode(spec.SocketDir)
	}
	c := newCluster(s.cfg, spec, version, host, ln, n)
	s.clusters[spec.ID] = c
	c.start(context.WithoutCancel(ctx))
	return nil
}

// Prepare makes the connections to the node that the first client would have to wait for, so that Open finds them. It is for a cluster that is
// about to be opened; what fails is left to the first client. Close discards what was prepared.
func (s *Server) Prepare(ctx context.Context, spec Cluster) {
	n := newNode(spec.SocketDir)
	n.warm(ctx, s.cfg.Log)
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.prepared[spec.ID]; old != nil {
		old.close()
	}
	s.prepared[spec.ID] = n
}

// advertised is the address hello gives to clients: our name and the listener's port.
func (s *Server) advertised(ln net.Listener) (string, error) {
	tcp, ok := ln.Addr().(*net.TCPAddr)
	if !ok {
		return "", fmt.Errorf("listener on %s is not a TCP listener", ln.Addr())
	}
	return net.JoinHostPort(s.cfg.Host, strconv.Itoa(tcp.Port)), nil
}

// Close stops serving a cluster: running commands are cancelled, connections closed, and it returns when all of that
// is over. A cluster that is not open is fine.
func (s *Server) Close(id string) {
	s.mu.Lock()
	if n := s.prepared[id]; n != nil {
		n.close()
		delete(s.prepared, id)
	}
	s.mu.Unlock()
	if c := s.remove(id); c != nil {
		c.stop()
	}
}

// Restarted tells that the cluster's node is a new process: connections to the old one are dropped. Clients stay connected.
func (s *Server) Restarted(id string) {
	s.mu.Lock()
	c := s.clusters[id]
	s.mu.Unlock()
	if c != nil {
		c.restarted()
	}
}

// Shutdown stops serving all clusters. Commands that run may end until ctx does; then they are cancelled.
func (s *Server) Shutdown(ctx context.Context) {
	s.mu.Lock()
	all := s.clusters
	s.clusters = map[string]*cluster{}
	for _, n := range s.prepared {
		n.close()
	}
	s.prepared = map[string]*node{}
	s.mu.Unlock()

	var wg sync.WaitGroup
	for _, c := range all {
		wg.Go(func() { c.drain(ctx) })
	}
	wg.Wait()
}

func (s *Server) remove(id string) *cluster {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.clusters[id]
	delete(s.clusters, id)
	return c
}
