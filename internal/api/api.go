package api

import (
	"context"
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

// Config is what the API needs.
type Config struct {
	Fleet *fleet.Fleet
	Auth  Auth
	Log   *slog.Logger
	// Ready says why the process cannot serve requests now, or nil; default: it always can.
	Ready func(ctx context.Context) error
	// Metrics answers GET /metrics to who has a token; nil: there is no such path.
	Metrics http.Handler
	Clock   func() time.Time // default: the system's
	// HourlyLimit and MinuteLimit are how many requests a token may make; default 5000 and 250, DigitalOcean's. They do not hold
	// for tokens with the scope admin.
	HourlyLimit, MinuteLimit int
}

// server is the API.
type server struct {
	fleet  *fleet.Fleet
	auth   Auth
	log    *slog.Logger
	ready  func(ctx context.Context) error
	clock  func() time.Time
	limits *limits
}

// New returns the handler of all of the API's paths; Fleet, Auth and Log must be set.
func New(cfg Config) http.Handler {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Ready == nil {
		cfg.Ready = func(context.Context) error { return nil }
	}
	s := &server{
		fleet: cfg.Fleet, auth: cfg.Auth, log: cfg.Log, ready: cfg.Ready, clock: cfg.Clock,
		limits: newLimits(cfg.HourlyLimit, cfg.MinuteLimit, cfg.Clock),
	}
	routes := s.routes()
	if cfg.Metrics != nil {
		routes.Handle("/metrics", s.serveMetrics(cfg.Metrics))
	}
	return s.identify(routes)
}

// endpoint is what answers one method of one path.
type endpoint struct {
	scope string // that the token needs; empty: no token at all
	serve func(*http.Request) (response, error)
}

// The paths of all clusters and of one.
const (
	databasesPath = "/v2/databases"
	databasePath  = databasesPath + "/{id}"
)

func (s *server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, group := range s.groups() {
		for path, methods := range group {
			mux.Handle(path, s.methods(path, methods))
		}
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, &statusError{http.StatusNotFound, "the resource you requested could not be found: there is no path " + quotePath(r)})
	})
	return mux
}

// groups are all paths that there are, but for /metrics.
func (s *server) groups() []map[string]map[string]endpoint {
	return []map[string]map[string]endpoint{s.databaseRoutes(), s.dataRoutes(), s.engineRoutes(), s.accountRoutes(), s.ownRoutes()}
}

// databaseRoutes are those of clusters.
func (s *server) databaseRoutes() map[string]map[string]endpoint {
	const databases, database = databasesPath, databasePath
	return map[string]map[string]endpoint{
		databases: {
			http.MethodGet:  {store.ScopeDatabaseRead, s.listDatabases},
			http.MethodPost: {store.ScopeDatabaseCreate, s.createDatabase},
		},
		database: {
			http.MethodGet:    {store.ScopeDatabaseRead, s.getDatabase},
			http.MethodDelete: {store.ScopeDatabaseDelete, s.deleteDatabase},
		},
		databases + "/options":       {http.MethodGet: {store.ScopeDatabaseRead, s.getOptions}},
		database + "/resize":         {http.MethodPut: {store.ScopeDatabaseUpdate, s.resizeDatabase}},
		database + "/migrate":        {http.MethodPut: {store.ScopeDatabaseUpdate, s.migrateDatabase}},
		database + "/upgrade":        {http.MethodPut: {store.ScopeDatabaseUpdate, s.upgradeDatabase}},
		database + "/suspension":     {http.MethodPut: {store.ScopeDatabaseUpdate, s.suspendDatabase}},
		database + "/install_update": {http.MethodPut: {store.ScopeDatabaseUpdate, s.installUpdate}},
		database + "/maintenance":    {http.MethodPut: {store.ScopeDatabaseUpdate, s.putMaintenance}},
		database + "/autoscale": {
			http.MethodGet: {store.ScopeDatabaseRead, s.getAutoscale},
			http.MethodPut: {store.ScopeDatabaseUpdate, s.putAutoscale},
		},
		database + "/config": {
			http.MethodGet:   {store.ScopeDatabaseRead, s.getConfig},
			http.MethodPatch: {store.ScopeDatabaseUpdate, s.patchConfig},
		},
		database + "/backups": {http.MethodGet: {store.ScopeDatabaseRead, s.listBackups}},
		database + "/events":  {http.MethodGet: {store.ScopeDatabaseRead, s.listEvents}},
		database + "/ca":      {http.MethodGet: {store.ScopeDatabaseRead, s.getCA}},
		database + "/firewall": {
			http.MethodGet: {store.ScopeDatabaseRead, s.getFirewall},
			http.MethodPut: {store.ScopeDatabaseUpdate, s.putFirewall},
		},
		database + "/history":              {http.MethodGet: {store.ScopeDatabaseRead, s.getHistory}},
		database + "/storage":              {http.MethodGet: {store.ScopeDatabaseRead, s.getStorage}},
		database + "/history/transactions": {http.MethodGet: {store.ScopeDatabaseRead, s.listTransactions}},
		database + "/logsink": {
			http.MethodGet:  {store.ScopeDatabaseRead, s.listSinks},
			http.MethodPost: {store.ScopeDatabaseCreate, s.createSink},
		},
		database + "/logsink/{sink}": {
			http.MethodGet:    {store.ScopeDatabaseRead, s.getSink},
			http.MethodPut:    {store.ScopeDatabaseUpdate, s.updateSink},
			http.MethodDelete: {store.ScopeDatabaseDelete, s.deleteSink},
		},
		database + "/do_settings": {
			http.MethodGet: {store.ScopeDatabaseRead, s.getDOSettings},
			http.MethodPut: {store.ScopeDatabaseUpdate, s.updateDOSettings},
		},
		database + "/restore": {http.MethodPost: {store.ScopeDatabaseUpdate, s.restoreDatabase}},
		database + "/reset":   {http.MethodPost: {store.ScopeDatabaseUpdate, s.resetDatabase}},
		database + "/swap":    {http.MethodPost: {store.ScopeDatabaseUpdate, s.swapDatabase}},
		database + "/ttl":     {http.MethodPut: {store.ScopeDatabaseUpdate, s.putTTL}},
		database + "/expiry":  {http.MethodPut: {store.ScopeDatabaseUpdate, s.putExpiry}},
		databases + "/metrics/credentials": {
			http.MethodGet: {store.ScopeDatabaseUpdate, s.getMetricsCredentials}, // and database:view_credentials
			http.MethodPut: {store.ScopeDatabaseUpdate, s.updateMetricsCredentials},
		},
	}
}

// dataRoutes are those of what is in a cluster.
func (s *server) dataRoutes() map[string]map[string]endpoint {
	const database = databasePath
	return map[string]map[string]endpoint{
		database + "/users": {
			http.MethodGet:  {store.ScopeDatabaseRead, s.listUsers},
			http.MethodPost: {store.ScopeDatabaseCreate, s.createUser},
		},
		database + "/users/{user}": {
			http.MethodGet:    {store.ScopeDatabaseRead, s.getUser},
			http.MethodPut:    {store.ScopeDatabaseUpdate, s.updateUser},
			http.MethodDelete: {store.ScopeDatabaseDelete, s.deleteUser},
		},
		database + "/users/{user}/reset_auth": {http.MethodPost: {store.ScopeDatabaseUpdate, s.resetAuth}},
		database + "/dbs": {
			http.MethodGet:  {store.ScopeDatabaseRead, s.listDBs},
			http.MethodPost: {store.ScopeDatabaseCreate, s.createDB},
		},
		database + "/dbs/{db}": {
			http.MethodGet:    {store.ScopeDatabaseRead, s.getDB},
			http.MethodDelete: {store.ScopeDatabaseDelete, s.deleteDB},
		},
	}
}

// accountRoutes are those of what DigitalOcean has around its databases.
func (s *server) accountRoutes() map[string]map[string]endpoint {
	const tag, customer = "/v2/tags/{tag}", "/v2/customers/my"
	return map[string]map[string]endpoint{
		"/v2/account":                      {http.MethodGet: {store.ScopeAccountRead, s.getAccount}},
		"/v2/projects":                     {http.MethodGet: {store.ScopeProjectRead, s.listProjects}},
		"/v2/projects/{project}":           {http.MethodGet: {store.ScopeProjectRead, s.getProject}},
		"/v2/projects/{project}/resources": {http.MethodGet: {store.ScopeProjectRead, s.listProjectResources}},
		"/v2/regions":                      {http.MethodGet: {store.ScopeRegionsRead, s.listRegions}},
		"/v2/sizes":                        {http.MethodGet: {store.ScopeSizesRead, s.listSizes}},
		"/v2/tags": {
			http.MethodGet:  {store.ScopeTagRead, s.listTags},
			http.MethodPost: {store.ScopeTagCreate, s.createTag},
		},
		tag: {
			http.MethodGet:    {store.ScopeTagRead, s.getTag},
			http.MethodDelete: {store.ScopeTagDelete, s.deleteTag},
		},
		tag + "/resources": {
			http.MethodPost:   {store.ScopeTagCreate, s.tagResources},
			http.MethodDelete: {store.ScopeTagDelete, s.untagResources},
		},
		customer + "/balance":                    {http.MethodGet: {store.ScopeBillingRead, s.getBalance}},
		customer + "/billing_history":            {http.MethodGet: {store.ScopeBillingRead, s.listBillingHistory}},
		customer + "/invoices":                   {http.MethodGet: {store.ScopeBillingRead, s.listInvoices}},
		customer + "/invoices/{invoice}":         {http.MethodGet: {store.ScopeBillingRead, s.getInvoice}},
		customer + "/invoices/{invoice}/summary": {http.MethodGet: {store.ScopeBillingRead, s.getInvoiceSummary}},
	}
}

// ownRoutes are those that DigitalOcean does not have.
func (s *server) ownRoutes() map[string]map[string]endpoint {
	return map[string]map[string]endpoint{
		"/v2/tokens": {
			http.MethodGet:  {store.ScopeAdmin, s.listTokens},
			http.MethodPost: {store.ScopeAdmin, s.createToken},
		},
		"/v2/tokens/{id}": {http.MethodDelete: {store.ScopeAdmin, s.revokeToken}},
		"/v2/audit":       {http.MethodGet: {store.ScopeAdmin, s.listAudit}},
		"/healthz":        {http.MethodGet: {"", s.health}},
		"/readyz":         {http.MethodGet: {"", s.readiness}},
		"/openapi.yaml":   {http.MethodGet: {"", s.getOpenAPI}},
	}
}

func (s *server) health(*http.Request) (response, error) {
	return ok(map[string]string{"status": "ok"})
}

func (s *server) readiness(r *http.Request) (response, error) {
	if err := s.ready(r.Context()); err != nil {
		return response{}, &statusError{http.StatusServiceUnavailable, "not ready: " + err.Error()}
	}
	return ok(map[string]string{"status": "ok"})
}
