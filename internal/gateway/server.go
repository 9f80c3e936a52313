package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strconv"
	"sync"
	"time"

	"tine/internal/gateway/wire"
)

// ErrAlreadyOpen is returned by Open for a cluster that is being served.
var ErrAlreadyOpen = errors.New("cluster is already open")

// Cluster is what the gateway must know of a cluster to serve it.
type Cluster struct {
	ID        string
	Name      string   // also the name of the replica set that hello presents
	Version   string   // compatibility level: "6", "7" or "8"
	SocketDir string   // where the node's socket is
	Settings  Settings // until Update
	Asleep    bool     // its node is stopped because nobody needs it: see Suspend
}

// Config configures a Server. The zero value of every field has a default.
type Config struct {
	Log   *slog.Logger     // default: nothing is logged
	Host  string           // host name that hello tells clients to connect to, without a port; default localhost
	Clock func() time.Time // default time.Now

	// Slow is told of each slow operation of a cluster, beside the log, with the same attributes; it must return at once. Default: nobody is.
	Slow func(clusterID string, at time.Time, attrs []slog.Attr)

	// Dropped is told of each collection (db.name) and database (its name alone) that a client has dropped, with a moment right before it was; it must return
	// at once. Default: nobody is.
	Dropped func(clusterID string, before time.Time, namespace string)

	// Damaged is told of a cluster whose disk did not return what was written to it: of each command that failed for that, which waits until it returns.
	// Default: nobody is.
	Damaged func(clusterID string)

	// Wake starts the node of a cluster that was suspended, for a client who waits for it, and calls Woken. It is called once for all
	// who wait at the same time, and may take its time. Default: clusters are not suspended.
	Wake func(clusterID string) error

	// TLS is spoken with clients who begin with it. Without it all speak plain text, which is for tests.
	TLS *tls.Config
	// Plaintext lets clients on this machine, and only those, do without TLS.
	Plaintext bool
	Times     Times
}

// Times are how long clients may take. The zero value of every field has a default.
type Times struct {
	// First is for a new connection's first byte, for its TLS handshake, and for its first message, each. Default 10 s.
	First time.Duration
	// Idle closes connections that have not logged in and say nothing. Drivers' monitors never log in, and say hello every 10 s
	// unless told otherwise. Default 10 minutes.
	Idle time.Duration
	// Message is for the rest of a message once its first byte is there: a message of 48 MB over a slow line takes its
	// time, and who has logged in is not suspect. Default 5 minutes.
	Message time.Duration
	// Write ends connections whose client no longer reads. Default 5 minutes.
	Write time.Duration
	// Refusal is for telling a connection why it is refused. Default 2 s.
	Refusal time.Duration
	// Yield is when a connection that says nothing gives up the memory that its last command took. Default 1 s.
	Yield time.Duration
	// Names is how long a command that changes what a name stands for waits for statements that began before it, so that none to come sees what was. Default 2 s.
	Names time.Duration
}

func (t Times) withDefaults() Times {
	for _, field := range []struct {
		value    *time.Duration
		standard time.Duration
	}{
		{&t.First, 10 * time.Second},
		{&t.Idle, 10 * time.Minute},
		{&t.Message, 5 * time.Minute},
		{&t.Write, 5 * time.Minute},
		{&t.Refusal, 2 * time.Second},
		{&t.Yield, time.Second},
		{&t.Names, 2 * time.Second},
	} {
		if *field.value == 0 {
			*field.value = field.standard
		}
	}
	return t
}

// Server serves clusters. Its methods may be called concurrently.
type Server struct {
	cfg     Config
	codecs  func() (*wire.Codecs, error)
	buffers *sync.Pool // of all connections' readers

	mu       sync.Mutex
	clusters map[string]*cluster // by ID
	prepared map[string]*node    // by the ID of a cluster that is not open yet
}

// waker is Wake for one cluster.
func (c *Config) waker(clusterID string) func() error {
	if c.Wake == nil {
		return nil
	}
	return func() error { return c.Wake(clusterID) }
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
	cfg.Times = cfg.Times.withDefaults()
	return &Server{
		cfg:      cfg,
		codecs:   sync.OnceValues(func() (*wire.Codecs, error) { return wire.NewCodecs(runtime.GOMAXPROCS(0)) }),
		buffers:  newBuffers(),
		clusters: map[string]*cluster{},
		prepared: map[string]*node{},
	}
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
	codecs, err := s.codecs()
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
	c.codecs, c.buffers = codecs, s.buffers
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

// UsersChanged says that somebody else than the gateway has changed the cluster's users: what it knows of them is read again.
// A cluster that is not open is fine.
func (s *Server) UsersChanged(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.clusters[id]; c != nil {
		c.usersChanged()
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

// Update puts a cluster's settings in force at once: connections from addresses that are no longer trusted are closed, and drivers that
// watch the topology are told of a new one. A cluster that is not open is left alone.
func (s *Server) Update(id string, settings Settings) {
	s.mu.Lock()
	c := s.clusters[id]
	s.mu.Unlock()
	if c != nil {
		c.update(settings)
	}
}

// SetGrowth puts one of a cluster's settings in force at once. A cluster that is not open is left alone.
func (s *Server) SetGrowth(id string, g Growth) {
	s.mu.Lock()
	c := s.clusters[id]
	s.mu.Unlock()
	if c != nil {
		c.setGrowth(g)
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
