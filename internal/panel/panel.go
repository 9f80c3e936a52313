package panel

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"maps"
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
	return p.observe(p.handler())
}

func (p *panel) handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, to := range p.routes() {
		mux.Handle(pattern, p.loggedIn(to))
	}
	mux.Handle("GET /login", p.open(p.askLogIn))
	mux.Handle("POST /login", p.open(p.logIn))
	mux.HandleFunc("GET /assets/{name}", p.pages.serveAsset)
	return mux
}

// routes are all paths for those who have logged in, with the scopes that the API asks for the same.
func (p *panel) routes() map[string]route {
	all := map[string]route{
		"GET /{$}":     {serve: func(visit) (answer, error) { return redirect(homePath), nil }},
		"GET /":        {serve: p.nothingHere},
		"POST /":       {serve: p.nothingHere, quiet: true},
		"POST /logout": {serve: p.logOut, quiet: true},

		"GET /billing":           {scope: store.ScopeBillingRead, serve: p.showBilling},
		"GET /billing/{invoice}": {scope: store.ScopeBillingRead, serve: p.showInvoice},

		"GET /tokens":                 {scope: store.ScopeAdmin, serve: p.listTokens},
		"POST /tokens":                {scope: store.ScopeAdmin, serve: p.createToken},
		"GET /tokens/{token}/revoke":  {scope: store.ScopeAdmin, serve: p.askRevoke},
		"POST /tokens/{token}/revoke": {scope: store.ScopeAdmin, serve: p.revokeToken},
		"GET /audit":                  {scope: store.ScopeAdmin, serve: p.listAudit},
	}
	for _, group := range []map[string]route{p.databaseRoutes(), p.dataRoutes(), p.settingsRoutes()} {
		maps.Copy(all, group)
	}
	return all
}

// databasePath is the path of one cluster's pages.
const databasePath = "/databases/{id}"

// databaseRoutes are those of clusters.
func (p *panel) databaseRoutes() map[string]route {
	const database = databasePath
	return map[string]route{
		"GET /databases":              {scope: store.ScopeDatabaseRead, serve: p.listDatabases},
		"GET /databases/new":          {scope: store.ScopeDatabaseCreate, serve: p.askCreate},
		"POST /databases/new":         {scope: store.ScopeDatabaseCreate, serve: p.create},
		"POST /databases/new/preview": {scope: store.ScopeDatabaseCreate, serve: p.previewCreate, quiet: true},

		"GET " + database:                    {scope: store.ScopeDatabaseRead, serve: p.showDatabase},
		"GET " + database + "/progress":      {scope: store.ScopeDatabaseRead, serve: p.showProgress},
		"GET " + database + "/ca":            {scope: store.ScopeDatabaseRead, serve: p.downloadCA},
		"GET " + database + "/history":       {scope: store.ScopeDatabaseRead, serve: p.showHistory},
		"GET " + database + "/transactions":  {scope: store.ScopeDatabaseRead, serve: p.showTransactions},
		"GET " + database + "/insights":      {scope: store.ScopeDatabaseRead, serve: p.showInsights},
		"GET " + database + "/logs":          {scope: store.ScopeDatabaseRead, serve: p.showLogs},
		"GET " + database + "/events":        {scope: store.ScopeDatabaseRead, serve: p.showEvents},
		"GET " + database + "/fork":          {scope: store.ScopeDatabaseCreate, serve: p.askFork},
		"POST " + database + "/fork":         {scope: store.ScopeDatabaseCreate, serve: p.fork},
		"POST " + database + "/fork/preview": {scope: store.ScopeDatabaseCreate, serve: p.previewFork, quiet: true},
		"GET " + database + "/restore":       {scope: store.ScopeDatabaseUpdate, serve: p.askReplace(p.restoring())},
		"POST " + database + "/restore":      {scope: store.ScopeDatabaseUpdate, serve: p.replace(p.restoring())},
		"GET " + database + "/reset":         {scope: store.ScopeDatabaseUpdate, serve: p.askReplace(p.resetting())},
		"POST " + database + "/reset":        {scope: store.ScopeDatabaseUpdate, serve: p.replace(p.resetting())},
		"GET " + database + "/swap":          {scope: store.ScopeDatabaseUpdate, serve: p.askSwap},
		"POST " + database + "/swap":         {scope: store.ScopeDatabaseUpdate, serve: p.swap},
		"GET " + database + "/destroy":       {scope: store.ScopeDatabaseDelete, serve: p.askDestroy},
		"POST " + database + "/destroy":      {scope: store.ScopeDatabaseDelete, serve: p.destroy},
	}
}

// dataRoutes are those of what is in a cluster.
func (p *panel) dataRoutes() map[string]route {
	const users, dbs = databasePath + "/users", databasePath + "/dbs"
	return map[string]route{
		"GET " + users:                     {scope: store.ScopeDatabaseRead, serve: p.listUsers},
		"POST " + users:                    {scope: store.ScopeDatabaseCreate, serve: p.createUser},
		"GET " + users + "/{user}":         {scope: store.ScopeDatabaseUpdate, serve: p.askUser},
		"POST " + users + "/{user}":        {scope: store.ScopeDatabaseUpdate, serve: p.updateUser},
		"POST " + users + "/{user}/reset":  {scope: store.ScopeDatabaseUpdate, serve: p.resetPassword},
		"POST " + users + "/{user}/delete": {scope: store.ScopeDatabaseDelete, serve: p.deleteUser},
		"POST " + dbs:                      {scope: store.ScopeDatabaseCreate, serve: p.createDB},
		"GET " + dbs + "/{db}/delete":      {scope: store.ScopeDatabaseDelete, serve: p.askDeleteDB},
		"POST " + dbs + "/{db}/delete":     {scope: store.ScopeDatabaseDelete, serve: p.deleteDB},
	}
}

// settingsRoutes are those of how a cluster is served.
func (p *panel) settingsRoutes() map[string]route {
	const database, settings = databasePath, databasePath + "/settings"
	update := func(serve handler) route { return route{scope: store.ScopeDatabaseUpdate, serve: serve} }
	return map[string]route{
		"GET " + settings:                      {scope: store.ScopeDatabaseRead, serve: p.showSettings},
		"GET " + database + "/resize":          update(p.askResize),
		"POST " + database + "/resize":         update(p.resize),
		"POST " + database + "/resize/preview": {scope: store.ScopeDatabaseUpdate, serve: p.previewResize, quiet: true},
		"POST " + settings + "/sources":        update(p.addSource),
		"POST " + settings + "/sources/remove": update(p.removeSource),
		"POST " + settings + "/maintenance":    update(p.setMaintenance),
		"POST " + settings + "/update":         update(p.installUpdate),
		"POST " + settings + "/version":        update(p.upgrade),
		"POST " + settings + "/region":         update(p.migrate),
		"POST " + settings + "/autoscale":      update(p.setAutoscale),
		"POST " + settings + "/suspension":     update(p.setSuspension),
		"POST " + settings + "/suspension/now": update(p.suspend),
		"POST " + settings + "/ttl":            update(p.setTTL),
		"POST " + settings + "/expiry":         update(p.setExpiry),
		"POST " + settings + "/config":         update(p.configure),
		"POST " + settings + "/tags":           {scope: store.ScopeTagCreate, serve: p.addTag},
		"POST " + settings + "/tags/remove":    {scope: store.ScopeTagDelete, serve: p.removeTag},
		"POST " + settings + "/sinks":          {scope: store.ScopeDatabaseCreate, serve: p.addSink},
		"POST " + settings + "/sinks/remove":   {scope: store.ScopeDatabaseDelete, serve: p.removeSink},
	}
}

func (p *panel) nothingHere(visit) (answer, error) {
	return answer{}, &refusal{http.StatusNotFound, "There is no such page", "The address may be mistyped, or what it led to is gone."}
}
