package panel

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"time"

	"tine/internal/fleet"
	"tine/internal/store"
)

// Auth knows whose a token is. *store.Store does.
type Auth interface {
	// Authenticate returns the token with that secret, or store.ErrUnauthorized.
	Authenticate(ctx context.Context, secret string) (store.Token, error)
}

var _ Auth = (*store.Store)(nil)

// Config is what the panel needs.
type Config struct {
	Fleet  *fleet.Fleet
	Auth   Auth
	Log    *slog.Logger
	Random io.Reader        // where the ids of sessions come from; default: the system's
	Clock  func() time.Time // default: the system's
}

// panel is the control panel.
type panel struct {
	fleet    *fleet.Fleet
	auth     Auth
	log      *slog.Logger
	clock    func() time.Time
	random   io.Reader
	sessions *sessions
	pages    *pages
	origins  *http.CrossOriginProtection
}

// New returns the handler of all of the panel's paths; Fleet, Auth and Log must be set.
func New(cfg Config) http.Handler {
	if cfg.Random == nil {
		cfg.Random = rand.Reader
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	p := &panel{
		fleet: cfg.Fleet, auth: cfg.Auth, log: cfg.Log, clock: cfg.Clock, random: cfg.Random,
		sessions: newSessions(cfg.Random, cfg.Clock), pages: parsePages(), origins: http.NewCrossOriginProtection(),
	}
	return p.observe(p.routes())
}

func (p *panel) routes() http.Handler {
	const databases, database = "/databases", "/databases/{id}"
	mux := http.NewServeMux()
	for pattern, serve := range map[string]handler{
		"GET /{$}":            func(visit) (answer, error) { return redirect(databases), nil },
		"GET " + databases:    p.listDatabases,
		"GET " + database:     p.showDatabase,
		"GET /":               p.nothingHere,
		"POST /":              p.nothingHere,
		"POST /logout":        p.logOut,
		"GET /databases/new":  writing(p.askCreate),
		"POST /databases/new": writing(p.create),

		"GET " + database + "/fork":     writing(p.askFork),
		"POST " + database + "/fork":    writing(p.fork),
		"GET " + database + "/destroy":  writing(p.askDestroy),
		"POST " + database + "/destroy": writing(p.destroy),
	} {
		mux.Handle(pattern, p.loggedIn(serve))
	}
	mux.Handle("GET /login", p.open(p.askLogIn))
	mux.Handle("POST /login", p.open(p.logIn))
	mux.HandleFunc("GET /assets/{name}", p.pages.serveAsset)
	return mux
}

func (p *panel) nothingHere(visit) (answer, error) {
	return answer{}, &refusal{http.StatusNotFound, "There is no such page", "The address may be mistyped, or what it led to is gone."}
}
