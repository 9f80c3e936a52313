package panel

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"

	"tine/internal/store"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed assets/*
var assetFiles embed.FS

// frame is what every page shows around its own part.
type frame struct {
	Title   string
	Visitor string // name of the token; empty for who has not logged in
	Scope   string
	CSRF    string // what each form of the page must send back
	Path    string // that was asked for
	Refresh int
	Done    string // what has just been done, in a sentence
	Data    any    // of the page's own template

	token store.Token
}

// May says whether the visitor's token has a scope.
func (f frame) May(scope string) bool { return f.Visitor != "" && f.token.Allows(scope) }

// In says whether the page is below a path.
func (f frame) In(path string) bool { return f.Path == path || strings.HasPrefix(f.Path, path+"/") }

// pages holds the templates and the assets. It does not change once it is made.
type pages struct {
	byName map[string]*template.Template
	assets map[string]asset
}

type asset struct {
	body   []byte
	zipped []byte // body, compressed
	kind   string
	hash   string
}

// parsePages panics if an embedded file is broken, which every test of the package would show.
func parsePages() *pages {
	p := &pages{byName: map[string]*template.Template{}, assets: readAssets()}
	layout := template.Must(template.New("layout.html").Funcs(template.FuncMap{
		"gib": gib, "size": size, "dollars": dollars, "minute": minute, "milli": milli, "micro": micro, "machine": machine,
		"asset": p.assetPath, "field": newField, "counted": counted, "path": url.PathEscape, "day": day, "join": strings.Join,
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
		assets[path.Base(file)] = asset{
			body: body, zipped: compressed(body), kind: kindOf(file), hash: hex.EncodeToString(sum[:6]),
		}
	}
	return assets
}

// kindOf does not ask the machine, which may know other names.
func kindOf(file string) string {
	switch path.Ext(file) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	default:
		return "text/plain; charset=utf-8"
	}
}

func compressed(body []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(body)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err)
	}
	return b.Bytes()
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
	w.Header().Set("Vary", "Accept-Encoding")
	body := a.body
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		body = a.zipped
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if _, err := w.Write(body); err != nil {
		return // the browser has left
	}
}

// show writes a page. It is rendered as a whole first: half a page would look like an answer.
func (p *panel) show(w http.ResponseWriter, r *http.Request, f frame, a answer) {
	f.Title, f.Refresh, f.Done, f.Data = a.title, a.refresh, a.done, a.data
	var page bytes.Buffer
	name := "layout.html"
	if a.part != "" {
		name = a.part
	}
	if err := p.pages.byName[a.page].ExecuteTemplate(&page, name, f); err != nil {
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
