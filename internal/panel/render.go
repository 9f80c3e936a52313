package panel

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed assets/*
var assetFiles embed.FS

// frame is what every page shows around its own part.
type frame struct {
	Title    string
	Visitor  string // name of the token; empty for who has not logged in
	Scope    string
	CSRF     string // what each form of the page must send back
	MayWrite bool
	Refresh  int
	Data     any // of the page's own template
}

// pages holds the templates and the assets. It does not change once it is made.
type pages struct {
	byName map[string]*template.Template
	assets map[string]asset
}

type asset struct {
	body []byte
	kind string
	hash string
}

// parsePages panics if an embedded file is broken, which every test of the package would show.
func parsePages() *pages {
	p := &pages{byName: map[string]*template.Template{}, assets: readAssets()}
	layout := template.Must(template.New("layout.html").Funcs(template.FuncMap{
		"gib": gib, "size": size, "dollars": dollars, "minute": minute, "milli": milli, "micro": micro, "machine": machine,
		"asset": p.assetPath,
	}).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html"))
	for _, file := range mustGlob(templateFiles, "templates/*.html") {
		if name := strings.TrimSuffix(path.Base(file), ".html"); name != "layout" && name != "parts" {
			p.byName[name] = template.Must(template.Must(layout.Clone()).ParseFS(templateFiles, file))
		}
	}
	return p
}

func readAssets() map[string]asset {
	assets := map[string]asset{}
	for _, file := range mustGlob(assetFiles, "assets/*") {
		body, err := assetFiles.ReadFile(file)
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(body)
		assets[path.Base(file)] = asset{body: body, kind: mime.TypeByExtension(path.Ext(file)), hash: hex.EncodeToString(sum[:6])}
	}
	return assets
}

func mustGlob(files fs.FS, pattern string) []string {
	names, err := fs.Glob(files, pattern)
	if err != nil {
		panic(err)
	}
	return names
}

// assetPath names an asset with its content's hash, so that browsers may keep it for good.
func (p *pages) assetPath(name string) string {
	return "/assets/" + name + "?v=" + p.assets[name].hash
}

func (p *pages) serveAsset(w http.ResponseWriter, r *http.Request) {
	a, ok := p.assets[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", a.kind)
	if r.URL.Query().Get("v") == a.hash {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.body))
}

// show writes a page. It is rendered as a whole first: half a page would look like an answer.
func (p *panel) show(w http.ResponseWriter, r *http.Request, f frame, a answer) {
	f.Title, f.Refresh, f.Data = a.title, a.refresh, a.data
	var page bytes.Buffer
	if err := p.pages.byName[a.page].Execute(&page, f); err != nil {
		p.log.ErrorContext(r.Context(), "page not rendered", "page", a.page, "error", err)
		http.Error(w, "Something went wrong. This is a failure of Tine, and its log says more.", http.StatusInternalServerError)
		return
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(a.status)
	if _, err := page.WriteTo(w); err != nil {
		p.log.DebugContext(r.Context(), "browser left before its page", "error", err)
	}
}
