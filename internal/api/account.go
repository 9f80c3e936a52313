package api

import (
	"net/http"

	"tine/internal/catalog"
)

// There is one account and one project: whoever has a token belongs to them. Clients ask for them because DigitalOcean has many.
const (
	accountName  = "Tine"
	accountEmail = "tine@localhost"
	accountUUID  = "5d1f7c1e-0000-4000-8000-74696e650001"
	projectName  = "Tine"
	projectID    = "5d1f7c1e-0000-4000-8000-74696e650002"
	// defaultProject is what clients write instead of its id.
	defaultProject = "default"
)

type account struct {
	Email         string `json:"email"`
	Name          string `json:"name"`
	UUID          string `json:"uuid"`
	EmailVerified bool   `json:"email_verified"`
	Status        string `json:"status"`
	StatusMessage string `json:"status_message"`
	Team          struct {
		Name string `json:"name"`
		UUID string `json:"uuid"`
	} `json:"team"`
}

func (s *server) getAccount(*http.Request) (response, error) {
	a := account{Email: accountEmail, Name: accountName, UUID: accountUUID, EmailVerified: true, Status: "active"}
	a.Team.Name, a.Team.UUID = accountName, accountUUID
	return ok(map[string]any{"account": a})
}

type project struct {
	ID          string `json:"id"`
	OwnerUUID   string `json:"owner_uuid"`
	OwnerID     int    `json:"owner_id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Purpose     string `json:"purpose"`
	Environment string `json:"environment"`
	IsDefault   bool   `json:"is_default"`
	CreatedAt   string `json:"created_at"`
	UpdatedAt   string `json:"updated_at"`
}

func theProject() project {
	const since = "2026-11-22T00:00:00Z"
	return project{
		ID: projectID, OwnerUUID: accountUUID, OwnerID: 1, Name: projectName, Description: "All clusters of this Tine",
		Purpose: "Service or API", Environment: "Production", IsDefault: true, CreatedAt: since, UpdatedAt: since,
	}
}

func (s *server) listProjects(r *http.Request) (response, error) {
	return paged(r, "projects", []project{theProject()})
}

func (s *server) getProject(r *http.Request) (response, error) {
	if err := knownProject(r); err != nil {
		return response{}, err
	}
	return ok(map[string]any{"project": theProject()})
}

func knownProject(r *http.Request) error {
	if id := r.PathValue("project"); id != projectID && id != defaultProject {
		return &statusError{http.StatusNotFound, "there is no project with that id; the only one is " + projectID}
	}
	return nil
}

// projectResource is what DigitalOcean shows of anything that is in a project.
type projectResource struct {
	URN        string `json:"urn"`
	AssignedAt string `json:"assigned_at"`
	Links      struct {
		Self string `json:"self"`
	} `json:"links"`
	Status string `json:"status"`
}

func (s *server) listProjectResources(r *http.Request) (response, error) {
	if err := knownProject(r); err != nil {
		return response{}, err
	}
	page, err := pageOf(r.URL.Query())
	if err != nil {
		return response{}, err
	}
	clusters, total, err := s.fleet.List(r.Context(), page)
	if err != nil {
		return response{}, err
	}
	resources := make([]projectResource, len(clusters))
	for i, c := range clusters {
		resources[i] = projectResource{URN: "do:dbaas:" + c.ID, AssignedAt: seconds(c.CreatedAt), Status: "ok"}
		resources[i].Links.Self = baseURL(r) + "/v2/databases/" + c.ID
	}
	return ok(map[string]any{"resources": resources, "links": links(r, page, total), "meta": map[string]int{"total": total}})
}

type region struct {
	Slug      string   `json:"slug"`
	Name      string   `json:"name"`
	Sizes     []string `json:"sizes"`
	Available bool     `json:"available"`
	Features  []string `json:"features"`
}

func (s *server) listRegions(r *http.Request) (response, error) {
	c := s.fleet.Catalog()
	regions := make([]region, len(c.Regions))
	for i, known := range c.Regions {
		regions[i] = region{Slug: known.Slug, Name: known.Name, Sizes: planSlugs(c), Available: true, Features: []string{}}
	}
	return paged(r, "regions", regions)
}

type size struct {
	Slug         string   `json:"slug"`
	MemoryMiB    int64    `json:"memory"`
	VCPUs        int      `json:"vcpus"`
	DiskGiB      int64    `json:"disk"`
	PriceMonthly float64  `json:"price_monthly"`
	PriceHourly  float64  `json:"price_hourly"`
	Regions      []string `json:"regions"`
	Available    bool     `json:"available"`
	Transfer     float64  `json:"transfer"` // what a network costs is not Tine's matter
	Description  string   `json:"description"`
}

func (s *server) listSizes(r *http.Request) (response, error) {
	c := s.fleet.Catalog()
	regions := regionSlugs(c)
	sizes := make([]size, len(c.Plans))
	for i, p := range c.Plans {
		sizes[i] = size{
			Slug: p.Slug, MemoryMiB: p.MemoryMiB, VCPUs: p.VCPUs, DiskGiB: p.MinStorageMiB / 1024, PriceMonthly: p.PriceMonthly,
			PriceHourly: p.PriceMonthly / catalog.HoursPerMonth, Regions: regions, Available: true, Description: "Database node",
		}
	}
	return paged(r, "sizes", sizes)
}

func planSlugs(c *catalog.Catalog) []string {
	slugs := make([]string, len(c.Plans))
	for i, p := range c.Plans {
		slugs[i] = p.Slug
	}
	return slugs
}

func regionSlugs(c *catalog.Catalog) []string {
	slugs := make([]string, len(c.Regions))
	for i, r := range c.Regions {
		slugs[i] = r.Slug
	}
	return slugs
}
